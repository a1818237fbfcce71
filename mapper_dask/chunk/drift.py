"""Checks a chunk against its plan: the target under its lock, the source once it was read."""

from __future__ import annotations

from mapper_dask.chunk.extract import SourceSession
from mapper_dask.chunk.load import TargetSession
from mapper_dask.chunk.task import ReadTask
from mapper_dask.errors import RunStoppedError, SourceChangedError, TargetChangedError
from mapper_dask.parallel_models import Chunk, ChunkKind, ChunkResult
from mapper_dask.schema.definition import difference, staging_difference, target_difference
from mapper_dask.schema.facts import TargetTable
from mapper_dask.spool.files import in_file
from mapper_dask.stored import parsed

REMEDY = (
    "nothing of this chunk is committed. Undo the change and resume, or discard the run and begin "
    "another"
)


def require_same_target(target: TargetSession, table: TargetTable) -> None:
    """Refuse rows of a chunk whose target was altered since it was planned.

    Call it after the rows were sent, which locks the table, and before they commit.

    Raises
    ------
    TargetChangedError
        Names what was altered, how it was and how it is.
    """
    if not table.definition:
        return
    now = target.session.target_definition(table.into)
    compare = target_difference if table.staging is None else staging_difference
    if found := compare(table.definition, now):
        where = table.quoted if table.staging is None else f"the staging table of {table.quoted}"
        message = f"target_table: {where} was altered under the run: {found}; {REMEDY}"
        raise TargetChangedError(message, field="target_table")


def require_same_state(target: TargetSession, run_id: str, result: ChunkResult) -> None:
    """Refuse a chunk that was read in another state than its run's; the chunk must be locked.

    Raises
    ------
    RunStoppedError
        When another coordinator has taken the run over, in a state of its own.
    """
    now = target.ledger.store.run("ledger_snapshot", {"run_id": run_id})
    if now != [(result.snapshot,)]:
        message = (
            f"run {run_id!r} is resumed in another snapshot; chunk {result.chunk_id} is of none"
        )
        raise RunStoppedError(message, run_id=run_id, chunk_id=result.chunk_id)


def require_same_reading(target: TargetSession, run_id: str, chunk: Chunk) -> None:
    """Refuse rows of another reading of the query than the run's; the chunk must be locked.

    A run that was restarted has read its query again, and may have got other rows, or another
    order. Rows of the first reading that a worker still holds must not be mixed with them.

    Raises
    ------
    RunStoppedError
        When the ledger has another chunk in that place.
    """
    if not (in_file(chunk) or chunk.kind is ChunkKind.WHOLE):
        return  # other runs keep their plan
    values = {"run_id": run_id, "chunk_id": chunk.chunk_id}
    now = target.ledger.store.run("ledger_bounds", values)
    if [Chunk.from_json(parsed(run_id, "chunk.bounds", text)) for (text,) in now] != [chunk]:
        message = f"run {run_id!r} was read again; chunk {chunk.chunk_id} is of another reading"
        raise RunStoppedError(message, run_id=run_id, chunk_id=chunk.chunk_id)


def require_same_source(source: SourceSession, task: ReadTask, remedy: str = REMEDY) -> None:
    """Refuse rows of a source that has been altered since it was planned; ends their read.

    Call it when all rows of the read are here, and before any of them commits.

    Raises
    ------
    SourceChangedError
        Names what was altered, how it was and how it is.
    """
    relied = task.query.relied
    if relied is None:
        return
    now = source.session.source_definition(relied)
    if found := difference(relied.definition, now):
        message = f"source_sql: what it reads was altered since it was planned: {found}; {remedy}"
        raise SourceChangedError(message, field="source_sql")
