"""One run from its job to its result: plan, check, enter, run the chunks, report."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
import uuid
from collections.abc import Generator, Sequence

from distributed import Client

from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections import ConnectionRef, reference
from mapper_dask.errors import MapperError
from mapper_dask.ledger import RunState, StoredRun
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState, ParallelProcessingResult
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.retries import Patience
from mapper_dask.run import job_record, report, stored_runs
from mapper_dask.run.dask_engine import (
    Engine,
    LoopEngine,
    open_engine,
    require_picklable,
    require_reachable,
)
from mapper_dask.run.events import Counter, Hook, log_event
from mapper_dask.run.preflight import prepare
from mapper_dask.run.progress import progress_hook
from mapper_dask.run.run import Run, log_plan, replanned, require_same_columns
from mapper_dask.run.run_ledger import RunLedger
from mapper_dask.run.snapshot import Keeper, keep_snapshot

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
    progress: Hook | bool | None

    def _run(self, job: MapperJob, stop: threading.Event) -> ParallelProcessingResult:
        job = job.validated()
        if self.enable_parallel:
            require_picklable(job.transformation_logic)
        source = reference(job.source_conn, "source_conn")
        target = None if job.target_conn is None else reference(job.target_conn, "target_conn")
        stored = RunLedger(target, job.run_id).find() if target is not None and job.run_id else None
        if stored is not None:
            return self._continue(job, stored, stop)
        run_id = job.run_id or uuid.uuid4().hex
        with contextlib.ExitStack() as stack:
            kept = keep_snapshot(source, consistent=job.consistent, run_id=run_id)
            keeper = stack.enter_context(kept)
            run = self._planned(job.evolve(run_id=run_id), keeper, source, target)
            return self._execute(run, stack, keeper, stop, new=True)

    def _planned(
        self, job: MapperJob, keeper: Keeper, source: ConnectionRef, target: ConnectionRef | None
    ) -> Run:
        run_id = job.run_id or uuid.uuid4().hex
        keeper.give_up_for(job.source_sql)
        plan = ChunkManager().plan_on(keeper.dialect, keeper.conn, job, keeper.snapshot)
        prepared = prepare(job, plan, keeper, source, target, run_id, self.patience)
        return Run(run_id, job, source, target, prepared, prepared.plan.chunks)

    def _continue(
        self, job: MapperJob, stored: StoredRun, stop: threading.Event
    ) -> ParallelProcessingResult:
        """Do the chunks of a stored plan that are not committed. It is never planned again."""
        source = reference(job.source_conn, "source_conn")
        target = reference(job.target_conn, "target_conn")
        job_record.require_same(job, source, stored)
        if self.enable_parallel:
            require_picklable(job.transformation_logic)
        ledger = RunLedger(target, stored.run_id, self.patience.lock_timeout)
        known = ledger.chunks()
        todo = [chunk for chunk, result in known if not result.succeeded]
        if not todo:
            return stored_runs.result_of(ledger, stored, [result for _, result in known])
        with contextlib.ExitStack() as stack:
            kept = keep_snapshot(source, consistent=job.consistent, run_id=stored.run_id)
            keeper = stack.enter_context(kept)
            keeper.give_up_for(job.source_sql)
            plan = replanned(job, stored, keeper, [chunk for chunk, _ in known])
            prepared = prepare(job, plan, keeper, source, target, stored.run_id, self.patience)
            require_same_columns(prepared, stored)
            run = Run(stored.run_id, job, source, target, prepared, todo)
            return self._execute(run, stack, keeper, stop, new=False)

    def _execute(
        self,
        run: Run,
        stack: contextlib.ExitStack,
        keeper: Keeper,
        stop: threading.Event,
        *,
        new: bool,
    ) -> ParallelProcessingResult:
        log_plan(run)
        if keeper.snapshot is None:
            stack.close()  # nothing to keep: planning is done
        with self._engine(run) as engine:
            require_reachable(engine, [ref for ref in (run.source, run.target) if ref is not None])
            if not (run.enter if new else run.reenter)(keeper.snapshot):
                return self._continue(run.job, run.stored(), stop)
            started = time.perf_counter()
            try:
                run, results, rows = self._process_until_read(engine, run, keeper, stop, started)
                if stop.is_set():
                    run.stop(RunState.CANCELLED)
                elif len(results) < len(run.chunks):
                    run.stop(RunState.FAILED)
            except BaseException:
                with contextlib.suppress(MapperError):  # what ended the run is what must be told
                    run.stop(RunState.CANCELLED)
                raise
            seconds = time.perf_counter() - started
        return self._aggregate_results(run, results, seconds, rows)

    def _engine(self, run: Run) -> contextlib.AbstractContextManager[Engine]:
        fits_one = len(run.chunks) == 1 or run.plan.config.total_rows <= run.plan.config.chunk_size
        return open_engine(
            parallel=self.enable_parallel and not fits_one,
            client=self.client,
            scheduler_address=self.scheduler_address,
            max_workers=self.max_workers,
            asked_workers=self.asked_workers,
        )

    def _process_until_read(
        self, engine: Engine, run: Run, keeper: Keeper, stop: threading.Event, started: float
    ) -> tuple[Run, list[ChunkResult], int]:
        """Process a run's chunks, from the start again where the source forgot their snapshot."""
        for _ in range(RESTARTS):
            results, rows = self._process(engine, run, keeper, stop, started, restart=run.restarts)
            if stop.is_set() or not any(result.snapshot_lost for result in results):
                return run, results, rows
            again = run.restarted() if run.restarts else None
            if again is None:
                return run, results, rows
            run = again
        return run, *self._process(engine, run, keeper, stop, started, restart=False)

    def _process(
        self,
        engine: Engine,
        run: Run,
        keeper: Keeper,
        stop: threading.Event,
        started: float,
        *,
        restart: bool,
    ) -> tuple[list[ChunkResult], int]:
        """Return the results of the chunks that ended, and the rows they read.

        With ``restart`` a lost snapshot stops the run, and this returns when none of its chunks is
        at work any more.
        """
        results: list[ChunkResult] = []
        if stop.is_set():
            return results, 0
        counter = Counter(run.run_id if run.target else None, len(run.chunks))
        ended = (
            self._process_sequential(run.prepared.task, run.chunks)
            if not engine.remote
            else engine.results(run.prepared.task, run.chunks)
        )
        with progress_hook(self.progress, len(run.chunks)) as show, contextlib.closing(ended):
            for result in ended:
                if result.state is ChunkState.UNASSIGNED:  # somebody stopped the run
                    break
                results.append(result)
                if restart and result.snapshot_lost:
                    run.stop(RunState.RESTARTING)
                    collections.deque(ended, maxlen=0)  # no task of this reading may outlive it
                    break
                event = counter.event(result, time.perf_counter() - started)
                log_event(event)
                show(event)
                keeper.check()
                if run.breaks_off(result) or stop.is_set():
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
        outcome = stored_runs.finish(run.ledger, run.prepared.publication)
        known = [result for _, result in run.ledger.chunks()]
        return report.fold(
            report.with_errors(known, results),
            run_id=run.run_id,
            seconds=seconds,
            rows_this_run=rows,
            warnings=[*run.plan.notes, *outcome.notes],
            error=outcome.error,
            published=outcome.published,
        )
