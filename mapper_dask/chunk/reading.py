"""Reads a chunk in a thread of its own, so that the next one is read while one is loaded."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import pyarrow as pa

from mapper_dask.chunk.drift import require_same_source
from mapper_dask.chunk.extract import read_batches, source_session
from mapper_dask.chunk.task import ReadTask
from mapper_dask.parallel_models import Chunk

TIMES_FREE = 4
"""A chunk is read ahead if so many times the bytes of the one before it are free: besides it,
memory holds that one, the function's result, and what is being sent."""

SHARE = 0.6
"""Share of a worker's memory limit that may be used; from there on Dask moves data to disk."""

IDLE = 0.25
"""Share of the processors' time that must have been idle: where they are busy anyway, as with a
server on the same machine, reading ahead only makes two threads fight over one."""

LINGER = 60.0
"""Seconds for which a chunk waits that was read ahead, and went to another worker. Its reader's own
thread waits with it: one more thread a chunk, as of a timer, and the C library would spread the
chunks over ever more of its arenas, which it never gives back."""

LOOK = 0.5
"""Seconds after which a reader checks whether its rows are still wanted."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a reader passes on: rows, or the error that ended it."""

    rows: pa.Table
    last: bool = False
    error: BaseException | None = None


_NO_ROWS = pa.table({})


class ChunkReader:
    """A chunk on its way in: it is read whether or not anybody waits for its rows yet.

    Parameters
    ----------
    task
        How to read any chunk of the run.
    chunk
        Which one.
    """

    def __init__(self, task: ReadTask, chunk: Chunk) -> None:
        self._task, self._chunk = task, chunk
        self._pieces: queue.Queue[_Piece] = queue.Queue(maxsize=1)
        self._first: list[_Piece] = []
        self._asked_for = threading.Event()
        self._given_up = threading.Event()
        self.snapshot: str | None = None
        """The snapshot that is read, once the first rows are here."""
        name = f"mapper-dask-read-{chunk.chunk_id}"
        # In the caller's context, so that halting the caller breaks this off, too.
        read = contextvars.copy_context().run
        threading.Thread(target=read, args=(self._read,), name=name, daemon=True).start()

    def _read(self) -> None:
        try:
            held: pa.Table | None = None
            with source_session(self._task, self._chunk) as source:
                self.snapshot = source.snapshot
                for rows in read_batches(source, self._task):
                    if held is not None:
                        self._hand_over(_Piece(held))
                    held = rows
                require_same_source(source, self._task)  # nothing commits without the last rows
            self._hand_over(_Piece(_NO_ROWS if held is None else held, last=True))
        except BaseException as error:  # noqa: BLE001 - raised again where the rows are awaited
            with contextlib.suppress(InterruptedError):
                self._hand_over(_Piece(_NO_ROWS, error=error))
        if not self._asked_for.wait(LINGER):
            self._forget()

    def _hand_over(self, piece: _Piece) -> None:
        waits_until = time.monotonic() + LINGER
        while not self._given_up.is_set():
            with contextlib.suppress(queue.Full):
                self._pieces.put(piece, timeout=LOOK)
                return
            if time.monotonic() > waits_until and not self._asked_for.is_set():
                self._forget()
        raise InterruptedError

    def _forget(self) -> None:
        """Release rows that were not requested."""
        key = _key(self._task, self._chunk)
        with _lock:
            if _ahead.get(key) is not self:
                return  # it was asked for just now
            del _ahead[key]
        self.give_up()

    def ask(self) -> None:
        """Signal the reader that its rows will be taken."""
        self._asked_for.set()

    def wait(self) -> None:
        """Return when the first rows are here, and with them ``snapshot``.

        Raises
        ------
        MapperError
            What ended the reading.
        """
        self._first.append(self._next())

    def _next(self) -> _Piece:
        piece = self._first.pop() if self._first else self._pieces.get()
        if piece.error is not None:
            raise piece.error
        return piece

    def batches(self, following: Chunk | None = None) -> Iterator[pa.Table]:
        """Yield the chunk's rows, at least one table, without holding on to them.

        Parameters
        ----------
        following
            Read ahead when all of these rows are here, if there is memory for it.

        Raises
        ------
        MapperError
            What ended the reading.
        """
        last = False
        while not last:
            pieces = [self._next()]
            last = pieces[0].last
            if last and following is not None:
                read_ahead(self._task, following, pieces[0].rows.nbytes)
            yield pieces.pop().rows

    def give_up(self) -> None:
        """Release what was read; the reader ends at its next check."""
        self._given_up.set()


class BufferedChunk:
    """A chunk whose rows are here already; looks like a reading, and is taken once.

    Parameters
    ----------
    tables
        Its rows, one table at least, few enough for a function to see at a time.
    snapshot
        The state they were read in.
    """

    def __init__(self, tables: list[pa.Table], snapshot: str | None) -> None:
        self._tables = tables
        self.snapshot = snapshot

    def ask(self) -> None:
        """Do nothing: they are here."""

    def wait(self) -> None:
        """Return at once."""

    def batches(self, following: Chunk | None = None) -> Iterator[pa.Table]:
        """Yield the chunk's rows without holding on to them: those of one schema together."""
        del following
        tables, self._tables = self._tables, []
        for _, alike in itertools.groupby(tables, key=lambda rows: rows.schema):
            yield pa.concat_tables(alike)

    def give_up(self) -> None:
        """Release the rows."""
        self._tables = []


def hold(task: ReadTask, chunk: Chunk, held: BufferedChunk) -> Callable[[], None]:
    """Let this process find a chunk's rows where it would read them; return what lets go of them.

    An attempt takes them. If it fails, the next one reads the chunk at its source.
    """
    key = _key(task, chunk)
    with _lock:
        _ahead[key] = held

    def forget() -> None:
        with _lock:
            if _ahead.get(key) is held:
                del _ahead[key]

    return forget


_Key = tuple[str, str | None, int]
_ahead: dict[_Key, ChunkReader | BufferedChunk] = {}
_lock = threading.Lock()


def _key(task: ReadTask, chunk: Chunk) -> _Key:
    return task.tag, task.snapshot, chunk.chunk_id


def read_ahead(task: ReadTask, chunk: Chunk, size: int) -> None:
    """Begin to read a chunk that this process will process next, if that helps.

    That is, if there is memory for it, and an idle processor.

    Parameters
    ----------
    size
        Bytes of the chunk before it, in memory.
    """
    key = _key(task, chunk)
    with _lock:
        if key in _ahead or not _is_free(size, task.memory_limit):
            return
        _ahead[key] = ChunkReader(task, chunk)


def _is_free(size: int, limit: int | None) -> bool:
    if _idle_share() < IDLE or psutil.virtual_memory().available < TIMES_FREE * size:
        return False
    return not limit or psutil.Process().memory_info().rss + TIMES_FREE * size < SHARE * limit


def _idle_share() -> float:
    """Return the share of the processors' time that was idle since this was last asked."""
    return 1.0 - psutil.cpu_percent(interval=None) / 100.0


@contextlib.contextmanager
def reading_of(task: ReadTask, chunk: Chunk) -> Iterator[ChunkReader | BufferedChunk]:
    """Lend the reading of a chunk: the one that was begun ahead, or a new one."""
    with _lock:
        begun = _ahead.pop(_key(task, chunk), None)
    reading = begun or ChunkReader(task, chunk)
    reading.ask()
    try:
        yield reading
    finally:
        reading.give_up()
