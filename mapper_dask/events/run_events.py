"""The events of a run, as values: its start, each chunk, its end.

``progress`` takes a function of a :class:`RunEvent`, or an object with methods of
:class:`Progress`. They are called in the process that coordinates the run, in the run's thread, one
at a time and between two chunks: a slow hook slows the run. If one raises, the error is logged
once, and the run continues.

The same events are logged; see :mod:`mapper_dask.log`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from mapper_dask import rendering
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.ledger.run_record import RunState
from mapper_dask.log import (
    FlowPlace,
    current_place,
    error_kind,
    flow_job,
    log,
    log_flow_event,
    logger,
)
from mapper_dask.mapper_job import WriteDisposition
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.schema.facts import TargetTable

__all__ = [
    "METHODS",
    "Counter",
    "FlowPlace",
    "Hook",
    "Progress",
    "ProgressOption",
    "RunEnded",
    "RunEvent",
    "RunRefused",
    "RunStarted",
    "SomeProgress",
    "clock",
    "current_place",
    "error_kind",
    "flow_job",
    "log",
    "log_assigned",
    "log_chunk",
    "log_ended",
    "log_flow_event",
    "log_refused",
    "log_started",
    "logger",
    "to_go",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run was entered in its target's ledger, and its first chunk is about to begin."""

    run_id: str
    """The run's name; a dry run has one too, which no ledger knows."""
    source: ConnectionRef
    """Where rows are read. Its text holds no secret; ``resolve()`` returns one."""
    target: ConnectionRef | None
    """Where they go; None for a dry run."""
    table: TargetTable | None
    """The table that receives them; None for a dry run."""
    plan: ChunkPlan
    """Its chunks, with the query and its columns."""
    write_disposition: WriteDisposition
    """How the rows enter the target."""
    staged: bool
    """Whether they are staged, and enter the target all at once at the end."""
    chunks: int
    """Chunks to process now."""
    resumed: bool
    """Whether it resumes a run that another process began."""
    place: FlowPlace | None
    """Which job of a flow it is; None when it is no flow's."""
    planning_began: float
    """When planning began; seconds since 1970 by this machine's clock, as all times here."""
    planning_ended: float
    """When its plan was made and checked."""
    began: float
    """Now."""

    @property
    def name(self) -> str:
        """Its name on a display: the flow's job, the table, or the run's name."""
        if self.place is not None:
            return self.place.job
        return self.run_id if self.table is None else self.table.name


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One chunk ended."""

    run_id: str | None
    """The run in its target's ledger; None for a dry run."""
    chunk: ChunkResult
    """Its result."""
    done: int
    """Chunks of this run that have ended, this one included."""
    total: int
    """Chunks that this process is to process."""
    failed: int
    """Those of them that failed."""
    rows: int
    """Rows read by them."""
    seconds: float
    """Since the first chunk began."""
    rejected: int = 0
    """Rows rejected by them."""
    share: float = 0.0
    """How much of the work has ended, from 0 to 1: by the rows that the plan expects of each
    chunk, by the chunks where it expects nothing."""
    started: RunStarted | None = field(default=None, repr=False, compare=False)
    """The event of the run's start."""

    @property
    def rows_per_second(self) -> float:
        """Rows read a second so far."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds to the end at the present speed; None while nothing can be said."""
        if self.done >= self.total:
            return 0.0
        return self.seconds * (1 - self.share) / self.share if self.share else None

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        rejected = f", {self.rejected:,} rejected" if self.rejected else ""
        eta = f", ETA {to_go(self.eta)}" if self.eta else ""
        return (
            f"{self.done}/{rendering.chunks(self.total)}{failed}, {self.rows:,} rows{rejected}, "
            f"{self.rows_per_second:,.0f} rows/s{eta}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """A run that was started has ended."""

    started: RunStarted
    """The event of its start."""
    state: RunState
    """SUCCEEDED, FAILED or CANCELLED."""
    result: ParallelProcessingResult | None
    """Its counts; None when an error broke it off."""
    error: str | None
    """The kind of error that ended it, such as ``TransformError``; None when it succeeded."""
    ended: float
    """When; seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRefused:
    """A run was refused, or could not be planned, before a row moved."""

    run_id: str | None
    """The name it was given, if any."""
    place: FlowPlace | None
    """Which job of a flow it is; None when it is no flow's."""
    table: str | None
    """Name of the target table as the job has it."""
    error: str
    """The kind of the error."""
    began: float
    """When it was first looked at; seconds since 1970."""
    ended: float
    """When it was refused."""


class Progress(Protocol):
    """The methods of a user's own hook: all of these, or some.

    A subclass inherits methods that do nothing; any other class needs only the methods it wants.
    Each run calls ``run_refused`` once, or ``run_started`` and ``run_ended`` once. Where the source
    loses the run's snapshot, it is read again, and ``RunEvent.done`` restarts at 1.
    """

    def run_refused(self, refused: RunRefused) -> None:  # noqa: ARG002
        """Called when a run was refused."""
        return None  # noqa: RET501 - an empty body is abstract to type checkers

    def run_started(self, started: RunStarted) -> None:  # noqa: ARG002
        """Called when a run begins."""
        return None  # noqa: RET501 - an empty body is abstract to type checkers

    def chunk_done(self, event: RunEvent) -> None:  # noqa: ARG002
        """Called when a chunk has ended, successfully or not."""
        return None  # noqa: RET501 - an empty body is abstract to type checkers

    def run_ended(self, ended: RunEnded) -> None:  # noqa: ARG002
        """Called when a run has ended, successfully or not."""
        return None  # noqa: RET501 - an empty body is abstract to type checkers


class _TakesRefused(Protocol):
    def run_refused(self, refused: RunRefused, /) -> None: ...


class _TakesStarted(Protocol):
    def run_started(self, started: RunStarted, /) -> None: ...


class _TakesChunk(Protocol):
    def chunk_done(self, event: RunEvent, /) -> None: ...


class _TakesEnded(Protocol):
    def run_ended(self, ended: RunEnded, /) -> None: ...


Hook = Callable[[RunEvent], None]
"""The simplest hook: a function that is called for each chunk."""

SomeProgress = _TakesRefused | _TakesStarted | _TakesChunk | _TakesEnded
"""An object with at least one of the methods of :class:`Progress`."""

ProgressOption = Hook | Progress | SomeProgress | bool | None
"""One hook; or True to show progress, False not to, None to show it on a terminal or notebook."""

METHODS = ("run_refused", "run_started", "chunk_done", "run_ended")
"""The methods of :class:`Progress`."""


class Counter:
    """Makes an event of each result, with running counts."""

    def __init__(self, run_id: str | None, chunks: Sequence[Chunk]) -> None:
        self._last = RunEvent(run_id, _NO_CHUNK, 0, len(chunks), 0, 0, 0.0)
        self._sizes = _sizes(chunks)
        self._whole = sum(self._sizes.values())

    def event(self, chunk: ChunkResult, seconds: float) -> RunEvent:
        """Return the event of the next chunk that ended."""
        last = self._last
        share = self._sizes.pop(chunk.chunk_id, 0) / self._whole
        self._last = replace(
            last,
            chunk=chunk,
            done=last.done + 1,
            failed=last.failed + bool(chunk.error),
            rows=last.rows + chunk.rows_read,
            rejected=last.rejected + chunk.rows_rejected,
            share=min(1.0, last.share + share),
            seconds=seconds,
        )
        return self._last

    @property
    def last(self) -> RunEvent:
        """The latest event; before the first, one without a chunk."""
        return self._last

    @property
    def rows(self) -> int:
        """Rows read so far."""
        return self._last.rows


def _sizes(chunks: Sequence[Chunk]) -> dict[int, int]:
    """Return each chunk's share of the work: its rows, or 1 each where some are not known."""
    if any(chunk.estimated_rows is None for chunk in chunks):
        return {chunk.chunk_id: 1 for chunk in chunks}
    return {chunk.chunk_id: 1 + int(chunk.estimated_rows or 0) for chunk in chunks}


_NO_CHUNK = ChunkResult(-1, ChunkState.UNASSIGNED)
"""A placeholder until the first chunk ends."""


def clock(seconds: float) -> str:
    """Return seconds as a clock time: 0:07, 12:05, 3:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def to_go(seconds: float) -> str:
    """Return the time to the end as a clock time; less than a second in milliseconds."""
    return rendering.seconds(seconds) if seconds < 1 else clock(seconds)


def log_assigned(task: ChunkTask, chunk: Chunk) -> None:
    """Log that a chunk was assigned: submitted to Dask, or begun in this process."""
    run = None if task.load is None else task.load.run_id
    log("chunk_assigned", logging.DEBUG, run=run, chunk=chunk.chunk_id)


def log_chunk(run_id: str, event: RunEvent) -> None:
    """Log the result of a chunk."""
    chunk = event.chunk
    failed = chunk.error is not None
    log(
        "chunk_failed" if failed else "chunk_processed",
        logging.WARNING if failed else logging.INFO,
        run=run_id,
        chunk=chunk.chunk_id,
        state=chunk.state.value,
        rows_read=chunk.rows_read,
        rows_loaded=chunk.rows_loaded,
        rows_rejected=chunk.rows_rejected,
        attempts=chunk.attempts,
        worker=chunk.worker or None,
        seconds=chunk.processing_time,
        error=error_kind(chunk.error) if chunk.error else None,
    )


_ENDINGS = {
    RunState.SUCCEEDED: ("run_succeeded", logging.INFO),
    RunState.CANCELLED: ("run_cancelled", logging.WARNING),
}


def log_started(started: RunStarted) -> None:
    """Log that a run began."""
    log(
        "run_started",
        run=started.run_id,
        chunks=started.chunks,
        target=started.table.quoted if started.table else None,
        resumed=started.resumed,
    )


def log_refused(refused: RunRefused, field: str | None) -> None:
    """Log that a run was refused, and for which argument."""
    log("run_refused", logging.WARNING, run=refused.run_id, error=refused.error, field=field)


def log_ended(ended: RunEnded) -> None:
    """Log how a run ended, and before that the publication of its rows."""
    event, level = _ENDINGS.get(ended.state, ("run_failed", logging.ERROR))
    started, result = ended.started, ended.result
    if result is not None and result.published and started.staged and started.table is not None:
        rows, target = result.total_rows_successful, started.table.quoted
        log("run_published", run=started.run_id, target=target, rows=rows)
    counts = {} if result is None else _counts(result)
    log(event, level, run=started.run_id, **counts, error=ended.error)


def _counts(result: ParallelProcessingResult) -> dict[str, Any]:
    return {
        "chunks": result.chunks_succeeded,
        "failed": result.chunks_failed,
        "rows_read": result.total_rows_processed,
        "rows_loaded": result.total_rows_successful,
        "rows_rejected": result.total_rows_rejected,
        "seconds": result.processing_time,
    }
