"""The values that dialects return about queries, tables and loads."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from mapper_dask.schema.definition import Definition, Relied
from mapper_dask.schema.hazards import NONE_KNOWN, Hazards
from mapper_dask.schema.shapes import Shape


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
    """Sent as the database's own text: uuid, json, interval, arrays, ranges, enums."""


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
    cast_type: str = ""
    """The same by its full name, whatever the search path is; empty: as ``key_type``."""
    order: tuple[str, ...] = ()
    """Operators ``<``, ``<=``, ``=``, ``>=`` and ``>`` of its default order, as SQL writes them, by
    their full names; empty: the database's own."""
    native: bool = False
    """Whether the type belongs to the database itself, and so means the same on any server."""
    not_null: bool = False
    """Whether the table it comes from forbids NULL."""
    has_default: bool = False
    """Whether a row may leave it out (tables only)."""
    generated: bool = False
    """Whether the database computes it and refuses values (tables only)."""
    digits: int | None = None
    """Significant digits a number keeps, wherever its point is; None: all of them."""
    empty_is_null: bool = False
    """Whether the database stores an empty value as NULL."""
    shape: Shape | None = field(default=None, repr=False, compare=False)
    """The structure of its type, where it is sent as text; None: not known."""

    @property
    def typed(self) -> bool:
        """Whether Arrow holds it as more than text."""
        return not pa.types.is_string(self.arrow)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job does to its target and to the ledger there."""

    schema: str | None
    """The target's; None: the search path finds it."""
    table: str
    rights: tuple[str, ...]
    """On the table, such as INSERT."""
    staged: bool
    """Whether rows are staged."""
    rejects: bool
    """Whether rows may be rejected."""
    names: tuple[str, ...] | None = None
    """Columns that are filled; others take values of their sequences. None: not known."""


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
    """Its staging table, quoted; None: rows are loaded into the table itself."""
    chunk_column: Column | None = None
    """Column of the staging table with a row's chunk; None where it is not needed."""
    staged_key: tuple[str, ...] = ()
    """Columns by which staged rows are merged, each key once; empty if they are not."""
    definition: Definition = field(default=(), repr=False, compare=False)
    """Its definition just before all of this was queried; empty where it was not."""
    hazards: Hazards = NONE_KNOWN
    """What may keep rows out of it, or delete them."""
    by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    """The columns by name: a table may have 1,600, and each is looked up for each chunk."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})

    @property
    def into(self) -> str:
        """The table rows are loaded into, quoted."""
        return self.staging or self.quoted

    @property
    def into_name(self) -> str:
        """The same without its schema, unquoted."""
        return self.name if self.staging is None else self.staging.rsplit('"', 2)[1]

    def column(self, name: str) -> Column | None:
        """Return the column of that name, None when there is none."""
        return self.by_name.get(name)


@dataclass(frozen=True, slots=True)
class TableMark:
    """What changes when a table loses all rows at once: it is truncated, rewritten or recreated.

    Two marks of one table are equal when nothing of the kind has happened between them.
    """

    cluster: str | None
    """Identifies the server's data; transactions of another do not compare. None: not known."""
    database: str
    storage: str
    """Digest of the objects and the files it is stored in, its partitions' among them."""
    steady: bool = True
    """Whether its rows can go all at once only with its storage; not those of an unlogged table,
    which a crash empties in its place."""
    stamped: bool = False
    """Whether each row has the number of the transaction that wrote it."""
    unlogged: bool = False
    """Whether a crash of the server empties it."""
    upcoming: int | None = field(default=None, compare=False)
    """Number of the next transaction; None where rows carry none."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of a table, or of a part of it."""

    rows: int
    own: int = 0
    """Those among them that some transactions wrote."""
    others: int = 0
    """Those among them that some others wrote."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Another session's transaction at the source that has not ended."""

    key: str
    """Identifies it, as long as the server runs."""
    whose: str
    """Session, user and start, as far as this login may see them."""
    least: str | None = None
    """A value of a column that grows that no row of it is below, as the database writes it; None:
    it may be any."""
    prepared: bool = False
    """Whether it is prepared, so that no session has it; then its key differs from before."""


@dataclass(frozen=True, slots=True)
class CommitOrder:
    """How rows of a growing column become visible, which need not be in its order."""

    rule: str
    """How rows that commit late are found, for messages."""
    blind: str = ""
    """Why not all of them are found; empty if all are."""
    rests_on: tuple[str, ...] = ()
    """What cannot be checked, and is relied upon."""
    problem: str = ""
    """Why the column cannot identify new rows; empty if it can."""
    by_start: bool = False
    """Whether the values are times, so that a transaction's start bounds its rows from below."""
    watched: tuple[int, ...] = ()
    """Objects on which writers hold locks until they end; empty: every transaction counts."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The values of a growing column in the target."""

    greatest: str | None
    """As the target writes it; None without a value."""
    rows: int | None = None
    """Rows above some value, or all that have one; None: not counted."""
    reaches: bool = True
    """Whether the greatest is not below what it was compared with."""


@dataclass(frozen=True, slots=True)
class Publication:
    """How staged rows enter the target, all at once."""

    disposition: str
    """``append``, ``replace`` or ``merge``."""
    schema: str
    """Where both tables are."""
    target: str
    """Quoted, with its schema; composed from the table that is there, and never stored."""
    staging: str
    """Quoted, with its schema; likewise."""
    staging_name: str
    """As the database holds it, unquoted: it follows from the run's name."""
    columns: tuple[str, ...]
    """Columns that are loaded."""
    defaulted: tuple[str, ...] = ()
    """Columns they do not bring; a replaced row gets their defaults again."""
    key: tuple[str, ...] = ()
    """Columns by which a row is found again in the target."""
    by_key: bool = False
    """Whether rows that stay are changed in their place: a merge, or a table others refer to."""
    newest_by: str | None = None
    """Column whose greatest value wins among rows with one key."""
    definition: Definition = field(default=(), repr=False, compare=False)
    """The target's definition when this was planned; empty where it was not queried."""
    target_name: str = ""
    """The target's own name, unquoted; empty in a ledger of an earlier version."""
    reject_limit: int = 0
    """Rows of the run that may be rejected, including those that the target refuses."""
    reject_keys: tuple[str, ...] = ()
    """Columns that identify a row of the source."""
    chunk_column: str = ""
    """Column of the staging table with a row's chunk; empty: it has none."""


@dataclass(frozen=True, slots=True)
class Relation:
    """The catalogue's description of the single table that a query reads."""

    has_row_addresses: bool
    """Whether ranges of physical row addresses cover it."""
    blocks: int
    """Size in blocks; 0 for an empty one."""
    unique_keys: tuple[tuple[str, ...], ...]
    """Column lists of unique indexes whose columns are NOT NULL, the primary key first."""
    indexed: tuple[str, ...]
    """First columns of its ordered indexes."""
    stable_addresses: bool = False
    """Whether a row keeps its address when it is updated."""


@dataclass(frozen=True, slots=True)
class FunctionFact:
    """The catalogue's description of the functions of one name."""

    name: str
    reshapes: bool
    """Whether one is an aggregate, a window function, or returns a set."""
    volatile: bool
    """Whether one may return another value at every call."""
    effects: str = ""
    """Side effects one may have, for messages; empty where none are known."""
    repeats: bool = True
    """Whether each is known to return the same in all statements of one snapshot."""
    opaque: bool = False
    """Whether one has a body that no plan shows, even where the database inlines it."""


@dataclass(frozen=True, slots=True)
class Splice:
    """A query's text split around its single table, to put a restricted table there."""

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


Settings = tuple[tuple[str, str], ...]
"""Names and values of settings of a session."""


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
    relied: Relied | None = field(default=None, repr=False, compare=False)
    """What it reads, and the definition of that when planned; None where it was not queried."""
    settings: Settings = field(default=(), repr=False, compare=False)
    """Session settings its meaning depends on: set for each chunk as they were when planned."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the database expects of a query, before it runs."""

    rows: int
    cost: float | None = None
    """In the database's own unit, so only ratios are meaningful. None: not known."""
    row_bytes: int | None = None
    """Average width of a row; None: not known."""
    moving: float = 0.0
    """The part of the cost for passing the rows on; 0: not known."""
    calls: frozenset[str] = frozenset()
    """Names of functions and operators in what will be run, those of views included; empty: not
    known."""
    passing: bool = False
    """Whether its plan is shown to only pass rows on: none depends on an order, none are added."""
    clocks: tuple[str, ...] = ()
    """Words in what will be run that mean the time of the statement or its transaction."""
    whole_rows: bool = False
    """Whether it takes a table's row as one value, whose type a subselect's row would not have."""


@dataclass(frozen=True, slots=True)
class KeyMark:
    """One row of an ordered walk over the keys: the key at a position."""

    position: int
    """Rows before it, in key order."""
    key: tuple[str, ...]
    """As the database writes it as text."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """The statistics of a column's values."""

    marks: tuple[KeyMark, ...] = ()
    """Values in order; their positions count in the statistics' own unit."""
    total: int = 0
    """All rows in that unit."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a database supports; checked instead of its name."""

    snapshots: bool
    """Whether many sessions can read one state."""
    row_addresses: bool
    """Whether a table can be cut by physical addresses."""
    relay: bool
    """Whether bytes can pass from source to target undecoded."""
    kept_snapshots: bool = True
    """Whether a snapshot lives as long as the session that exported it; else the server decides."""
    direct_path: bool = False
    """Whether there is a faster load that commits on its own."""
    numbered_blocks: bool = True
    """Whether the address of a block is known by its number, without a look at the table."""
    indexed_nulls: bool = True
    """Whether an ordered index holds the rows without a key."""
    transactional_ddl: bool = True
    """Whether a table made in a transaction goes when that is rolled back."""
    counts_touched_rows: bool = True
    """Whether a session can count its transaction's changes to a table, triggers included."""
    colon_casts: bool = False
    """Whether a cast may be written as ``value::type``."""
    json_in_ascii: bool = True
    """Whether JSON is written with escapes for what is not ASCII: a database that reads characters
    from them cannot where its encoding is not known."""


@dataclass(frozen=True, slots=True)
class Aside:
    """Rows that were loaded outside the transaction, into a table of their own."""

    table: str
    """Quoted, with its schema."""
    columns: tuple[tuple[str, pa.DataType], ...]
    """The target's columns they are for, with the types they were sent as."""
    rows: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did."""

    rows: int
    """Rows the database counted."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """Rows it refused, by their position among those sent, and why."""
