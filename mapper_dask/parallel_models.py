"""The values that travel: a job, its chunks and what became of them. All of them frozen."""

from __future__ import annotations

import enum
import numbers
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import pandas as pd

from mapper_dask.errors import ConfigurationError, RunFailedError
from mapper_dask.rendering import Line, as_html, as_text

Transformation = Callable[[pd.DataFrame], pd.DataFrame]
OnError = Literal["abort", "continue"]
DtypeBackend = Literal["pyarrow", "numpy_nullable"]

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


class ChunkState(enum.Enum):
    """Where a chunk stands in the ledger; the names are those of Oracle's parallel execution."""

    UNASSIGNED = "UNASSIGNED"
    ASSIGNED = "ASSIGNED"
    PROCESSED = "PROCESSED"
    PROCESSED_WITH_ERROR = "PROCESSED_WITH_ERROR"


ERRORS_SHOWN = 3
"""Failures printed with a result; the first ones say what is wrong."""

Bound = tuple[str, ...] | None
"""One value a key column, as the source database writes it as text; None is an open end."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One unit of work: which rows of the query it stands for."""

    chunk_id: int
    """Position in the plan, from 0."""
    kind: ChunkKind
    """Which of the fields below say what the rows are."""
    lower: Bound = None
    """First key of the range (included); None: from the beginning."""
    upper: Bound = None
    """End of the range (excluded); None: to the end."""
    offset: int = 0
    """Rows to skip, for a window."""
    limit: int | None = None
    """Rows to read, for a window; None: to the end."""
    estimated_rows: int | None = None
    """Rows the planner expects; never relied upon."""

    def describe(self) -> str:
        """Say in a line which rows these are."""
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
            case _:
                return f"[{_bound_text(self.lower, '-∞')}, {_bound_text(self.upper, '+∞')})"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready mapping from which ``from_json`` builds an equal chunk."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Chunk:
        """Build a chunk from what ``to_json`` returned."""
        values = {f.name: stored[f.name] for f in fields(cls)}
        values["kind"] = ChunkKind(stored["kind"])
        for end in ("lower", "upper"):
            values[end] = None if stored[end] is None else tuple(stored[end])
        return cls(**values)


def _bound_text(bound: Bound, open_end: str) -> str:
    return open_end if bound is None else ", ".join(bound)


@dataclass(frozen=True, slots=True)
class ChunkConfig:
    """What the planner decided before it cut: how, by which key, into how many."""

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
    """What became of one chunk."""

    chunk_id: int
    """Position in the plan, from 0."""
    state: ChunkState
    """Where the chunk stands."""
    bounds: str = ""
    """Which rows it stood for, in words."""
    rows_read: int = 0
    """Rows extracted from the source."""
    rows_out: int = 0
    """Rows the function returned (rows_read without a function)."""
    rows_loaded: int = 0
    """Rows committed in the target."""
    rows_rejected: int = 0
    """Rows set aside as rejects."""
    attempts: int = 0
    """How often the chunk was begun, over all coordinators."""
    worker: str = ""
    """Host and process that committed it."""
    processing_time: float = 0.0
    """Seconds of the attempt that ended it."""
    snapshot: str | None = None
    """Source snapshot it was read in; None: read without one."""
    warnings: tuple[str, ...] = ()
    """What was converted with a loss, column by column, beyond what the plan says."""
    error: str | None = None
    """Why it failed, with the traceback of the user's function where that raised."""

    @property
    def succeeded(self) -> bool:
        """Whether the chunk's rows are committed."""
        return self.state is ChunkState.PROCESSED


@dataclass(frozen=True, slots=True)
class ParallelProcessingResult:
    """The outcome of a run, summed over its chunks. Never depends on their order."""

    chunk_results: tuple[ChunkResult, ...]
    """One a chunk of the plan, by chunk_id; those never begun are UNASSIGNED."""
    run_id: str | None = None
    """The run in the target's ledger; None for a dry run."""
    processing_time: float = 0.0
    """Seconds from the first chunk to the last, in this process."""
    consistent: bool = False
    """Whether all rows were read from one snapshot of the source."""
    warnings: tuple[str, ...] = ()
    """What the plan warned of, and every conversion with a loss."""
    rows_this_run: int = 0
    """Rows read in this process: a resumed run does not count what was done before."""

    @property
    def total_rows_processed(self) -> int:
        """Rows read from the source."""
        return sum(chunk.rows_read for chunk in self.chunk_results)

    @property
    def total_rows_successful(self) -> int:
        """Rows committed in the target; for a dry run, rows the function returned."""
        done = (chunk for chunk in self.chunk_results if chunk.succeeded)
        return sum(chunk.rows_loaded if self.run_id else chunk.rows_out for chunk in done)

    @property
    def total_rows_failed(self) -> int:
        """Rejected rows, and rows read by chunks that failed."""
        return sum(
            chunk.rows_rejected if chunk.succeeded else chunk.rows_read
            for chunk in self.chunk_results
        )

    @property
    def chunks_total(self) -> int:
        """Chunks of the plan."""
        return len(self.chunk_results)

    @property
    def chunks_succeeded(self) -> int:
        """Chunks whose rows are committed."""
        return sum(chunk.succeeded for chunk in self.chunk_results)

    @property
    def chunks_failed(self) -> int:
        """Chunks that ended in an error."""
        return sum(c.state is ChunkState.PROCESSED_WITH_ERROR for c in self.chunk_results)

    @property
    def succeeded(self) -> bool:
        """Whether every chunk of the plan is committed."""
        return self.chunks_succeeded == self.chunks_total

    @property
    def errors(self) -> tuple[str, ...]:
        """One text a failed chunk: its id, its bounds and why."""
        return tuple(
            f"chunk {c.chunk_id} {c.bounds}: {c.error}" for c in self.chunk_results if c.error
        )

    @property
    def rows_per_second(self) -> float:
        """Rows read a second by this process."""
        return self.rows_this_run / self.processing_time if self.processing_time else 0.0

    def raise_for_status(self) -> ParallelProcessingResult:
        """Return the result itself when every chunk is committed.

        Raises
        ------
        RunFailedError
            When a chunk failed or was never begun; the message names the first failure.
        """
        if self.succeeded:
            return self
        missing = self.chunks_total - self.chunks_succeeded
        first = self.errors[0] if self.errors else "not begun"
        how = f"; finish with resume({self.run_id!r})" if self.run_id else ""
        message = f"{missing} of {self.chunks_total} chunks are not committed{how}. First: {first}"
        raise RunFailedError(message, run_id=self.run_id)

    def to_frame(self) -> pd.DataFrame:
        """Return the chunk results as a pandas frame, one row a chunk."""
        rows = [{**asdict(c), "state": c.state.value} for c in self.chunk_results]
        return pd.DataFrame(rows, columns=[f.name for f in fields(ChunkResult)])

    def __str__(self) -> str:
        notes = [f"{label}: {text}" for label, text in self._notes()]
        return as_text(self._headline, self._lines(), notes=notes)

    def _repr_html_(self) -> str:
        return as_html(self._headline, [*self._lines(), *self._notes()])

    @property
    def _headline(self) -> str:
        return "run succeeded" if self.succeeded else "run FAILED"

    def _lines(self) -> list[Line]:
        return [
            ("run", self.run_id or "dry run"),
            ("chunks", f"{self.chunks_succeeded:,} of {self.chunks_total:,} {self._done}"),
            ("rows read", f"{self.total_rows_processed:,}"),
            ("rows successful", f"{self.total_rows_successful:,}"),
            ("rows failed", f"{self.total_rows_failed:,}"),
            ("time", f"{self.processing_time:.2f} s, {self.rows_per_second:,.0f} rows/s"),
            ("one snapshot", "yes" if self.consistent else "no"),
        ]

    @property
    def _done(self) -> str:
        return "committed" if self.run_id else "read"

    def _notes(self) -> list[Line]:
        errors = [("error", text) for text in self.errors[:ERRORS_SHOWN]]
        more = len(self.errors) - ERRORS_SHOWN
        rest = [("error", f"and {more} more")] if more > 0 else []
        return [*(("warning", text) for text in self.warnings), *errors, *rest]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapperJob:
    """One job as a value: what to read, what to do to it, where it goes."""

    source_conn: Any = field(repr=False)
    """A URL, a SQLAlchemy URL or Engine, or a reference (``env:NAME``, ``profile:NAME``)."""
    source_sql: str
    """Any query; it is wrapped, never edited."""
    transformation_logic: Transformation | None = None
    """DataFrame → DataFrame; None moves the rows as they are."""
    target_conn: Any = field(default=None, repr=False)
    """As ``source_conn``; None makes a dry run that extracts, transforms and counts."""
    target_schema: str | None = None
    """Schema of the target table; None: the connection's search path decides."""
    target_table: str | None = None
    """Table that receives the rows."""
    key_column: str | Sequence[str] | None = None
    """Column(s) to cut by; None: detected."""
    strategy: ChunkingStrategy | str | None = None
    """How to cut; None: chosen, and the plan says why."""
    chunk_size: int = DEFAULT_CHUNK_SIZE
    """Rows wanted a chunk."""
    columns: Sequence[str] | None = None
    """Columns of the query to read; None: all."""
    write_disposition: str = "append"
    """How the rows enter the target."""
    primary_key: Sequence[str] | None = None
    """Key for the merge disposition."""
    on_error: OnError = "abort"
    """Whether a failed chunk stops the run or is counted and passed over."""
    reject_limit: int = 0
    """Rejected rows allowed in the run."""
    consistent: bool = True
    """Whether all chunks must read one snapshot."""
    dtype_backend: DtypeBackend = "pyarrow"
    """Dtypes the function sees."""
    run_id: str | None = None
    """Name of the run; one the ledger knows is continued. None: a new one."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """``key_column`` as a tuple, empty when it is to be detected."""
        if self.key_column is None:
            return ()
        return (self.key_column,) if isinstance(self.key_column, str) else tuple(self.key_column)

    def evolve(self, **changes: Any) -> MapperJob:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def validated(self) -> MapperJob:
        """Return the job with its fields in their canonical types.

        Raises
        ------
        ConfigurationError
            When a field has a value that no run could use; names the field and the remedy.
        """
        _require(
            isinstance(self.source_sql, str) and self.source_sql.strip() != "",  # type: ignore[redundant-expr]
            "source_sql",
            "must be a query text",
        )
        _require(
            _is_count(self.chunk_size),
            "chunk_size",
            f"must be an integer of at least 1, got {self.chunk_size!r}",
        )
        _require(
            self.on_error in ("abort", "continue"),
            "on_error",
            f"must be 'abort' or 'continue', got {self.on_error!r}",
        )
        _require(
            self.dtype_backend in ("pyarrow", "numpy_nullable"),
            "dtype_backend",
            f"must be 'pyarrow' or 'numpy_nullable', got {self.dtype_backend!r}",
        )
        _require(
            self.transformation_logic is None or callable(self.transformation_logic),
            "transformation_logic",
            "must be a function DataFrame → DataFrame or None",
        )
        _require(
            (self.target_conn is None) == (self.target_table is None),
            "target_table",
            "and target_conn go together: give both, or neither for a dry run",
        )
        _require(
            self.write_disposition == "append",
            "write_disposition",
            f"{self.write_disposition!r} is not available in this version; use 'append'",
        )
        _require(
            self.reject_limit == 0,
            "reject_limit",
            "above 0 is not available in this version; use on_error='continue' to "
            "pass over failed chunks",
        )
        _require(
            self.columns is None or _are_names(self.columns),
            "columns",
            "must be a list of column names, each once, or None for all",
        )
        _require(
            self.key_column is None
            or isinstance(self.key_column, str)
            or _are_names(self.key_column),
            "key_column",
            "must be a column name, a list of them, or None to have it detected",
        )
        size = operator.index(self.chunk_size)
        return self.evolve(strategy=_strategy(self.strategy), chunk_size=size)


def _are_names(value: object) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    return all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _strategy(value: ChunkingStrategy | str | None) -> ChunkingStrategy | None:
    if value is None or isinstance(value, ChunkingStrategy):
        return value
    names = {s.value: s for s in ChunkingStrategy} | {s.name: s for s in ChunkingStrategy}
    known = ", ".join(s.name for s in ChunkingStrategy)
    good = isinstance(value, str) and value in names  # type: ignore[redundant-expr]
    _require(good, "strategy", f"must be one of {known} or None, got {value!r}")
    return names[value]


def _is_count(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Integral) and int(value) >= 1


def _require(condition: bool, name: str, what: str) -> None:  # noqa: FBT001
    if not condition:
        message = f"{name} {what}"
        raise ConfigurationError(message, field=name)
