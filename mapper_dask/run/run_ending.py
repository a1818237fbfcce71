"""How a run is ended that was interrupted, and the line that tells how far it came."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mapper_dask.connections.reference import reference
from mapper_dask.errors import MapperError
from mapper_dask.events.watch import Watch
from mapper_dask.ledger import stored_job as job_record
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.mapper_job import MapperJob

WAIT = 3.0
"""Seconds for which a connection is waited for while others hold all of them."""


@dataclass(frozen=True, slots=True)
class RunEnding:
    """One run of this process, as the ledger has it."""

    job: MapperJob
    watch: Watch

    @property
    def _run_id(self) -> str | None:
        return self.watch.run_id

    @property
    def _ledger(self) -> RunLedger | None:
        """The run in its ledger; None for a dry run, and before it has a name."""
        if self.job.target_conn is None or self._run_id is None:
            return None
        target = reference(self.job.target_conn, "target_conn")
        return RunLedger(target, self._run_id, connection_wait=WAIT)

    def stop(self) -> None:
        """Cancel the run, if it is this process that has it under way."""
        ledger = self._ledger
        if ledger is not None and self.watch.entering and ledger.is_known():
            ledger.stop(RunState.CANCELLED)
        if self._run_id is not None and (ledger is None or self.watch.entering):
            threading.Thread(target=self._end_reading, daemon=True).start()

    def _end_reading(self) -> None:
        """End the sessions that read; a source that does not answer keeps nobody."""
        source = reference(self.job.source_conn, "source_conn")
        with contextlib.suppress(MapperError):  # what it reads goes nowhere any more
            stored_runs.end_reading(source, str(self._run_id))

    def told(self, command: Callable[[str], str] | None) -> str:
        """Return one line: how far it came, and the command that resumes it."""
        ledger = self._ledger
        if self.job.target_conn is None:
            return "interrupted: a dry run loads nothing, so there is nothing to resume"
        if ledger is None and self.job.run_id is not None:  # it may be one that is known
            target = reference(self.job.target_conn, "target_conn")
            ledger = RunLedger(target, self.job.run_id, connection_wait=WAIT)
        stored = None if ledger is None else ledger.find()
        if ledger is None or stored is None:
            return "interrupted before the run began: nothing was moved, nothing is to be resumed"
        name = f"run {stored.run_id!r}"
        results = [result for _, result in ledger.chunks()]
        done = [result for result in results if result.succeeded]
        rows = f"{sum(result.rows_loaded for result in done):,} rows"
        if stored.state is RunState.SUCCEEDED:
            return f"interrupted when {name} was done: {rows} loaded, nothing is to be resumed"
        where = "loaded" if stored.publication is None else "staged, none published"
        how = "cancelled" if stored.state is RunState.CANCELLED else f"left {stored.state.value}"
        resume = (command or self._call)(stored.run_id)
        chunks = f"{len(done)} of {len(results)} chunks done"
        return f"interrupted: {name} is {how}, {chunks}, {rows} {where}; resume it: {resume}"

    def _call(self, run_id: str) -> str:
        """Return what a program calls to resume the run, without a secret."""
        target = reference(self.job.target_conn, "target_conn").portable
        given = [repr(run_id), "target_conn=" + (repr(target) if target else "…")]
        if reference(self.job.source_conn, "source_conn").portable is None:
            given.append("source_conn=…")
        name = job_record.function_name(self.job.transformation_logic)
        if name is not None and ("<" in name or not job_record.is_users_own(name.split(":")[0])):
            given.append("transformation_logic=…")
        return f"ParallelProcessor().resume({', '.join(given)})"
