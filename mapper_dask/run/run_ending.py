"""Ends an interrupted run, and reports its progress in one line."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mapper_dask.errors import MapperError
from mapper_dask.events.watch import RunWatch
from mapper_dask.ledger import stored_job as job_record
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.mapper_job import MapperJob
from mapper_dask.resolved_job import resolved

WAIT = 3.0
"""Seconds to wait for a connection while others hold all of them."""


@dataclass(frozen=True, slots=True)
class RunEnding:
    """One run of this process."""

    job: MapperJob
    watch: RunWatch

    def _ledger(self, run_id: str | None) -> RunLedger | None:
        """Return the run in its ledger; None for a dry run, and before it has a name."""
        if self.job.target_conn is None or run_id is None:
            return None
        return RunLedger(resolved(self.job).loads_into, run_id, connection_wait=WAIT)

    def stop(self) -> None:
        """Cancel the run, if this process has entered it."""
        ledger = self._ledger(self.watch.run_id)
        if ledger is not None and self.watch.entering and ledger.is_known():
            ledger.stop(RunState.CANCELLED)
        if self.watch.run_id is not None and (ledger is None or self.watch.entering):
            threading.Thread(target=self._end_reading, daemon=True).start()

    def _end_reading(self) -> None:
        """End the sessions that read, in a thread, since the source may not answer."""
        with contextlib.suppress(MapperError):  # what it still reads is not loaded
            stored_runs.end_reading(resolved(self.job).source, str(self.watch.run_id))

    def report(self, command: Callable[[str], str] | None) -> str:
        """Return one line: its progress, and the command that resumes it."""
        if self.job.target_conn is None:
            return "interrupted: a dry run loads nothing, so there is nothing to resume"
        ledger = self._ledger(self.watch.run_id or self.job.run_id)  # it may be an earlier run
        stored = None if ledger is None else ledger.find()
        if ledger is None or stored is None:
            return "interrupted before the run began: nothing was moved, nothing is to be resumed"
        name = f"run {stored.run_id!r}"
        results = [result for _, result in ledger.chunks()]
        done = [result for result in results if result.succeeded]
        rows = f"{sum(result.rows_loaded for result in done):,} rows"
        if stored.state is RunState.SUCCEEDED:
            return f"interrupted when {name} was done: {rows} loaded, nothing is to be resumed"
        where = "loaded" if stored.plan.publication is None else "staged, none published"
        how = "cancelled" if stored.state is RunState.CANCELLED else f"left {stored.state.value}"
        resume = (command or self._call)(stored.run_id)
        chunks = f"{len(done)} of {len(results)} chunks done"
        return f"interrupted: {name} is {how}, {chunks}, {rows} {where}; resume it: {resume}"

    def _call(self, run_id: str) -> str:
        """Return the call that resumes the run, without secrets."""
        job = resolved(self.job)
        target = job.loads_into.portable
        given = [repr(run_id), "target_conn=" + (repr(target) if target else "…")]
        if job.source.portable is None:
            given.append("source_conn=…")
        name = job_record.function_name(self.job.transformation_logic)
        if name is not None and ("<" in name or not job_record.is_users_own(name.split(":")[0])):
            given.append("transformation_logic=…")
        return f"ParallelProcessor().resume({', '.join(given)})"
