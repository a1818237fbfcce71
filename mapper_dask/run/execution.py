"""Executes a planned run: enters it, sends its chunks to workers, reports their results."""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from mapper_dask.dialects.snapshot import Keeper, kept_again
from mapper_dask.errors import MapperError
from mapper_dask.events.run_events import Counter, RunStarted
from mapper_dask.events.watch import RunWatch
from mapper_dask.halting import Halt
from mapper_dask.interrupts import require_going
from mapper_dask.ledger import report, stored_runs
from mapper_dask.ledger.lost import lost
from mapper_dask.ledger.run_record import RunState
from mapper_dask.limits.budget import Share
from mapper_dask.log import current_place
from mapper_dask.parallel_models import ChunkResult, ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.run import once
from mapper_dask.run.options import RunOptions
from mapper_dask.run.run import Run, fits_one_chunk, log_plan
from mapper_dask.run.stopped import heed
from mapper_dask.workers.engines import Engine, within
from mapper_dask.workers.fitness import require_reachable
from mapper_dask.workers.outcomes import OneRaised

RESTARTS = 2
"""Restarts of a run after lost snapshots: a source that loses three keeps too little."""


@dataclass(slots=True, kw_only=True)
class Execution:
    """A planned run, and what it holds while its chunks are processed."""

    options: RunOptions
    halt: Halt
    watch: RunWatch
    run: Run
    share: Share
    keeper: Keeper
    kept: contextlib.ExitStack
    """Closes the keeper's session."""

    def result(self) -> ParallelProcessingResult | None:
        """Execute the run; return None if another coordinator has entered it meanwhile."""
        log_plan(self.run)
        planned = time.time()
        if self.keeper.snapshot is None or self.run.spool is not None:
            self.keeper.done = True
            self.kept.close()  # nothing to keep: planning is done, or the rows are here
        require_going(self.run.run_id, self.halt)
        lent = self.options.workers.engine(small=fits_one_chunk(self.run))
        with lent as engine, within(engine, self.share) as note:
            if not self._entered(engine, note):
                return None
            self.run.begins()
            started = time.perf_counter()
            try:
                self.options.require_wanted()
                self.watch.started(self._started(planned))
                results, rows = self._process_until_read(engine, started)
                if self.halt.is_set():
                    self.run.stop(RunState.CANCELLED)
                elif len(results) < len(self.run.chunks):
                    self.run.stop(RunState.FAILED)
            except BaseException:
                with contextlib.suppress(MapperError):  # the error that ended the run is raised
                    self.run.stop(RunState.CANCELLED)
                raise
            seconds = time.perf_counter() - started
            for said in dict.fromkeys(engine.notes):
                self.run = self.run.noting(said)
        result = aggregated(self.run, results, seconds, rows)
        result = replace(result, total_time=time.time() - self.watch.began)
        once.done(self.run, result)
        cancelled = self.halt.is_set() or result.error == stored_runs.CANCELLED
        self.watch.ended(result, cancelled=cancelled)
        return result

    def _entered(self, engine: Engine, note: str) -> bool:
        """Enter the run after its workers are checked; return False if another has entered it."""
        run = self.run.bounded(self.share, note)
        refs = [ref for ref in (run.job.source, run.job.target) if ref is not None]
        require_reachable(engine, refs, run.job.job.transformation_logic)
        self.run = run = once.shared(run, engine)
        require_going(run.run_id, self.halt)
        self.watch.entering = True
        return run.entry is not None or run.enter(self.keeper.snapshot)

    def _started(self, planned: float) -> RunStarted:
        """Return the event of the run's begin, with the time at which its planning ended."""
        run, load = self.run, self.run.prepared.task.load
        return RunStarted(
            run_id=run.run_id,
            source=run.job.source,
            target=run.job.target,
            table=None if load is None else load.table,
            plan=run.plan,
            write_disposition=run.job.job.write_disposition,
            staged=run.prepared.publication is not None,
            chunks=len(run.chunks),
            resumed=not run.new,
            place=current_place(),
            planning_began=self.watch.began,
            planning_ended=planned,
            began=time.time(),
        )

    def _process_until_read(self, engine: Engine, started: float) -> tuple[list[ChunkResult], int]:
        """Process the run's chunks, again from the start if their snapshot was lost."""
        for _ in range(RESTARTS):
            restarts = self.run.restarts
            results, rows = self._process(engine, started, restart=restarts)
            lost_it = any(result.snapshot_lost for result in results)
            if self.halt.is_set() or not lost_it or not restarts:
                return results, rows
            source, sql = self.run.job.source, self.run.plan.query.sql
            self.keeper = kept_again(source, sql, self.run.run_id, self.kept)
            again = self.run.restarted(self.keeper.snapshot)
            if again is None:
                return results, rows
            self.run = again
        return self._process(engine, started, restart=False)

    def _process(
        self, engine: Engine, started: float, *, restart: bool
    ) -> tuple[list[ChunkResult], int]:
        """Return the results of the chunks that ended, and the rows they read.

        With ``restart`` a lost snapshot stops the run, and this returns when no chunk is running.
        """
        run, halt = self.run, self.halt
        results: list[ChunkResult] = []
        raised = OneRaised()
        counter = Counter(run.run_id if run.job.target else None, run.chunks)
        ended = engine.results(run.prepared.task, run.chunks, partial(heed, run.ledger, halt))
        with contextlib.closing(ended), halt.breaks(engine.halt):
            if halt.is_set():  # set before the engine could be halted
                return results, 0
            for result in ended:
                stopped = result.state is ChunkState.UNASSIGNED  # by somebody else
                if stopped or (halt.is_set() and result.error is not None):
                    break
                results.append(raised.kept(result))
                if restart and result.snapshot_lost:
                    run.stop(RunState.RESTARTING)
                    collections.deque(ended, maxlen=0)  # no task of this reading may outlive it
                    break
                self.watch.chunk(run.run_id, counter.event(result, time.perf_counter() - started))
                self.keeper.check()
                if halt.is_set() or run.breaks_off(result):
                    break
        return results, counter.rows


def aggregated(
    run: Run, results: Sequence[ChunkResult], seconds: float, rows: int
) -> ParallelProcessingResult:
    """Return a run's result: from the ledger, which alone knows what is committed."""
    if run.ledger is None:
        known = report.with_unbegun(results, run.chunks)
        return report.fold(
            known, run_id=None, seconds=seconds, rows_this_run=rows, warnings=run.plan.notes
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
