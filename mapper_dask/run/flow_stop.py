"""How a flow's run is stopped, of this process or another, one that is there no more among them."""

from __future__ import annotations

import time
from collections.abc import Callable

from mapper_dask.connections import ConnectionRef
from mapper_dask.errors import RunNotFoundError
from mapper_dask.flow import JobState
from mapper_dask.ledger_flows import StoredJob
from mapper_dask.ledger_runs import RunState
from mapper_dask.run.flow_job import CANCELLED
from mapper_dask.run.flow_ledger import FlowLedger
from mapper_dask.run.run_ledger import RunLedger

PLANNING = 10.0
"""Seconds within which a job that has begun enters its run, unless its coordinator is gone."""
LOOK = 0.1
"""Seconds between two looks."""


def stop(
    ledger: FlowLedger,
    target_of: Callable[[StoredJob], ConnectionRef],
    *,
    why: str = CANCELLED,
    planning: float = PLANNING,
) -> tuple[str, ...]:
    """Cancel a flow's run that is under way; return the runs of its jobs that this has ended.

    Once this returns, nothing of them commits, and no other job of it begins.

    Parameters
    ----------
    target_of
        Returns where a job's run stands.
    why
        Noted of the jobs that had begun.
    planning
        Seconds for which a job that has begun is waited for to enter its run.
    """
    ended = []
    for job in ledger.cancel():
        if job.state is JobState.WAITING:
            ledger.end_job(job.name, JobState.CANCELLED, CANCELLED)
        elif job.state is JobState.RUNNING:
            if job.run_id and _is_cancelled(RunLedger(target_of(job), job.run_id), planning):
                ended.append(job.run_id)
            ledger.end_job(job.name, JobState.CANCELLED, why)
    return tuple(ended)


def _is_cancelled(run: RunLedger, planning: float) -> bool:
    """Cancel a job's run; return whether it is, and had not ended before."""
    deadline = time.monotonic() + planning
    while True:
        try:
            run.stop(RunState.CANCELLED)
        except RunNotFoundError:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK)
        else:
            return run.state() is RunState.CANCELLED
