"""What a source does: it reads queries, and answers what a plan must know about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from mapper_dask.dialects.pouring import Pool
from mapper_dask.dialects.session import Session
from mapper_dask.dialects.watermarks import Watermarks
from mapper_dask.errors import DatabaseError
from mapper_dask.parallel_models import Bound, Chunk
from mapper_dask.query_text.refusals import Refusal
from mapper_dask.schema.batches import Most
from mapper_dask.schema.definition import Definition, Relied
from mapper_dask.schema.facts import (
    Column,
    Estimate,
    FunctionFact,
    Histogram,
    KeyMark,
    Relation,
    Settings,
    SourceQuery,
)


class Source(Session, Protocol):
    """A session that reads and plans."""

    def begin_read(self, snapshot: str | None, application: str = "", like: Settings = ()) -> None:
        """Begin a read-only transaction, in the named snapshot where there is one.

        A query means in it what it did in the session whose ``meaning`` is passed as ``like``.
        """
        ...

    def ping(self) -> None:
        """Raise when the session is gone."""
        ...

    def export_snapshot(self) -> str | None:
        """Return the name by which other sessions read this state; None when it may not be had."""
        ...

    def mark(self) -> None:
        """Mark a point in the transaction, before something the database may refuse."""
        ...

    def back_to_mark(self) -> None:
        """Roll the transaction back to the mark, after a refusal."""
        ...

    def meaning(self) -> Settings:
        """Return the settings of this session on which a query's meaning depends."""
        ...

    def changed_to_read(self, query: SourceQuery) -> tuple[str, ...]:
        """Return which of the session's own settings are changed while a query is read.

        Those only that may change what it means, each in words for a plan.
        """
        ...

    def writes(self) -> Mapping[str, str]:
        """Return the settings under which this session writes values as texts."""
        ...

    def write_as(self, writes: Mapping[str, str]) -> None:
        """Make a session that runs nothing of a user's write values as another one does."""
        ...

    def describe_query(self, sql: str) -> tuple[Column, ...]:
        """Return a query's columns without reading a row."""
        ...

    def relation(self, table: str) -> Relation | None:
        """Return what the catalogue knows of a table, None when it knows none."""
        ...

    def functions(self, names: Sequence[str]) -> tuple[FunctionFact, ...]:
        """Return what the catalogue knows of functions by these names that matter to a plan."""
        ...

    def relied(self, columns: Sequence[Column]) -> Relied | None:
        """Return what the queries of this transaction have read, and how that is defined.

        None where the database itself refuses to read a state before such a change.
        """
        ...

    def source_definition(self, relied: Relied) -> Definition:
        """End a read; return how what was planned, and what it has read, is defined now."""
        ...

    def estimate(self, sql: str) -> Estimate:
        """Return what the planner expects of a query."""
        ...

    def doubt(self, sql: str, estimate: Estimate, functions: Sequence[FunctionFact]) -> str | None:
        """Return why a query may give other rows in another statement; empty when shown not to.

        None where the database cannot answer: then the query's text decides. It may end the
        transaction where a statement is refused.
        """
        ...

    def count(self, sql: str, keys: Sequence[str] = ()) -> tuple[int, int]:
        """Return a query's rows, and those among them that have every key."""
        ...

    def digest(self, sql: str, *, wanted: bool) -> tuple[int, str | None]:
        """Return a query's rows and, if wanted, the sum of a digest of each, in any order."""
        ...

    def key_marks(self, sql: str, keys: Sequence[Column], step: int) -> list[KeyMark]:
        """Return every ``step``-th key of a query, in the database's own order."""
        ...

    def histogram(self, table: str, column: str) -> Histogram:
        """Return what fresh statistics say of a column; empty where none could be trusted."""
        ...

    def sorted_bounds(
        self, query: SourceQuery, bounds: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, ...]]:
        """Return bounds of a query's key in the database's own order."""
        ...

    def watermarks(self) -> Watermarks:
        """Return how values of a column that grows are read, lowered and compared."""
        ...

    def has_duplicates(self, sql: str, keys: Sequence[str]) -> bool:
        """Return whether two rows have the same key."""
        ...

    def chunk_query(self, query: SourceQuery, chunk: Chunk) -> str:
        """Return the query that reads one chunk."""
        ...

    def address_bounds(self, table: str, blocks: int, starts: Sequence[int]) -> list[Bound]:
        """Return the row addresses at which some of a table's blocks begin, in their order.

        Fewer than were asked for, when the database distinguishes no more.
        """
        ...

    def read(
        self, sql: str, columns: Sequence[Column], *, most: Most, strict: bool
    ) -> Iterator[pa.Table]:
        """Yield a query's rows as Arrow tables, at least one."""
        ...

    def pour(self, sql: str, columns: Sequence[Column], pool: Pool) -> None:
        """Hand all rows of a query, read by one statement, to a pool as they come."""
        ...

    def waits_for_keeper(self, keeper: str) -> str:
        """Return which session waits for the one of a name, so that reads wait too; empty: none."""
        ...

    def remedy(self, sql: str, error: DatabaseError) -> Refusal:
        """Return what to do about a query that was refused; ends the session's transaction."""
        ...
