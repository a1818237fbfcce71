"""Ends a flow that was interrupted, and reports its progress in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from mapper_dask.errors import MapperError, RunNotFoundError
from mapper_dask.flow import Flow, JobState
from mapper_dask.flows.flow_run import Course
from mapper_dask.flows.stop import stop
from mapper_dask.ledger.flow_tables import FlowState, StoredJob
from mapper_dask.ledger.flows import FlowLedger
from mapper_dask.ledger.runs import RunLedger


@dataclass(slots=True)
class FlowEnding:
    """One run of a flow in this process, as the ledger has it."""

    flow: Flow
    ledger: FlowLedger
    course: Course | None = None
    """The run under way; None: it has not been entered."""
    entering: bool = False
    """Whether this process may have entered or resumed it."""

    def stop(self) -> None:
        """Interrupt it; when called again, cancel it in the ledger."""
        if self.course is not None and not self.course.interrupted:
            self.course.interrupt()
            return
        if not self.entering:
            return
        with contextlib.suppress(RunNotFoundError):
            stop(self.ledger, self.flow, why="the flow was interrupted")

    def report(self, command: Callable[[str], str] | None) -> str:
        """Return one line: its progress, and the command that resumes it."""
        try:
            stored = self.ledger.find()
        except RunNotFoundError:
            return "interrupted before the flow began: nothing was moved, nothing is to be resumed"
        name = f"flow {stored.name!r}, run {stored.run_id!r},"
        jobs = self.ledger.jobs()
        ended = [job for job in jobs if job.state is JobState.SUCCEEDED]
        rows = f"{sum(self._rows(job) for job in jobs):,} rows"
        if stored.state is FlowState.SUCCEEDED:
            return f"interrupted when {name} was done: {rows} loaded, nothing is to be resumed"
        how = "cancelled" if stored.state is FlowState.CANCELLED else f"left {stored.state.value}"
        counts = f"{len(ended)} of {len(jobs)} jobs done, {rows} done by their chunks"
        resume = (command or self._call)(stored.run_id)
        return f"interrupted: {name} is {how}, {counts}; resume it: {resume}"

    def _rows(self, job: StoredJob) -> int:
        """Return the rows of a job's committed chunks; of one that never began, none."""
        if job.run_id is None or job.state is JobState.SUCCEEDED:
            return job.rows or 0
        with contextlib.suppress(MapperError):
            ledger = RunLedger(self.ledger.target_of(job, self.flow), job.run_id)
            return sum(result.rows_loaded for _, result in ledger.chunks() if result.succeeded)
        return 0

    def _call(self, run_id: str) -> str:
        conn = self.ledger.conn.portable
        shown = repr(conn) if conn else "…"
        return f"ExecutionEngine().resume({run_id!r}, ledger_conn={shown}, flow=…)"
