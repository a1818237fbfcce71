"""The staging table, and the SQL that publishes all its rows at once. Builds SQL, and runs it.

DDL commits in Oracle. So the staging table is made before anything refers to it, and dropped after
all else is done; what happens between is one transaction of DML.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import oracledb

from mapper_dask.dialects.oracle import faults
from mapper_dask.dialects.oracle.names import quote
from mapper_dask.dialects.oracle.queries import literal, place_of
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Publication

MARK = "mapper_dask ledger "
"""A staging table's comment begins so, and ends in the object id of the ledger that knows it."""

ADDRESS = '"mapper_dask address"'
"""An alias for a row's address."""

CHUNK_DIGITS = 10
"""Digits of a chunk's number, as the ledger has it."""

EXISTS, MISSING = "ORA-00955", "ORA-00942"


def create(
    conn: Driver,
    publication: Publication,
    keys: Sequence[Sequence[str]],
    checks: Sequence[str],
    ledger: int,
) -> None:
    """Create a staging table that refuses what the target would, as far as one table can.

    Parameters
    ----------
    keys
        Column lists of the target's unique indexes.
    checks
        Conditions of the target's check constraints.
    ledger
        Object id of the ledger's table of runs.
    """
    columns = _list(publication.columns, "t")
    if publication.chunk_column:
        chunk = quote(publication.chunk_column)
        columns += f", CAST(NULL AS NUMBER({CHUNK_DIGITS})) AS {chunk}"
    head = f"CREATE TABLE {publication.staging} AS SELECT {columns} FROM {publication.target} t"
    with conn.cursor() as cursor, _ignoring(EXISTS):
        cursor.execute(f"{head} WHERE 1 = 0")
        for statement in _constraints(publication, keys, checks):
            cursor.execute(statement)
        comment = literal(f"{MARK}{ledger}")
        cursor.execute(f"COMMENT ON TABLE {publication.staging} IS {comment}")


def _constraints(
    publication: Publication, keys: Sequence[Sequence[str]], checks: Sequence[str]
) -> Iterator[str]:
    present = set(publication.columns)
    for place, key in enumerate(keys):
        if set(key) <= present and not publication.newest_by:
            index = publication.staging[:-1] + f'_{place}"'  # in the staging table's schema
            yield f"CREATE UNIQUE INDEX {index} ON {publication.staging} ({_list(key)})"
    for check in checks:
        yield f"ALTER TABLE {publication.staging} ADD CHECK ({check})"


def drop(conn: Driver, quoted: str) -> None:
    """Drop a table if it is there. It commits."""
    with conn.cursor() as cursor, _ignoring(MISSING):
        cursor.execute(f"DROP TABLE {quoted} PURGE")


def lock(publication: Publication) -> str:
    """Return the lock that makes other writers wait, and no reader."""
    return f"LOCK TABLE {publication.target} IN SHARE ROW EXCLUSIVE MODE"


def delete(publication: Publication) -> str:
    """Return the statement that removes the rows a replacement does not keep: all, or the vanished.

    Where others refer to the rows, one that is staged again must not be deleted first.
    """
    return f"DELETE FROM {publication.target}{_vanished(publication)}"


def delete_key_of(publication: Publication, where: str) -> str:
    """Return the statement that deletes the row with the key of the staged row of a condition."""
    keys = _list(publication.key)
    return (
        f"DELETE FROM {publication.target} WHERE ({keys}) = "
        f"(SELECT {keys} FROM {publication.staging} WHERE {where})"
    )


def enter(publication: Publication) -> str:
    """Return the statement that inserts the staged rows, or changes rows that have their keys."""
    return _merge(publication) if publication.by_key else _insert(publication)


def changes(publication: Publication) -> list[str]:
    """Return the assignments for a row whose key is there; none where rows are all key."""
    brought = [f"t.{quote(c)} = s.{quote(c)}" for c in publication.columns
               if c not in publication.key]  # fmt: skip
    if publication.disposition == "replace":
        brought += [f"t.{quote(c)} = DEFAULT" for c in publication.defaulted]
    return brought


def distinct_keys(publication: Publication) -> str:
    """Return the query that counts the staged keys."""
    keys = _list(publication.key, "x")
    return f"SELECT COUNT(*) FROM (SELECT DISTINCT {keys} FROM {publication.staging} x)"


def absent(publication: Publication) -> str:
    """Return the query that counts the staged keys that are not in the target."""
    same = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in publication.key)
    keys = _list(publication.key, "x")
    return (
        f"SELECT COUNT(*) FROM (SELECT DISTINCT {keys} FROM {publication.staging} x) s "
        f"WHERE NOT EXISTS (SELECT 1 FROM {publication.target} t WHERE {same})"
    )


def _insert(publication: Publication) -> str:
    into, columns = _list(publication.columns), _list(publication.columns, "x")
    return (
        f"INSERT INTO {publication.target} ({into}) SELECT {columns} FROM {publication.staging} x"
    )


def _merge(publication: Publication) -> str:
    """Return the MERGE that changes a row whose key is there, and inserts any other."""
    same = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in publication.key)
    brought = changes(publication)
    update = f"WHEN MATCHED THEN UPDATE SET {', '.join(brought)} " if brought else ""
    values = ", ".join(f"s.{quote(c)}" for c in publication.columns)
    return (
        f"MERGE INTO {publication.target} t USING ({_source(publication)}) s ON ({same}) {update}"
        f"WHEN NOT MATCHED THEN INSERT ({_list(publication.columns)}) VALUES ({values})"
    )


def _source(publication: Publication) -> str:
    columns = _list(publication.columns, "x")
    if not publication.newest_by:
        return f"SELECT {columns} FROM {publication.staging} x"
    place = place_of(publication.columns)
    return f"SELECT {columns} FROM ({_placed(publication, 'ROW_NUMBER')}) x WHERE x.{place} = 1"


def _placed(publication: Publication, function: str) -> str:
    keys, newest = _list(publication.key, "x"), f"x.{quote(str(publication.newest_by))}"
    return (
        f"SELECT x.*, {function}() OVER (PARTITION BY {keys} ORDER BY {newest} DESC NULLS LAST) "
        f"AS {place_of(publication.columns)} FROM {publication.staging} x"
    )


def _vanished(publication: Publication) -> str:
    """Return which rows a replacement removes: all, or where others refer to them, the vanished."""
    if not publication.by_key:
        return ""
    same = " AND ".join(f"s.{quote(k)} = t.{quote(k)}" for k in publication.key)
    return f" t WHERE NOT EXISTS (SELECT 1 FROM {publication.staging} s WHERE {same})"


def drop_superseded(publication: Publication) -> str:
    """Return the statement that removes staged rows that have a newer one of their key."""
    keys, newest = _list(publication.key, "x"), quote(str(publication.newest_by))
    place = place_of(publication.columns)
    placed = (
        f"SELECT x.ROWID AS {ADDRESS}, ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY x.{newest} "
        f"DESC NULLS LAST) AS {place} FROM {publication.staging} x"
    )
    return (
        f"DELETE FROM {publication.staging} WHERE ROWID NOT IN "
        f"(SELECT s.{ADDRESS} FROM ({placed}) s WHERE s.{place} = 1)"
    )


def tied(publication: Publication) -> str:
    """Return the query that counts the keys that have two newest rows."""
    keys, place = _list(publication.key, "x"), place_of(publication.columns)
    return (
        f"SELECT COUNT(*) FROM (SELECT {keys} FROM ({_placed(publication, 'RANK')}) x "
        f"WHERE x.{place} = 1 GROUP BY {keys} HAVING COUNT(*) > 1)"
    )


@contextlib.contextmanager
def _ignoring(code: str) -> Iterator[None]:
    try:
        yield
    except oracledb.DatabaseError as error:
        if faults.code_of(error) != code:
            raise


def _list(names: Sequence[str], table: str = "") -> str:
    """Return columns, of a table expression where one is named: a bare ROWNUM is not a column."""
    of = f"{table}." if table else ""
    return ", ".join(f"{of}{quote(name)}" for name in names)
