"""What every database must be able to say, and the values it says it with."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa

from mapper_dask.parallel_models import Bound, Chunk


class TypeFamily(enum.Enum):
    """Families of column types that convert alike."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    BINARY = "binary"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMP_TZ = "timestamptz"
    OTHER = "other"
    """Travels as the database's own text: uuid, json, interval, arrays, ranges, enums."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a query's result or of a table."""

    name: str
    """As the database holds it, unquoted."""
    type_name: str
    """As the database writes it, with its modifiers: ``numeric(15,2)``."""
    family: TypeFamily
    """How it converts."""
    arrow: pa.DataType
    """Arrow type that holds every ordinary value of it exactly; string where none does."""
    precision: int | None = None
    """Digits of a decimal, fractional digits of a time, length of a text; None: unlimited."""
    scale: int | None = None
    """Digits after the point of a decimal; None: unlimited."""
    key_type: str = ""
    """Type to which a bound's text is cast, without modifiers; empty when it can be no key."""
    native: bool = False
    """Whether the type belongs to the database itself, and so means the same on any server."""
    not_null: bool = False
    """Whether the table it comes from forbids NULL."""
    has_default: bool = False
    """Whether a row may leave it out (tables only)."""
    generated: bool = False
    """Whether the database computes it and refuses values (tables only)."""
    digits: int | None = None
    """Significant digits a number keeps, however they stand; None: all of them."""
    empty_is_null: bool = False
    """Whether the database stores an empty value as NULL."""

    @property
    def typed(self) -> bool:
        """Whether Arrow holds it as more than text."""
        return not pa.types.is_string(self.arrow)


@dataclass(frozen=True, slots=True)
class TargetTable:
    """A table that receives rows."""

    schema: str
    name: str
    quoted: str
    """Schema and name as SQL writes them."""
    columns: tuple[Column, ...]
    unique_keys: tuple[tuple[str, ...], ...] = ()
    """Column lists of unique indexes whose columns are NOT NULL, the primary key first."""
    primary_key: tuple[str, ...] = ()
    """Columns of its primary key, empty without one."""
    referring: tuple[str, ...] = ()
    """Tables with a foreign key to it."""
    staging: str | None = None
    """Table that takes its rows until they are published, quoted; None: it takes them itself."""

    @property
    def into(self) -> str:
        """The table rows are loaded into, quoted."""
        return self.staging or self.quoted

    def column(self, name: str) -> Column | None:
        """Return the column of that name, None when there is none."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Publication:
    """How rows that wait in a staging table enter the target, all at once."""

    disposition: str
    """``append``, ``replace`` or ``merge``."""
    schema: str
    """Where both tables are."""
    target: str
    """Quoted, with its schema."""
    staging: str
    """Quoted, with its schema."""
    staging_name: str
    """As the database holds it, unquoted."""
    columns: tuple[str, ...]
    """Columns the rows bring."""
    defaulted: tuple[str, ...] = ()
    """Columns they do not bring, which a replaced row has anew from their defaults."""
    key: tuple[str, ...] = ()
    """Columns by which a row is found again in the target."""
    by_key: bool = False
    """Whether rows that stay are changed in their place: a merge, or a table others refer to."""
    newest_by: str | None = None
    """Column whose greatest value wins among rows with one key."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What the catalogue knows of the single table a query reads."""

    has_row_addresses: bool
    """Whether ranges of physical row addresses cover it."""
    blocks: int
    """Size in blocks; 0 for an empty one."""
    unique_keys: tuple[tuple[str, ...], ...]
    """Column lists of unique indexes whose columns are NOT NULL, the primary key first."""
    indexed: tuple[str, ...]
    """First columns of its ordered indexes."""


@dataclass(frozen=True, slots=True)
class FunctionFact:
    """What the catalogue knows of functions of one name."""

    name: str
    reshapes: bool
    """Whether one folds rows, looks at other rows, or returns several: rows are not the table's."""
    volatile: bool
    """Whether one may answer anew at every call."""


@dataclass(frozen=True, slots=True)
class Splice:
    """A query's text cut around its single table, so that a restricted table can stand there."""

    before: str
    table: str
    """The table as the user wrote it."""
    after: str
    alias: str = ""
    """Name the restricted table must be given; empty where the user's text gives one."""

    def with_table(self, replacement: str) -> str:
        """Return the query over another table expression."""
        alias = f" {self.alias}" if self.alias else ""  # without AS, which Oracle refuses there
        return f"{self.before}{replacement}{alias}{self.after}"


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """The query as the chunks read it."""

    sql: str
    """The user's text, without a closing semicolon."""
    columns: tuple[Column, ...]
    """What is read, in order: fixed when planned, so that no chunk drifts."""
    keys: tuple[Column, ...] = ()
    """What it is cut by."""
    splice: Splice | None = None
    """Where the row addresses go, for ROWID_BASED."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the database expects of a query, before it runs."""

    rows: int
    cost: float | None = None
    """In the database's own unit; only ratios of it mean something. None: it does not tell."""


@dataclass(frozen=True, slots=True)
class KeyMark:
    """One row of an ordered walk over the keys: the key at a position."""

    position: int
    """Rows before it, in key order."""
    key: tuple[str, ...]
    """As the database writes it as text."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a database offers; asked instead of its name."""

    snapshots: bool
    """Whether many sessions can read one state."""
    row_addresses: bool
    """Whether a table can be cut by physical addresses."""
    relay: bool
    """Whether bytes can pass from source to target undecoded."""
    kept_snapshots: bool = True
    """Whether a snapshot lives as long as the session that exported it; else the server decides."""
    transactional_ddl: bool = True
    """Whether a table made in a transaction goes when that is rolled back."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did."""

    rows: int
    """Rows the database counted."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """Rows it refused, by their place among those sent, and why."""


class Dialect(Protocol):
    """What the library asks of a database. ``conn`` is always the driver's own connection."""

    name: str
    grammar: str
    """Name under which sqlglot reads its SQL."""
    drivers: tuple[str, ...]
    capabilities: Capabilities

    def connect_args(self) -> dict[str, Any]:
        """Return what every connection is opened with: timeouts, keepalives."""
        ...

    def errors(self, url: sa.URL | None = None, *, prefix: int = 0) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's, secrets masked."""
        ...

    def quote(self, identifier: str) -> str:
        """Return an identifier as SQL writes it."""
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
    def begin_read(self, conn: Any, snapshot: str | None, application: str = "") -> None:
        """Begin a read-only transaction, in the named snapshot where there is one."""
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

    def whole_table(self, table: str) -> str:
        """Return the table expression that stands for a table, unrestricted, in a splice."""
        ...

    def estimate(self, conn: Any, sql: str) -> Estimate:
        """Return what the planner expects of a query."""
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

    def sorted_bounds(
        self, conn: Any, query: SourceQuery, bounds: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, ...]]:
        """Return bounds of a query's key in the database's own order."""
        ...

    def sampled(self, query: SourceQuery, percent: float) -> str:
        """Return the query over a random share of its rows."""
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
        self, conn: Any, sql: str, columns: Sequence[Column], *, batch_rows: int, strict: bool
    ) -> Iterator[pa.Table]:
        """Yield a query's rows as Arrow tables, at least one."""
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

    def publish(self, conn: Any, publication: Publication) -> int:
        """Let the staged rows enter the target; return how many there were."""
        ...

    def target_table(self, conn: Any, schema: str | None, table: str) -> TargetTable | None:
        """Return a table and its columns, None when there is none."""
        ...

    def load(self, conn: Any, table: TargetTable, rows: pa.Table) -> Loaded:
        """Load Arrow rows; raise when the database counts other rows than were sent."""
        ...

    def load_apart(self, conn: Any, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
        """Load Arrow rows but for those the database refuses; raise at more than ``most``."""
        ...

    def empty_table(self, conn: Any, quoted: str) -> None:
        """Delete all rows of a table in the caller's transaction."""
        ...

    def delete_range(
        self, conn: Any, table: TargetTable, keys: Sequence[Column], chunk: Chunk
    ) -> None:
        """Delete a chunk's range of keys from a table."""
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
