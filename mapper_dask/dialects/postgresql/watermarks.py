"""How PostgreSQL reads, lowers and compares the values of a column that grows.

All of it is done by the database and comes back as its text: no value passes a float, a clock or a
rounding of ours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mapper_dask.dialects.facts import Column, TypeFamily
from mapper_dask.dialects.postgresql import statement
from mapper_dask.dialects.postgresql.queries import quote, wrapped
from mapper_dask.dialects.windows import within

MICROSECOND = dt.timedelta(microseconds=1)


class PostgreSQLWatermarks:
    """Watermarks on one connection, in the transaction that its caller has begun."""

    def __init__(self, conn: Any, literal: Callable[[str], str]) -> None:
        self._conn = conn
        self._quoted = literal

    def high(self, sql: str, column: Column, floor: str | None) -> str | None:
        """Return a column's greatest value in a query, or the floor where that is greater."""
        greatest = f"max({_name(column)})"
        if floor is not None:
            greatest = f"greatest({greatest}, {self._literal(column, floor)})"
        found: str | None = self._value(wrapped(sql, f"({greatest})::text"))
        return found

    def nulls(self, sql: str, column: Column) -> int:
        """Return how many rows of a query have no value there."""
        return int(str(self._value(f"{wrapped(sql, 'count(*)')} WHERE {_name(column)} IS NULL")))

    def canonical(self, column: Column, text: str) -> str:
        """Return a value of the user's as the database writes it."""
        return str(self._value(f"SELECT ({self._literal(column, text)})::text"))

    def lowered(
        self, column: Column, text: str, overlap: dt.timedelta | Decimal, floor: str | None
    ) -> str:
        """Return a value less an overlap, or the floor where that is greater."""
        value = self._literal(column, text)
        if isinstance(overlap, dt.timedelta):
            less = f"{value} - '{overlap // MICROSECOND} microseconds'::interval"
        else:
            less = f"{value}::numeric - '{overlap:f}'::numeric"
            less = f"floor({less})" if column.family is TypeFamily.INTEGER else less
        lowest = f"({less})::{column.key_type}"
        if floor is not None:
            lowest = f"greatest({lowest}, {self._literal(column, floor)})"
        return str(self._value(f"SELECT ({lowest})::text"))

    def window(
        self, sql: str, column: Column, low: str | None, high: str | None, *, nulls: bool
    ) -> str:
        """Return the query of the rows above ``low`` and up to ``high``."""
        ends = (None if end is None else self._literal(column, end) for end in (low, high))
        return f"{wrapped(sql)} WHERE {within(_name(column), *ends, nulls=nulls)}"

    def _literal(self, column: Column, text: str) -> str:
        return f"{self._quoted(text)}::{column.key_type}"

    def _value(self, sql: str) -> Any:
        return statement.rows(self._conn, sql)[0][0]


def _name(column: Column) -> str:
    return f"q.{quote(column.name)}"
