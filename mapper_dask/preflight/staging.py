"""Decides how staged rows are published: their table, columns and key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mapper_dask.errors import TargetError
from mapper_dask.ledger.staging import staging_of
from mapper_dask.mapper_job import MapperJob
from mapper_dask.near import did_you_mean
from mapper_dask.schema.facts import Publication, TargetTable
from mapper_dask.schema.hazards import refusal
from mapper_dask.schema.unfit import DEFERRABLE, UnfitKey, no_key
from mapper_dask.staging.refused import CHUNK_COLUMN, name_beside

MOST_COLUMNS = 1000
"""Greatest number of a table's columns in Oracle; PostgreSQL has 1,600."""


def publication_for(
    job: MapperJob,
    table: TargetTable,
    columns: Sequence[str] | None,
    run_id: str,
    quote: Callable[[str], str],
    keys: Sequence[str],
    unfit: Callable[[], Sequence[UnfitKey]] = tuple,
) -> Publication | None:
    """Return how a job's rows are published; None if they are loaded directly.

    Parameters
    ----------
    columns
        Columns of the rows; None: not known.
    keys
        Columns that identify a row of the source.
    unfit
        Returns the unique keys of the target by which no row can be found.

    Raises
    ------
    TargetError
        When they cannot: a merge without a unique key, a key the rows do not have.
    """
    if not job.staged:
        return None
    if columns is None:
        message = f"to {job.write_disposition} rows all at once their columns must be known"
        raise TargetError(message, field="transformation_logic")
    key = _key(job, table, columns, quote, unfit)
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
        reject_limit=job.reject_limit,
        reject_keys=tuple(keys),
        chunk_column=_chunk_column(table),
    )


def _chunk_column(table: TargetTable) -> str:
    """Return the name of the column for a staged row's chunk; empty if the table is full.

    Then the chunk is known by the transaction that wrote the row.
    """
    names = [column.name for column in table.columns]
    return name_beside(CHUNK_COLUMN, names) if len(names) < MOST_COLUMNS else ""


def _key(
    job: MapperJob,
    table: TargetTable,
    columns: Sequence[str],
    quote: Callable[[str], str],
    unfit: Callable[[], Sequence[UnfitKey]],
) -> tuple[str, ...]:
    """Return the columns by which rows of the target are found; empty if none need be."""
    if job.write_disposition == "append":
        return ()
    if job.write_disposition == "replace" and not table.referring:
        return ()
    key = job.merge_key or table.primary_key
    others = unfit()
    # PostgreSQL uses each index over the columns for ON CONFLICT, so none may be deferrable.
    deferred = any(set(k.names) == set(key) and k.reason == DEFERRABLE for k in others)
    if deferred or set(key) not in [set(unique) for unique in table.unique_keys]:
        if blocked := refusal(table.hazards, "append", by_key=False, staged=True):
            message = f"target_table {table.quoted}: {blocked}"
            raise TargetError(message, field="target_table")
        message = no_key(table, key, _found_for(job, table), others, quote)
        raise TargetError(message, field="primary_key")
    missing = [name for name in key if name not in columns]
    if missing:
        message = f"primary_key {', '.join(key)}: the rows do not bring {', '.join(missing)}"
        raise TargetError(message, field="primary_key")
    return key


def _found_for(job: MapperJob, table: TargetTable) -> str:
    """Return why rows of the target must be found."""
    if job.write_disposition == "replace":
        names = ", ".join(table.referring)
        return f"the tables {names} refer to it, so rows that stay must be found"
    return "a merge finds rows by it"


def _newest_by(job: MapperJob, columns: Sequence[str]) -> str | None:
    if job.newest_by is not None and job.newest_by not in columns:
        meant = did_you_mean(job.newest_by, columns)
        message = (
            f"newest_by {job.newest_by!r} is not among the columns: {', '.join(columns)}{meant}"
        )
        raise TargetError(message, field="newest_by")
    return job.newest_by


def stored_form(publication: Publication) -> dict[str, Any]:
    """Return the part of a publication that does not follow from job and target, for the ledger."""
    return {"schema": publication.schema, "columns": list(publication.columns)}
