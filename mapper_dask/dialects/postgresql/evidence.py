"""Which transaction wrote a row, and whether a table is still the one it was.

Each row carries the number of the transaction that wrote it (``xmin``): its lowest 32 bits. VACUUM
FREEZE, VACUUM FULL and CLUSTER keep it; an UPDATE, a rewrite by ALTER TABLE and a restored dump
give another. So it identifies a load's rows until the number comes round, which takes 2**32
transactions; half of that is trusted. Row security never hides what is counted here: a policy that
would hide rows is an error instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mapper_dask.dialects.postgresql import named_queries, queries
from mapper_dask.dialects.postgresql.literals import quoting
from mapper_dask.dialects.session import Driver
from mapper_dask.parallel_models import Chunk
from mapper_dask.schema.facts import Column, Counted, TableMark, TargetTable

LAP = 1 << 31
"""Transactions after which a number no longer identifies one."""

XID = (1 << 32) - 1
"""The part of a transaction's number that a row carries."""

STORED = {"r", "p", "m"}
"""Kinds of relations that store numbered rows here; not views, not foreign tables."""

_SEEN = "SET LOCAL row_security = off; "


@dataclass(frozen=True, slots=True)
class PostgreSQLEvidence:
    """What PostgreSQL knows about a table's storage and its rows' origin."""

    conn: Driver

    def mark(self, schema: str, name: str) -> TableMark | None:
        """Return what changes when a table is emptied or rewritten as a whole; None: there is none.

        It is made of the files of the table and all its partitions: TRUNCATE, a rewrite, DROP and
        CREATE, ATTACH and DETACH each give others.
        """
        rows = named_queries.run(self.conn, "table_files", {"schema": schema, "name": name})
        if not rows:
            return None
        database, upcoming, may_ask = rows[0][:3]
        cluster = named_queries.run(self.conn, "table_cluster")[0][0] if may_ask else None
        kinds, kept = {row[5] for row in rows}, {row[6] for row in rows}
        return TableMark(
            cluster=cluster,
            database=str(database),
            storage=_digest([row[3:5] for row in rows]),
            steady=kept <= {"p"},
            stamped=kinds <= STORED,
            unlogged="u" in kept,
            upcoming=int(upcoming),
        )

    def is_known(self, number: int, now: TableMark) -> bool:
        """Return whether that number still identifies the rows of one transaction."""
        upcoming = now.upcoming
        return now.stamped and upcoming is not None and upcoming - LAP < number < upcoming

    def load_number(self) -> int | None:
        """Return the number that rows written by this transaction carry."""
        with self.conn.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.txid_current()")
            return int(cursor.fetchone()[0])

    def counted(self, table: TargetTable, own: Sequence[int], others: Sequence[int]) -> Counted:
        """Count a table's rows: all, those of some transactions, those of some others."""
        if not own and not others:
            return Counted(
                _count(self.conn, f"{_SEEN}SELECT pg_catalog.count(*) FROM {table.quoted}")[0]
            )
        sql = f"{_SEEN}{_counts()} FROM {_percent(table)} AS q"
        return Counted(*_count(self.conn, sql, {"own": _xids(own), "others": _xids(others)}))

    def in_range(
        self,
        table: TargetTable,
        keys: Sequence[Column],
        chunk: Chunk,
        own: Sequence[int],
        others: Sequence[int],
    ) -> Counted:
        """Count the rows in a chunk's range of keys: all, and as ``counted`` does."""
        where = queries.predicate(keys, chunk, quoting(self.conn)).replace("%", "%%")
        sql = f"{_SEEN}{_counts()} FROM {_percent(table)} AS q{where}"
        return Counted(*_count(self.conn, sql, {"own": _xids(own), "others": _xids(others)}))

    def only(self, table: TargetTable, own: Sequence[int]) -> str:
        """Return the query of a table's rows that some transactions wrote."""
        return f"SELECT * FROM {table.quoted} AS q WHERE {_literals(own)}"

    def remove(self, table: TargetTable, own: Sequence[int]) -> int:
        """Delete the rows of some transactions from a table, and no others; return how many."""
        with self.conn.cursor() as cursor:
            cursor.execute(
                f"{_SEEN}DELETE FROM {_percent(table)} AS q WHERE {_any('own')}",
                {"own": _xids(own)},
            )
            return int(cursor.rowcount)


def _count(conn: Driver, sql: str, values: dict[str, Any] | None = None) -> tuple[int, ...]:
    with conn.cursor() as cursor:
        cursor.execute(sql, values)
        return tuple(int(number) for number in cursor.fetchone())


def _counts() -> str:
    """Return the select list that counts rows of q."""
    parts = [f"pg_catalog.count(*) FILTER (WHERE {_any(name)})" for name in ("own", "others")]
    return f"SELECT pg_catalog.count(*), {', '.join(parts)}"


def _percent(table: TargetTable) -> str:
    """Return a table's name as a statement with bound values writes it."""
    return table.quoted.replace("%", "%%")


def _xids(numbers: Sequence[int]) -> list[str]:
    return [str(number & XID) for number in numbers]


def _any(name: str) -> str:
    """Return the condition that a bound array holds the number of a row: a hashed look-up."""
    return (
        "q.xmin OPERATOR(pg_catalog.=) ANY (SELECT n.xid::pg_catalog.xid "
        f"FROM pg_catalog.unnest(%({name})s::pg_catalog.text[]) AS n (xid))"
    )


def _literals(numbers: Sequence[int]) -> str:
    """Return the same condition over a few numbers, for text in which nothing is bound."""
    each = [f"q.xmin OPERATOR(pg_catalog.=) '{n & XID}'::pg_catalog.xid" for n in numbers]
    return f"({' OR '.join(each) or 'false'})"


def _digest(files: Sequence[Any]) -> str:
    return hashlib.sha256(repr([tuple(map(int, f)) for f in files]).encode()).hexdigest()[:32]
