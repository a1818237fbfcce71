"""A run that a ledger does not know: perhaps what was named is a flow's, whose jobs have runs."""

from __future__ import annotations

import contextlib

from mapper_dask.connections import ConnectionRef
from mapper_dask.errors import MapperError, RunNotFoundError
from mapper_dask.ledger_flows import StoredJob
from mapper_dask.run.flow_ledger import FlowLedger


def unknown(ledger: ConnectionRef, run_id: str) -> RunNotFoundError:
    """Return the error that a ledger has no run of a name; one of a flow's name names its jobs'."""
    message = f"the ledger at {ledger} has no run {run_id!r}"
    with contextlib.suppress(MapperError):
        flow = FlowLedger(ledger, run_id)
        name, jobs = flow.find().name, flow.jobs()
        message = (
            f"run_id {run_id!r} is a run of the flow {name!r}, not of one of its jobs; "
            f"{_runs_of(jobs)}"
        )
    return RunNotFoundError(message, run_id=run_id, field="run_id")


def _runs_of(jobs: list[StoredJob]) -> str:
    begun = [f"{job.run_id!r} ({job.name}, {job.state.value})" for job in jobs if job.run_id]
    if not begun:
        return "none of these has begun one"
    return f"name a job's: {', '.join(begun)}"
