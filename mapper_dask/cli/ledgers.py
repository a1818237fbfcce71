"""The ledger of a command, and the parts of a run that are not in it."""

from __future__ import annotations

from typing import Any

from mapper_dask.errors import ConfigurationError


def ledger_of(ledger: str | None, file: str | None = None) -> Any:
    """Return the reference to a ledger, given by an option or a job file.

    Raises
    ------
    ConfigurationError
        When neither is given.
    """
    from mapper_dask.connections.reference import reference

    if ledger is not None:
        return reference(ledger, "ledger")
    if file is None:
        message = "give --ledger env:NAME, or the job file"
        raise ConfigurationError(message, field="ledger")
    flow = flow_of(file)
    conn = flow_ledger(flow)
    if conn is None:
        message = f"{file} names no ledger, and none of its jobs has a target"
        raise ConfigurationError(message, field="ledger", file=file)
    return reference(conn, "ledger")


def flow_of(file: str) -> Any:
    """Return the flow of a job file."""
    from mapper_dask import jobfile

    return jobfile.read(file).flow()


def flow_ledger(flow: Any) -> Any:
    """Return the connection of a flow's ledger; None if no job has a target."""
    if flow.ledger_conn is not None:
        return flow.ledger_conn
    targets = (job.job.target_conn for job in flow.jobs)
    return next((conn for conn in targets if conn is not None), None)


def as_given(
    file: str | None, ledger: Any, run_id: str, source: str | None, *, trust_ledger: bool
) -> dict[str, Any]:
    """Return the parts of a run's job that are taken from the command line, not from the ledger.

    Its source, if that has a password, and its function, if only the file makes it; the whole job
    if others can write the ledger.

    Raises
    ------
    ConfigurationError
        When no job of the file has the run's target, or several have.
    """
    given: dict[str, Any] = {"trust_ledger": trust_ledger}
    if file is not None:
        job = _job_of(flow_of(file), ledger, run_id)
        given["source_conn"] = job.job.source_conn
        given["transformation_logic"] = job.job.transformation_logic
        if not trust_ledger and job.incremental is None and _others_write(ledger):
            given["job"] = job.job
    if source is not None:
        given["source_conn"] = source
    return given


def _others_write(ledger: Any) -> bool:
    from mapper_dask.ledger.trust import writers

    return bool(writers(ledger))


def _job_of(flow: Any, ledger: Any, run_id: str) -> Any:
    """Return the job of a flow that has a run of this name."""
    from mapper_dask.ledger import stored_runs

    recorded = stored_runs.found(ledger, run_id).plan.job
    place = recorded["target_schema"], recorded["target_table"]
    fits = [job for job in flow.jobs if (job.job.target_schema, job.job.target_table) == place]
    chosen = [job for job in fits if _is_of(job.name, run_id)] or fits
    if len(chosen) != 1:
        message = f"{len(chosen) or 'none'} of the file's jobs could have been run {run_id!r}"
        raise ConfigurationError(message, field="file", run_id=run_id)
    return chosen[0]


def _is_of(job: str, run_id: str) -> bool:
    """Return whether a run is one of a flow's job of that name."""
    return run_id.endswith(f".{job}") or f".{job[:80]}~" in run_id
