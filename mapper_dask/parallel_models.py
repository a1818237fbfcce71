"""The values that travel: chunks, and what became of them and of their run. All of them frozen."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import pandas as pd

from mapper_dask.errors import ConfigurationError
from mapper_dask.raised import Raised
from mapper_dask.stored import Stored

Transformation = Callable[[pd.DataFrame], pd.DataFrame]
DtypeBackend = Literal["pyarrow", "numpy_nullable"]

AUTO: Final = "auto"
"""A chunk size that is chosen when planned, by the bytes of a row."""

ChunkSize = int | Literal["auto"]
"""Rows wanted a chunk, or ``"auto"``."""

DEFAULT_CHUNK_SIZE = 50_000
"""Rows a chunk: the seed's default; at usual row widths half a second of work and a few MB."""


class ChunkingStrategy(enum.Enum):
    """How a query is cut into chunks."""

    OFFSET_LIMIT = "offset_limit"
    """Windows of a unique total order, in one snapshot. Cost grows with the offset."""
    KEY_BASED = "key_based"
    """Ranges of one or more orderable columns, and the rows whose key is NULL."""
    ROWID_BASED = "rowid_based"
    """Ranges of the table's physical row addresses (ctid, ROWID); single-table queries only."""


class ChunkKind(enum.Enum):
    """What a chunk's predicate looks like."""

    WHOLE = "whole"
    KEY_RANGE = "key_range"
    NULL_KEY = "null_key"
    ROWID_RANGE = "rowid_range"
    WINDOW = "window"
    SPOOLED = "spooled"
    """Rows of a query that was read once, by one statement: they wait in a local file."""


class ChunkState(enum.Enum):
    """The state of a chunk in the ledger; the names are those of Oracle's parallel execution."""

    UNASSIGNED = "UNASSIGNED"
    ASSIGNED = "ASSIGNED"
    PROCESSED = "PROCESSED"
    PROCESSED_WITH_ERROR = "PROCESSED_WITH_ERROR"


Bound = tuple[str, ...] | None
"""One value a key column, as the source database writes it as text; None is an open end."""


READING_FORM = re.compile(r"[0-9a-f]{32}")
"""The name of one reading of a query: drawn at random, so that no two readings share one."""


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """The file that holds a chunk's rows, to be verified when it is read."""

    reading: str
    """The reading of the query that its rows belong to."""
    size: int
    """Its bytes."""
    crc32: int
    """Their checksum."""

    @classmethod
    def from_json(cls, stored: Stored) -> SpooledFile:
        """Build it from what a chunk's ``to_json`` holds of it."""
        reading = stored.text("reading")
        if not READING_FORM.fullmatch(reading):
            stored.refuse("reading", "the name of a reading")
        return cls(reading, stored.whole("size"), stored.whole("crc32"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """One unit of work: a part of the query's rows."""

    chunk_id: int
    """Position in the plan, from 0."""
    kind: ChunkKind
    """Which of the fields below define its rows."""
    lower: Bound = None
    """First key of the range (included); None: from the beginning."""
    upper: Bound = None
    """End of the range (excluded); None: to the end."""
    offset: int = 0
    """Rows to skip, for a window; rows of the reading before it, where they wait in a file."""
    limit: int | None = None
    """Rows to read, for a window, None: to the end; those its file holds."""
    estimated_rows: int | None = None
    """Rows the planner expects; never relied upon."""
    spooled: SpooledFile | None = None
    """The file that holds its rows; None: they are read at the source."""

    def describe(self) -> str:
        """Return one line that describes its rows."""
        match self.kind:
            case ChunkKind.WHOLE:
                return "all rows"
            case ChunkKind.NULL_KEY:
                return "key IS NULL"
            case ChunkKind.WINDOW:
                return (
                    f"rows {self.offset} to "
                    f"{'end' if self.limit is None else self.offset + self.limit}"
                )
            case ChunkKind.SPOOLED:
                return f"rows {self.offset} to {self.offset + (self.limit or 0)} as read once"
            case _:
                return f"[{_bound_text(self.lower, '-∞')}, {_bound_text(self.upper, '+∞')})"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready mapping from which ``from_json`` builds an equal chunk."""
        made = {**asdict(self), "kind": self.kind.value}
        if self.spooled is None:  # as it was before there were such chunks
            del made["spooled"]
        return made

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Chunk:
        """Build a chunk from what ``to_json`` returned.

        Raises
        ------
        ValueError
            When a field is missing or is not what ``to_json`` writes; names it.
        """
        found = Stored(stored, "a chunk", error=ConfigurationError)
        kind = ChunkKind(found.one_of("kind", [kind.value for kind in ChunkKind]))
        in_file = kind is ChunkKind.SPOOLED
        return cls(
            chunk_id=found.whole("chunk_id"),
            kind=kind,
            lower=_stored_bound(found, "lower"),
            upper=_stored_bound(found, "upper"),
            offset=found.whole("offset"),
            limit=found.whole("limit") if in_file else _stored_count(found, "limit"),
            estimated_rows=_stored_count(found, "estimated_rows"),
            spooled=SpooledFile.from_json(found.part("spooled")) if in_file else None,
        )


def _stored_bound(stored: Stored, name: str) -> Bound:
    if name in stored.data and stored.data[name] is None:
        return None
    return stored.texts(name) or stored.refuse(name, "a list of texts, or null")


def _stored_count(stored: Stored, name: str) -> int | None:
    return None if name in stored.data and stored.data[name] is None else stored.whole(name)


def _bound_text(bound: Bound, open_end: str) -> str:
    return open_end if bound is None else ", ".join(bound)


@dataclass(frozen=True, slots=True)
class ChunkConfig:
    """The planner's decisions before cutting: strategy, key, number of chunks."""

    strategy: ChunkingStrategy
    """How the query is cut."""
    chunk_size: int
    """Rows wanted a chunk."""
    total_rows: int
    """Rows the query is estimated to return."""
    num_chunks: int
    """Chunks aimed at, without the one for NULL keys."""
    key_columns: tuple[str, ...] = ()
    """Columns whose ranges are the chunks; empty for ROWID_BASED and a single chunk."""
    reason: str = ""
    """Why this strategy and key."""


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """The result of one chunk."""

    chunk_id: int
    """Position in the plan, from 0."""
    state: ChunkState
    """Its state."""
    bounds: str = ""
    """A description of its rows."""
    rows_read: int = 0
    """Rows extracted from the source."""
    rows_out: int = 0
    """Rows the function returned (rows_read without a function)."""
    rows_loaded: int = 0
    """Rows committed in the target."""
    rows_rejected: int = 0
    """Rows rejected."""
    attempts: int = 0
    """How often the chunk was begun, by all coordinators."""
    worker: str = ""
    """Host and process that committed it."""
    processing_time: float = 0.0
    """Seconds of the attempt that ended it."""
    snapshot: str | None = None
    """Source snapshot it was read in; None: read without one."""
    warnings: tuple[str, ...] = ()
    """Lossy conversions by column, beyond those in the plan."""
    error: str | None = None
    """Why it failed, with the traceback of the user's function where that raised."""
    stops_run: bool = False
    """Whether its error would fail the other chunks too: the reject limit, a full disk."""
    snapshot_lost: bool = False
    """Whether the source has lost the snapshot it was to be read in."""
    file_unread: bool = field(default=False, repr=False, compare=False)
    """Whether its worker could not read the file of its rows, as where it sees no such folder."""
    unreached: bool = field(default=False, repr=False, compare=False)
    """Whether its worker could not reach a database, which others may."""
    of_the_job: bool = field(default=False, repr=False, compare=False)
    """Whether the job itself must be changed, which makes it another: no resume can finish it."""
    raised: Raised | None = field(default=None, repr=False, compare=False)
    """The exception of the user's function, as sent by the worker; the ledger has only its text."""
    began: float | None = field(default=None, repr=False, compare=False)
    """When the work that ended it began, by its worker's clock: seconds since 1970. The ledger has
    times of its own."""

    @property
    def succeeded(self) -> bool:
        """Whether the chunk's rows are committed."""
        return self.state is ChunkState.PROCESSED


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected row."""

    stage: Literal["transform", "encode", "load"]
    """Who refused it: the function, the conversion to the target's types, or the database."""
    reason: str
    """Why, without the row's values."""
    row: Mapping[str, Any]
    """The row at that stage, as JSON values."""
    key: Mapping[str, Any] | None = None
    """Its key, where the row still has one."""

    def to_json(self) -> dict[str, Any]:
        """Return a mapping for JSON."""
        return asdict(self)
