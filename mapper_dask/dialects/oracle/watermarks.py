"""How Oracle reads, lowers and compares the values of a column that grows.

The database computes all values and returns them as text: none passes a float, a clock or a
rounding of this library.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from mapper_dask.dialects.oracle import in_progress
from mapper_dask.dialects.oracle.names import quote
from mapper_dask.dialects.oracle.queries import as_text, number, value, wrapped
from mapper_dask.dialects.session import Driver
from mapper_dask.query_text.windows import within
from mapper_dask.schema.facts import Column, CommitOrder, Transaction, TypeFamily

SECOND = dt.timedelta(seconds=1)


class OracleWatermarks:
    """Watermarks on one connection; its caller has begun the session."""

    def __init__(self, conn: Driver) -> None:
        self._conn = conn

    def high(self, sql: str, column: Column, floor: str | None) -> str | None:
        """Return a column's greatest value in a query, or the floor where that is greater."""
        highest = self._text(wrapped(sql, as_text(column, f"MAX({_name(column)})")))
        return self._greater(column, highest, floor)

    def nulls(self, sql: str, column: Column) -> int:
        """Return how many rows of a query have no value there."""
        found = self._text(f"{wrapped(sql, 'COUNT(*)')} WHERE {_name(column)} IS NULL")
        return int(str(found))

    def canonical(self, column: Column, text: str) -> str:
        """Return a value of the user's as the database writes it."""
        return str(self._text(f"SELECT {as_text(column, value(column, text))} FROM SYS.DUAL"))

    def lowered(
        self, column: Column, text: str, overlap: dt.timedelta | Decimal, floor: str | None
    ) -> str:
        """Return a value less an overlap, or the floor where that is greater."""
        lowest = f"{value(column, text)} - {_span(column, overlap)}"
        if column.family is TypeFamily.INTEGER:
            lowest = f"FLOOR({lowest})"
        found = self._text(f"SELECT {as_text(column, lowest)} FROM SYS.DUAL")
        return str(self._greater(column, found, floor))

    def window(
        self,
        sql: str,
        column: Column,
        low: str | None,
        high: str | None,
        *,
        nulls: bool,
        edge: bool = False,
    ) -> str:
        """Return the query of the rows above ``low`` and up to ``high``."""
        ends = (None if end is None else value(column, end) for end in (low, high))
        return f"{wrapped(sql)} WHERE {within(_name(column), *ends, nulls=nulls, edge=edge)}"

    def high_below(
        self, sql: str, column: Column, floor: str | None, bounds: Sequence[str]
    ) -> str | None:
        """Return a column's greatest value below some others, or the floor where that is greater.

        It is read in a later state than ``high`` was. That holds more rows below the bounds, and
        none above.
        """
        less = " AND ".join(f"{_name(column)} < {value(column, bound)}" for bound in bounds)
        greatest = as_text(column, f"MAX({_name(column)})")
        highest = self._text(f"{wrapped(sql, greatest)} WHERE {less}")
        return self._greater(column, highest, floor)

    def commit_order(self, sql: str, column: Column) -> CommitOrder:
        """Return how rows come to be seen."""
        del sql, column
        return in_progress.commit_order(self._conn)

    def in_progress(self, column: Column, order: CommitOrder, high: str) -> tuple[Transaction, ...]:
        """Return the transactions that may commit rows at or below ``high``, as of this moment."""
        del column, order, high
        return in_progress.in_progress(self._conn)

    def _greater(self, column: Column, one: str | None, other: str | None) -> str | None:
        """Return the greater of two values; the other where one is missing."""
        if one is None or other is None:
            return other if one is None else one
        is_greater = f"{value(column, one)} > {value(column, other)}"
        found = self._text(f"SELECT CASE WHEN {is_greater} THEN 1 ELSE 0 END FROM SYS.DUAL")
        return one if found == "1" else other

    def _text(self, sql: str) -> str | None:
        with self._conn.cursor() as cursor:
            cursor.execute(sql)
            found = cursor.fetchone()[0]
        return None if found is None else str(found).strip()


def _span(column: Column, overlap: dt.timedelta | Decimal) -> str:
    """Return an overlap as SQL: whole seconds for a DATE, which holds no part of one."""
    if isinstance(overlap, Decimal):
        return number(f"{overlap:f}")
    if column.key_type == "date":
        overlap = -(-overlap // SECOND) * SECOND
    seconds = f"{overlap.seconds}.{overlap.microseconds:06d}"
    return f"NUMTODSINTERVAL({overlap.days}, 'DAY') - NUMTODSINTERVAL({seconds}, 'SECOND')"


def _name(column: Column) -> str:
    return f"q.{quote(column.name)}"
