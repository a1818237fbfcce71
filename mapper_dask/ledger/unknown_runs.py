"""The error of an unknown run: the name may be that of a flow, whose jobs have runs."""

from __future__ import annotations

import contextlib

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_target
from mapper_dask.errors import MapperError, RunNotFoundError
from mapper_dask.ledger.flow_tables import StoredJob
from mapper_dask.ledger.flows import FlowLedger, all_runs
from mapper_dask.ledger.run_tables import RunTables
from mapper_dask.near import did_you_mean


def unknown(ledger: ConnectionRef, run_id: str) -> RunNotFoundError:
    """Return the error of an unknown run; for the name of a flow it names the jobs' runs."""
    message = f"run_id: the ledger at {ledger} has no run {run_id!r}"
    with contextlib.suppress(MapperError):
        message += _meant(ledger, run_id)
    with contextlib.suppress(MapperError):
        flow = FlowLedger(ledger, run_id)
        name, jobs = flow.find().name, flow.jobs()
        message = (
            f"run_id {run_id!r} is a run of the flow {name!r}, not of one of its jobs; "
            f"{_runs_of(jobs)}"
        )
    return RunNotFoundError(message, run_id=run_id, field="run_id")


def _meant(ledger: ConnectionRef, run_id: str) -> str:
    """Return the run that was meant, else how to list all, as the end of a sentence."""
    names = [*(flow.run_id for flow in all_runs(ledger)), *_runs(ledger)]
    return did_you_mean(run_id, names, otherwise="; `mapper-dask status` shows those it has")


def _runs(conn: ConnectionRef) -> list[str]:
    """Return the names of a ledger's runs, the latest first."""
    with open_target(conn, "ledger") as target:
        if not RunTables(target).exists():
            return []
        return [str(row[0]) for row in target.run("ledger_runs")]


def _runs_of(jobs: list[StoredJob]) -> str:
    begun = [f"{job.run_id!r} ({job.name}, {job.state.value})" for job in jobs if job.run_id]
    if not begun:
        return "none of these has begun one"
    return f"name a job's: {', '.join(begun)}"
