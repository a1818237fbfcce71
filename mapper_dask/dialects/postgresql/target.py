"""PostgreSQL as a target: how it takes rows, and publishes them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pyarrow as pa

from mapper_dask.dialects.postgresql import (
    definitions,
    publishing,
    queries,
    session,
    shapes,
    skip_refused,
    staging,
    transfer,
    types,
    watching,
)
from mapper_dask.dialects.postgresql.evidence import PostgreSQLEvidence
from mapper_dask.dialects.postgresql.holdings import PostgreSQLHoldings
from mapper_dask.dialects.postgresql.staged_rows import PostgreSQLStagedRows
from mapper_dask.dialects.postgresql.store import PostgreSQLSession
from mapper_dask.dialects.session import on_connection
from mapper_dask.dialects.source import Source
from mapper_dask.schema.facts import Aside, Column, Loaded, TargetTable


class PostgreSQLTarget(PostgreSQLSession):
    """A session that loads and publishes."""

    create_staging = on_connection(staging.create)
    publish = on_connection(publishing.publish)
    load = on_connection(transfer.load)
    load_skipping_refused = on_connection(skip_refused.load)
    watch = on_connection(watching.watch)
    holdings = on_connection(PostgreSQLHoldings)
    target_definition = on_connection(definitions.of_target)
    missing_grants = on_connection(definitions.missing_grants)

    @property
    def evidence(self) -> PostgreSQLEvidence:
        """What it knows about the origin of rows."""
        return PostgreSQLEvidence(self.conn)

    @property
    def staged_rows(self) -> PostgreSQLStagedRows:
        """What it does with staged rows, where the target refuses some."""
        return PostgreSQLStagedRows(self.conn, self.target_table)

    def changed_to_load(self, columns: Sequence[Column]) -> tuple[str, ...]:
        """Return which of the session's own settings are changed while rows are loaded."""
        session.prepare(self.conn)
        return session.load_notes(self.conn, columns)

    def load_aside(self, table: TargetTable, rows: pa.Table, name: str) -> Aside:
        """Raise: there is no direct path; COPY loads within the transaction."""
        raise NotImplementedError

    def load_from(self, table: TargetTable, aside: Aside) -> Loaded:
        """Raise: there is no direct path."""
        raise NotImplementedError

    def drop_asides(self, prefix: str) -> None:
        """Do nothing: nothing is loaded aside."""

    def relay(
        self, source: Source, sql: str, table: TargetTable, names: Sequence[str], wire: str
    ) -> tuple[int, int]:
        """Pass a source's rows into a table undecoded; return rows read and rows loaded."""
        return transfer.relay(source.conn, sql, self.conn, table, names, wire)

    def target_table(self, schema: str | None, table: str) -> TargetTable | None:
        """Return a table and its columns, None when there is none of that name."""
        found = self.run("find_table", {"schema": schema, "name": table})
        if not found:
            return None
        table_id, schema, table = found[0]
        quoted = f"{queries.quote(schema)}.{queries.quote(table)}"
        definition = definitions.of_number(
            self.conn, table_id
        )  # first: what comes later is held to it
        rows = self.run("target_columns", {"table_id": table_id})
        plain = functools.partial(session.type_name, self.conn)
        columns = tuple(types.column_of_table(row, plain) for row in rows)
        columns = shapes.with_shapes(self.run, columns, [row[5] for row in rows])
        indexes = self.run("ordered_indexes", {"table_id": table_id})
        referring = self.run("referring_tables", {"table_id": table_id})
        return TargetTable(
            schema,
            table,
            quoted,
            columns,
            unique_keys=tuple(tuple(names) for is_unique, names, _ in indexes if is_unique),
            primary_key=next((tuple(names) for _, names, primary in indexes if primary), ()),
            referring=tuple(name for (name,) in referring),
            definition=definition,
            hazards=watching.hazards(self.conn, table_id),
        )

    def drop_table(self, quoted: str) -> None:
        """Drop a table if it is there."""
        with self.conn.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {quoted}")

    def empty_table(self, quoted: str) -> None:
        """Delete all rows of a table in the caller's transaction."""
        with self.conn.cursor() as cursor:
            cursor.execute(f"DELETE FROM {quoted}")
