"""A flow's run under way: starts its jobs, collects their outcomes, and stops them."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections.abc import Mapping

from mapper_dask.errors import MainGuardError, MapperError, RunStoppedError
from mapper_dask.flow import FlowJobResult, FlowResult, JobState
from mapper_dask.flows.flow_job import CANCELLED, JobThread, Means
from mapper_dask.flows.schedule import Schedule
from mapper_dask.ledger.flow_tables import FlowState, StoredJob
from mapper_dask.log import log_flow_event

Report = tuple[str, FlowJobResult | BaseException]


class Course:
    """A flow's run under way in this process."""

    def __init__(self, means: Means, stored: Mapping[str, StoredJob], limit: int) -> None:
        self._means, self._stored = means, stored
        self._schedule = Schedule(means.flow.jobs, limit)
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._threads: dict[str, JobThread] = {}
        self._results: dict[str, FlowJobResult] = {}
        self.interrupted = False
        """Whether it was stopped."""

    def run(self) -> None:
        """Run every job that can run; return when none is left."""
        while not self._schedule.done:
            for job, why in self._schedule.skipped():
                self._end(FlowJobResult(job.name, JobState.SKIPPED, error=why), note=True)
            for job in self._schedule.ready():
                thread = JobThread(self._means, job, self._stored[job.name], self._report)
                self._threads[job.name] = thread
                thread.start()
            if not self._schedule.done:
                self._hear(self._reports.get())
        state = FlowState.SUCCEEDED if self.result(0.0).succeeded else FlowState.FAILED
        self._means.ledger.end(state)

    def interrupt(self) -> None:
        """Make ``run`` raise KeyboardInterrupt, in whichever thread it runs."""
        self.interrupted = True
        self._report("", KeyboardInterrupt())

    def cancel(self, error: BaseException) -> None:
        """Stop every running job, and record those that have not ended as cancelled.

        A flow that ``error`` has ended, and nobody has cancelled, has failed.
        """
        running = [t for name, t in self._threads.items() if name not in self._results]
        for thread in running:
            with contextlib.suppress(MapperError):  # the first error must not be hidden
                thread.cancel()
        for thread in running:
            thread.join()
        with contextlib.suppress(MapperError):
            for job in self._means.flow.jobs:
                if job.name not in self._threads and job.name not in self._results:
                    result = FlowJobResult(job.name, JobState.CANCELLED, error=CANCELLED)
                    self._end(result, note=True)
            stopped = isinstance(error, (MainGuardError, RunStoppedError))
            failed = isinstance(error, MapperError) and not stopped
            self._means.ledger.end(FlowState.FAILED if failed else FlowState.CANCELLED)
        flow = self._means.flow.name
        log_flow_event(
            "flow_cancelled",
            flow=flow,
            flow_run=self._means.ledger.run_id,
            level=logging.WARNING,
        )

    def result(self, seconds: float) -> FlowResult:
        """Return the outcomes of the jobs that have ended."""
        jobs = [self._results[j.name] for j in self._means.flow.jobs if j.name in self._results]
        return FlowResult(self._means.flow.name, self._means.ledger.run_id, tuple(jobs), seconds)

    def _report(self, name: str, outcome: FlowJobResult | BaseException) -> None:
        self._reports.put((name, outcome))

    def _hear(self, report: Report) -> None:
        _, outcome = report
        if isinstance(outcome, BaseException):
            raise outcome
        self._end(outcome)

    def _end(self, result: FlowJobResult, *, note: bool = False) -> None:
        self._results[result.name] = result
        self._schedule.end(result.name, result.state)
        if note:
            self._means.ledger.end_job(result.name, result.state, result.error)
            self._means.log_end(result)
