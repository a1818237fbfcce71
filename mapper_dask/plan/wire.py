"""How rows are passed from one database to the other, as a plan shows it."""

from __future__ import annotations

from collections.abc import Sequence

from mapper_dask.connections.reference import reference
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.opening import open_target
from mapper_dask.errors import MapperError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.schema.facts import Column, TargetTable

AS_NEEDED = "what each chunk needs"
"""Where the columns that a function returns decide."""


def relay(
    job: MapperJob, plan: ChunkPlan, source: Dialect, target: Dialect, table: TargetTable
) -> str | None:
    """Return the wire format of a run that decodes nothing: no function, same types, no files."""
    same = target.name == source.name and source.capabilities.relay
    if job.transformation_logic is not None or job.reject_limit or job.direct_path or not same:
        return None
    if in_files(plan):
        return None
    columns = [table.column(column.name) for column in plan.query.columns]
    return source.relay_format(plan.query.columns, [c for c in columns if c is not None])


def in_files(plan: ChunkPlan) -> bool:
    """Return whether the rows are in files between the databases."""
    return plan.spooled or (plan.read_once and plan.many_expected)


def transport(
    job: MapperJob,
    plan: ChunkPlan,
    source: Dialect,
    target: Dialect,
    table: TargetTable,
    names: Sequence[str] | None,
) -> str:
    """Return how rows pass.

    Parameters
    ----------
    names
        The columns that are loaded; None where a function has not returned them yet.
    """
    passed = relay(job, plan, source, target, table)
    if passed is not None:
        return f"COPY {passed} → COPY {passed}, bytes undecoded"
    load = target.load_wire(_columns(table, names)) if names else AS_NEEDED
    steps = [
        source.read_wire,
        *(["files"] if in_files(plan) else []),
        "Arrow" if job.transformation_logic is None else f"pandas ({job.dtype_backend})",
        "direct path" if job.direct_path else load,
    ]
    return " → ".join(steps)


def foreseen(job: MapperJob, plan: ChunkPlan, source: Dialect) -> str:
    """Return how a job's rows are going to pass, asked of its target; empty for a dry run.

    A function is not called for this; where it decides what is loaded, the text says so. Empty also
    where the target does not answer or does not exist: a run reports that, and a plan can be made
    before the target.
    """
    if job.target_conn is None:
        return ""
    try:
        target, table = _looked_at(job)
    except MapperError:
        return ""
    if table is None:
        return ""
    return transport(job, plan, source, target, table, _loaded(job, plan, target, table))


def _loaded(
    job: MapperJob, plan: ChunkPlan, target: Dialect, table: TargetTable
) -> list[str] | None:
    """Return columns that go in as all that are loaded do; None where a function decides."""
    if job.transformation_logic is None:
        return [column.name for column in plan.query.columns]
    ways = {target.load_wire([column]) for column in table.columns}
    return [column.name for column in table.columns] if len(ways) == 1 else None


def _looked_at(job: MapperJob) -> tuple[Dialect, TargetTable | None]:
    ref = reference(job.target_conn, "target_conn")
    with open_target(ref, "target_conn") as target:
        return target.dialect, target.target_table(job.target_schema, str(job.target_table))


def _columns(table: TargetTable, names: Sequence[str]) -> list[Column]:
    return [column for name in names if (column := table.column(name)) is not None]
