"""A table where rows wait, and how all of them enter the target at once. Builds SQL; runs it.

The target is emptied by DELETE and filled by INSERT. A swap of tables or a TRUNCATE is quicker,
but neither keeps to snapshots: a reader whose transaction began before would find no rows at all.
It also leaves every index, constraint, grant, view and foreign key where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mapper_dask.dialects.facts import Publication
from mapper_dask.dialects.postgresql.queries import quote
from mapper_dask.errors import PublishError

MARK = "mapper_dask ledger "
"""A staging table's comment begins so, and ends in the object id of the ledger that knows it."""


def create(conn: Any, publication: Publication) -> None:
    """Create a staging table that takes and refuses what the target would.

    Its unique indexes find two rows with one key before anything is published. A merge by the
    newest row has none: there, two rows with one key are expected.
    """
    without = "INDEXES" if publication.newest_by else "STATISTICS"
    keys = publication.key if publication.newest_by else ()
    with conn.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {publication.staging} (LIKE {publication.target} INCLUDING ALL "
            f"EXCLUDING COMMENTS EXCLUDING {without})"
        )
        for key in keys:
            cursor.execute(f"ALTER TABLE {publication.staging} ALTER {quote(key)} SET NOT NULL")
        cursor.execute("SELECT 'mapper_dask_run'::regclass::oid::int8")
        (ledger,) = cursor.fetchone()
        cursor.execute(f"COMMENT ON TABLE {publication.staging} IS '{MARK}{int(ledger)}'")


def publish(conn: Any, publication: Publication) -> int:
    """Let the staged rows enter the target; return how many there were. The caller commits.

    Raises
    ------
    PublishError
        When two rows with one key are equally new.
    """
    with conn.cursor() as cursor:
        if publication.newest_by:
            _refuse_ties(cursor, publication)
        for statement in _statements(publication):
            cursor.execute(statement)
        return int(cursor.rowcount)


def _statements(publication: Publication) -> Iterator[str]:
    """Yield what publishes, the last one being the INSERT that counts."""
    target = publication.target
    if publication.disposition != "append":  # readers go on, other writers wait
        yield f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE"
    if publication.disposition == "replace":
        yield f"DELETE FROM {target}{_vanished(publication)}"
    yield _insert(publication)


def _insert(publication: Publication) -> str:
    columns = _list(publication.columns)
    head = f"INSERT INTO {publication.target} ({columns}) OVERRIDING SYSTEM VALUE"
    conflict = f" {_on_conflict(publication)}" if publication.by_key else ""
    return f"{head} SELECT {columns} FROM {_source(publication)}{conflict}"


def _source(publication: Publication) -> str:
    if not publication.newest_by:
        return f"{publication.staging} AS s"
    keys, newest = _list(publication.key), quote(publication.newest_by)
    return (
        f"(SELECT DISTINCT ON ({keys}) * FROM {publication.staging} "
        f"ORDER BY {keys}, {newest} DESC NULLS LAST) AS s"
    )


def _on_conflict(publication: Publication) -> str:
    """Return what becomes of a row whose key is there: its columns change, its children stay."""
    changes = [f"{quote(c)} = EXCLUDED.{quote(c)}" for c in publication.columns
               if c not in publication.key]  # fmt: skip
    if publication.disposition == "replace":
        changes += [f"{quote(c)} = DEFAULT" for c in publication.defaulted]
    action = f"DO UPDATE SET {', '.join(changes)}" if changes else "DO NOTHING"
    return f"ON CONFLICT ({_list(publication.key)}) {action}"


def _vanished(publication: Publication) -> str:
    """Return which rows a replacement removes: all, or where others refer to them, the vanished.

    Deleting a row that is there again afterwards would take the rows that refer to it along.
    """
    if not publication.by_key:
        return ""
    same = " AND ".join(f"s.{quote(k)} = t.{quote(k)}" for k in publication.key)
    return f" AS t WHERE NOT EXISTS (SELECT FROM {publication.staging} AS s WHERE {same})"


def _refuse_ties(cursor: Any, publication: Publication) -> None:
    keys, newest = _list(publication.key), quote(str(publication.newest_by))
    cursor.execute(
        f"SELECT count(*) FROM (SELECT {keys} FROM (SELECT {keys}, rank() OVER "
        f"(PARTITION BY {keys} ORDER BY {newest} DESC NULLS LAST) AS place "
        f"FROM {publication.staging}) AS ranked WHERE place = 1 "
        f"GROUP BY {keys} HAVING count(*) > 1) AS tied"
    )
    (tied,) = cursor.fetchone()
    if tied:
        message = (
            f"newest_by {publication.newest_by!r} does not tell which row to keep: {tied} keys "
            f"({', '.join(publication.key)}) have two rows or more with its greatest value"
        )
        raise PublishError(message)


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)
