"""PostgreSQL as a source: it reads queries, and describes them for a plan."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from mapper_dask.dialects.postgresql import (
    definitions,
    effects,
    explain,
    pouring,
    proof,
    queries,
    remedies,
    session,
    shapes,
    statement,
    transfer,
    types,
    waiting,
    zones,
)
from mapper_dask.dialects.postgresql.literals import quoting
from mapper_dask.dialects.postgresql.store import PostgreSQLSession
from mapper_dask.dialects.postgresql.watermarks import PostgreSQLWatermarks
from mapper_dask.dialects.session import on_connection
from mapper_dask.parallel_models import Bound, Chunk
from mapper_dask.schema.facts import (
    Column,
    Estimate,
    FunctionFact,
    Histogram,
    KeyMark,
    Relation,
    Settings,
    SourceQuery,
    TypeFamily,
)

READ_LOCK_TIMEOUT = 30.0
"""Seconds a reading session waits for a lock, such as that of a rewrite, before it fails."""


class PostgreSQLSource(PostgreSQLSession):
    """A session that reads and plans."""

    estimate = on_connection(explain.estimate)
    read = on_connection(transfer.read)
    pour = on_connection(pouring.pour)
    remedy = on_connection(remedies.remedy)
    meaning = on_connection(session.carried)
    writes = on_connection(session.writes)
    write_as = on_connection(session.write_as)
    waits_for_keeper = on_connection(waiting.waits_for_keeper)
    relied = on_connection(definitions.relied)
    source_definition = on_connection(definitions.source_definition)
    watermarks = on_connection(PostgreSQLWatermarks)

    def changed_to_read(self, query: SourceQuery) -> tuple[str, ...]:
        """Return which of the session's own settings are changed while a query is read."""
        return session.read_notes(self.conn, query.columns)

    def histogram(self, table: str, column: str) -> Histogram:
        """Return nothing: a sample is as fast, and knows how old it is."""
        del table, column
        return Histogram()

    def begin_read(self, snapshot: str | None, application: str = "", like: Settings = ()) -> None:
        """Begin a read-only transaction, in the snapshot another session keeps if one is named."""
        session.prepare(self.conn)
        with self.conn.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if snapshot is not None:  # before any query: after one, the server refuses it
                cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
            cursor.execute(f"{session.settings(self.conn)}; {statement.mark(self.conn)}")
            session.require_carried(cursor, self.conn, like)
            session.fence(cursor, application, READ_LOCK_TIMEOUT)

    def ping(self) -> None:
        """Raise when the session is gone."""
        with self.conn.cursor() as cursor:
            cursor.execute("SELECT 1")

    def export_snapshot(self) -> str | None:
        """Return the name by which others join this transaction's snapshot, until it ends."""
        with self.conn.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_export_snapshot()")
            return str(cursor.fetchone()[0])

    def mark(self) -> None:
        """Mark a point in the transaction, which an error would end."""
        with self.conn.cursor() as cursor:
            cursor.execute("SAVEPOINT mapper_dask_mark")

    def back_to_mark(self) -> None:
        """Roll the transaction back to the mark."""
        with self.conn.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT mapper_dask_mark")

    def describe_query(self, sql: str) -> tuple[Column, ...]:
        """Return a query's columns without reading a row.

        Raises
        ------
        DatabaseError
            The database's own message for bad SQL, with the position in the user's text.
        """
        with self.errors(prefix=len(queries.SELECT_ALL)):
            described = statement.described(self.conn, f"{queries.wrapped(sql)} LIMIT 0")
        with self.errors():
            statement.require_whole(self.conn, sql)
            return self._typed(described)

    def _typed(self, described: Sequence[Any]) -> tuple[Column, ...]:
        """Return a query's columns with what the catalogue knows of their types."""
        rows = self.run(
            "describe_types",
            {
                "type_ids": [d.type_id for d in described],
                "tables": [d.table_id for d in described],
                "numbers": [d.number for d in described],
                "modifiers": [d.modifier for d in described],
            },
        )
        for *_, found, read_only in rows[:1]:
            statement.prove(self.conn, found, read_only)
        plain = functools.partial(session.type_name, self.conn)
        orders = self._orders([d.type_id for d in described])
        columns = tuple(
            types.keyed(
                types.column(
                    d.name,
                    plain(name),
                    plain(key_type),
                    category,
                    native=native,
                    not_null=not_null,
                ),
                cast,
                orders.get(d.type_id),
            )
            for d, (name, key_type, category, native, not_null, cast, *_) in zip(
                described, rows, strict=True
            )
        )
        return shapes.with_shapes(self.run, columns, [d.type_id for d in described])

    def _orders(self, type_ids: Sequence[int]) -> dict[int, Sequence[str] | None]:
        """Return the operators of types that users made; the database's own have one order."""
        made = sorted({number for number in type_ids if number >= types.FIRST_MADE})
        return dict(self.run("type_orders", {"type_ids": made})) if made else {}

    def relation(self, table: str) -> Relation | None:
        """Return what the catalogue knows of a table as a FROM clause writes it."""
        found = self.run("relation", {"table": table})
        if not found:
            return None
        table_id, has_row_addresses, blocks = found[0]
        indexes = self.run("ordered_indexes", {"table_id": table_id})
        unique = tuple(tuple(columns) for is_unique, columns, _ in indexes if is_unique)
        return Relation(
            bool(has_row_addresses),
            int(blocks),
            unique,
            tuple(columns[0] for _, columns, _ in indexes),
        )

    def functions(self, names: Sequence[str]) -> tuple[FunctionFact, ...]:
        """Return what the catalogue knows of functions that matter to a plan.

        Those by these names, and those in the views that the session's query has opened.
        """
        return effects.functions(self.run("calls", {"names": list(names)}))

    def doubt(self, sql: str, estimate: Estimate, functions: Sequence[FunctionFact]) -> str | None:
        """Return why a query may give other rows in another statement; empty when shown not to."""
        return proof.doubt(self, sql, estimate, functions)

    def count(self, sql: str, keys: Sequence[str] = ()) -> tuple[int, int]:
        """Return a query's rows, and those among them that have every key."""
        present = " AND ".join(f"q.{queries.quote(key)} IS NOT NULL" for key in keys) or "true"
        ((total, keyed),) = statement.rows(self.conn, queries.wrapped(sql, queries.counts(present)))
        return int(total), int(keyed)

    def digest(self, sql: str, *, wanted: bool) -> tuple[int, str | None]:
        """Return a query's rows and, if wanted, the sum of a digest of each, in any order."""
        select = queries.DIGEST if wanted else f"{queries.COUNT}, NULL"
        ((rows, digest),) = statement.rows(self.conn, queries.wrapped(sql, select))
        return int(rows), digest

    def key_marks(self, sql: str, keys: Sequence[Column], step: int) -> list[KeyMark]:
        """Return every ``step``-th key in the database's own order."""
        marks = statement.rows(self.conn, queries.key_marks(sql, keys, step))
        zoned = [key.family is TypeFamily.TIMESTAMP_TZ for key in keys]
        return [
            KeyMark(
                int(place), tuple(zones.utc(t) if z else t for t, z in zip(key, zoned, strict=True))
            )
            for place, *key in marks
            if None not in key
        ]

    def sorted_bounds(
        self, query: SourceQuery, bounds: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, ...]]:
        """Return bounds of a query's key in the database's own order."""
        sql = queries.bounds(query, bounds, quoting(self.conn))
        return [mark.key for mark in self.key_marks(sql, query.keys, 1)]

    def has_duplicates(self, sql: str, keys: Sequence[str]) -> bool:
        """Return whether two rows of the query have the same key; NULLs count as equal."""
        return bool(statement.rows(self.conn, queries.duplicates(sql, keys)))

    def chunk_query(self, query: SourceQuery, chunk: Chunk) -> str:
        """Return the query of one chunk, its bounds quoted by the driver for this connection."""
        return queries.chunk_query(query, chunk, quoting(self.conn))

    def address_bounds(self, table: str, blocks: int, starts: Sequence[int]) -> list[Bound]:
        """Return the addresses at which blocks begin: their numbers."""
        del table, blocks
        return [(f"({int(block)},0)",) for block in starts]
