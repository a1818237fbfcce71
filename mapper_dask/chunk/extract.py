"""Reading one chunk as Arrow, in the run's snapshot while that lives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from mapper_dask.chunk.blame import of_query
from mapper_dask.chunk.task import ReadTask
from mapper_dask.connections.param_references import opened_query
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.opening import open_source
from mapper_dask.dialects.source import Source
from mapper_dask.errors import DatabaseError, SnapshotLostError
from mapper_dask.naming import keeper_name
from mapper_dask.parallel_models import Chunk
from mapper_dask.schema.batches import Most
from mapper_dask.schema.facts import Column

WAITING_COSTS = 4
"""Attempts that one counts as which waited for a lock behind the run's own snapshot: of 10, three
are made, with 90 s of waiting."""


@dataclass(frozen=True, slots=True)
class SourceSession:
    """A source connection inside a chunk's read-only transaction."""

    session: Source
    sql: str
    """The chunk's query."""
    snapshot: str | None
    """The snapshot that is read; None if it was lost or never requested."""


@contextlib.contextmanager
def source_session(task: ReadTask, chunk: Chunk) -> Iterator[SourceSession]:
    """Lend a connection at the beginning of a chunk's read.

    Raises
    ------
    SnapshotLostError
        When the snapshot's keeper is gone and the chunk cannot be read without it.
    """
    with _naming_the_blocker(task), open_source(task.source) as session:
        snapshot = _begin(session, task, f"{task.tag}:{chunk.chunk_id}" if task.tag else "")
        dialect = session.dialect
        query = dialect.as_of(opened_query(task.query, dialect.literal), snapshot)
        yield SourceSession(session, session.chunk_query(query, chunk), snapshot)


@contextlib.contextmanager
def _naming_the_blocker(task: ReadTask) -> Iterator[None]:
    """Name the session that blocks a read which waits for a lock behind the run's own snapshot.

    Raises
    ------
    DatabaseError
        Retried less often than others; then it stops the run: the other chunks wait for the same
        lock, until that session or the run is ended.
    """
    try:
        yield
    except DatabaseError as error:
        why = _in_the_way(task) if error.details.get("waited_for_lock") and task.snapshot else ""
        if not why:
            blamed = of_query(error, dialect_for(task.source), partial(_remedy, task))
            if blamed is error:
                raise
            raise blamed from None
        details = {**error.details, "costs": WAITING_COSTS, "stops_run": True}
        raise DatabaseError(f"{error.message}: {why}", **details) from None


def _in_the_way(task: ReadTask) -> str:
    """Return who waits for the run's keeper, by a new session, since the failed one is gone."""
    try:
        with open_source(task.source) as session:
            return session.waits_for_keeper(keeper_name(task.tag))
    except DatabaseError:  # the first error is raised then
        return ""


def _remedy(task: ReadTask, error: DatabaseError) -> str:
    """Return the grants for a refused read: needed within a function, or revoked since."""
    with contextlib.suppress(DatabaseError), open_source(task.source) as session:
        return remedy_of(session, task.query.sql, error)
    return ""


def remedy_of(source: Source, sql: str, error: DatabaseError) -> str:
    """Return what the catalogue says to do about a refused query; ends the transaction.

    Empty if the catalogue cannot be queried: then the first error is reported.
    """
    with contextlib.suppress(DatabaseError), source.errors():
        return source.remedy(sql, error).remedy
    return ""


def _begin(source: Source, task: ReadTask, application: str) -> str | None:
    try:
        with source.errors():
            source.begin_read(task.snapshot, application, task.query.settings)
    except SnapshotLostError:
        if task.needs_snapshot:
            raise
        source.begin_read(None, application, task.query.settings)
        return None
    return task.snapshot


def read_batches(
    session: SourceSession, task: ReadTask, *, strict: bool = False
) -> Iterator[pa.Table]:
    """Yield a chunk's rows, at least one table, with the schema fixed when planned.

    A column whose type cannot hold one of its values is text throughout the chunk; with
    ``strict`` that is an error instead.
    """
    return session.session.read(
        session.sql,
        task.query.columns,
        most=Most(task.batch_rows, task.batch_bytes),
        strict=strict,
    )


def text_columns(columns: Sequence[Column], rows: pa.Table) -> frozenset[str]:
    """Return the columns that arrived as the database's text because a value did not fit."""
    return frozenset(
        column.name
        for column, field in zip(columns, rows.schema, strict=True)
        if column.typed and not field.type.equals(column.arrow)
    )
