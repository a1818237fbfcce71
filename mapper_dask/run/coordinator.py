"""Takes one run of this process from its job to its result: new, or resumed."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from mapper_dask.dialects.snapshot import Keeper, keep_snapshot
from mapper_dask.errors import ConfigurationError, RunNotFoundError
from mapper_dask.events.watch import RunWatch
from mapper_dask.halting import Halt
from mapper_dask.interrupts import attended
from mapper_dask.ledger import stored_job as job_record
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.evidence import accepted, require_still_there
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.plan.blame import in_users_text
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.params import with_params
from mapper_dask.plan.saved_plan import Plan, SavedPlan, require_same_chunks, restored, saved
from mapper_dask.preflight.checks import prepare
from mapper_dask.preflight.grants import lacking_grants
from mapper_dask.resolved_job import ResolvedJob, resolved
from mapper_dask.retries import RetryPolicy
from mapper_dask.run import drift, once
from mapper_dask.run.execution import Execution
from mapper_dask.run.handle import RunHandle
from mapper_dask.run.one_state import rest_of
from mapper_dask.run.options import RunOptions
from mapper_dask.run.resumed import Resumed, replanned, require_chunks, require_same_columns
from mapper_dask.run.run import Run
from mapper_dask.run.run_ending import RunEnding
from mapper_dask.run.staged_again import publication_again
from mapper_dask.run.stopped import raised_as_stopped
from mapper_dask.spool.folder import remove_let_go
from mapper_dask.tracebacks import judged, without_frames
from mapper_dask.workers.clients import require_begun, require_waitable
from mapper_dask.workers.fitness import require_picklable
from mapper_dask.workers.local_cluster import reporting


class Coordinator:
    """Plans, checks and enters a run, or resumes it; then its chunks are processed.

    Parameters
    ----------
    halt
        Stops it.
    plan
        The plan that is run; None: the job is planned.
    """

    def __init__(
        self, options: RunOptions, job: MapperJob, halt: Halt, plan: Plan | None = None
    ) -> None:
        self._options, self._job, self._halt = options, job, halt
        self._saved = None if plan is None else saved(plan)
        self._watch = RunWatch(options.progress, job)
        self._inlet = once.Inlet(options.spool_parent, halt, self._watch.reading)

    def run(self) -> ParallelProcessingResult:
        """Run the job, or resume it if its target's ledger has its ``run_id``."""
        return self._attended(self._begin)

    def resume(self, stored: StoredRun) -> ParallelProcessingResult:
        """Process the chunks of a stored plan that are not committed. It is never planned again."""
        return self._attended(lambda: self._resume(resolved(self._job), stored))

    def _attended(self, work: Callable[[], ParallelProcessingResult]) -> ParallelProcessingResult:
        """Work on the run, with its hooks called, until Ctrl-C stops it."""
        watch, job = self._watch, self._job

        def done() -> ParallelProcessingResult:
            stopped = raised_as_stopped(job.run_id, self._halt, lambda: watch.entering)
            with watch, reporting(watch.preparing), stopped:
                return work()

        with self._options.workers.waiting():  # in the thread of the caller, perhaps a task's
            result = attended(done, self._halt, RunEnding(job, watch))
        return judged(result, self._options.on_failure)

    def _begin(self) -> ParallelProcessingResult:
        job = resolved(self._job)
        self._require_picklable(job)
        with in_users_text(job.job, job.source):
            job = with_params(job)
            stored = self._found(job)
            if stored is not None:
                return self._resume(job, stored, self._saved)
            job = named(job)
            self._watch.run_id = job.run_id

            def planned_here(keeper: Keeper) -> once.Taken | None:
                run = planned(job, keeper, self._options.retry_policy, self._saved)
                self._watch.entering = run.plan.read_once
                return once.taken_in(run, keeper, self._inlet)

            return self._in_budget(job, planned_here)

    def _require_picklable(self, job: ResolvedJob) -> None:
        if self._options.workers.parallel:
            require_picklable(job.job.transformation_logic)

    def _found(self, job: ResolvedJob) -> StoredRun | None:
        """Return the run that the ledger has under the job's ``run_id``."""
        if job.target is None or not job.job.run_id:
            return None
        for attempt in self._attempts(job):
            with attempt, lacking_grants(job.job, job.target):
                return RunLedger(job.target, job.run_id, connection_wait=0).find()
        raise AssertionError  # pragma: no cover - attempts return or raise

    def _attempts(self, job: ResolvedJob) -> Any:
        """Return attempts at the steps before the first row, which all wait for connections."""
        tidy = self._options.workers.close_idle
        return self._options.budget.attempts(job.run_id, self._halt, tidy)

    def _in_budget(
        self, job: ResolvedJob, plans: Callable[[Keeper], once.Taken | None]
    ) -> ParallelProcessingResult:
        """Plan and execute a run, within the connections it may hold.

        If a server has no connection left meanwhile, the run is planned again when it has: a run
        holds nothing while it waits for connections, so that two never wait for each other.
        """
        direct_path, consistent = job.job.direct_path, job.job.consistent
        for attempt in self._attempts(job):
            with attempt, contextlib.ExitStack() as stack:
                admitted = self._options.budget.admit(
                    job.source, job.target, direct_path=direct_path, stop=self._halt
                )
                share = stack.enter_context(admitted)
                kept = stack.enter_context(contextlib.ExitStack())
                keeper = kept.enter_context(
                    keep_snapshot(job.source, consistent=consistent, run_id=job.run_id)
                )
                taken = plans(keeper)
                if taken is not None:
                    stack.push(taken[1])
                held = stack.pop_all()
        result = None
        with held:
            if taken is not None:
                result = Execution(
                    options=self._options,
                    halt=self._halt,
                    watch=self._watch,
                    run=taken[0],
                    share=share,
                    keeper=keeper,
                    kept=kept,
                ).result()
        if result is None:  # another coordinator has entered it meanwhile
            return self._resume(job, stored_runs.found(job.loads_into, job.run_id))
        return result

    def _resume(
        self, job: ResolvedJob, stored: StoredRun, kept: SavedPlan | None = None
    ) -> ParallelProcessingResult:
        self._watch.run_id = stored.run_id
        job_record.require_same(job.job, job.source, stored)
        self._require_picklable(job)
        retry_policy = self._options.retry_policy
        ledger = RunLedger(
            job.loads_into, stored.run_id, retry_policy.lock_timeout, retry_policy.connection_wait
        )
        stored = accepted(ledger, stored, require_still_there(job.loads_into, stored))
        resumed = Resumed(job, stored, ledger, ledger.chunks())
        if kept is not None:
            require_same_chunks(stored.run_id, kept, resumed.chunks)
        if not resumed.left:
            return self._reported(resumed)
        return self._in_budget(job, lambda keeper: self._planned_again(resumed, keeper))

    def _reported(self, resumed: Resumed) -> ParallelProcessingResult:
        """Return the result of a run with all chunks committed; publish it if it is not yet."""
        stored, job = resumed.stored, resumed.job
        require_chunks(stored, resumed.chunks)
        self._options.require_wanted()
        publication = publication_again(job, stored)
        self._watch.entering = True
        known = [result for _, result in resumed.known]
        result = stored_runs.result_of(resumed.ledger, stored, known, publication)
        if result.succeeded:
            remove_let_go(self._options.spool_parent, stored.run_id)
        return result

    def _planned_again(self, resumed: Resumed, keeper: Keeper) -> once.Taken | None:
        """Return what is left of a stored run, planned over its source and target as they are."""
        job, stored = resumed.job, resumed.stored
        keeper.give_up_for(job.job.source_sql)
        plan = replanned(job.job, stored, keeper, resumed.chunks)
        keeper.give_up_unless(plan.consistent)
        again = once.found_again(plan, resumed, keeper, self._options.spool_parent)
        left, restart = rest_of(again.plan, resumed, keeper)
        prepared = prepare(job, again.plan, keeper, self._options.retry_policy)
        require_same_columns(prepared, stored)
        prepared = drift.require_same_target(prepared, stored)
        chunks = again.plan.chunks if again.note else left
        run = Run(job, prepared, chunks, new=False, restart=restart, note=again.note)
        if again.spool is not None:
            return run.from_files(again.spool), once.put_away(again.spool)
        self._watch.entering = run.plan.read_once
        broken_off = not any(result.attempts for _, result in resumed.known)
        return once.taken_in(run, keeper, self._inlet, broken_off=broken_off)


def named(job: ResolvedJob) -> ResolvedJob:
    """Return a job with a name for its run."""
    return job.evolve(run_id=job.job.run_id or uuid.uuid4().hex)


def planned(
    job: ResolvedJob, keeper: Keeper, retry_policy: RetryPolicy, kept: SavedPlan | None = None
) -> Run:
    """Return a new run with its plan, or a saved one, after all checks."""
    keeper.give_up_for(job.job.source_sql)
    if kept is None:
        plan = ChunkManager().plan_on(keeper.source, job.job, keeper.snapshot)
    else:
        job_record.require_marks(job.job, job.source, kept.marks)
        plan = restored(keeper.source, job.job, kept)
    keeper.give_up_unless(plan.consistent)
    prepared = prepare(job, plan, keeper, retry_policy)
    return Run(job, prepared, prepared.plan.chunks)


def begin(options: RunOptions, job: MapperJob, plan: Plan | None = None) -> RunHandle:
    """Begin a job in the background and return at once."""
    job = job.evolve(run_id=job.run_id or uuid.uuid4().hex)
    kept = None if plan is None else saved(plan)

    @without_frames
    def end() -> None:
        try:
            named = resolved(job)
        except ConfigurationError:
            return  # a job that cannot be used is never entered
        with contextlib.suppress(RunNotFoundError):  # not entered yet: it will see the flag
            _end(named)

    def work(halt: Halt) -> ParallelProcessingResult:
        return Coordinator(options, job, halt, kept).run()

    workers = options.workers
    if not workers.parallel:
        return RunHandle(str(job.run_id), work, end)
    require_begun(workers.client)
    waitable = partial(require_waitable, workers.client, workers.scheduler_address)
    return RunHandle(str(job.run_id), work, end, waitable)


def _end(job: ResolvedJob) -> None:
    """Cancel the run of a job with a name."""
    if job.target is None:
        stored_runs.end_reading(job.source, job.run_id)
    else:
        stored_runs.cancel(job.target, job.source, job.run_id)
