"""Reads a query with one statement, and writes its rows to local files as they come, one a chunk.

All chunks of a query that is read once must be of one reading. Workers read them from these files,
and so does a run that is resumed after it was killed. They are files on the coordinator's machine
and not a table at the source: that needs no right there, writes nothing into a database that is
only to be read (such as a standby), and keeps the rows as Arrow.
"""

from __future__ import annotations

import errno
import logging
import secrets
import shutil
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from mapper_dask.chunk.drift import require_same_source
from mapper_dask.chunk.extract import source_session
from mapper_dask.chunk.task import ReadTask
from mapper_dask.errors import ConfigurationError, SnapshotLostError
from mapper_dask.log import log
from mapper_dask.parallel_models import Chunk, ChunkKind, SpooledFile
from mapper_dask.run.entry import stopped
from mapper_dask.schema.batches import BATCH_BYTES, pieces
from mapper_dask.spool.files import SETTING, file_name
from mapper_dask.spool.folder import SpoolFolder, remove, unused

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a disk, a quota or a file that is full."""

REPORTED_EACH = 2.0
"""Seconds between two reports of the reading's progress."""

Report = Callable[[int, int], None]
"""Gets the rows and bytes that were read so far."""


@dataclass(slots=True)
class Spool:
    """The files of one reading."""

    folder: SpoolFolder
    chunks: tuple[Chunk, ...]
    snapshot: str | None
    """The state it has read; None: what was committed then."""
    keep: bool = False
    """Whether it stays after this process, so that its run can be resumed."""

    def put_away(self) -> None:
        """Close it if it is kept, else remove it."""
        if self.keep:
            self.folder.close()
        else:
            self.folder.remove()


@dataclass(frozen=True, slots=True)
class Few:
    """The rows of a reading that fit one chunk, in memory."""

    tables: list[pa.Table]
    snapshot: str | None
    """The state it has read; None: what was committed then."""


class _Summed:
    """A file that counts and sums what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = self.crc32 = 0
        self.closed = False

    def write(self, data: Any) -> int:
        self.crc32 = zlib.crc32(data, self.crc32)
        written = memoryview(data).nbytes
        self.size += written
        self._file.write(data)
        return written

    def flush(self) -> None:
        self._file.flush()


@dataclass(slots=True)
class _Open:
    """The file that is being written."""

    file: IO[bytes]
    summed: _Summed
    writer: Any
    schema: pa.Schema
    rows: int = 0
    size: int = 0


@dataclass(slots=True)
class Spooler:
    """Writes the rows of one statement to files, one a chunk.

    A chunk has ``size`` rows, or fewer if those would be too many bytes for one call of a function,
    or if a column has another type in the rows after them.
    """

    parent: Path
    run_id: str
    size: int
    """Rows wanted a chunk."""
    stop: threading.Event
    report: Report
    folder: SpoolFolder | None = None
    chunks: list[Chunk] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    _open: _Open | None = None
    _reported: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Drop the rows that were added: another reading begins."""
        self.remove()
        left = unused(self.parent)
        remove(left)
        for path in left:
            log("spool_removed", logging.WARNING, run=self.run_id, folder=path)
        self.folder = SpoolFolder.made(self.parent, self.run_id, secrets.token_hex(16))
        self.chunks, self.rows, self.bytes = [], 0, 0

    def remove(self) -> None:
        """Remove all files."""
        if self._open is not None:
            self._open.file.close()
            self._open = None
        if self.folder is not None:
            self.folder.remove()
            self.folder = None

    def add(self, rows: pa.Table) -> None:
        """Write rows.

        Raises
        ------
        RunStoppedError
            When the run was stopped.
        ConfigurationError
            When they do not fit on the disk.
        """
        if self.stop.is_set():
            raise stopped(self.run_id)
        try:
            for piece in pieces(rows, self.size, BATCH_BYTES):
                self._write(piece)
        except OSError as error:
            raise self._full(error) from None
        if time.monotonic() - self._reported > REPORTED_EACH:
            self._reported = time.monotonic()
            self.report(self.rows, self.bytes)

    def _write(self, piece: pa.Table) -> None:
        """Write a piece of at most one chunk to the open file, and the rest to a new one."""
        if self._open is not None and not self._takes(self._open, piece):
            self._end()
        into = self._open or self._next(piece.schema)
        first = piece.slice(0, self.size - into.rows)
        into.writer.write_table(first)
        into.rows += first.num_rows
        into.size += first.nbytes
        self.rows += first.num_rows
        if into.rows == self.size:
            self._end()
        if first.num_rows < piece.num_rows:
            self._write(piece.slice(first.num_rows))

    def _takes(self, into: _Open, piece: pa.Table) -> bool:
        alike: bool = into.schema.equals(piece.schema)
        return alike and into.size + piece.nbytes <= BATCH_BYTES

    def _next(self, schema: pa.Schema) -> _Open:
        assert self.folder is not None  # noqa: S101 - it has begun
        file = self.folder.create(file_name(len(self.chunks)))
        summed = _Summed(file)
        try:
            writer = pa.ipc.new_stream(summed, schema)
        except OSError:
            file.close()
            raise
        self._open = _Open(file, summed, writer, schema)
        return self._open

    def _end(self) -> None:
        done, self._open = self._open, None
        assert done is not None and self.folder is not None  # noqa: PT018, S101 - it is open
        with done.file:
            done.writer.close()
        written = SpooledFile(self.folder.reading, done.summed.size, done.summed.crc32)
        self.bytes += written.size
        self.chunks.append(
            Chunk(
                len(self.chunks),
                ChunkKind.SPOOLED,
                offset=self.rows - done.rows,
                limit=done.rows,
                estimated_rows=done.rows,
                spooled=written,
            )
        )

    def finish(self, snapshot: str | None) -> Spool:
        """Complete the reading and return its files.

        Raises
        ------
        ConfigurationError
            When the last rows do not fit on the disk.
        """
        assert self.folder is not None  # noqa: S101 - it has begun
        try:
            if self._open is not None:
                self._end()
            self.folder.complete({"rows": self.rows, "files": len(self.chunks)})
        except OSError as error:
            raise self._full(error) from None
        log("rows_spooled", run=self.run_id, rows=self.rows, chunks=len(self.chunks))
        return Spool(self.folder, tuple(self.chunks), snapshot)

    def _full(self, error: OSError) -> ConfigurationError:
        here = self.bytes + (self._open.summed.size if self._open is not None else 0)
        if error.errno in FULL:
            free = shutil.disk_usage(self.parent).free
            what = (
                f"has no room for the rows of a query that is read once: {self.rows:,} rows are "
                f"{here / (1 << 20):,.0f} MB, and {free / (1 << 20):,.0f} MB are free beside them"
            )
        else:
            what = f"cannot be written: {error.strerror or error}"
        message = (
            f"{SETTING}: {self.parent} {what}. No row is loaded. Name a folder with more room "
            f"(DASK_MAPPER_DASK__SPOOL_FOLDER, or {SETTING} in the settings), or give the query a "
            "key_column by which it can be cut"
        )
        return ConfigurationError(message, field=SETTING)


@dataclass(slots=True)
class Intake:
    """Takes the rows of one statement: in memory while they fit one chunk, else in files.

    Parameters
    ----------
    schema
        Of the result without rows.
    """

    spooler: Spooler
    schema: pa.Schema
    _tables: list[pa.Table] = field(default_factory=list)
    _rows: int = 0
    _bytes: int = 0

    def begin(self) -> None:
        """Drop the rows that were added: another reading begins."""
        self.spooler.remove()
        self._tables, self._rows, self._bytes = [], 0, 0

    def add(self, rows: pa.Table) -> None:
        """Take rows.

        Raises
        ------
        RunStoppedError
            When the run was stopped.
        ConfigurationError
            When they do not fit on the disk.
        """
        if self.spooler.folder is not None:
            self.spooler.add(rows)
            return
        if self.spooler.stop.is_set():
            raise stopped(self.spooler.run_id)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        self._tables.append(rows)
        if self._rows > self.spooler.size or self._bytes > BATCH_BYTES:
            self.spooler.begin()
            held, self._tables = self._tables, []
            while held:
                self.spooler.add(held.pop(0))

    def finish(self, snapshot: str | None) -> Spool | Few:
        """Return all rows, after the last has come.

        Raises
        ------
        ConfigurationError
            When the last rows do not fit on the disk.
        """
        if self.spooler.folder is not None:
            return self.spooler.finish(snapshot)
        return Few(self._tables or [self.schema.empty_table()], snapshot)


def read_once(task: ReadTask, spooler: Spooler) -> Spool | Few:
    """Return the rows of a query, read by one statement in its snapshot while that exists.

    Raises
    ------
    MapperError
        When the source refuses the query, or the run was stopped; no file is left then.
    """
    schema = pa.schema([(column.name, column.arrow) for column in task.query.columns])
    intake = Intake(spooler, schema)
    task = replace(task, needs_snapshot=False)  # one statement sees one state, whichever it is
    try:
        try:
            return _poured(task, intake)
        except SnapshotLostError:
            if task.snapshot is None:
                raise
            return _poured(replace(task, snapshot=None), intake)
    except BaseException:
        spooler.remove()
        raise


def _poured(task: ReadTask, intake: Intake) -> Spool | Few:
    with source_session(task, Chunk(0, ChunkKind.WHOLE)) as source:
        source.session.pour(source.sql, task.query.columns, intake)
        require_same_source(source, task)
    return intake.finish(source.snapshot)
