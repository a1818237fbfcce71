"""A run's staging table: its name is derived from the run's, the catalogue shows if it is ours.

So no name that is read from the ledger is ever emptied, published or dropped.
"""

from __future__ import annotations

from mapper_dask.dialects.target import Target
from mapper_dask.errors import LedgerError
from mapper_dask.naming import fingerprint
from mapper_dask.schema.facts import Publication

STAGING_PREFIX = "mapper_dask_stage_"
"""Prefix of every staging table; the queries that find leftovers use it too."""


def staging_of(run_id: str) -> str:
    """Return the name of a run's staging table."""
    return f"{STAGING_PREFIX}{fingerprint(run_id)}"


def require_staged(target: Target, run_id: str, publication: Publication) -> None:
    """Check that the table that is loaded and published is the run's own staging table.

    Raises
    ------
    LedgerError
        When it is gone, is not of this ledger or of a role of ours, or does more than to hold rows.
    """
    wanted = (publication.schema, publication.staging_name)
    plain = [ok for *place, ok in _staged(target, run_id) if tuple(place) == wanted]
    if any(plain):
        return
    why = (
        "has triggers, rules, policies or children"
        if plain
        else "is not there, or was not made by a run of this ledger under a role of yours"
    )
    message = (
        f"run {run_id!r} cannot go on: its staging table {publication.staging} {why}. Discard the "
        "run and use a new run_id"
    )
    raise LedgerError(message, field="staging", run_id=run_id)


def drop_staged(target: Target, run_id: str) -> None:
    """Drop the staging table of a run if it exists, whatever the ledger's record of it."""
    quote = target.dialect.quote
    for schema, name, _ in _staged(target, run_id):
        target.drop_table(f"{quote(schema)}.{quote(name)}")


def _staged(target: Target, run_id: str) -> list[tuple[str, str, bool]]:
    """Return the staging tables of a run from the catalogue: usually one."""
    rows = target.run("ledger_staged", {"staging": staging_of(run_id)})
    return [(str(schema), str(name), bool(plain)) for schema, name, plain in rows]
