"""Where rows wait that enter their table all at once, and how they are to enter it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mapper_dask.dialects.facts import Publication, TargetTable
from mapper_dask.errors import TargetError
from mapper_dask.ledger_staged import staging_of
from mapper_dask.mapper_job import MapperJob

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long staged rows wait for somebody to resume their run, before another run removes them."""


def publication_for(
    job: MapperJob,
    table: TargetTable,
    columns: Sequence[str] | None,
    run_id: str,
    quote: Callable[[str], str],
) -> Publication | None:
    """Return how a job's rows enter the target at the end; None where they are loaded directly.

    Raises
    ------
    TargetError
        When they cannot: a merge without a unique key, a key the rows do not have.
    """
    if not job.staged:
        return None
    if columns is None:
        message = (
            "the function failed on the first rows and on none, so its columns are not known; to "
            f"{job.write_disposition} rows all at once they must be: let it take an empty frame"
        )
        raise TargetError(message, field="transformation_logic")
    key = _key(job, table, columns)
    name = staging_of(run_id)
    return Publication(
        disposition=job.write_disposition,
        schema=table.schema,
        target=table.quoted,
        staging=f"{quote(table.schema)}.{quote(name)}",
        staging_name=name,
        columns=tuple(columns),
        defaulted=tuple(c.name for c in table.columns if c.name not in columns and not c.generated),
        key=key,
        by_key=bool(key),
        newest_by=_newest_by(job, columns),
        definition=table.definition,
        target_name=table.name,
    )


def _key(job: MapperJob, table: TargetTable, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns by which rows of the target are found again; empty where none need be."""
    if job.write_disposition == "append":
        return ()
    if job.write_disposition == "replace" and not table.referring:
        return ()
    key = job.merge_key or table.primary_key
    if set(key) not in [set(unique) for unique in table.unique_keys]:
        raise TargetError(_no_key(job, table, key), field="primary_key")
    missing = [name for name in key if name not in columns]
    if missing:
        message = f"primary_key {', '.join(key)}: the rows do not bring {', '.join(missing)}"
        raise TargetError(message, field="primary_key")
    return key


def _no_key(job: MapperJob, table: TargetTable, key: Sequence[str]) -> str:
    why = (
        f"the tables {', '.join(table.referring)} refer to it, so rows that stay must be found"
        if job.write_disposition == "replace"
        else "a merge finds rows by it"
    )
    known = ", ".join(f"({', '.join(unique)})" for unique in table.unique_keys) or "none"
    given = f"({', '.join(key)})" if key else "is not given and the table has none; it"
    return (
        f"primary_key {given} must be a unique key of {table.quoted} over NOT NULL columns: {why}. "
        f"Unique keys there: {known}. Name one of them, or make one with CREATE UNIQUE INDEX"
    )


def _newest_by(job: MapperJob, columns: Sequence[str]) -> str | None:
    if job.newest_by is not None and job.newest_by not in columns:
        message = f"newest_by {job.newest_by!r} is not among the columns: {', '.join(columns)}"
        raise TargetError(message, field="newest_by")
    return job.newest_by


def stored_form(publication: Publication) -> dict[str, Any]:
    """Return what the ledger keeps of a publication: what does not follow from job and target."""
    return {"schema": publication.schema, "columns": list(publication.columns)}
