"""Stops a flow's run of this process, of another one, or of one that has died."""

from __future__ import annotations

from mapper_dask.errors import MapperError
from mapper_dask.flow import Flow, JobState
from mapper_dask.flows.flow_job import CANCELLED
from mapper_dask.ledger.flows import FlowLedger
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger

WHY = "the flow was cancelled"
"""Noted of jobs that had begun."""


def stop(ledger: FlowLedger, flow: Flow | None, *, why: str = WHY) -> tuple[str, ...]:
    """Cancel a flow's run that is under way; return the runs of its jobs that this has ended.

    Once this returns, nothing of them commits, and no other job of it begins: a job that is planned
    meanwhile checks its flow's state after it has entered its run.

    Parameters
    ----------
    flow
        Names the ledgers of its jobs' runs; None: they are in this one.
    why
        Noted of the jobs that had begun.

    Raises
    ------
    MapperError
        The error of a target, after all other jobs are stopped.
    """
    ended, errors = [], []
    for job in ledger.cancel():
        if job.state is JobState.WAITING:
            ledger.end_job(job.name, JobState.CANCELLED, CANCELLED)
        elif job.state is JobState.RUNNING:
            try:
                target = ledger.target_of(job, flow)
                if job.run_id and _is_cancelled(RunLedger(target, job.run_id)):
                    ended.append(job.run_id)
                ledger.end_job(job.name, JobState.CANCELLED, why)
            except MapperError as error:
                errors.append(error)
    if errors:
        raise errors[0]
    return tuple(ended)


def _is_cancelled(run: RunLedger) -> bool:
    """Cancel a job's run, if it has entered it; return whether it is, and had not ended before."""
    if not run.is_known():
        return False
    run.stop(RunState.CANCELLED)
    return run.state() is RunState.CANCELLED
