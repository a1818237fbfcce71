"""Processes one chunk from end to end, in a plain loop as on every Dask worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import pyarrow as pa

from mapper_dask.chunk import extract
from mapper_dask.chunk.drift import (
    require_same_reading,
    require_same_source,
    require_same_state,
    require_same_target,
)
from mapper_dask.chunk.encode import Encoded
from mapper_dask.chunk.extract import SourceSession, source_session
from mapper_dask.chunk.load import (
    TargetSession,
    assign,
    loads_aside,
    note_failure,
    target_session,
    worker_name,
)
from mapper_dask.chunk.reading import BufferedChunk, ChunkReader, reading_of
from mapper_dask.chunk.refused_row import of_row
from mapper_dask.chunk.rows import process_batch, refused_by_target, with_chunk
from mapper_dask.chunk.spooled import SpooledReading
from mapper_dask.chunk.task import ChunkTask, LoadTask
from mapper_dask.connections.pool import close_idle, redacted
from mapper_dask.dialects import dialect_for
from mapper_dask.errors import (
    OF_THE_JOB,
    ChunkError,
    ConnectionFailedError,
    MapperError,
    RunStoppedError,
    SnapshotLostError,
    SpoolError,
)
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState, Reject
from mapper_dask.retries import attempts, lacks_connection
from mapper_dask.spool.files import in_file

UNREACHED, UNREACHED_SECONDS = 2, 3.0
"""Attempts without a connection, and seconds, after which a chunk is given back: detecting that a
database does not answer takes time, and another worker could reach it."""


class _UnreachedError(MapperError):
    """A database cannot be reached from here."""


@dataclass(slots=True)
class _Attempt:
    """One attempt at a chunk, and its counts, which are thrown away with it."""

    chunk: Chunk
    started: float
    """When the first attempt at the chunk began, by the clock of ``perf_counter``."""
    number: int = 1
    read: int = 0
    out: int = 0
    loaded: int = 0
    snapshot: str | None = None
    rejects: list[Reject] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def clear(self) -> None:
        """Count again."""
        self.read = self.out = self.loaded = 0
        self.snapshot = None
        self.rejects.clear()
        self.notes.clear()

    def result(self) -> ChunkResult:
        """Return what it has done."""
        seconds = time.perf_counter() - self.started
        return ChunkResult(
            chunk_id=self.chunk.chunk_id,
            state=ChunkState.PROCESSED,
            bounds=self.chunk.describe(),
            rows_read=self.read,
            rows_out=self.out,
            rows_loaded=self.loaded,
            rows_rejected=len(self.rejects),
            attempts=self.number,
            worker=worker_name(),
            processing_time=seconds,
            snapshot=self.snapshot,
            warnings=tuple(self.notes),
            began=time.time() - seconds,
        )


class ChunkProcessor:
    """Extracts, transforms and loads chunks of one run; usable alone, without Dask.

    Parameters
    ----------
    task
        The work for every chunk. ``ParallelProcessor.prepare`` makes one.
    """

    def __init__(self, task: ChunkTask) -> None:
        self.task = task
        self._following: Chunk | None = None
        self._unreached = 0

    def process_chunk(self, chunk: Chunk, *, following: Chunk | None = None) -> ChunkResult:
        """Return the result of a chunk; an error is recorded in it, and in the ledger.

        After a transient error of a database the chunk is retried from the read on, with growing
        waits. What has been committed, by this worker or another copy, is never loaded twice.

        Parameters
        ----------
        chunk
            One of the plan's.
        following
            The one this process will probably process next: it is read while this one is loaded,
            if memory allows.

        Raises
        ------
        RunStoppedError
            When the run was stopped meanwhile: the chunk is unchanged.
        """
        self._following = following if self.task.read.ahead else None
        self._unreached = 0
        started = time.perf_counter()
        attempt = _Attempt(chunk, started)
        try:
            for trial in attempts(self.task.retries, self.task.connection_wait):
                with trial:
                    attempt = _Attempt(chunk, started)
                    return self._while_reached(attempt)
        except RunStoppedError:
            raise
        except _UnreachedError as error:
            return ChunkResult(
                chunk.chunk_id,
                ChunkState.UNASSIGNED,
                chunk.describe(),
                worker=worker_name(),
                error=error.message,
                unreached=True,
            )
        except Exception as error:  # noqa: BLE001
            return self._failed(attempt, error)
        raise AssertionError  # pragma: no cover - retry_context returns or raises

    def _while_reached(self, attempt: _Attempt) -> ChunkResult:
        """Try a chunk; give it back when a database cannot be reached, and others may reach it.

        It is retried once here: a connection may fail by chance.

        Raises
        ------
        _UnreachedError
            When it is to be given back.
        """
        try:
            return self._in_snapshot_or_without(attempt)
        except ConnectionFailedError as error:
            if not self.task.gives_back or lacks_connection(error):
                raise
            self._unreached += 1
            waited = time.perf_counter() - attempt.started
            if error.transient and self._unreached < UNREACHED and waited < UNREACHED_SECONDS:
                raise
            raise _UnreachedError(error.message) from None

    def _in_snapshot_or_without(self, attempt: _Attempt) -> ChunkResult:
        """Read what is committed now where the server has lost the snapshot on the way.

        Nothing of the first try is committed; the result shows that it was read without.
        """
        try:
            return self._processed(attempt)
        except SnapshotLostError:
            if self.task.read.snapshot is None or self.task.read.needs_snapshot:
                raise
            self.task = replace(self.task, read=replace(self.task.read, snapshot=None))
            attempt.clear()
            return self._processed(attempt)

    def _processed(self, attempt: _Attempt) -> ChunkResult:
        chunk, load = attempt.chunk, self.task.load
        begun = 1 if load is None else assign(load, chunk.chunk_id)
        if begun is None:
            return _done_already(chunk)
        attempt.number = begun
        if load is not None and load.relay is not None and not in_file(chunk):
            return self._relay_chunk(attempt)
        with self._reading_of(chunk) as reading:
            reading.wait()
            attempt.snapshot = reading.snapshot
            batches = reading.batches(self._following)
            if load is None:
                for rows in batches:
                    self._prepared(rows, attempt)
                return attempt.result()
            if load.direct_path:
                return self._load_chunk_aside(batches, attempt)
            return self._load_chunk(batches, attempt)

    def _reading_of(
        self, chunk: Chunk
    ) -> AbstractContextManager[ChunkReader | BufferedChunk | SpooledReading]:
        if in_file(chunk):
            return nullcontext(SpooledReading(self.task.read, chunk))
        return reading_of(self.task.read, chunk)

    @property
    def _load(self) -> LoadTask:
        assert self.task.load is not None  # noqa: S101 - there is a target
        return self.task.load

    def _committed(self, attempt: _Attempt, fill: Callable[[TargetSession], None]) -> ChunkResult:
        """Claim a chunk, load it, account for it: one transaction, so all of that or nothing."""
        chunk, load = attempt.chunk, self._load
        with target_session(load, chunk.chunk_id) as target:
            if not target.ledger.claim(load.run_id, chunk.chunk_id):
                return _done_already(chunk)
            fill(target)
            return self._accounted(target, attempt)

    def _load_chunk(self, batches: Iterator[pa.Table], attempt: _Attempt) -> ChunkResult:
        """Load a chunk; its first rows are read before the transaction begins: it is short so."""
        each = self._load_whole if self.task.reject_limit == 0 else self._load_batches
        return self._committed(attempt, lambda target: each(batches, target, attempt))

    def _relay_chunk(self, attempt: _Attempt) -> ChunkResult:
        """Pass a chunk's bytes on undecoded."""
        with source_session(self.task.read, attempt.chunk) as source:
            attempt.snapshot = source.snapshot
            return self._committed(attempt, lambda target: self._relay(source, target, attempt))

    def _load_chunk_aside(self, batches: Iterator[pa.Table], attempt: _Attempt) -> ChunkResult:
        """Load a chunk by a way that commits, into tables of this attempt; then as ever.

        Only the content of those tables enters the target, in the transaction of the ledger's row.
        """
        load = self._load
        with loads_aside(load, attempt.chunk.chunk_id) as aside:
            parts = [
                aside.load(load.table, encoded.rows)
                for rows in batches
                if (encoded := self._prepared(rows, attempt)).rows.num_rows
            ]

            def fill(target: TargetSession) -> None:
                watch = target.session.watch(load.table)
                for part in parts:
                    attempt.loaded += target.session.load_from(load.table, part).rows
                watch.require(attempt.loaded)

            return self._committed(attempt, fill)

    def _accounted(self, target: TargetSession, attempt: _Attempt) -> ChunkResult:
        """Record the rejected rows and the counts in the chunk's transaction.

        The rows are sent, so the target is locked: its definition is the one they were sent to.
        """
        load, result = self._load, attempt.result()
        require_same_target(target, load.table)
        if self.task.read.one_state:
            require_same_state(target, load.run_id, result)
        require_same_reading(target, load.run_id, attempt.chunk)
        if attempt.rejects:
            target.ledger.reject(
                load.run_id, result.chunk_id, attempt.rejects, self.task.reject_limit
            )
        apart = self.task.reject_limit > 0
        target.ledger.account(load.run_id, result, apart=apart)
        return result

    def _relay(self, source: SourceSession, target: TargetSession, attempt: _Attempt) -> None:
        load = self._load
        names = [column.name for column in self.task.read.query.columns]
        watch = target.session.watch(load.table)
        attempt.read, attempt.loaded = target.session.relay(
            source.session, source.sql, load.table, names, str(load.relay)
        )
        watch.require(attempt.loaded)
        attempt.out = attempt.read
        require_same_source(source, self.task.read)

    def _load_batches(
        self, batches: Iterator[pa.Table], target: TargetSession, attempt: _Attempt
    ) -> None:
        """Load the rows that the target takes, within the limit of those it may refuse."""
        for rows in batches:
            encoded = self._prepared(rows, attempt)
            del rows  # not held beside what became of them
            if not encoded.rows.num_rows:
                continue
            most = self.task.reject_limit - len(attempt.rejects)
            table, sent = with_chunk(self._load.table, encoded.rows, attempt.chunk.chunk_id)
            done = target.session.load_skipping_refused(table, sent, most)
            attempt.loaded += done.rows
            attempt.rejects += refused_by_target(self.task, encoded.rows, dict(done.refused))

    def _load_whole(
        self, batches: Iterator[pa.Table], target: TargetSession, attempt: _Attempt
    ) -> None:
        """Load every row, or raise; after that, deferred constraints and triggers are executed."""
        table = self._load.table
        watch = target.session.watch(table)
        for rows in batches:
            encoded = self._prepared(rows, attempt)
            del rows  # not held beside what became of them
            if encoded.rows.num_rows:
                attempt.loaded += target.session.load(table, encoded.rows).rows
        watch.require(attempt.loaded)

    def _prepared(self, rows: pa.Table, attempt: _Attempt) -> Encoded:
        """Return rows after the function, ready to load, and count them."""
        attempt.read += rows.num_rows
        batch = process_batch(self.task, rows, self.task.reject_limit - len(attempt.rejects))
        attempt.out += batch.out
        attempt.rejects += batch.rejects
        self._note_losses(batch.encoded, rows, attempt)
        return batch.encoded

    def _note_losses(self, encoded: Encoded, rows: pa.Table, attempt: _Attempt) -> None:
        notes = [str(loss) for loss in encoded.losses]
        notes += [
            f"{name}: read as text, a value does not fit its Arrow type"
            for name in sorted(extract.text_columns(self.task.read.query.columns, rows))
        ]
        attempt.notes.update(
            dict.fromkeys(note for note in notes if note not in self.task.known_notes)
        )

    def _failed(self, attempt: _Attempt, error: Exception) -> ChunkResult:
        load = self.task.load
        if load is not None:
            error = of_row(error, dialect_for(load.target), load.table)
        lost = isinstance(error, SnapshotLostError)  # no other chunk could be read either
        result = replace(
            attempt.result(),
            state=ChunkState.PROCESSED_WITH_ERROR,
            attempts=1,
            rows_out=0,
            rows_loaded=0,
            rows_rejected=0,
            error=_text(error),
            raised=error.details.get("origin") if isinstance(error, MapperError) else None,
            stops_run=isinstance(error, MapperError) and (error.stops_run or lost),
            snapshot_lost=lost,
            file_unread=isinstance(error, SpoolError) and self.task.read.cargo is None,
            of_the_job=isinstance(error, MapperError) and error.details.get("field") in OF_THE_JOB,
            unreached=isinstance(error, ConnectionFailedError) and not lacks_connection(error),
        )
        if load is not None:
            try:
                note_failure(load, result)
            except (
                MapperError
            ) as unnoted:  # the result has it; the ledger keeps ASSIGNED, so resume redoes it
                result = replace(
                    result, error=f"{result.error}\n(not noted in the ledger: {unnoted})"
                )
        return result


def process_chunk(task: ChunkTask, chunk: Chunk, following: Chunk | None = None) -> ChunkResult:
    """Process one chunk: called by each engine, in a loop or as a Dask task.

    A chunk of a run that was stopped is returned UNASSIGNED. If it raised, Dask would log a failure
    with its traceback.
    """
    try:
        return ChunkProcessor(task).process_chunk(chunk, following=following)
    except RunStoppedError:
        return ChunkResult(chunk.chunk_id, ChunkState.UNASSIGNED, chunk.describe())
    finally:
        if not task.keep_connections:
            close_idle()


def _done_already(chunk: Chunk) -> ChunkResult:
    """Return the result of a chunk that another copy committed; its counts are in the ledger."""
    return ChunkResult(chunk.chunk_id, ChunkState.PROCESSED, chunk.describe(), worker=worker_name())


def _text(error: Exception) -> str:
    kind = "" if isinstance(error, ChunkError) else f"{type(error).__name__}: "
    text = redacted(f"{kind}{error}").replace("\0", "\ufffd")  # no database text can hold a NUL
    return text.encode("utf-8", "replace").decode("utf-8")
