"""Several jobs as one value: which there are, and which waits for which. Frozen."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from mapper_dask.errors import RunFailedError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import ParallelProcessingResult
from mapper_dask.rendering import Line, as_html, as_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Incremental:
    """Which rows of a query are new since the last run of the same job."""

    column: str
    """Column of the query whose values grow: a time, a date or a number."""
    overlap: dt.timedelta | float | None = None
    """How far below the last high value the next run begins, for rows that came late: a time for
    times, a number for numbers. It reads rows again, so it needs ``write_disposition="merge"``."""
    start: Any = None
    """Where the first run begins (excluded); None: with every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowJob:
    """One job of a flow."""

    name: str
    """What the flow's other jobs, its ledger and its report call it."""
    job: MapperJob
    """What is moved. Its ``run_id`` is given by the flow."""
    depends_on: tuple[str, ...] = ()
    """Names of the jobs that must have succeeded before it begins."""
    incremental: Incremental | None = None
    """What tells its new rows; None: it reads all of them each time."""
    max_workers: int | None = None
    """Workers it may keep busy; None: what the flow may."""
    parallel: bool = True
    """False: its chunks run one after the other in the coordinator."""
    retries: int | None = None
    """Attempts at a chunk whose error may pass; None: the flow's."""
    lock_timeout: float | None = None
    """Seconds an attempt waits for a lock in the target; None: the flow's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A directed acyclic graph of jobs."""

    name: str
    """What its runs have in common: watermarks are kept under it."""
    jobs: tuple[FlowJob, ...]
    """In the order they were written."""
    ledger_conn: Any = field(default=None, repr=False)
    """Where the flow's own ledger is; None: the target of the first job that has one."""
    run_id: str | None = None
    """Name of the run; one the ledger knows is continued. None: a new one."""
    max_parallel_jobs: int | None = None
    """Independent jobs that run at a time; 1: one after the other. None: the setting's."""
    document: str | None = field(default=None, repr=False)
    """The job file as it was written, variables unresolved: what the ledger keeps of it."""
    directory: str | None = None
    """Where the job file's relative paths begin."""

    def evolve(self, **changes: Any) -> Flow:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


class JobState(enum.Enum):
    """What became of a job of a flow."""

    WAITING = "WAITING"
    """For the jobs it depends on, or for its turn."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    """All its chunks ended; some failed and were passed over (``on_error="continue"``)."""
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    """A job it depends on did not succeed."""
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class FlowJobResult:
    """What became of one job of a flow."""

    name: str
    """The job's name."""
    state: JobState
    """How it ended."""
    run_id: str | None = None
    """Its run in its target's ledger; None for a dry run, and for one that never began."""
    result: ParallelProcessingResult | None = None
    """Its counts; None when it never began, or was refused before a row moved."""
    error: str | None = None
    """Why it did not succeed."""
    low: str | None = None
    """Incremental: where it began (excluded), as the source writes it."""
    high: str | None = None
    """Incremental: where it ended (included), the next run's ``low``."""


@dataclass(frozen=True, slots=True)
class FlowResult:
    """The outcome of a flow, job by job."""

    name: str
    """The flow's name."""
    run_id: str
    """Its run in the flow's ledger."""
    jobs: tuple[FlowJobResult, ...]
    """In the order they were written."""
    seconds: float = 0.0
    """From the first job's begin to the last one's end, in this process."""

    @property
    def succeeded(self) -> bool:
        """Whether every job succeeded."""
        return all(job.state is JobState.SUCCEEDED for job in self.jobs)

    @property
    def errors(self) -> tuple[str, ...]:
        """A text for each job that did not succeed."""
        return tuple(
            f"{job.name} {job.state.value}: {job.error or 'not begun'}"
            for job in self.jobs
            if job.state is not JobState.SUCCEEDED
        )

    def raise_for_status(self) -> FlowResult:
        """Return the result itself when every job succeeded.

        Raises
        ------
        RunFailedError
            When one did not; the message names the first.
        """
        if self.succeeded:
            return self
        message = (
            f"{len(self.errors)} of {len(self.jobs)} jobs did not succeed; finish with "
            f"resume({self.run_id!r}). First: {self.errors[0]}"
        )
        raise RunFailedError(message, run_id=self.run_id)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a job: name, state, run_id, rows, seconds, error."""
        return pd.DataFrame([_row(job) for job in self.jobs])

    def __str__(self) -> str:
        return as_text(self._headline, self._lines())

    def _repr_html_(self) -> str:
        return as_html(self._headline, self._lines())

    @property
    def _headline(self) -> str:
        how = "succeeded" if self.succeeded else "FAILED"
        return f"flow {self.name} {how} in {self.seconds:.1f} s, run {self.run_id}"

    def _lines(self) -> list[Line]:
        return [(job.name, _said(job)) for job in self.jobs]


def _row(job: FlowJobResult) -> dict[str, Any]:
    result = job.result
    return {
        **{k: v for k, v in asdict(replace(job, result=None)).items() if k != "result"},
        "state": job.state.value,
        "rows": None if result is None else result.total_rows_successful,
        "seconds": None if result is None else result.processing_time,
    }


def _said(job: FlowJobResult) -> str:
    rows = "" if job.result is None else f", {job.result.total_rows_successful:,} rows"
    why = "" if job.error is None else f": {job.error}"
    return f"{job.state.value}{rows}{why}"
