"""Checks a target's triggers and rules against the way its rows are loaded."""

from __future__ import annotations

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.errors import TargetError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.schema.facts import Publication, TargetTable
from mapper_dask.schema.hazards import notes, refusal


def hazard_notes(
    job: MapperJob, target: ConnectionRef, table: TargetTable, publication: Publication | None
) -> tuple[str, ...]:
    """Return the plan's notes on triggers and the like of the target.

    Raises
    ------
    TargetError
        When rows could be lost or doubled unseen; with a remedy.
    """
    by_key = publication is not None and publication.by_key
    staged = publication is not None
    why = refusal(table.hazards, job.write_disposition, by_key=by_key, staged=staged)
    if why:
        message = f"target_table {table.quoted}: {why}"
        raise TargetError(message, field="target_table")
    counted = staged or dialect_for(target).capabilities.counts_touched_rows
    return notes(table.hazards, table.quoted, job.write_disposition, by_key=by_key, counted=counted)
