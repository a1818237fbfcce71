"""Runs one job of a flow in a thread, and records its outcome."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mapper_dask.errors import FingerprintError, MainGuardError, MapperError, RunStoppedError
from mapper_dask.flow import Flow, FlowJob, FlowJobResult, JobState
from mapper_dask.flows import watermarks
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.flow_tables import StoredJob, job_run_id
from mapper_dask.ledger.flows import FlowLedger
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.log import flow_job, log_flow_event
from mapper_dask.parallel_models import ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.plan.params import with_params
from mapper_dask.plan.saved_plan import Plan
from mapper_dask.resolved_job import resolved
from mapper_dask.run.coordinator import begin
from mapper_dask.run.handle import RunHandle
from mapper_dask.run.options import RunOptions

LEVELS = {
    JobState.FAILED: logging.ERROR,
    JobState.PARTIAL: logging.WARNING,
    JobState.SKIPPED: logging.WARNING,
    JobState.CANCELLED: logging.WARNING,
    JobState.DISCARDED: logging.WARNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the jobs of a flow's run have in common."""

    flow: Flow
    ledger: FlowLedger
    options: RunOptions
    """How jobs are run that do not say otherwise."""
    plans: Mapping[str, Plan] = field(default_factory=dict)
    """By a job's name the plan that it is to run."""

    def options_of(self, job: FlowJob) -> RunOptions:
        """Return how a job is run."""
        workers, retry_policy = self.options.workers, self.options.retry_policy
        parallel = workers.parallel and job.parallel
        lock_timeout = float(job.lock_timeout or retry_policy.lock_timeout)
        return replace(
            self.options,
            workers=replace(workers, parallel=parallel, asked=job.max_workers or workers.asked),
            retry_policy=replace(
                retry_policy,
                attempts=job.retries or retry_policy.attempts,
                lock_timeout=lock_timeout,
            ),
        )

    def log_end(self, result: FlowJobResult) -> None:
        """Log how a job ended."""
        log_flow_event(
            f"job_{result.state.value.lower()}",
            flow=self.flow.name,
            flow_run=self.ledger.run_id,
            job=result.name,
            level=LEVELS.get(result.state, logging.INFO),
            rows=result.rows,
        )


class JobThread:
    """A running job; ``report`` is called with its result, or with an error that ends the flow."""

    def __init__(
        self,
        means: Means,
        job: FlowJob,
        stored: StoredJob,
        report: Callable[[str, FlowJobResult | BaseException], None],
    ) -> None:
        self._means, self._job, self._stored, self._report = means, job, stored, report
        self._stop = threading.Event()
        self._handle: RunHandle | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._work,),
            name=f"mapper_dask-flow-{job.name}",
            daemon=True,
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop the job's run; nothing of it commits once this returns."""
        with self._lock:
            self._stop.set()
            handle = self._handle
        if handle is not None:
            handle.cancel()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _work(self) -> None:
        name = self._job.name
        try:
            self._report(name, self._ended())
        except BaseException as error:  # noqa: BLE001 - raised again by the coordinator
            self._report(name, error)

    def _ended(self) -> FlowJobResult:
        """Run the job; record and return its outcome."""
        job, stored = self._job, self._stored
        if stored.state is JobState.DISCARDED:
            return from_ledger(stored)
        if stored.state is JobState.SUCCEEDED and (gone := self._gone()) is not None:
            return gone
        if self._is_done():
            return from_ledger(stored)
        run_id = None
        if job.job.target_conn is not None:
            run_id = job_run_id(self._means.ledger.run_id, job.name)
        result = FlowJobResult(job.name, JobState.FAILED, run_id)
        outcome = None
        try:
            result, outcome = self._run(result)
        except MapperError as error:
            if isinstance(error, MainGuardError):
                self._note_interruption()
                raise
            stopped = self._stop.is_set() or isinstance(error, RunStoppedError)
            state = JobState.CANCELLED if stopped else JobState.FAILED
            result = replace(result, state=state, error=str(error))
            if self._stays(error):
                self._put_back()
                self._means.log_end(result)
                return result
        except BaseException:
            self._note_interruption()
            raise
        if stored.state is JobState.SUCCEEDED and result.state is JobState.SUCCEEDED:
            return replace(result, seconds=stored.seconds)  # it was done before
        self._note_end(result, outcome)
        self._means.log_end(result)
        return result

    def _stays(self, error: MapperError) -> bool:
        """Return whether a refused job keeps its state in the ledger.

        One that is done stays done; what another job was begun under is not this one's to end.
        """
        stored = self._stored
        of_another = isinstance(error, FingerprintError) and stored.run_id is not None
        return stored.state is JobState.SUCCEEDED or of_another

    def _put_back(self) -> None:
        """Restore the stored state of a job that was begun; one that is done was not changed."""
        if self._stored.state is not JobState.SUCCEEDED:
            self._means.ledger.put_back(self._stored)

    def _note_end(self, result: FlowJobResult, outcome: ParallelProcessingResult | None) -> None:
        """Record the job's outcome; raise its error if that cannot be recorded."""
        try:
            self._means.ledger.end_job(result.name, result.state, result.error, outcome)
        except MapperError as unnoted:
            why = f"its end, {result.state.value}, could not be noted: {unnoted}"
            with contextlib.suppress(MapperError):  # ``unnoted`` is raised in any case
                plain = why.encode("ascii", "backslashreplace").decode()
                self._means.ledger.end_job(result.name, JobState.FAILED, plain)
            message = f"job {result.name!r}: {'; '.join(filter(None, (result.error, why)))}"
            raise type(unnoted)(message, **unnoted.details) from None

    def _gone(self) -> FlowJobResult | None:
        """Return why an incremental job that is done is not reported so; None when it is.

        The ledger keeps what it has noted: the rows may be restored.
        """
        stored = self._stored
        try:
            watermarks.require_held(self._job, self._means.ledger.run_id, stored)
        except MapperError as error:
            result = replace(from_ledger(stored), state=JobState.FAILED, error=str(error))
            self._means.log_end(result)
            return result
        return None

    def _pause(self, seconds: float) -> None:
        """Wait; raise as soon as the job is stopped."""
        if self._stop.wait(seconds):
            raise RunStoppedError(CANCELLED)

    def _note_interruption(self) -> None:
        """Record that the job ends here: its error ends the whole flow."""
        with contextlib.suppress(MapperError):  # the error that ends the flow must not be hidden
            error = "the flow was broken off; see what it raised"
            self._means.ledger.end_job(self._job.name, JobState.CANCELLED, error)

    def _is_done(self) -> bool:
        """Return whether nothing is left to do, nor to look up.

        A run that was removed from its target's ledger after its job had succeeded is not run
        again: that would load its rows twice.
        """
        stored, job = self._stored, self._job.job
        if stored.state is not JobState.SUCCEEDED:
            return False
        if job.target_conn is None or stored.run_id is None:
            return True
        return RunLedger(resolved(job).loads_into, stored.run_id).find() is None

    def _run(self, result: FlowJobResult) -> tuple[FlowJobResult, ParallelProcessingResult | None]:
        means, job = self._means, self._job
        means.ledger.begin_job(job.name, result.run_id)
        job = replace(job, job=with_params(resolved(job.job)).job)
        with flow_job(flow=means.flow.name, flow_run=means.ledger.run_id, job=job.name):
            reading = watermarks.opened(
                means.flow.name, job, means.ledger, self._stored, self._pause
            )
        result = replace(result, low=reading.low, high=reading.high, warnings=reading.notes)
        moved = job.job.evolve(source_sql=reading.sql, run_id=result.run_id)
        flow, flow_run = means.flow.name, means.ledger.run_id
        log_flow_event("job_started", flow=flow, flow_run=flow_run, job=job.name, run=result.run_id)
        with flow_job(flow=flow, flow_run=flow_run, job=job.name), self._lock:
            if self._stop.is_set():
                return replace(result, state=JobState.CANCELLED, error=CANCELLED), None
            self._handle = begin(means.options_of(job), moved, means.plans.get(job.name))
        outcome = self._handle.result()
        state = _state(job, outcome, stopped=self._stop.is_set())
        if state is JobState.SUCCEEDED and self._stored.state is not JobState.SUCCEEDED:
            self._note_held(result.run_id, outcome.total_rows_successful)
        return (
            replace(
                result,
                state=state,
                result=outcome,
                error=None if state is JobState.SUCCEEDED else _first(outcome),
                rows=outcome.total_rows_successful,
                seconds=outcome.processing_time,
            ),
            outcome,
        )

    def _note_held(self, run_id: str | None, rows: int) -> None:
        means, job = self._means, self._job
        if job.incremental is not None and job.job.target_conn is not None:
            watermarks.note_held(means.flow.name, job, means.ledger, run_id, rows)


CANCELLED = "the flow was cancelled before it began"


def _state(job: FlowJob, outcome: ParallelProcessingResult, *, stopped: bool) -> JobState:
    if outcome.succeeded:
        return JobState.SUCCEEDED
    if stopped or outcome.error == stored_runs.CANCELLED:
        return JobState.CANCELLED
    begun = all(c.state is not ChunkState.UNASSIGNED for c in outcome.chunk_results)
    passed_over = job.job.on_error == "continue" and begun and outcome.error is None
    return JobState.PARTIAL if passed_over and outcome.chunks_failed else JobState.FAILED


def _first(outcome: ParallelProcessingResult) -> str:
    more = len(outcome.errors) - 1
    first = outcome.errors[0] if outcome.errors else "not all of its chunks were begun"
    return f"{first} (and {more} more)" if more > 0 else first


def from_ledger(stored: StoredJob) -> FlowJobResult:
    """Return a job's outcome from the ledger."""
    return FlowJobResult(
        stored.name,
        stored.state,
        stored.run_id,
        error=stored.error,
        low=stored.low,
        high=stored.high,
        rows=stored.rows,
        seconds=stored.seconds,
        warnings=stored.notes,
    )
