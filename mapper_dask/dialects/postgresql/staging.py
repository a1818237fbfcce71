"""The staging table, and the SQL that publishes all its rows at once. Builds SQL, and runs it.

The target is emptied by DELETE and filled by INSERT, which keeps every index, constraint, grant,
view and foreign key. A swap of tables or a TRUNCATE is faster, but neither keeps to snapshots: a
reader whose transaction began before would find no rows at all.

``publishing`` compares the counts of these statements, and the rows of the table, with what they
must be.
"""

from __future__ import annotations

from collections.abc import Sequence

from mapper_dask.dialects.postgresql.keys import Key
from mapper_dask.dialects.postgresql.queries import quote
from mapper_dask.dialects.session import Driver
from mapper_dask.query_text.aliases import free
from mapper_dask.schema.facts import Publication

MARK = "mapper_dask ledger "
"""A staging table's comment begins so, and ends in the object id of the ledger that knows it."""


def create(conn: Driver, publication: Publication) -> None:
    """Create a staging table that takes and refuses what the target would.

    Its unique indexes find two rows with one key before anything is published. A merge by the
    newest row has none: there, two rows with one key are expected.
    """
    chunk = (
        f", {quote(publication.chunk_column)} pg_catalog.int4" if publication.chunk_column else ""
    )
    without = "INDEXES" if publication.newest_by else "STATISTICS"
    keys = publication.key if publication.newest_by else ()
    with conn.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {publication.staging} (LIKE {publication.target} INCLUDING ALL "
            f"EXCLUDING COMMENTS EXCLUDING {without}{chunk})"
        )
        for key in keys:
            cursor.execute(f"ALTER TABLE {publication.staging} ALTER {quote(key)} SET NOT NULL")
        cursor.execute("SELECT 'mapper_dask_run'::pg_catalog.regclass::pg_catalog.oid::bigint")
        (ledger,) = cursor.fetchone()
        cursor.execute(f"COMMENT ON TABLE {publication.staging} IS '{MARK}{int(ledger)}'")


def lock(publication: Publication) -> str:
    """Return the lock that makes other writers wait, and no reader."""
    return f"LOCK TABLE {publication.target} IN SHARE ROW EXCLUSIVE MODE"


def delete(publication: Publication, key: Key) -> str:
    """Return the statement that removes the rows a replacement does not keep.

    Those are all, or where others refer to them, the vanished: deleting a row that is there again
    afterwards would take the rows that refer to it along.
    """
    if not publication.by_key:
        return f"DELETE FROM {publication.target}"
    return (
        f"DELETE FROM {publication.target} AS t WHERE NOT EXISTS "
        f"(SELECT FROM {publication.staging} AS s WHERE {key.same('s', 't')})"
    )


def respell(publication: Publication, key: Key) -> str:
    """Return the statement that writes the keys of rows that stay as the new rows write them.

    It is separate, to touch only rows whose keys are equal but written otherwise. Set along with
    the other columns, a key would be locked for every row, and so would its children.
    """
    names = key.written_otherwise
    spelled = ", ".join(f"{quote(name)} = s.{quote(name)}" for name in names)
    there, here = (", ".join(f"{table}.{quote(name)}" for name in names) for table in ("t", "s"))
    return (
        f"UPDATE {publication.target} AS t SET {spelled} FROM {_source(publication)} "
        f"WHERE {key.same('s', 't')} "
        f"AND pg_catalog.record_image_ne(ROW({there}), ROW({here}))"
    )


def insert(publication: Publication) -> str:
    """Return the statement that inserts the staged rows, or changes rows that have their keys.

    ON CONFLICT brings a table ``excluded``; under an alias, the target may be called that as well.
    """
    columns = _list(publication.columns)
    target = f"{publication.target} AS t" if publication.by_key else publication.target
    head = f"INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE"
    conflict = f" {_on_conflict(publication)}" if publication.by_key else ""
    return f"{head} SELECT {columns} FROM {_source(publication)}{conflict}"


def distinct_keys(publication: Publication) -> str:
    """Return the query that counts the staged keys."""
    return (
        f"SELECT pg_catalog.count(*) FROM (SELECT DISTINCT {_list(publication.key)} "
        f"FROM {publication.staging}) AS s"
    )


def absent(publication: Publication, key: Key) -> str:
    """Return the query that counts the staged keys that are not in the target."""
    return (
        f"SELECT pg_catalog.count(*) FROM {publication.staging} AS s WHERE NOT EXISTS "
        f"(SELECT FROM {publication.target} AS t WHERE {key.same('t', 's')})"
    )


def drop_superseded(publication: Publication) -> str:
    """Return the statement that removes staged rows that have a newer one of their key.

    The inner ctid has no alias: in ORDER BY, it would come before a key's column of that name.
    """
    keys, newest = _list(publication.key), quote(str(publication.newest_by))
    return (
        f"DELETE FROM {publication.staging} AS s WHERE NOT EXISTS (SELECT FROM (SELECT DISTINCT ON "
        f"({keys}) ctid FROM {publication.staging} ORDER BY {keys}, {newest} DESC NULLS LAST) "
        "AS kept WHERE kept.ctid OPERATOR(pg_catalog.=) s.ctid)"
    )


def tied(publication: Publication) -> str:
    """Return the query that counts the keys that have two newest rows."""
    keys, newest = _list(publication.key), quote(str(publication.newest_by))
    place = quote(free("place", publication.columns))
    return (
        f"SELECT pg_catalog.count(*) FROM (SELECT {keys} FROM (SELECT {keys}, pg_catalog.rank() "
        f"OVER (PARTITION BY {keys} ORDER BY {newest} DESC NULLS LAST) AS {place} "
        f"FROM {publication.staging}) AS ranked WHERE ranked.{place} OPERATOR(pg_catalog.=) 1 "
        f"GROUP BY {keys} HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1) AS tied"
    )


def _source(publication: Publication) -> str:
    if not publication.newest_by:
        return f"{publication.staging} AS s"
    keys, newest = _list(publication.key), quote(publication.newest_by)
    return (
        f"(SELECT DISTINCT ON ({keys}) * FROM {publication.staging} "
        f"ORDER BY {keys}, {newest} DESC NULLS LAST) AS s"
    )


def changes(publication: Publication) -> list[str]:
    """Return the assignments for a row whose key is there; none where rows are all key."""
    brought = [f"{quote(c)} = EXCLUDED.{quote(c)}" for c in publication.columns
               if c not in publication.key]  # fmt: skip
    if publication.disposition == "replace":
        brought += [f"{quote(c)} = DEFAULT" for c in publication.defaulted]
    return brought


def _on_conflict(publication: Publication) -> str:
    """Return the clause that changes a row whose key is there; its children stay."""
    brought = changes(publication)
    action = f"DO UPDATE SET {', '.join(brought)}" if brought else "DO NOTHING"
    return f"ON CONFLICT ({_list(publication.key)}) {action}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)
