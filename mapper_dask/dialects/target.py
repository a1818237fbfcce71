"""What a target does: it takes rows, publishes staged ones, and knows which load wrote a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from mapper_dask.dialects.session import Session
from mapper_dask.dialects.source import Source
from mapper_dask.dialects.watermarks import Holdings
from mapper_dask.parallel_models import Chunk
from mapper_dask.schema.definition import Definition
from mapper_dask.schema.facts import (
    Aside,
    Column,
    Counted,
    Loaded,
    Needs,
    Publication,
    TableMark,
    TargetTable,
)
from mapper_dask.staging.refused import StagedRows


class Evidence(Protocol):
    """What a database knows about the origin of a table's rows, and whether it is still that table.

    A number identifies the transaction that wrote a row, where rows carry one.
    """

    def mark(self, schema: str, name: str) -> TableMark | None:
        """Return what changes when all rows of a table go at once; None when it is not there."""
        ...

    def is_known(self, number: int, now: TableMark) -> bool:
        """Return whether that number still identifies one transaction's rows."""
        ...

    def load_number(self) -> int | None:
        """Return the number that rows written by this transaction carry; None where they do not."""
        ...

    def counted(self, table: TargetTable, own: Sequence[int], others: Sequence[int]) -> Counted:
        """Count a table's rows: all, those of some transactions, those of some others."""
        ...

    def in_range(
        self,
        table: TargetTable,
        keys: Sequence[Column],
        chunk: Chunk,
        own: Sequence[int],
        others: Sequence[int],
    ) -> Counted:
        """Count the rows in a chunk's range of keys: all, and as ``counted`` does."""
        ...

    def only(self, table: TargetTable, own: Sequence[int]) -> str:
        """Return the query of a table's rows that some transactions wrote."""
        ...

    def remove(self, table: TargetTable, own: Sequence[int]) -> int:
        """Delete the rows of some transactions from a table, and no others; return how many."""
        ...


class Watch(Protocol):
    """Looks after rows that were loaded, until their transaction commits."""

    def require(self, loaded: int) -> None:
        """Raise when the table does not hold all of them: triggers may have taken some away."""
        ...


class Target(Session, Protocol):
    """A session that loads and publishes."""

    @property
    def evidence(self) -> Evidence:
        """What it knows about the origin of rows."""
        ...

    @property
    def staged_rows(self) -> StagedRows:
        """What it does with staged rows, where the target refuses some."""
        ...

    def begin_load(self, application: str, lock_timeout: float) -> None:
        """Begin a transaction that loads, under a name an administrator can see.

        A lock is waited for at most ``lock_timeout`` seconds.
        """
        ...

    def target_table(self, schema: str | None, table: str) -> TargetTable | None:
        """Return a table and its columns, None when there is none."""
        ...

    def target_definition(self, quoted: str) -> Definition:
        """Return how a table of that name is defined now; empty when there is none."""
        ...

    def missing_grants(self, needs: Needs) -> list[str]:
        """Return each GRANT that this login lacks for a job, as a statement; all of them at once.

        Empty where none is missing, or the database is not asked.
        """
        ...

    def changed_to_load(self, columns: Sequence[Column]) -> tuple[str, ...]:
        """Return which of the session's own settings are changed while rows are loaded."""
        ...

    def holdings(self) -> Holdings:
        """Return the queries over what a target holds."""
        ...

    def create_staging(self, publication: Publication) -> None:
        """Create the table where rows wait."""
        ...

    def drop_table(self, quoted: str) -> None:
        """Drop a table if it is there."""
        ...

    def empty_table(self, quoted: str) -> None:
        """Delete all rows of a table in the caller's transaction."""
        ...

    def publish(self, publication: Publication, loaded: int) -> int:
        """Publish the staged rows into the target; return how many it took.

        As many as are ``loaded``, or as there are keys among them where the newest is taken; and
        the table then holds them, or it raises.
        """
        ...

    def load(self, table: TargetTable, rows: pa.Table) -> Loaded:
        """Load Arrow rows; raise when the database counts other rows than were sent."""
        ...

    def watch(self, table: TargetTable) -> Watch:
        """Return a watch over the rows that ``load`` and its variants insert from now on."""
        ...

    def load_skipping_refused(self, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
        """Load Arrow rows but for those the database refuses; raise at more than ``most``."""
        ...

    def load_aside(self, table: TargetTable, rows: pa.Table, name: str) -> Aside:
        """Load Arrow rows for a table by the direct path into a new table of that name; commits."""
        ...

    def load_from(self, table: TargetTable, aside: Aside) -> Loaded:
        """Insert rows that were loaded aside into their table, in the caller's transaction."""
        ...

    def drop_asides(self, prefix: str) -> None:
        """Drop the tables of direct path loads that killed attempts have left."""
        ...

    def relay(
        self, source: Source, sql: str, table: TargetTable, names: Sequence[str], wire: str
    ) -> tuple[int, int]:
        """Pass a source's rows into a table undecoded; return rows read and rows loaded."""
        ...
