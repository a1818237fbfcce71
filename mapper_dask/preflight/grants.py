"""Checks the rights a job needs on its target and its ledger, and names all missing ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_target
from mapper_dask.dialects.target import Target
from mapper_dask.errors import DatabaseError, TargetError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.schema.facts import Needs

RIGHTS = {
    "append": ("INSERT",),
    "replace": ("SELECT", "INSERT", "DELETE"),
    "merge": ("SELECT", "INSERT", "UPDATE"),
}
"""On the target, by write disposition; docs/privileges.md has them with their reasons."""


@contextlib.contextmanager
def lacking_grants(job: MapperJob, target: ConnectionRef) -> Iterator[None]:
    """Raise an error of all rights that a job lacks, if it may not read the ledger."""
    try:
        yield
    except DatabaseError as error:
        if not error.transient:
            with contextlib.suppress(DatabaseError):  # the first error is raised then
                require_grants(job, target, None)
        raise


def require_grants(job: MapperJob, target: ConnectionRef, names: tuple[str, ...] | None) -> None:
    """Refuse a job whose login lacks rights, naming each GRANT.

    Parameters
    ----------
    names
        Columns that the job fills; None: not known yet.

    Raises
    ------
    TargetError
        Has the statements, for a role that may grant these rights.
    """
    rights = RIGHTS[job.write_disposition]
    if job.staged and "SELECT" not in rights:
        rights = ("SELECT", *rights)
    needs = Needs(
        job.target_schema,
        str(job.target_table),
        rights,
        job.staged,
        job.reject_limit > 0,
        names,
    )
    with open_target(target, "target_conn") as session:
        missing = _missing(session, needs)
    if missing:
        statements = "".join(f"\n  {statement};" for statement in missing)
        message = (
            "target_conn: its login lacks rights for this job and its ledger (mapper_dask_run, "
            "mapper_dask_chunk, mapper_dask_reject). Let somebody who may grant them run, all at "
            f"once:{statements}"
        )
        raise TargetError(message, field="target_conn")


def _missing(target: Target, needs: Needs) -> list[str]:
    """Return the missing grants; none if their query is refused: then the job itself fails."""
    try:
        with target.errors():
            missing = target.missing_grants(needs)
            target.rollback()
    except DatabaseError as error:
        if error.transient:
            raise
        return []
    return missing
