"""PostgreSQL as the library sees it: the catalogue, the session, and what the files beside say."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg2.extras
import pyarrow as pa
import sqlalchemy as sa

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.base import Watch
from mapper_dask.dialects.postgresql import (
    effects,
    encodings,
    explain,
    faults,
    literals,
    named_queries,
    proof,
    publishing,
    queries,
    remedies,
    row_refusals,
    session,
    shapes,
    staging,
    statement,
    transfer,
    types,
    watching,
    zones,
)
from mapper_dask.dialects.postgresql import skip_refused as apart
from mapper_dask.dialects.postgresql.definitions import Definitions
from mapper_dask.dialects.postgresql.evidence import PostgreSQLEvidence
from mapper_dask.dialects.postgresql.holdings import PostgreSQLHoldings
from mapper_dask.dialects.postgresql.no_direct_path import WithoutDirectPath
from mapper_dask.dialects.postgresql.pouring import Pouring
from mapper_dask.dialects.postgresql.session import SessionSettings
from mapper_dask.dialects.postgresql.staged_rows import WithStagedRows
from mapper_dask.dialects.postgresql.waiting import Waiting
from mapper_dask.dialects.postgresql.watermarks import PostgreSQLWatermarks
from mapper_dask.parallel_models import Bound, Chunk
from mapper_dask.schema.batches import Most
from mapper_dask.schema.facts import (
    Capabilities,
    Column,
    Estimate,
    FunctionFact,
    Histogram,
    KeyMark,
    Loaded,
    Publication,
    Relation,
    Settings,
    SourceQuery,
    TargetTable,
    TypeFamily,
)

READ_LOCK_TIMEOUT = 30.0
"""Seconds a reading session waits for a lock, such as a rewrite of its table, before it says so."""


class PostgreSQL(Definitions, SessionSettings, WithoutDirectPath, WithStagedRows, Pouring, Waiting):
    """The dialect of PostgreSQL 11 and later, through psycopg2."""

    name = "postgresql"
    grammar = "postgres"
    read_wire = "COPY text"
    drivers: tuple[str, ...] = ("psycopg2",)
    capabilities = Capabilities(
        snapshots=True, row_addresses=True, relay=True, colon_casts=True, json_in_ascii=False
    )

    @property
    def evidence(self) -> PostgreSQLEvidence:
        """What it tells of where rows come from."""
        return PostgreSQLEvidence(self.run)

    def connect_args(self) -> ConnectArgs:
        """Return what every connection is opened with."""
        return session.CONNECT

    def errors(self, url: sa.URL | None = None, *, prefix: int = 0) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's."""
        return faults.translated(url, prefix)

    remedy = staticmethod(remedies.remedy)
    advice = staticmethod(remedies.advice)
    row_advice = staticmethod(row_refusals.advice)
    is_duplicate = staticmethod(remedies.is_duplicate)
    constraint_of = staticmethod(remedies.constraint_of)
    is_denied = staticmethod(remedies.is_denied)

    def quote(self, identifier: str) -> str:
        """Return an identifier as SQL writes it."""
        return queries.quote(identifier)

    literal = staticmethod(literals.literal)

    def folded(self, identifier: str, *, quoted: bool) -> str:
        """Return an identifier as the database holds it: unquoted ones fold to lower case."""
        return identifier if quoted else identifier.lower()

    def ddl_type(self, column: Column) -> str:
        """Return a type that holds a column of another database."""
        return types.ddl_type(column)

    statement = staticmethod(named_queries.text)

    def run(
        self, conn: Any, name: str, params: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a named query with bound values; return its rows, none for one that returns none."""
        fitting = encodings.of_query(conn, name)
        return fitting.rows(named_queries.run(conn, name, fitting.params(params)))

    def run_each(self, conn: Any, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a named statement once for each of some rows of bound values, many in a message."""
        fitted = encodings.of_query(conn, name).each(rows)
        with conn.cursor() as cursor:
            psycopg2.extras.execute_batch(cursor, self.statement(name), fitted, page_size=1000)

    # -- reading --------------------------------------------------------------------------------

    def begin_read(
        self, conn: Any, snapshot: str | None, application: str = "", like: Settings = ()
    ) -> None:
        """Begin a read-only transaction, in the snapshot another session keeps if one is named."""
        session.prepare(conn)
        with conn.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if snapshot is not None:
                cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
            cursor.execute(f"{session.settings(conn)}; {statement.mark(conn)}")
            session.require_carried(cursor, conn, like)
            session.fence(cursor, application, READ_LOCK_TIMEOUT)

    def ping(self, conn: Any) -> None:
        """Raise when the session is gone."""
        with conn.cursor() as cursor:
            cursor.execute("SELECT 1")

    def export_snapshot(self, conn: Any) -> str | None:
        """Return the name by which others join this transaction's snapshot, until it ends."""
        with conn.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_export_snapshot()")
            return str(cursor.fetchone()[0])

    def unfreezable(self, sql: str) -> str:
        """Return nothing: a session in a snapshot reads all of it."""
        del sql
        return ""

    def as_of(self, query: SourceQuery, snapshot: str | None) -> SourceQuery:
        """Return the query as it is: the session stands in the snapshot."""
        del snapshot
        return query

    def mark(self, conn: Any) -> None:
        """Mark a point in the transaction, which an error would end."""
        with conn.cursor() as cursor:
            cursor.execute("SAVEPOINT mapper_dask_mark")

    def back_to_mark(self, conn: Any) -> None:
        """Let the transaction go on from the mark."""
        with conn.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT mapper_dask_mark")

    def describe_query(self, conn: Any, sql: str) -> tuple[Column, ...]:
        """Return a query's columns without reading a row.

        Raises
        ------
        DatabaseError
            The database's own message for bad SQL, with the position in the user's text.
        """
        with self.errors(prefix=len(queries.SELECT_ALL)):
            described = statement.described(conn, f"{queries.wrapped(sql)} LIMIT 0")
        with self.errors():
            statement.require_whole(conn, sql)
            return self._typed(conn, described)

    def _typed(self, conn: Any, described: Sequence[Any]) -> tuple[Column, ...]:
        """Return a query's columns with what the catalogue knows of their types."""
        rows = self.run(
            conn,
            "describe_types",
            {
                "type_ids": [d.type_id for d in described],
                "tables": [d.table_id for d in described],
                "numbers": [d.number for d in described],
                "modifiers": [d.modifier for d in described],
            },
        )
        for *_, found, read_only in rows[:1]:
            statement.prove(conn, found, read_only)
        plain = functools.partial(session.type_name, conn)
        orders = self._orders(conn, [d.type_id for d in described])
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
        return shapes.with_shapes(self.run, conn, columns, [d.type_id for d in described])

    def _orders(self, conn: Any, type_ids: Sequence[int]) -> dict[int, Sequence[str] | None]:
        """Return the operators of types that users made; the database's own have one order."""
        made = sorted({number for number in type_ids if number >= types.FIRST_MADE})
        return dict(self.run(conn, "type_orders", {"type_ids": made})) if made else {}

    def relation(self, conn: Any, table: str) -> Relation | None:
        """Return what the catalogue knows of a table as a FROM clause writes it."""
        found = self.run(conn, "relation", {"table": table})
        if not found:
            return None
        table_id, has_row_addresses, blocks = found[0]
        indexes = self.run(conn, "ordered_indexes", {"table_id": table_id})
        unique = tuple(tuple(columns) for is_unique, columns, _ in indexes if is_unique)
        return Relation(
            bool(has_row_addresses),
            int(blocks),
            unique,
            tuple(columns[0] for _, columns, _ in indexes),
        )

    def functions(self, conn: Any, names: Sequence[str]) -> tuple[FunctionFact, ...]:
        """Return what the catalogue knows of functions that matter to a plan.

        Those by these names, and those in the views that the session's query has opened.
        """
        return effects.functions(self.run(conn, "calls", {"names": list(names)}))

    whole_table = staticmethod(queries.whole_table)
    estimate = staticmethod(explain.estimate)

    def doubt(
        self, conn: Any, sql: str, estimate: Estimate, functions: Sequence[FunctionFact]
    ) -> str | None:
        """Return why a query may give other rows in another statement; empty when shown not to."""
        return proof.doubt(conn, sql, estimate, functions, self)

    def count(self, conn: Any, sql: str, keys: Sequence[str] = ()) -> tuple[int, int]:
        """Return a query's rows, and those among them that have every key."""
        present = " AND ".join(f"q.{queries.quote(key)} IS NOT NULL" for key in keys) or "true"
        ((total, keyed),) = statement.rows(conn, queries.wrapped(sql, queries.counts(present)))
        return int(total), int(keyed)

    def digest(self, conn: Any, sql: str, *, wanted: bool) -> tuple[int, str | None]:
        """Return a query's rows and, if wanted, the sum of a digest of each, in any order."""
        select = queries.DIGEST if wanted else f"{queries.COUNT}, NULL"
        ((rows, digest),) = statement.rows(conn, queries.wrapped(sql, select))
        return int(rows), digest

    def key_marks(self, conn: Any, sql: str, keys: Sequence[Column], step: int) -> list[KeyMark]:
        """Return every ``step``-th key in the database's own order."""
        marks = statement.rows(conn, queries.key_marks(sql, keys, step))
        zoned = [key.family is TypeFamily.TIMESTAMP_TZ for key in keys]
        return [
            KeyMark(
                int(place), tuple(zones.utc(t) if z else t for t, z in zip(key, zoned, strict=True))
            )
            for place, *key in marks
            if None not in key
        ]

    def histogram(self, conn: Any, table: str, column: str) -> Histogram:
        """Return nothing: a sample is as fast, and knows how old it is."""
        del conn, table, column
        return Histogram()

    def sorted_bounds(
        self, conn: Any, query: SourceQuery, bounds: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, ...]]:
        """Return bounds of a query's key in the database's own order."""
        sql = queries.bounds(query, bounds, _literal(conn))
        return [mark.key for mark in self.key_marks(conn, sql, query.keys, 1)]

    sampled = staticmethod(queries.sampled)

    def watermarks(self, conn: Any) -> PostgreSQLWatermarks:
        """Return how values of a column that grows are read, lowered and compared."""
        return PostgreSQLWatermarks(conn, _literal(conn), self.run)

    def holdings(self, conn: Any) -> PostgreSQLHoldings:
        """Return how it is asked what a target holds."""
        return PostgreSQLHoldings(conn, _literal(conn))

    def has_duplicates(self, conn: Any, sql: str, keys: Sequence[str]) -> bool:
        """Return whether one key stands in two rows of the query; NULLs count as equal."""
        return bool(statement.rows(conn, queries.duplicates(sql, keys)))

    def chunk_query(self, conn: Any, query: SourceQuery, chunk: Chunk) -> str:
        """Return the query of one chunk, its bounds quoted by the driver for this connection."""
        return queries.chunk_query(query, chunk, _literal(conn))

    def first_rows(self, sql: str, rows: int) -> str:
        """Return a query for some rows of a query."""
        return f"{queries.wrapped(sql)} LIMIT {int(rows)}"

    def address_bounds(
        self, conn: Any, table: str, blocks: int, starts: Sequence[int]
    ) -> list[Bound]:
        """Return the addresses at which blocks begin: their numbers."""
        del conn, table, blocks
        return [(f"({int(block)},0)",) for block in starts]

    def read(
        self, conn: Any, sql: str, columns: Sequence[Column], *, most: Most, strict: bool
    ) -> Iterator[pa.Table]:
        """Yield a query's rows as Arrow tables."""
        return transfer.read(conn, sql, columns, most=most, strict=strict)

    # -- writing --------------------------------------------------------------------------------

    def begin_load(self, conn: Any, application: str, lock_timeout: float) -> None:
        """Begin a transaction that loads: READ COMMITTED, to see what another copy commits."""
        session.prepare(conn)
        with conn.cursor() as cursor:
            mode = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; "
            # in one message
            cursor.execute(f"{mode}{session.settings(conn)}; {named_queries.DURABLE}")
            session.fence(cursor, application, lock_timeout)

    def end_sessions(self, conn: Any, tag: str) -> int:
        """End every session that works on a chunk of a run; return how many there were."""
        pattern = f"^{re.escape(tag)}:[0-9]+$"
        return len(self.run(conn, "sessions_end", {"pattern": pattern}))

    def end_frozen(self, conn: Any, tag: str, chunk_id: int | None, seconds: float) -> int:
        """End sessions of a run whose clients have been silent so long while they hold a chunk."""
        which = "[0-9]+" if chunk_id is None else str(int(chunk_id))
        values = {"pattern": f"^{re.escape(tag)}:{which}$", "seconds": seconds}
        return len(self.run(conn, "sessions_frozen", values))

    def create_staging(self, conn: Any, publication: Publication) -> None:
        """Create the table where rows wait."""
        staging.create(conn, publication)

    def drop_table(self, conn: Any, quoted: str) -> None:
        """Drop a table if it is there."""
        with conn.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {quoted}")

    def publish(self, conn: Any, publication: Publication, loaded: int) -> int:
        """Let the staged rows enter the target, proved; return how many did."""
        return publishing.publish(conn, publication, loaded)

    def watch(self, conn: Any, table: TargetTable) -> Watch:
        """Return what looks after rows that are loaded from now on."""
        return watching.watch(conn, table)

    def target_table(self, conn: Any, schema: str | None, table: str) -> TargetTable | None:
        """Return a table and its columns, None when there is none of that name."""
        found = self.run(conn, "find_table", {"schema": schema, "name": table})
        if not found:
            return None
        table_id, schema, table = found[0]
        quoted = f"{queries.quote(schema)}.{queries.quote(table)}"
        definition = self.definition_of(conn, table_id)  # first: what comes later is held to it
        rows = self.run(conn, "target_columns", {"table_id": table_id})
        plain = functools.partial(session.type_name, conn)
        columns = tuple(types.column_of_table(row, plain) for row in rows)
        columns = shapes.with_shapes(self.run, conn, columns, [row[5] for row in rows])
        indexes = self.run(conn, "ordered_indexes", {"table_id": table_id})
        referring = self.run(conn, "referring_tables", {"table_id": table_id})
        return TargetTable(
            schema,
            table,
            quoted,
            columns,
            unique_keys=tuple(tuple(names) for is_unique, names, _ in indexes if is_unique),
            primary_key=next((tuple(names) for _, names, primary in indexes if primary), ()),
            referring=tuple(name for (name,) in referring),
            definition=definition,
            hazards=watching.hazards(conn, table_id),
        )

    def load(self, conn: Any, table: TargetTable, rows: pa.Table) -> Loaded:
        """Load Arrow rows by COPY."""
        return transfer.load(conn, table, rows)

    def load_apart(self, conn: Any, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
        """Load Arrow rows but for those the database refuses."""
        return apart.load(conn, table, rows, most)

    def empty_table(self, conn: Any, quoted: str) -> None:
        """Delete all rows of a table in the caller's transaction."""
        with conn.cursor() as cursor:
            cursor.execute(f"DELETE FROM {quoted}")

    def load_wire(self, columns: Sequence[Column]) -> str:
        """Return the format of the COPY that loads these columns from Arrow."""
        return f"COPY {transfer.load_format(columns)}"

    def relay_format(self, source: Sequence[Column], target: Sequence[Column]) -> str | None:
        """Return how bytes may pass undecoded between these columns, None when they may not."""
        return transfer.relay_format(source, target)

    def relay(
        self,
        source_conn: Any,
        sql: str,
        target_conn: Any,
        table: TargetTable,
        names: Sequence[str],
        wire: str,
    ) -> tuple[int, int]:
        """Pass a query's rows into a table undecoded; return rows read and rows loaded."""
        return transfer.relay(source_conn, sql, target_conn, table, names, wire)


def _literal(conn: Any) -> queries.Literal:
    """Return what quotes a text for this connection."""

    def literal(text: str) -> str:
        with conn.cursor() as cursor:
            return str(cursor.mogrify("%s", (text,)).decode("utf-8"))

    return literal
