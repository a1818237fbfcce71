"""What a PostgreSQL target holds of a column that grows.

Rows that a policy would hide are an error.
"""

from __future__ import annotations

from typing import Any

from mapper_dask.dialects.postgresql import zones
from mapper_dask.dialects.postgresql.literals import quoting
from mapper_dask.dialects.postgresql.queries import cast_type, quote
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Column, Holding, TargetTable, TypeFamily

COMPARABLE = frozenset(
    {
        TypeFamily.INTEGER,
        TypeFamily.DECIMAL,
        TypeFamily.DATE,
        TypeFamily.TIMESTAMP,
        TypeFamily.TIMESTAMP_TZ,
    }
)

_SEEN = "SET LOCAL row_security = off; "


class PostgreSQLHoldings:
    """What tables hold, asked on one connection in the transaction its caller has begun."""

    def __init__(self, conn: Driver) -> None:
        self._conn = conn
        self._quoted = quoting(conn)

    def comparable(self, column: Column) -> bool:
        """Return whether a column of the target has a greatest value that can be compared."""
        return column.family in COMPARABLE and column.native and bool(column.key_type)

    def look(
        self,
        table: TargetTable,
        column: Column,
        noted: str | None,
        above: str | None,
        *,
        count: bool,
    ) -> Holding:
        """Return a column's greatest value, whether it reaches one that was noted, and its rows.

        Each is a query of its own within one statement, so that an index answers it where one is.
        """
        name, source = f"t.{quote(column.name)}", f"FROM {table.quoted} AS t"
        greatest = f"(SELECT pg_catalog.max({name}) {source})"
        reaches, rows = "true", "NULL"
        if noted is not None:
            least = self._literal(column, noted)
            reaches = f"coalesce({greatest} OPERATOR(pg_catalog.>=) {least}, false)"
        if count:
            limit = f"{name} IS NOT NULL"
            if above is not None:
                limit = f"{name} OPERATOR(pg_catalog.>) {self._literal(column, above)}"
            rows = f"(SELECT pg_catalog.count(*) {source} WHERE {limit})"
        found, is_reached, number = self._row(
            f"{_SEEN}SELECT {greatest}::pg_catalog.text, {reaches}, {rows}"
        )
        if found is not None and column.family is TypeFamily.TIMESTAMP_TZ:
            found = zones.utc(found)
        return Holding(found, None if number is None else int(number), bool(is_reached))

    def is_empty(self, table: TargetTable) -> bool:
        """Return whether a table holds no row."""
        return not self._row(f"{_SEEN}SELECT EXISTS (SELECT FROM {table.quoted})")[0]

    def _literal(self, column: Column, text: str) -> str:
        return f"{self._quoted(text)}::{cast_type(column)}"

    def _row(self, sql: str) -> tuple[Any, ...]:
        with self._conn.cursor() as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchone())
