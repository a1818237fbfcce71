"""What every database must be able to say and do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.own_settings import OwnSettings
from mapper_dask.dialects.pouring import Pool
from mapper_dask.dialects.staged_rows import StagedRows
from mapper_dask.dialects.watermarks import Holdings, Watermarks
from mapper_dask.errors import DatabaseError
from mapper_dask.parallel_models import Bound, Chunk
from mapper_dask.query_text.refusals import Refusal
from mapper_dask.schema.batches import Most
from mapper_dask.schema.definition import Definition, Relied
from mapper_dask.schema.facts import (
    Aside,
    Capabilities,
    Column,
    Counted,
    Estimate,
    FunctionFact,
    Histogram,
    KeyMark,
    Loaded,
    Needs,
    Publication,
    Relation,
    Settings,
    SourceQuery,
    TableMark,
    TargetTable,
)


class Evidence(Protocol):
    """What a database can tell of where a table's rows come from, and whether it is still that one.

    A number stands for the transaction that wrote a row, where rows tell it.
    """

    def mark(self, conn: Any, schema: str, name: str) -> TableMark | None:
        """Return what changes when all rows of a table go at once; None when it is not there."""
        ...

    def is_known(self, number: int, now: TableMark) -> bool:
        """Return whether rows still tell the transaction of that number from every other."""
        ...

    def load_number(self, conn: Any) -> int | None:
        """Return the number that rows written by this transaction carry; None where they do not."""
        ...

    def counted(
        self, conn: Any, table: TargetTable, own: Sequence[int], others: Sequence[int]
    ) -> Counted:
        """Count a table's rows: all, those of some transactions, those of some others."""
        ...

    def in_range(
        self,
        conn: Any,
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

    def remove(self, conn: Any, table: TargetTable, own: Sequence[int]) -> int:
        """Delete the rows of some transactions from a table, and no others; return how many."""
        ...


class Watch(Protocol):
    """Looks after rows that were loaded, until their transaction commits."""

    def require(self, loaded: int) -> None:
        """Raise when the table does not hold all of them: triggers may have taken some away."""
        ...


class Dialect(OwnSettings, Protocol):
    """What the library asks of a database. ``conn`` is always the driver's own connection."""

    name: str
    grammar: str
    """Name under which sqlglot reads its SQL."""
    read_wire: str
    """How rows come out into Arrow, as a plan shows it."""
    drivers: tuple[str, ...]
    capabilities: Capabilities

    @property
    def evidence(self) -> Evidence:
        """What it can tell of where rows come from."""
        ...

    @property
    def staged_rows(self) -> StagedRows:
        """What it does with rows that wait, where the target refuses some."""
        ...

    def remedy(self, conn: Any, sql: str, error: DatabaseError) -> Refusal:
        """Return what is told of a query that was refused; ends the session's transaction."""
        ...

    def advice(self, code: str) -> str:
        """Return what to do about an error of that code, whatever the query; empty for most."""
        ...

    def row_advice(self, code: str) -> str:
        """Return what to do about a row that a target refused for a code; empty for most."""
        ...

    def is_duplicate(self, code: str) -> bool:
        """Return whether a row was refused for its key, which another row has."""
        ...

    def is_denied(self, code: str) -> bool:
        """Return whether a statement was refused for rights that are lacking."""
        ...

    def constraint_of(self, said: str) -> str:
        """Return the constraint that such a refusal names, as the catalogue has it; or nothing."""
        ...

    def connect_args(self) -> ConnectArgs:
        """Return what every connection is opened with: timeouts, keepalives."""
        ...

    def errors(self, url: sa.URL | None = None, *, prefix: int = 0) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's, secrets masked."""
        ...

    def quote(self, identifier: str) -> str:
        """Return an identifier as SQL writes it."""
        ...

    def literal(self, value: Any) -> str:
        """Return a value of a job's params as SQL writes it, of its own type and exact."""
        ...

    def folded(self, identifier: str, *, quoted: bool) -> str:
        """Return an identifier of a query's text as this library shows it."""
        ...

    def ddl_type(self, column: Column) -> str:
        """Return a type of this database that holds a column of another one."""
        ...

    def run(
        self, conn: Any, name: str, params: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a query of ``sql/<dialect>/`` with bound values; return its rows."""
        ...

    def run_each(self, conn: Any, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement of ``sql/<dialect>/`` once for each of some rows of bound values."""
        ...

    # reading
    def begin_read(
        self, conn: Any, snapshot: str | None, application: str = "", like: Settings = ()
    ) -> None:
        """Begin a read-only transaction, in the named snapshot where there is one.

        A query means in it what it did in the session whose ``meaning`` is passed as ``like``.
        """
        ...

    def ping(self, conn: Any) -> None:
        """Raise when the session is gone."""
        ...

    def export_snapshot(self, conn: Any) -> str | None:
        """Return the name by which other sessions read this state; None when it may not be had."""
        ...

    def unfreezable(self, sql: str) -> str:
        """Return why a query cannot be read in a snapshot; empty when it can."""
        ...

    def as_of(self, query: SourceQuery, snapshot: str | None) -> SourceQuery:
        """Return a query that reads a snapshot, where the session alone does not see to it."""
        ...

    def mark(self, conn: Any) -> None:
        """Mark a point in the transaction, before something the database may refuse."""
        ...

    def back_to_mark(self, conn: Any) -> None:
        """Let the transaction go on from the mark, after a refusal."""
        ...

    def describe_query(self, conn: Any, sql: str) -> tuple[Column, ...]:
        """Return a query's columns without reading a row."""
        ...

    def relation(self, conn: Any, table: str) -> Relation | None:
        """Return what the catalogue knows of a table, None when it knows none."""
        ...

    def functions(self, conn: Any, names: Sequence[str]) -> tuple[FunctionFact, ...]:
        """Return what the catalogue knows of functions by these names that matter to a plan."""
        ...

    def relied(self, conn: Any, columns: Sequence[Column]) -> Relied | None:
        """Return what the queries of this transaction have read, and how that is defined.

        None where the database itself refuses to go on in a state before such a change.
        """
        ...

    def source_definition(self, conn: Any, relied: Relied) -> Definition:
        """End a read; return how what was planned, and what it has read, is defined now."""
        ...

    def whole_table(self, table: str) -> str:
        """Return the table expression that stands for a table, unrestricted, in a splice."""
        ...

    def estimate(self, conn: Any, sql: str) -> Estimate:
        """Return what the planner expects of a query."""
        ...

    def doubt(
        self, conn: Any, sql: str, estimate: Estimate, functions: Sequence[FunctionFact]
    ) -> str | None:
        """Return why a query may give other rows in another statement; empty when shown not to.

        None where the database does not tell; then its text has to. It may end the statement's
        transaction where that is refused.
        """
        ...

    def count(self, conn: Any, sql: str, keys: Sequence[str] = ()) -> tuple[int, int]:
        """Return a query's rows, and those among them that have every key."""
        ...

    def digest(self, conn: Any, sql: str, *, wanted: bool) -> tuple[int, str | None]:
        """Return a query's rows and, if wanted, the sum of a digest of each, in any order."""
        ...

    def key_marks(self, conn: Any, sql: str, keys: Sequence[Column], step: int) -> list[KeyMark]:
        """Return every ``step``-th key of a query, in the database's own order."""
        ...

    def histogram(self, conn: Any, table: str, column: str) -> Histogram:
        """Return what fresh statistics say of a column; empty where none could be trusted."""
        ...

    def sorted_bounds(
        self, conn: Any, query: SourceQuery, bounds: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, ...]]:
        """Return bounds of a query's key in the database's own order."""
        ...

    def sampled(self, query: SourceQuery, percent: float) -> str:
        """Return the query over a random share of its rows."""
        ...

    def watermarks(self, conn: Any) -> Watermarks:
        """Return how values of a column that grows are read, lowered and compared."""
        ...

    def holdings(self, conn: Any) -> Holdings:
        """Return how it is asked what a target holds."""
        ...

    def has_duplicates(self, conn: Any, sql: str, keys: Sequence[str]) -> bool:
        """Return whether one key stands in two rows."""
        ...

    def chunk_query(self, conn: Any, query: SourceQuery, chunk: Chunk) -> str:
        """Return the query that reads one chunk."""
        ...

    def first_rows(self, sql: str, rows: int) -> str:
        """Return a query for at most some rows of a query."""
        ...

    def address_bounds(
        self, conn: Any, table: str, blocks: int, starts: Sequence[int]
    ) -> list[Bound]:
        """Return the row addresses at which some of a table's blocks begin, in their order.

        Fewer than were asked for, when the database does not tell more apart.
        """
        ...

    def read(
        self, conn: Any, sql: str, columns: Sequence[Column], *, most: Most, strict: bool
    ) -> Iterator[pa.Table]:
        """Yield a query's rows as Arrow tables, at least one."""
        ...

    def pour(self, conn: Any, sql: str, columns: Sequence[Column], pool: Pool) -> None:
        """Hand all rows of a query, read by one statement, to a pool as they come."""
        ...

    def waits_for_keeper(self, conn: Any, keeper: str) -> str:
        """Return who waits for the session of a name, so that reads wait too; empty: nobody."""
        ...

    # writing
    def begin_load(self, conn: Any, application: str, lock_timeout: float) -> None:
        """Begin a transaction that loads, under a name an administrator can see.

        A lock is waited for at most ``lock_timeout`` seconds.
        """
        ...

    def end_sessions(self, conn: Any, tag: str) -> int:
        """End every session that works on a chunk of a run; return how many there were."""
        ...

    def end_frozen(self, conn: Any, tag: str, chunk_id: int | None, seconds: float) -> int:
        """End sessions of a run whose clients have been silent so long while they hold a chunk.

        Only those of one chunk, where one is named.
        """
        ...

    def create_staging(self, conn: Any, publication: Publication) -> None:
        """Create the table where rows wait."""
        ...

    def drop_table(self, conn: Any, quoted: str) -> None:
        """Drop a table if it is there."""
        ...

    def publish(self, conn: Any, publication: Publication, loaded: int) -> int:
        """Let the staged rows enter the target; return how many did.

        As many as are ``loaded``, or as there are keys among them where the newest is taken; and
        the table then holds them, or it raises.
        """
        ...

    def target_table(self, conn: Any, schema: str | None, table: str) -> TargetTable | None:
        """Return a table and its columns, None when there is none."""
        ...

    def target_definition(self, conn: Any, quoted: str) -> Definition:
        """Return how a table of that name is defined now; empty when there is none."""
        ...

    def missing_grants(self, conn: Any, needs: Needs) -> list[str]:
        """Return each GRANT that this login lacks for a job, as a statement; all of them at once.

        Empty where none is missing, or the database is not asked.
        """
        ...

    def load(self, conn: Any, table: TargetTable, rows: pa.Table) -> Loaded:
        """Load Arrow rows; raise when the database counts other rows than were sent."""
        ...

    def watch(self, conn: Any, table: TargetTable) -> Watch:
        """Return what looks after rows that ``load`` and its like put in from now on."""
        ...

    def load_apart(self, conn: Any, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
        """Load Arrow rows but for those the database refuses; raise at more than ``most``."""
        ...

    def load_aside(self, conn: Any, table: TargetTable, rows: pa.Table, name: str) -> Aside:
        """Load Arrow rows for a table by the direct path into a new table of that name; commits."""
        ...

    def load_from(self, conn: Any, table: TargetTable, aside: Aside) -> Loaded:
        """Let rows that were loaded aside enter their table, in the caller's transaction."""
        ...

    def drop_asides(self, conn: Any, prefix: str) -> None:
        """Drop what attempts that were killed have left of their direct path loads."""
        ...

    def empty_table(self, conn: Any, quoted: str) -> None:
        """Delete all rows of a table in the caller's transaction."""
        ...

    def load_wire(self, columns: Sequence[Column]) -> str:
        """Return how Arrow rows go into columns, as a plan shows it."""
        ...

    def relay_format(self, source: Sequence[Column], target: Sequence[Column]) -> str | None:
        """Return how bytes may pass undecoded between columns, None when they may not."""
        ...

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
        ...
