"""A flow as a value: its jobs and their dependencies. Frozen."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from mapper_dask.bounds import shown
from mapper_dask.cycles import cycle_of
from mapper_dask.errors import ConfigurationError, RunFailedError
from mapper_dask.incremental import (
    LONGEST_COMMIT_WAIT,
    MOST_DIGITS,
    Incremental,
    is_counted,
    is_overlap,
)
from mapper_dask.mapper_job import MapperJob, required_job
from mapper_dask.near import did_you_mean
from mapper_dask.options import with_known_options
from mapper_dask.parallel_result import TRACEBACK, ParallelProcessingResult
from mapper_dask.rendering import Line, as_html, as_text, rejected, seconds

LONGEST_NAME = 200
"""Characters of a flow's, a job's and a run's name: they are keys of the ledger."""


@with_known_options
@dataclass(frozen=True, slots=True, kw_only=True)
class FlowJob:
    """One job of a flow.

    Parameters
    ----------
    name
        What the flow's other jobs, its ledger and its report call it.
    job
        What is moved. Its ``run_id`` is given by the flow.
    depends_on
        Names of the jobs that must have succeeded before it begins.
    incremental
        How to find its new rows; None: it reads all rows each time.
    max_workers
        Workers it may keep busy; None: what the flow may.
    parallel
        False: its chunks run one after the other in the coordinator.
    retries
        Attempts at a chunk whose error is transient; None: the flow's.
    lock_timeout
        Seconds an attempt waits for a lock in the target; None: the flow's.

    Raises
    ------
    UnknownOptionError
        When an option is misspelt.
    """

    name: str
    job: MapperJob
    depends_on: tuple[str, ...] = ()
    incremental: Incremental | None = None
    max_workers: int | None = None
    parallel: bool = True
    retries: int | None = None
    lock_timeout: float | None = None


@with_known_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A directed acyclic graph of jobs.

    Parameters
    ----------
    name
        What its runs have in common: watermarks are kept under it.
    jobs
        Each a :class:`FlowJob`, in the order in which they are reported.
    ledger_conn
        Where the flow's own ledger is; None: the target of the first job that has one.
    run_id
        Name of the run; one the ledger knows is continued. None: a new one.
    max_parallel_jobs
        Independent jobs that run at a time; 1: one after the other. None: the setting's, 4.
    document
        The job file as it was written, variables unresolved: what the ledger keeps of it.
    directory
        Where the job file's relative paths begin.

    Raises
    ------
    UnknownOptionError
        When an option is misspelt.
    """

    name: str
    jobs: tuple[FlowJob, ...]
    ledger_conn: Any = field(default=None, repr=False)
    run_id: str | None = None
    max_parallel_jobs: int | None = None
    document: str | None = field(default=None, repr=False)
    directory: str | None = None

    def evolve(self, **changes: Any) -> Flow:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def validated(self) -> Flow:
        """Return the flow with its jobs' fields in their canonical types.

        Raises
        ------
        ConfigurationError
            When it could not run as it is: a name twice or unusable, a job that depends on an
            unknown one or on itself, what an incremental job cannot do. ``details`` hold ``field``
            and, where it is a job's, ``job``.
        """
        _require_name("flow", self.name)
        if self.run_id is not None:
            _require_name("run_id", self.run_id)
        if not self.jobs:
            _refuse("jobs", "jobs is empty: a flow needs at least one job")
        for job in self.jobs:
            _require_kind(job)
        names = [job.name for job in self.jobs]
        for name in names:
            _require_name("job", name)
            if names.count(name) > 1:
                _refuse("name", "is given to two jobs; give each its own", name)
        for job in self.jobs:
            _require_known(job, names)
        _require_no_cycle({job.name: job.depends_on for job in self.jobs})
        return self.evolve(jobs=tuple(_validated(job) for job in self.jobs))


class JobState(enum.Enum):
    """The state of a job of a flow."""

    WAITING = "WAITING"
    """It waits for the jobs it depends on, or for other jobs to end."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    """All its chunks ended; some failed and were passed over (``on_error="continue"``)."""
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    """A job it depends on did not succeed."""
    CANCELLED = "CANCELLED"
    DISCARDED = "DISCARDED"
    """Discarded, by its user or in favour of a later run: it cannot be resumed."""


@dataclass(frozen=True, slots=True)
class FlowJobResult:
    """The result of one job of a flow."""

    name: str
    """The job's name."""
    state: JobState
    """How it ended."""
    run_id: str | None = None
    """Its run in its target's ledger; None for a dry run, and for one that never began."""
    result: ParallelProcessingResult | None = None
    """Its counts; None if it never began, or was refused before a row moved."""
    error: str | None = None
    """Why it did not succeed."""
    low: str | None = None
    """Incremental: where it began (excluded), as the source writes it."""
    high: str | None = None
    """Incremental: where it ended (included), the next run's ``low``."""
    rows: int | None = None
    """Its rows committed in the target; for a dry run, rows the function returned."""
    seconds: float | None = None
    """Seconds it took in the process that ended it."""
    warnings: tuple[str, ...] = ()
    """Notes on an incremental job's new rows, such as why some are left to a later run;
    ``result.warnings`` has the notes on those it moved."""


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
    def cancelled(self) -> bool:
        """Whether it was cancelled, and no job failed."""
        states = {job.state for job in self.jobs}
        return JobState.CANCELLED in states and not states & {JobState.FAILED, JobState.PARTIAL}

    @property
    def errors(self) -> tuple[str, ...]:
        """A text for each job that did not succeed."""
        return tuple(_error_of(job) for job in self._unfinished)

    @property
    def _unfinished(self) -> list[FlowJobResult]:
        return [job for job in self.jobs if job.state is not JobState.SUCCEEDED]

    def raise_for_status(self) -> FlowResult:
        """Return the result itself when every job succeeded.

        Raises
        ------
        RunFailedError
            When one did not; the message names the first.
        """
        if self.succeeded:
            return self
        job = self._failed_first()
        cause = None if job.result is None else job.result.cause
        first = _error_of(job) if cause is None else _error_of(job).partition(TRACEBACK)[0]
        changed = job.result is not None and job.result.needs_another_job
        how = (
            "the changed job is another one: run the flow under a new run_id"
            if changed
            else f"{'mend it and ' if job.result is None else ''}finish with "
            f"resume({self.run_id!r})"
        )
        message = (
            f"{len(self.errors)} of {len(self.jobs)} jobs did not succeed; {how}. First: {first}"
        )
        raise RunFailedError(message, run_id=self.run_id, result=self) from cause

    def _failed_first(self) -> FlowJobResult:
        """Return the job that explains the others: one that was skipped follows from another."""
        order = (JobState.FAILED, JobState.PARTIAL, JobState.CANCELLED)
        rank = {state: place for place, state in enumerate(order)}
        return min(self._unfinished, key=lambda job: rank.get(job.state, len(order)))

    def to_frame(self) -> pd.DataFrame:
        """Return one row a job: name, state, run_id, rows, seconds, error."""
        return pd.DataFrame([_row(job) for job in self.jobs])

    def __str__(self) -> str:
        return as_text(self._headline, self._lines())

    def _repr_html_(self) -> str:
        return as_html(self._headline, self._lines())

    @property
    def _headline(self) -> str:
        results = [job.result for job in self.jobs if job.result is not None]
        aside = rejected(sum(result.total_rows_rejected for result in results))
        ended = "CANCELLED" if self.cancelled else "FAILED"
        how = f"succeeded{aside}" if self.succeeded else ended
        return f"flow {self.name} {how} in {seconds(self.seconds)}, run {self.run_id}"

    def _lines(self) -> list[Line]:
        return [(job.name, _said(job)) for job in self.jobs]


def _error_of(job: FlowJobResult) -> str:
    return f"{job.name} {job.state.value}: {job.error or 'not begun'}"


def _row(job: FlowJobResult) -> dict[str, Any]:
    plain = {k: v for k, v in asdict(replace(job, result=None)).items() if k != "result"}
    return {**plain, "state": job.state.value}


def _said(job: FlowJobResult) -> str:
    rows = "" if job.rows is None else f", {job.rows:,} rows"
    why = "" if job.error is None else f": {job.error}"
    warned = "".join(f"; {warning}" for warning in job.warnings)
    aside = "" if job.result is None else rejected(job.result.total_rows_rejected)
    return f"{job.state.value}{rows}{aside}{why}{warned}"


def _require_name(what: str, name: object) -> None:
    """Refuse a name that the ledger cannot hold, or that cannot be typed."""
    good = (
        isinstance(name, str)
        and 0 < len(name) <= LONGEST_NAME
        and name == name.strip()
        and name.isprintable()
        and name == name.encode("utf-8", "replace").decode("utf-8")
    )
    if not good:
        named = "run_id" if what == "run_id" else f"the name of a {what}"
        field_name = what if what == "run_id" else "name"
        _refuse(
            field_name,
            f"{named} must be 1 to {LONGEST_NAME} printable characters without blanks around them, "
            f"got {shown(name)}",
        )


def _require_known(job: FlowJob, names: Sequence[str]) -> None:
    given: object = job.depends_on
    if isinstance(given, str) or not isinstance(given, Sequence):
        _refuse(
            "depends_on",
            f"must be a list of names of jobs, as in ('customers',), got {shown(job.depends_on)}",
            job.name,
        )
    for name in job.depends_on:
        if name not in names:
            others = [other for other in names if other != job.name]
            known = f"; the flow has {', '.join(others) or 'no other'}"
            meant = did_you_mean(name, others, otherwise=known)
            _refuse("depends_on", f"knows no job {name!r}{meant}", job.name)


def _require_no_cycle(depends_on: Mapping[str, Sequence[str]]) -> None:
    """Refuse jobs that wait for each other."""
    cycle = cycle_of(depends_on)
    if cycle:
        what = f"{' → '.join(cycle)} is a cycle: each waits for the next; take one out"
        _refuse("depends_on", what, cycle[0])


def _require_kind(job: FlowJob) -> None:
    """Refuse a job that is none of a flow's, or holds something else than a job."""
    one: object = job
    if not isinstance(one, FlowJob):
        what = f"jobs must be FlowJobs, got {type(one).__name__}; write FlowJob(name='…', job=…)"
        _refuse("jobs", what)
    required_job(job.job, f"job {shown(job.name)}: ")
    given: object = job.incremental
    if given is not None and not isinstance(given, Incremental):
        what = f"must be Incremental(column='…') or None, got {shown(given)}"
        _refuse("incremental", what, str(job.name))


def _validated(job: FlowJob) -> FlowJob:
    if job.job.run_id is not None:
        _refuse("run_id", "is given by the flow; leave the job's own out", job.name)
    try:
        made = replace(job, job=job.job.validated(), depends_on=tuple(job.depends_on))
    except ConfigurationError as error:
        message = f"job {job.name!r}: {error}"
        raise ConfigurationError(message, **{**error.details, "job": job.name}) from None
    if made.incremental is not None:
        _require_incremental(made, made.incremental)
    return made


def _require_incremental(job: FlowJob, incremental: Incremental) -> None:
    column: object = incremental.column
    overlap: object = incremental.overlap
    if not isinstance(column, str) or not column:
        _refuse(
            "incremental.column", f"must be the name of a column, got {shown(column)}", job.name
        )
    if job.job.write_disposition == "replace":
        _refuse(
            "incremental",
            "would leave only the new rows in a table that is replaced; use write_disposition "
            "'append' or 'merge'",
            job.name,
        )
    if overlap is not None and not is_overlap(overlap):
        _refuse(
            "incremental.overlap",
            "must be a timedelta or a number, of at least 0; a timedelta of at most 1,000 years, a "
            f"number of at most {MOST_DIGITS:,} digits before and behind the point",
            job.name,
        )
    if incremental.overlaps and job.job.write_disposition != "merge":
        _refuse(
            "incremental.overlap",
            "reads rows again, which would double them; use write_disposition='merge', or leave "
            "the overlap out",
            job.name,
        )
    _require_options(job, incremental)


def _require_options(job: FlowJob, incremental: Incremental) -> None:
    """Refuse what an incremental job's options do not know."""
    for name, words in (("in_progress", ("wait", "ignore")), ("range_end", ("closed", "open"))):
        if getattr(incremental, name) not in words:
            wanted = " or ".join(map(repr, words))
            _refuse(f"incremental.{name}", f"must be {wanted}", job.name)
    wait: object = incremental.commit_wait
    number = isinstance(wait, (int, float)) and not isinstance(wait, bool)
    if not number or not 0 <= incremental.commit_wait <= LONGEST_COMMIT_WAIT:
        what = f"must be seconds, from 0 to {LONGEST_COMMIT_WAIT:,}"
        _refuse("incremental.commit_wait", what, job.name)
    if not is_counted(incremental.start) or len(str(incremental.start)) > 2 * MOST_DIGITS:
        what = f"must be finite, of at most {MOST_DIGITS:,} digits before and behind the point"
        _refuse("incremental.start", what, job.name)
    check: object = incremental.check_target
    if not isinstance(check, bool):
        _refuse("incremental.check_target", "must be True or False", job.name)


def _refuse(name: str, what: str, job: str | None = None) -> None:
    """Raise the error of a field, of a job where one is named."""
    owner = {} if job is None else {"job": job}
    message = what if job is None else f"job {job!r}: {name} {what}"
    raise ConfigurationError(message, field=name, **owner)
