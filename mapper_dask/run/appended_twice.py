"""Appends that double rows: the same one before, and one that reads its own target."""

from __future__ import annotations

import logging

from mapper_dask.connections import ConnectionRef, engine_for, raw_connection
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.definition import TABLE
from mapper_dask.dialects.facts import SourceQuery, TargetTable
from mapper_dask.errors import MapperError
from mapper_dask.ledger import Ledger
from mapper_dask.mapper_job import MapperJob
from mapper_dask.run.evidence import Standing, still_there
from mapper_dask.run.job_record import job_fingerprint
from mapper_dask.run.journal import log
from mapper_dask.run.run_ledger import RunLedger


def doubled(
    job: MapperJob,
    query: SourceQuery,
    source: ConnectionRef,
    target: ConnectionRef,
    table: TargetTable,
    run_id: str,
) -> tuple[str, ...]:
    """Return what a plan says of rows that an append may put there twice.

    Replace and merge do not; an incremental job names its window in its query, so that no other of
    its runs is the same.
    """
    if job.write_disposition != "append":
        return ()
    own = _reads(query, source, target, table)
    return tuple(filter(None, (own, _before(job, source, target, table, run_id))))


def _reads(
    query: SourceQuery, source: ConnectionRef, target: ConnectionRef, table: TargetTable
) -> str:
    """Return that a query reads the table it appends to, itself or through a view."""
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
    """Return which run has appended the same, if its rows are there still."""
    values = {"fingerprint": job_fingerprint(job, source), "run_id": run_id}
    dialect = dialect_for(target, "target_conn")
    engine = engine_for(target, connect_args=dialect.connect_args())
    with raw_connection(engine, "target_conn") as conn, dialect.errors(engine.url):
        found = dialect.run(conn, "ledger_same", values) if Ledger(dialect).exists(conn) else []
        conn.rollback()
    if not found or _is_gone(target, found[0][0]):
        return ""
    note = (
        f"run {found[0][0]!r} has appended the same query to {table.quoted} and succeeded at "
        f"{found[0][1]} UTC: rows that it has put there are there twice after this one. Give both "
        "the same run_id, or use write_disposition='merge'"
    )
    log("appended_before", logging.WARNING, run=run_id, before=found[0][0])
    return note


def _is_gone(target: ConnectionRef, run_id: str) -> bool:
    """Return whether the rows of a run are shown not to be there any more."""
    try:
        stored = RunLedger(target, run_id).find()
        return stored is not None and still_there(target, stored).standing is Standing.GONE
    except MapperError:  # what stands in another run is no reason to refuse this
        return False
