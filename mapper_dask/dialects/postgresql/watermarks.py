"""How PostgreSQL reads, lowers and compares the values of a column that grows.

The database computes all values and returns them as text: none passes a float, a clock or a
rounding of this library.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from mapper_dask.dialects.postgresql import in_progress, statement, zones
from mapper_dask.dialects.postgresql.literals import quoting
from mapper_dask.dialects.postgresql.queries import cast_type, quote, wrapped
from mapper_dask.dialects.session import Driver
from mapper_dask.query_text.windows import within
from mapper_dask.schema.facts import Column, CommitOrder, Transaction, TypeFamily

MICROSECOND = dt.timedelta(microseconds=1)

SIGN = "OPERATOR(pg_catalog.{})"
"""Operators are PostgreSQL's own, whatever the search path is."""

MINUS = SIGN.format("-")


class PostgreSQLWatermarks:
    """Watermarks on one connection, in the transaction that its caller has begun."""

    def __init__(self, conn: Driver) -> None:
        self._conn = conn
        self._quoted = quoting(conn)

    def high(self, sql: str, column: Column, floor: str | None) -> str | None:
        """Return a column's greatest value in a query, or the floor where that is greater."""
        greatest = f"pg_catalog.max({_name(column)})"
        if floor is not None:
            greatest = f"greatest({greatest}, {self._literal(column, floor)})"
        return self._text_of(column, wrapped(sql, f"({greatest})::pg_catalog.text"))

    def nulls(self, sql: str, column: Column) -> int:
        """Return how many rows of a query have no value there."""
        counted = wrapped(sql, "pg_catalog.count(*)")
        return int(str(self._value(f"{counted} WHERE {_name(column)} IS NULL")))

    def canonical(self, column: Column, text: str) -> str:
        """Return a value of the user's as the database writes it; a time without a zone is UTC."""
        if column.family is TypeFamily.TIMESTAMP_TZ:
            text = zones.assumed(text)
        value = self._literal(column, text)
        return str(self._text_of(column, f"SELECT ({value})::pg_catalog.text"))

    def lowered(
        self, column: Column, text: str, overlap: dt.timedelta | Decimal, floor: str | None
    ) -> str:
        """Return a value less an overlap, or the floor where that is greater."""
        value = self._literal(column, text)
        if isinstance(overlap, dt.timedelta):
            span = f"'{overlap // MICROSECOND} microseconds'::interval"
            less = f"{value} {MINUS} {span}"
        else:
            less = f"{value}::numeric {MINUS} '{overlap:f}'::numeric"
            less = f"pg_catalog.floor({less})" if column.family is TypeFamily.INTEGER else less
        lowest = f"({less})::{cast_type(column)}"
        if floor is not None:
            lowest = f"greatest({lowest}, {self._literal(column, floor)})"
        return str(self._text_of(column, f"SELECT ({lowest})::pg_catalog.text"))

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
        ends = (None if end is None else self._literal(column, end) for end in (low, high))
        where = within(_name(column), *ends, nulls=nulls, edge=edge, sign=SIGN)
        return f"{wrapped(sql)} WHERE {where}"

    def high_below(
        self, sql: str, column: Column, floor: str | None, bounds: Sequence[str]
    ) -> str | None:
        """Return a column's greatest value below some others, or the floor where that is greater.

        The state is the transaction's, in which ``high`` was read too.
        """
        name = _name(column)
        less = " AND ".join(
            f"{name} OPERATOR(pg_catalog.<) {self._literal(column, bound)}" for bound in bounds
        )
        greatest = f"pg_catalog.max({name})"
        if floor is not None:
            greatest = f"greatest({greatest}, {self._literal(column, floor)})"
        text = f"({greatest})::pg_catalog.text"
        return self._text_of(column, f"{wrapped(sql, text)} WHERE {less}")

    def commit_order(self, sql: str, column: Column) -> CommitOrder:
        """Return how rows come to be seen, after the query was described in this session."""
        return in_progress.commit_order(self._conn, sql, column)

    def in_progress(self, column: Column, order: CommitOrder, high: str) -> tuple[Transaction, ...]:
        """Return the transactions that may commit rows at or below ``high``, as of this moment."""
        return in_progress.in_progress(self._conn, column, order, high)

    def _literal(self, column: Column, text: str) -> str:
        return f"{self._quoted(text)}::{cast_type(column)}"

    def _text_of(self, column: Column, sql: str) -> str | None:
        """Return a value that is the same text in a session of any zone."""
        found: str | None = self._value(sql)
        zoned = column.family is TypeFamily.TIMESTAMP_TZ and found is not None
        return zones.utc(str(found)) if zoned else found

    def _value(self, sql: str) -> Any:
        return statement.rows(self._conn, sql)[0][0]


def _name(column: Column) -> str:
    return f"q.{quote(column.name)}"
