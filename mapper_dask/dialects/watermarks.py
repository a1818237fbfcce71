"""The queries of an incremental job to a source and to its target."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from mapper_dask.schema.facts import Column, CommitOrder, Holding, TargetTable, Transaction


class Watermarks(Protocol):
    """The values of a column that grows. The database computes; values pass as its own text."""

    def high(self, sql: str, column: Column, floor: str | None) -> str | None:
        """Return a column's greatest value in a query, or the floor where that is greater."""
        ...

    def nulls(self, sql: str, column: Column) -> int:
        """Return how many rows of a query have no value there."""
        ...

    def canonical(self, column: Column, text: str) -> str:
        """Return a value of the user's as the database writes it."""
        ...

    def lowered(
        self, column: Column, text: str, overlap: dt.timedelta | Decimal, floor: str | None
    ) -> str:
        """Return a value less an overlap, or the floor where that is greater."""
        ...

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
        """Return the query of the rows above ``low`` and up to ``high``; see ``windows.within``."""
        ...

    def high_below(
        self, sql: str, column: Column, floor: str | None, bounds: Sequence[str]
    ) -> str | None:
        """Return a column's greatest value below some others, or the floor where that is greater.

        Read in the state in which ``high`` was.
        """
        ...

    def commit_order(self, sql: str, column: Column) -> CommitOrder:
        """Return how rows come to be seen, after the query was described in this session."""
        ...

    def in_progress(self, column: Column, order: CommitOrder, high: str) -> tuple[Transaction, ...]:
        """Return the transactions that may commit rows at or below ``high``, as of this moment."""
        ...


class Holdings(Protocol):
    """What a target holds, asked on one connection in the transaction its caller has begun."""

    def comparable(self, column: Column) -> bool:
        """Return whether a column of the target has a greatest value that can be compared."""
        ...

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

        Those above a value, where one is given.
        """
        ...

    def is_empty(self, table: TargetTable) -> bool:
        """Return whether a table holds no row."""
        ...
