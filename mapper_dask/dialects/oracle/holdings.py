"""What an Oracle target holds of a column that grows."""

from __future__ import annotations

from typing import Any

from mapper_dask.dialects.oracle.names import quote
from mapper_dask.dialects.oracle.queries import as_text, value
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Column, Holding, TargetTable

COMPARABLE = frozenset({"number", "date", "timestamp", "timestamptz"})
"""Kinds of keys with a greatest value that can be compared."""


class OracleHoldings:
    """What tables hold, asked on one connection."""

    def __init__(self, conn: Driver) -> None:
        self._conn = conn

    def comparable(self, column: Column) -> bool:
        """Return whether a column of the target has a greatest value that can be compared."""
        return column.key_type in COMPARABLE

    def look(
        self,
        table: TargetTable,
        column: Column,
        noted: str | None,
        above: str | None,
        *,
        count: bool,
    ) -> Holding:
        """Return a column's greatest value, whether it reaches one that was noted, and its rows."""
        name, source = f"t.{quote(column.name)}", f"FROM {table.quoted} t"
        reaches = "1"
        if noted is not None:
            reaches = f"CASE WHEN MAX({name}) >= {value(column, noted)} THEN 1 ELSE 0 END"
        greatest = as_text(column, f"MAX({name})")
        found, is_reached = self._row(f"SELECT {greatest}, {reaches} {source}")
        rows = None
        if count:
            above_it = f"{name} > {value(column, above)}" if above is not None else None
            limit = above_it or f"{name} IS NOT NULL"
            rows = int(self._row(f"SELECT COUNT(*) {source} WHERE {limit}")[0])
        text = None if found is None else str(found).strip()
        return Holding(text, rows, bool(is_reached))

    def is_empty(self, table: TargetTable) -> bool:
        """Return whether a table holds no row."""
        sql = f"SELECT COUNT(*) FROM {table.quoted} t WHERE ROWNUM = 1"
        return not int(self._row(sql)[0])

    def _row(self, sql: str) -> tuple[Any, ...]:
        with self._conn.cursor() as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchone())
