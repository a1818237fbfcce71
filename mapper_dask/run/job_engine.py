"""One run from its job to its result: plan, check, enter, run the chunks, report."""

from __future__ import annotations

import collections
import contextlib
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client

from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.dialects.snapshot import Keeper, keep_snapshot, kept_again
from mapper_dask.errors import MapperError
from mapper_dask.events.run_events import Counter
from mapper_dask.events.watch import ProgressOptions, Watch
from mapper_dask.halting import Halt
from mapper_dask.ledger import report, stored_runs
from mapper_dask.ledger import stored_job as job_record
from mapper_dask.ledger.evidence import accepted, require_still_there
from mapper_dask.ledger.lost import lost
from mapper_dask.ledger.run_record import RunState, StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.limits.budget import Budget, Share
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.plan.blame import in_users_text
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.params import bound
from mapper_dask.plan.saved_plan import SavedPlan, require_same_chunks, restored
from mapper_dask.preflight.checks import prepare
from mapper_dask.preflight.grants import lacking_grants
from mapper_dask.retries import Patience
from mapper_dask.run import drift, once
from mapper_dask.run.interrupts import attended, require_going
from mapper_dask.run.one_state import rest_of
from mapper_dask.run.run import (
    Run,
    fits_one_chunk,
    log_plan,
    replanned,
    require_chunks,
    require_same_columns,
    started_event,
)
from mapper_dask.run.run_ending import RunEnding
from mapper_dask.run.staged_again import publication_again
from mapper_dask.run.stopped import heed, told_as_stopped
from mapper_dask.tracebacks import OnFailure
from mapper_dask.workers.clients import waiting
from mapper_dask.workers.engines import (
    Engine,
    LoopEngine,
    close_idle_workers,
    open_engine,
    within,
)
from mapper_dask.workers.fitness import require_picklable, require_reachable
from mapper_dask.workers.local_cluster import telling
from mapper_dask.workers.outcomes import OneRaised

RESTARTS = 2
"""How often a run is read anew: a source that forgets three times keeps too little."""


class JobEngine:
    """Takes one run from its job to its result; :class:`ParallelProcessor` is its public face."""

    max_workers: int
    asked_workers: int | None
    """What the user asked for; None where ``max_workers`` is a default."""
    enable_parallel: bool
    client: Client | None
    scheduler_address: str | None
    patience: Patience
    progress: ProgressOptions
    spool_parent: Path
    """Where the rows of a query wait that is read once."""
    on_failure: OnFailure
    """Whether a run that has failed is raised, or returned."""
    budget: Budget
    """The connections it may hold; jobs that run at a time may share one."""

    def _run(
        self, job: MapperJob, stop: Halt, plan: SavedPlan | None = None
    ) -> ParallelProcessingResult:
        return self._watched(job, stop, lambda watch: self._begin(job, stop, plan, watch))

    def _watched(
        self, job: MapperJob, stop: Halt, work: Callable[[Watch], ParallelProcessingResult]
    ) -> ParallelProcessingResult:
        """Do some work on a run that its hooks are told of, and that Ctrl-C stops."""
        watch = Watch(self.progress, job)

        def done() -> ParallelProcessingResult:
            stopped = told_as_stopped(job.run_id, stop, lambda: watch.entering)
            with watch, telling(watch.preparing), stopped:
                return work(watch)

        with self._waiting():  # in the thread of the caller, which may be a task's
            return attended(done, stop, RunEnding(job, watch))

    def _wanted(self) -> None:
        """Raise when what this run is a part of was cancelled, which who did it could not see."""

    def _waiting(self) -> contextlib.AbstractContextManager[None]:
        if not self.enable_parallel:
            return contextlib.nullcontext()
        return waiting(self.client, self.scheduler_address)

    def _begin(
        self, job: MapperJob, stop: Halt, plan: SavedPlan | None, watch: Watch
    ) -> ParallelProcessingResult:
        job = job.validated()
        if self.enable_parallel:
            require_picklable(job.transformation_logic)
        source = reference(job.source_conn, "source_conn")
        with in_users_text(job, source):
            return self._begin_bound(bound(job, source), source, stop, plan, watch)

    def _begin_bound(
        self,
        job: MapperJob,
        source: ConnectionRef,
        stop: Halt,
        plan: SavedPlan | None,
        watch: Watch,
    ) -> ParallelProcessingResult:
        target = None if job.target_conn is None else reference(job.target_conn, "target_conn")
        stored = self._stored(job, target, stop)
        if stored is not None:
            return self._go_on(job, stored, stop, plan, watch)
        named = job.evolve(run_id=job.run_id or uuid.uuid4().hex)
        watch.run_id = named.run_id

        def planned(keeper: Keeper) -> once.Taken | None:
            run = self._planned(named, keeper, source, target, plan)
            inlet = once.Inlet(self.spool_parent, stop, watch.reading)
            watch.entering = run.plan.read_once
            return once.taken_in(run, keeper, inlet, new=True)

        return self._in_budget(named, planned, stop, watch, new=True)

    def _stored(self, job: MapperJob, target: ConnectionRef | None, stop: Halt) -> StoredRun | None:
        """Return a job's run that the ledger knows by its name."""
        run_id = job.run_id
        if target is None or not run_id:
            return None
        for attempt in self._attempts(run_id, stop):
            with attempt, lacking_grants(job, target):
                return RunLedger(target, run_id, connection_wait=0).find()
        raise AssertionError  # pragma: no cover - attempts return or raise

    def _attempts(self, run_id: str, stop: Halt) -> Any:
        """Return attempts at what comes before the first row: all of it waits for connections."""

        def tidy() -> None:
            if self.enable_parallel:
                close_idle_workers(self.client, self.scheduler_address)

        return self.budget.attempts(run_id, stop, tidy)

    def _in_budget(
        self,
        job: MapperJob,
        planned: Callable[[Keeper], once.Taken | None],
        stop: Halt,
        watch: Watch,
        *,
        new: bool,
    ) -> ParallelProcessingResult:
        """Plan a run and do it, within the connections it may hold.

        What is planned while a server has no connection left is planned anew when it has: nothing
        is held while others are waited for, so that two runs never wait for each other.
        """
        source = reference(job.source_conn, "source_conn")
        target = None if job.target_conn is None else reference(job.target_conn, "target_conn")
        for attempt in self._attempts(str(job.run_id), stop):
            with attempt, contextlib.ExitStack() as stack:
                share = stack.enter_context(
                    self.budget.admit(source, target, direct_path=job.direct_path, stop=stop)
                )
                kept = stack.enter_context(contextlib.ExitStack())
                keeper = kept.enter_context(
                    keep_snapshot(source, consistent=job.consistent, run_id=str(job.run_id))
                )
                taken = planned(keeper)
                if taken is not None:
                    stack.push(taken[1])
                held = stack.pop_all()
        result = None
        with held:
            if taken is not None:
                result = self._execute(taken[0], share, kept, keeper, stop, watch, new=new)
        if result is None:  # another coordinator has entered it in the same moment
            assert target is not None  # noqa: S101 - a dry run is in no ledger
            stored = stored_runs.found(target, str(job.run_id))
            return self._go_on(job, stored, stop, None, watch)
        return result

    def _planned(
        self,
        job: MapperJob,
        keeper: Keeper,
        source: ConnectionRef,
        target: ConnectionRef | None,
        saved: SavedPlan | None = None,
    ) -> Run:
        run_id = job.run_id or uuid.uuid4().hex
        keeper.give_up_for(job.source_sql)
        if saved is None:
            plan = ChunkManager().plan_on(keeper.source, job, keeper.snapshot)
        else:
            job_record.require_marks(job, source, saved.marks)
            plan = restored(keeper.source, job, saved)
        keeper.give_up_unless(plan.consistent)
        prepared = prepare(job, plan, keeper, source, target, run_id, self.patience)
        return Run(run_id, job, source, target, prepared, prepared.plan.chunks)

    def _continue(
        self,
        job: MapperJob,
        stored: StoredRun,
        stop: Halt,
        saved: SavedPlan | None = None,
    ) -> ParallelProcessingResult:
        """Do the chunks of a stored plan that are not committed. It is never planned again."""
        return self._watched(job, stop, lambda watch: self._go_on(job, stored, stop, saved, watch))

    def _go_on(
        self,
        job: MapperJob,
        stored: StoredRun,
        stop: Halt,
        saved: SavedPlan | None,
        watch: Watch,
    ) -> ParallelProcessingResult:
        watch.run_id = stored.run_id
        source = reference(job.source_conn, "source_conn")
        target = reference(job.target_conn, "target_conn")
        job_record.require_same(job, source, stored)
        if self.enable_parallel:
            require_picklable(job.transformation_logic)
        ledger = RunLedger(
            target, stored.run_id, self.patience.lock_timeout, self.patience.connection_wait
        )
        stored = accepted(ledger, stored, require_still_there(target, stored))
        known = ledger.chunks()
        if saved is not None:
            require_same_chunks(stored.run_id, saved, [chunk for chunk, _ in known])
        if all(result.succeeded for _, result in known):
            require_chunks(stored, [chunk for chunk, _ in known])
            self._wanted()
            publication = publication_again(job, target, stored)
            watch.entering = True
            result = stored_runs.result_of(ledger, stored, [r for _, r in known], publication)
            once.forget(self.spool_parent, stored.run_id, result)
            return result

        def planned(keeper: Keeper) -> once.Taken | None:
            keeper.give_up_for(job.source_sql)
            plan = replanned(job, stored, keeper, [chunk for chunk, _ in known])
            keeper.give_up_unless(plan.consistent)
            again = once.found_again(plan, stored, known, keeper, ledger, self.spool_parent)
            rest = rest_of(again.plan, stored, keeper, source, ledger, known)
            prepared = prepare(
                job, again.plan, keeper, source, target, stored.run_id, self.patience
            )
            require_same_columns(prepared, stored)
            prepared = drift.require_same_target(prepared, stored)
            chunks = again.plan.chunks if again.note else rest.chunks
            run = Run(stored.run_id, job, source, target, prepared, chunks, anew=rest.anew)
            if again.spool is not None:
                return run.from_files(again.spool), once.put_away(again.spool)
            inlet = once.Inlet(self.spool_parent, stop, watch.reading)
            run = replace(run, note=again.note)
            watch.entering = run.plan.read_once
            broken_off = not any(result.attempts for _, result in known)
            return once.taken_in(run, keeper, inlet, new=False, broken_off=broken_off)

        return self._in_budget(job.evolve(run_id=stored.run_id), planned, stop, watch, new=False)

    def _execute(
        self,
        run: Run,
        share: Share,
        kept: contextlib.ExitStack,
        keeper: Keeper,
        stop: Halt,
        watch: Watch,
        *,
        new: bool,
    ) -> ParallelProcessingResult | None:
        """Do a planned run; return None when it turns out to stand in the ledger already."""
        log_plan(run)
        planned = time.time()
        if keeper.snapshot is None or run.spool is not None:
            keeper.done = True
            kept.close()  # nothing to keep: planning is done, or the rows are here
        require_going(run.run_id, stop)
        with self._engine(run) as engine, within(engine, share) as note:
            run = run.bounded(share, note)
            refs = [ref for ref in (run.source, run.target) if ref is not None]
            require_reachable(engine, refs, run.job.transformation_logic)
            run = once.shared(run, engine)
            require_going(run.run_id, stop)
            watch.entering = True
            if run.entry is None and not (run.enter if new else run.reenter)(keeper.snapshot):
                return None
            run.begins()
            started = time.perf_counter()
            try:
                self._wanted()
                watch.started(started_event(run, watch.began, planned, resumed=not new))
                run, results, rows = self._process_until_read(
                    engine, run, kept, keeper, stop, started, watch
                )
                if stop.is_set():
                    run.stop(RunState.CANCELLED)
                elif len(results) < len(run.chunks):
                    run.stop(RunState.FAILED)
            except BaseException:
                with contextlib.suppress(MapperError):  # what ended the run is what must be told
                    run.stop(RunState.CANCELLED)
                raise
            seconds = time.perf_counter() - started
            for told in dict.fromkeys(engine.notes):
                run = run.noting(told)
        result = self._aggregate_results(run, results, seconds, rows)
        result = replace(result, total_time=time.time() - watch.began)
        once.done(run, result)
        watch.ended(result, cancelled=stop.is_set() or result.error == stored_runs.CANCELLED)
        return result

    def _engine(self, run: Run) -> contextlib.AbstractContextManager[Engine]:
        return open_engine(
            parallel=self.enable_parallel and not fits_one_chunk(run),
            client=self.client,
            scheduler_address=self.scheduler_address,
            max_workers=self.max_workers,
            asked_workers=self.asked_workers,
        )

    def _process_until_read(
        self,
        engine: Engine,
        run: Run,
        kept: contextlib.ExitStack,
        keeper: Keeper,
        stop: Halt,
        started: float,
        watch: Watch,
    ) -> tuple[Run, list[ChunkResult], int]:
        """Process a run's chunks, from the start again where their snapshot was lost."""
        for _ in range(RESTARTS):
            results, rows = self._process(
                engine, run, keeper, stop, started, watch, restart=run.restarts
            )
            if stop.is_set() or not any(result.snapshot_lost for result in results):
                return run, results, rows
            if not run.restarts:
                return run, results, rows
            keeper = kept_again(run.source, run.plan.query.sql, run.run_id, kept)
            again = run.restarted(keeper.snapshot)
            if again is None:
                return run, results, rows
            run = again
        return run, *self._process(engine, run, keeper, stop, started, watch, restart=False)

    def _process(
        self,
        engine: Engine,
        run: Run,
        keeper: Keeper,
        stop: Halt,
        started: float,
        watch: Watch,
        *,
        restart: bool,
    ) -> tuple[list[ChunkResult], int]:
        """Return the results of the chunks that ended, and the rows they read.

        With ``restart`` a lost snapshot stops the run, and this returns when none of its chunks is
        at work any more.
        """
        results: list[ChunkResult] = []
        raised = OneRaised()
        counter = Counter(run.run_id if run.target else None, run.chunks)
        ended = (
            self._process_sequential(run.prepared.task, run.chunks)
            if not engine.remote
            else engine.results(run.prepared.task, run.chunks, partial(heed, run.ledger, stop))
        )
        with contextlib.closing(ended), stop.breaks(engine.halt):
            if stop.is_set():  # just before anything of this could be broken off
                return results, 0
            for result in ended:
                stopped = result.state is ChunkState.UNASSIGNED  # by somebody else
                if stopped or (stop.is_set() and result.error is not None):
                    break
                results.append(raised.kept(result))
                if restart and result.snapshot_lost:
                    run.stop(RunState.RESTARTING)
                    collections.deque(ended, maxlen=0)  # no task of this reading may outlive it
                    break
                watch.chunk(run.run_id, counter.event(result, time.perf_counter() - started))
                keeper.check()
                if stop.is_set() or run.breaks_off(result):
                    break
        return results, counter.rows

    def _process_sequential(
        self, task: ChunkTask, chunks: Sequence[Chunk]
    ) -> Generator[ChunkResult]:
        """Yield what became of each chunk, in order, by the function the workers call."""
        return LoopEngine().results(task, chunks)

    def _aggregate_results(
        self, run: Run, results: Sequence[ChunkResult], seconds: float, rows: int
    ) -> ParallelProcessingResult:
        """Return the run's result: from the ledger, which alone knows what is committed."""
        if run.ledger is None:
            every = report.with_unbegun(results, run.chunks)
            return report.fold(
                every, run_id=None, seconds=seconds, rows_this_run=rows, warnings=run.plan.notes
            )
        number = len(run.plan.chunks)
        outcome = stored_runs.finish(run.ledger, run.prepared.publication, number)
        known = [result for _, result in run.ledger.chunks()]
        if len(known) != number:
            raise lost(run.run_id)
        return report.fold(
            known := report.with_errors(known, results),
            run_id=run.run_id,
            seconds=seconds,
            rows_this_run=rows,
            warnings=[*run.plan.notes, *outcome.notes],
            error=outcome.error or report.unsaid(known, results),
            published=outcome.published,
        )
