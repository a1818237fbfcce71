"""Runs flows: each job as soon as those it depends on have succeeded."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distributed import Client

from mapper_dask import processor_arguments as arguments
from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.dialects import dialect_for
from mapper_dask.errors import ConfigurationError, RunNotFoundError
from mapper_dask.events.watch import ProgressOptions
from mapper_dask.flow import Flow, FlowJob, FlowJobResult, FlowResult, JobState
from mapper_dask.flows import watermarks
from mapper_dask.flows.ending import FlowEnding
from mapper_dask.flows.flow_job import Means, from_ledger
from mapper_dask.flows.flow_run import Course
from mapper_dask.flows.shared_workers import SharedWorkers
from mapper_dask.flows.stop import stop
from mapper_dask.halting import Halt
from mapper_dask.interrupts import attended, require_going
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.flow_tables import StoredFlow
from mapper_dask.ledger.flows import FlowLedger, all_runs
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.ledger.trust import require_trusted_flow
from mapper_dask.limits.budget import Budget
from mapper_dask.log import log_flow_event
from mapper_dask.options import with_known_options
from mapper_dask.parallel_processor import ParallelProcessor
from mapper_dask.plan.saved_plan import Plan
from mapper_dask.settings import Settings, resolve
from mapper_dask.tracebacks import OnFailure, judged, without_frames
from mapper_dask.workers.clients import require_waitable, stepping_aside
from mapper_dask.workers.fitness import require_picklable

MakesFlow = Callable[[StoredFlow], Flow]
"""Makes a flow of the document that the ledger has stored."""


@with_known_options
class ExecutionEngine:
    """Runs flows: independent jobs run at the same time, each exactly once.

    A job that fits one chunk runs in this process; all others share one cluster. A job that fails
    stops those that depend on it, and no others. The flow's run is noted in its own ledger, each
    job's run in its target's; after a kill ``resume`` runs what is not done.

    What is left out, or None, is as the settings have it: see :mod:`mapper_dask.settings`. The
    values named here are those of the packaged ``mapper-dask.yaml``.

    Parameters
    ----------
    max_workers
        Worker processes for all jobs together; where nobody says, all cores but one, at least 1.
        With a client, how many of its threads each job keeps busy; where nobody says, all.
    max_parallel_jobs
        Jobs that run at a time, where the flow does not say; 1: one after the other. Where nobody
        says, as many as ``max_workers``, or as there are cores.
    client
        A Dask client to use. Without one the session's current client is used, else a cluster of
        processes on this machine is started by the first job that needs one, and closed at the end.
    scheduler_address
        A Dask scheduler to connect to, such as ``tcp://host:8786``.
    retries
        Attempts at a chunk whose error is transient, where the job does not say: 10.
    lock_timeout
        Seconds an attempt waits for a lock in the target, where the job does not say: 30.
    on_failure
        As for :class:`~mapper_dask.ParallelProcessor`: ``"raise"`` raises what failed a job, once
        all jobs have ended; the error's ``result`` is the :class:`~mapper_dask.FlowResult`.
    progress
        As for :class:`~mapper_dask.ParallelProcessor`. Jobs that run at a time call it from
        threads of their own.
    settings
        What :func:`mapper_dask.settings.resolve` returned, such as with a job file's. None: they
        are resolved here.

    Raises
    ------
    ConfigurationError
        Names the argument whose value cannot be used.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        max_parallel_jobs: int | None = None,
        client: Client | None = None,
        scheduler_address: str | None = None,
        retries: int | None = None,
        lock_timeout: float | None = None,
        on_failure: OnFailure | None = None,
        progress: ProgressOptions = None,
        settings: Settings | None = None,
    ) -> None:
        arguments.require_workers(
            client,
            scheduler_address,
            max_workers=max_workers,
            max_parallel_jobs=max_parallel_jobs,
            retries=retries,
        )
        self.settings = known = settings if settings is not None else resolve()
        self._jobs = jobs = ParallelProcessor(
            max_workers,
            retries=retries,
            lock_timeout=lock_timeout,
            on_failure=on_failure,
            progress=progress,
            settings=known,
        )
        self.asked_workers, self.retry_policy = jobs.asked_workers, jobs.retry_policy
        self.on_failure, self.progress = jobs.on_failure, jobs.progress
        self.client = client
        self.scheduler_address = scheduler_address
        if client is None and scheduler_address is None:
            self.scheduler_address = known.value("scheduler-address")
        self.max_parallel_jobs: int | None = max_parallel_jobs or known.value("max-parallel-jobs")

    @property
    def max_workers(self) -> int:
        """Processes of a cluster that is started here."""
        return self._jobs.max_workers

    @without_frames
    def run(self, flow: Flow, *, plans: Mapping[str, Plan] | None = None) -> FlowResult:
        """Run a flow, or resume it if its ledger knows its ``run_id``.

        Parameters
        ----------
        flow
            What to run.
        plans
            By a job's name the plan whose chunks it is to run; the others are planned now.

        Returns
        -------
        FlowResult
            With ``on_failure="return"`` also when jobs failed.

        Raises
        ------
        RunFailedError
            When a job did not succeed; its ``result`` is what would have been returned.
        ConfigurationError
            What was wrong, before a row moved: with ``job`` in its details where it was a job's.
        DatabaseError
            What the ledger's database answered.
        """
        require_waitable(self.client, self.scheduler_address)
        flow = _validated(flow)
        ledger = FlowLedger(
            ledger_of(flow), flow.run_id or uuid.uuid4().hex[:16], self.retry_policy.lock_timeout
        )
        ending, halt = FlowEnding(flow, ledger), Halt()
        with stepping_aside():
            return attended(lambda: self._run(flow, plans or {}, ending, halt), halt, ending)

    def _run(
        self, flow: Flow, plans: Mapping[str, Plan], ending: FlowEnding, halt: Halt
    ) -> FlowResult:
        ledger = ending.ledger
        ledger.prepare()
        for job in flow.jobs:
            if job.incremental is not None:
                watermarks.require_no_other(flow.name, job, ledger)
        started = time.perf_counter()
        with SharedWorkers(self.client, self.scheduler_address, self.max_workers) as workers:
            limit = self._limit(flow)
            options = self._jobs.options
            options = replace(
                options,
                workers=replace(options.workers, shared=workers.engine),
                budget=Budget.of(self.settings, runs=limit),
                on_failure="return",  # the flow's result tells of it
                require_wanted=ledger.require_going,
            )
            means = Means(flow=flow, ledger=ledger, options=options, plans=plans)
            require_going(ledger.run_id, halt)
            ending.entering = True
            stored = ledger.open(flow)  # last, so that a refusal changes nothing in the ledger
            name, jobs = flow.name, len(flow.jobs)
            log_flow_event("flow_started", flow=name, flow_run=ledger.run_id, jobs=jobs)
            course = ending.course = Course(means, stored, limit)
            try:
                require_going(ledger.run_id, halt)
                course.run()
            except BaseException as error:
                course.cancel(error)
                raise
        return judged(_logged(course.result(time.perf_counter() - started)), self.on_failure)

    @without_frames
    def resume(
        self,
        run_id: str,
        *,
        ledger_conn: Any,
        flow: Flow | MakesFlow | None = None,
        trust_ledger: bool = False,
    ) -> FlowResult:
        """Finish a flow that was killed, stopped or left jobs behind; only report a finished one.

        Parameters
        ----------
        run_id
            The flow's run, as the result, the log and the ledger name it.
        ledger_conn
            Where the flow's ledger is.
        flow
            The flow as it was, or a function that makes it of what the ledger has kept. A job that
            reads or writes something else than it did is refused.
        trust_ledger
            True to let that function make it of a ledger that others can write, too.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        ConfigurationError
            When no flow is given, or another one.
        LedgerError
            When others could have written what the flow is to be made of.
        """
        if callable(flow) and not trust_ledger:
            require_trusted_flow(reference(ledger_conn, "ledger_conn"), run_id)
        stored = stored_flow(run_id, ledger_conn=ledger_conn)
        made = flow(stored) if callable(flow) else flow
        if not isinstance(made, Flow):
            message = (
                "flow: the ledger keeps no functions and no passwords; give the flow "
                f"{stored.name!r} again, or a function that makes it of its job file"
            )
            raise ConfigurationError(message, field="flow", run_id=run_id)
        return self.run(made.evolve(run_id=run_id, ledger_conn=ledger_conn))

    def status(self, run_id: str, *, ledger_conn: Any) -> FlowResult:
        """Return what is known of a flow's run, and run nothing.

        Counts of chunks are there for jobs whose target has the same ledger; the others have their
        rows and seconds.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        """
        conn = reference(ledger_conn, "ledger_conn")
        ledger = FlowLedger(conn, run_id)
        stored = ledger.find()
        jobs = tuple(_with_chunks(from_ledger(job), conn) for job in ledger.jobs())
        seconds = 0.0
        if stored.ended_at is not None:
            seconds = (stored.ended_at - stored.started_at).total_seconds()
        return FlowResult(stored.name, run_id, jobs, seconds)

    def flows(self, ledger_conn: Any) -> tuple[StoredFlow, ...]:
        """Return every run of every flow, the latest first, without their documents."""
        return tuple(all_runs(reference(ledger_conn, "ledger_conn")))

    @without_frames
    def cancel(self, run_id: str, *, ledger_conn: Any, flow: Flow | None = None) -> tuple[str, ...]:
        """Stop a flow of this or another process at once; return the runs that this has ended.

        Once this returns, nothing of them commits and no other job begins; ``resume`` continues it.

        Parameters
        ----------
        run_id, ledger_conn
            As for ``resume``.
        flow
            Needed where a job's target has another ledger.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        """
        return stop(FlowLedger(reference(ledger_conn, "ledger_conn"), run_id), flow)

    def discard(self, run_id: str, *, ledger_conn: Any, flow: Flow | None = None) -> None:
        """Discard a flow's run: it cannot be resumed, and no longer blocks other runs.

        Runs of its jobs that have not succeeded are stopped, and what they have staged is dropped,
        where their target has the same ledger or the flow is given. What they have loaded stays:
        an incremental job that appends will load it again.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        """
        ledger = FlowLedger(reference(ledger_conn, "ledger_conn"), run_id)
        ledger.find()
        unread = [job for job in ledger.jobs() if job.state is not JobState.SUCCEEDED]
        ledger.discard()
        for job in unread:
            if job.run_id is not None:
                with contextlib.suppress(RunNotFoundError):
                    stored_runs.discard(ledger.target_of(job, flow), job.run_id)

    def rewind(self, run_id: str, *, ledger_conn: Any) -> tuple[str, ...]:
        """Make a flow's incremental jobs read again what they read in a run and later.

        For rows that are gone from a target: the next run begins where this one began. What is left
        of these rows in an append's target must be deleted first: it would be doubled.

        Returns
        -------
        tuple of str
            The jobs whose next run begins there.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        ConfigurationError
            When no incremental job of it has read anything to its end.
        """
        return FlowLedger(reference(ledger_conn, "ledger_conn"), run_id).rewind()

    def _limit(self, flow: Flow) -> int:
        cores = self.asked_workers or os.cpu_count() or 1
        return flow.max_parallel_jobs or self.max_parallel_jobs or cores


def stored_flow(run_id: str, *, ledger_conn: Any) -> StoredFlow:
    """Return a flow's run as the ledger holds it, with the job file it was made of.

    Raises
    ------
    RunNotFoundError
        When the ledger has no such run.
    """
    return FlowLedger(reference(ledger_conn, "ledger_conn"), run_id).find()


def ledger_of(flow: Flow) -> ConnectionRef:
    """Return where a flow's own ledger is.

    Raises
    ------
    ConfigurationError
        When it has no target and names no ledger.
    """
    if flow.ledger_conn is not None:
        return reference(flow.ledger_conn, "ledger_conn")
    for job in flow.jobs:
        if job.job.target_conn is not None:
            return reference(job.job.target_conn, "target_conn")
    message = "ledger_conn is needed where no job has a target: the flow's ledger is kept there"
    raise ConfigurationError(message, field="ledger_conn")


def _logged(result: FlowResult) -> FlowResult:
    """Log how a flow ended."""
    log_flow_event(
        "flow_succeeded" if result.succeeded else "flow_failed",
        flow=result.name,
        flow_run=result.run_id,
        level=logging.INFO if result.succeeded else logging.ERROR,
        seconds=result.seconds,
    )
    return result


def _validated(flow: Flow) -> Flow:
    """Validate a flow as far as possible without a database, and return it."""
    given: object = flow
    if not isinstance(given, Flow):
        message = (
            f"flow must be a Flow, got {type(given).__name__}; write "
            "Flow(name='…', jobs=(FlowJob(name='…', job=…),))"
        )
        raise ConfigurationError(message, field="flow")
    flow = flow.validated()
    if flow.max_parallel_jobs is not None:
        arguments.require_count("max_parallel_jobs", flow.max_parallel_jobs)
    for job in flow.jobs:
        try:
            _require_usable(job)
        except ConfigurationError as error:
            message = f"job {job.name!r}: {error}"
            raise ConfigurationError(message, **{**error.details, "job": job.name}) from None
    dialect_for(ledger_of(flow), "ledger_conn")
    return flow


def _require_usable(job: FlowJob) -> None:
    for name in ("max_workers", "retries"):
        if getattr(job, name) is not None:
            arguments.require_count(name, getattr(job, name))
    if job.lock_timeout is not None:
        arguments.require_seconds("lock_timeout", job.lock_timeout)
    for name in ("source_conn", "target_conn"):
        connection = getattr(job.job, name)
        if connection is not None:
            dialect_for(reference(connection, name), name)
    if job.parallel:
        require_picklable(job.job.transformation_logic)


def _with_chunks(result: FlowJobResult, conn: ConnectionRef) -> FlowJobResult:
    """Return a job's result with its chunks, where a ledger knows its run."""
    if result.run_id is None:
        return result
    ledger = RunLedger(conn, result.run_id)
    stored = ledger.find()
    if stored is None:
        return result
    chunks = [chunk for _, chunk in ledger.chunks()]
    known = stored_runs.folded(stored, chunks, seconds=result.seconds or 0.0)
    return replace(result, result=known, rows=known.total_rows_successful)


__all__: Sequence[str] = ["ExecutionEngine", "StoredFlow", "ledger_of", "stored_flow"]
