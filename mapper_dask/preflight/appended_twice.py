"""Detects appends that double rows: an earlier one of the same query, or from its own target."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mapper_dask.connections.param_references import HEAD
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.opening import open_target
from mapper_dask.errors import MapperError
from mapper_dask.ledger.evidence import RowsState, Verdict, still_there
from mapper_dask.ledger.run_tables import RunTables
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.ledger.stored_job import job_fingerprint, moves
from mapper_dask.log import log
from mapper_dask.mapper_job import MapperJob
from mapper_dask.plan.query import analyse
from mapper_dask.rendering import counted
from mapper_dask.schema.definition import TABLE
from mapper_dask.schema.facts import SourceQuery, TargetTable

MOST_LOOKED_AT = 3
"""Earlier runs of the same query of which the rows are looked up, the latest first."""


def doubled(
    job: MapperJob,
    query: SourceQuery,
    source: ConnectionRef,
    target: ConnectionRef,
    table: TargetTable,
    run_id: str,
) -> tuple[str, ...]:
    """Return a plan's notes on rows that an append may load twice.

    Replace and merge do not; an incremental job has its window in its query, which differs from
    those of its other runs.
    """
    if job.write_disposition != "append":
        return ()
    own = _reads(query, source, target, table)
    return tuple(filter(None, (own, _before(job, source, target, table, run_id))))


def _reads(
    query: SourceQuery, source: ConnectionRef, target: ConnectionRef, table: TargetTable
) -> str:
    """Return a note if a query reads the table it appends to, itself or through a view."""
    if query.relied is None or source.address != target.address:
        return ""
    places = {trait.place for trait in table.definition if trait.kind == TABLE}
    if not places & {str(number) for number in query.relied.relations}:
        return ""
    return (
        f"the query reads {table.quoted}, to which its rows are appended: each run appends what "
        "the runs before it have put there, too"
    )


def _before(
    job: MapperJob, source: ConnectionRef, target: ConnectionRef, table: TargetTable, run_id: str
) -> str:
    """Return a note on a run that has loaded rows of the same query, if they may still exist."""
    values = {
        "fingerprint": job_fingerprint(job, source),
        "moves": moves(job, source, table.quoted),
        "run_id": run_id,
    }
    with open_target(target, "target_conn") as session:
        found = session.run("ledger_same", values) if RunTables(session).exists() else []
        session.rollback()
    if not found or _means_others(job, source):
        return ""
    for row in found[:MOST_LOOKED_AT]:
        earlier = _Earlier(str(row[0]), str(row[1]), str(row[2]), int(row[3]))
        verdict = _looked_at(target, earlier.run_id)
        if verdict is not None and verdict.state is not RowsState.GONE:
            log("appended_before", logging.WARNING, run=run_id, before=earlier.run_id)
            return earlier.note(table.quoted, verdict)
    return ""


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A run that has loaded rows of the same query into the same table."""

    run_id: str
    state: str
    at: str
    """When it ended, or else began, in UTC."""
    rows: int
    """Rows of its committed chunks."""

    def note(self, table: str, verdict: Verdict) -> str:
        """Return the plan's note. Single rows are not checked."""
        seen = f"{verdict.seen}; " if verdict.state is RowsState.PLAUSIBLE else ""
        return (
            f"run {self.run_id!r} has loaded the same query into {table} and {self._ended}: "
            f"{seen}rows of it that are there still, and that the query returns again, are there "
            f"twice after this run. {self._remedy}"
        )

    @property
    def _ended(self) -> str:
        if self.state == "SUCCEEDED":
            return f"succeeded at {self.at} UTC"
        left = f"{counted(self.rows, 'row')} of its committed chunks"
        if self.state == "RUNNING":
            return f"is RUNNING since {self.at} UTC, or was killed, with {left}"
        return f"{self.state} at {self.at} UTC, with {left}"

    @property
    def _remedy(self) -> str:
        if self.state == "SUCCEEDED":
            return "Give both the same run_id, or use write_disposition='merge'"
        return f"Finish it in place of this run: resume({self.run_id!r})"


def _means_others(job: MapperJob, source: ConnectionRef) -> bool:
    """Return whether the same text selects other rows each time: by a variable, or by the time."""
    if HEAD in job.source_sql:
        return True
    return analyse(job.source_sql, dialect_for(source).grammar).clocks


def _looked_at(target: ConnectionRef, run_id: str) -> Verdict | None:
    """Return what is known of a run's rows; None if the ledger does not have the run."""
    try:
        stored = RunLedger(target, run_id).find()
        return None if stored is None else still_there(target, stored)
    except MapperError:  # another run's record is no reason to refuse this one
        return Verdict(RowsState.UNKNOWN, 0)
