"""Finds the runs of a name: every command takes the same names of runs, and of flows' runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mapper_dask.errors import RunNotFoundError


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run in the ledger of a target."""

    run_id: str
    target: Any
    """Reference to the database of its rows and its ledger."""
    job: str | None = None
    """Name of its flow's job; None: the run was named itself."""


@dataclass(frozen=True, slots=True)
class NamedRuns:
    """The runs of a name."""

    runs: tuple[NamedRun, ...]
    """One; or, of a flow's run, those that its jobs have begun."""
    flow: Any = None
    """The flow's run in its ledger; None if a single run was named."""


def named(ledger: Any, name: str, file: str | None = None) -> NamedRuns:
    """Return the runs of a name: a flow's run, a run, or ``FLOW.JOB``, a job of a flow's run.

    Parameters
    ----------
    file
        The job file, which has the target of each of a flow's jobs.

    Raises
    ------
    RunNotFoundError
        When the ledger has none of that name, or no job of the flow has begun a run.
    """
    from mapper_dask.ledger.unknown_runs import unknown

    flow = flow_of_run(ledger, name)
    if flow is not None:
        runs = tuple(
            NamedRun(job.run_id, target, job.name)
            for job, target in _jobs(ledger, name, file)
            if job.run_id is not None
        )
        if not runs:
            raise unknown(ledger, name)
        return NamedRuns(runs, flow)
    found = _itself(ledger, name) or _of_a_job(ledger, name, file)
    if found is None:
        raise unknown(ledger, name)
    return NamedRuns((found,))


def own_name(ledger: Any, name: str) -> str:
    """Return the name in the ledger of a run that was named; the name itself if it is not there."""
    if flow_of_run(ledger, name) is not None or _itself(ledger, name) is not None:
        return name
    found = _of_a_job(ledger, name, None)
    return name if found is None else found.run_id


def flow_of_run(ledger: Any, name: str) -> Any:
    """Return a flow's run of that name; None if there is none."""
    from mapper_dask.ledger.flows import FlowLedger

    try:
        return FlowLedger(ledger, name).find()
    except RunNotFoundError:
        return None


def require_flow(ledger: Any, name: str) -> None:
    """Refuse a job's run where a flow's is wanted, naming the flow's.

    Raises
    ------
    RunNotFoundError
        When it is a run of one of a flow's jobs.
    """
    from mapper_dask.ledger.flows import FlowLedger, all_runs

    if flow_of_run(ledger, name) is not None:
        return
    own = own_name(ledger, name)
    for flow in all_runs(ledger):
        if any(job.run_id == own for job in FlowLedger(ledger, flow.run_id).jobs()):
            message = f"run_id {name!r} is the run of a job; name its flow's, {flow.run_id!r}"
            raise RunNotFoundError(message, run_id=name, field="run_id")


def _itself(ledger: Any, name: str) -> NamedRun | None:
    from mapper_dask.ledger.runs import RunLedger

    return NamedRun(name, ledger) if RunLedger(ledger, name).is_known() else None


def _of_a_job(ledger: Any, name: str, file: str | None) -> NamedRun | None:
    """Return the run of a job by the name of its flow's run and its own."""
    places = [at for at, character in enumerate(name) if character == "."]
    for at in reversed(places):
        flow, job = name[:at], name[at + 1 :]
        if flow_of_run(ledger, flow) is None:
            continue
        for one, target in _jobs(ledger, flow, file):
            if job == one.name and one.run_id is not None:
                return NamedRun(one.run_id, target, None)
    return None


def _jobs(ledger: Any, flow_run: str, file: str | None) -> list[tuple[Any, Any]]:
    """Return the jobs of a flow's run, each with its target."""
    from mapper_dask.cli.ledgers import flow_of
    from mapper_dask.ledger.flows import FlowLedger

    flow = None if file is None else flow_of(file)
    stored = FlowLedger(ledger, flow_run)
    return [(job, stored.target_of(job, flow)) for job in stored.jobs()]
