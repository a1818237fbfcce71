"""How the staged rows of a stored run are published in their target as it is now."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_target
from mapper_dask.errors import TargetError
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.mapper_job import MapperJob
from mapper_dask.preflight.staging import publication_for
from mapper_dask.preflight.unfit_keys import unfit_keys
from mapper_dask.resolved_job import ResolvedJob
from mapper_dask.run.drift import require_same_table
from mapper_dask.schema.facts import Publication, TargetTable
from mapper_dask.stored import of_ledger


def publication_again(job: ResolvedJob, stored: StoredRun) -> Publication | None:
    """Return how the staged rows of a stored run are published in its target as it is now.

    Raises
    ------
    TargetError
        When the target is gone, or has not the keys that the job needs.
    LedgerError
        When the stored record does not fit the target.
    FingerprintError
        When the target's columns have another meaning than when the run began.
    """
    waiting = stored.plan.publication
    if waiting is None:
        return None
    target = job.loads_into
    table, quote = _table_of(job.job, target)
    unknown = [n for n in waiting.columns if (c := table.column(n)) is None or c.generated]
    if table.schema != waiting.schema:
        _refuse(stored, "schema", waiting.schema, f"the target's, which is {table.schema!r}")
    if unknown or not waiting.columns:
        _refuse(stored, "columns", unknown, f"columns of {table.quoted} that take values")
    require_same_table(table, stored, staged=True)
    made = publication_for(
        job.job, table, waiting.columns, stored.run_id, quote, stored.plan.keys,
        lambda: unfit_keys(target, table),
    )  # fmt: skip
    if made is None:
        _refuse(stored, "schema", waiting.schema, "missing: the job loads into its target directly")
    return made


def _table_of(job: MapperJob, target: ConnectionRef) -> tuple[TargetTable, Callable[[str], str]]:
    with open_target(target, "target_conn") as session:
        table = session.target_table(job.target_schema, str(job.target_table))
    if table is None:
        message = f"target_table {job.target_table!r} does not exist in {target} any more"
        raise TargetError(message, field="target_table")
    return table, session.dialect.quote


def _refuse(stored: StoredRun, name: str, found: object, wanted: str) -> NoReturn:
    of_ledger(stored.run_id, {name: found}, "plan.publication").refuse(name, wanted)
