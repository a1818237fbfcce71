"""Who runs the chunks: the user's Dask client, a cluster of our own, or a plain loop.

All of them call the same function for a chunk. Dask may run a chunk more than once; the ledger
lets it commit once. The scheduler never holds more than a window of tasks, and finished futures
are released, so that a lost worker never makes finished chunks run again.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, Protocol

import dask
from distributed import Client, as_completed, get_client

from mapper_dask.chunk.chunk_processor import process_chunk
from mapper_dask.chunk.spooled import carrying, sees
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections import close_idle
from mapper_dask.errors import ConfigurationError, SpoolError
from mapper_dask.parallel_models import Chunk, ChunkResult
from mapper_dask.run.budget import Share, unbounded
from mapper_dask.run.events import log_assigned
from mapper_dask.run.lanes import Lanes, Turn
from mapper_dask.run.outcomes import emptied, lost, released, shipping
from mapper_dask.run.own_cluster import own_cluster

LARGE, CARRIED = "distributed.admin.large-graph-warning-threshold", "1GiB"
"""From which size Dask warns of a task, and that of none of ours: the rows of a chunk that are sent
along, where workers see no folder in common, are less than that."""

WINDOW = 2
"""Chunks a worker has in hand or in line: one at work, one ready when that ends."""


class Engine(Protocol):
    """Runs chunks and yields their results as they come."""

    remote: bool
    """Whether chunks leave this process."""
    share: Share
    """What the chunks may hold open."""
    max_workers: int | None
    """Chunks to have at work at most; None: one a thread."""
    own: bool
    """Whether no other run, and no worker that is still to come, uses its processes."""

    @property
    def threads(self) -> int:
        """Threads that may run a chunk."""
        ...

    def close_idle(self) -> None:
        """Close the connections that idle in other processes."""
        ...

    def sees(self, folder: str, reading: str) -> bool:
        """Return whether whoever runs a chunk can read the files of a reading."""
        ...

    def results(self, task: ChunkTask, chunks: Sequence[Chunk]) -> Generator[ChunkResult]:
        """Yield what became of each chunk; closing the iterator gives up what is not done."""
        ...


class LoopEngine:
    """Runs one chunk after the other, here."""

    remote = False
    max_workers: int | None = 1
    own = True
    threads = 1

    def __init__(self) -> None:
        self.share = unbounded()

    def close_idle(self) -> None:
        """Do nothing: no other process is at work."""

    def sees(self, folder: str, reading: str) -> bool:
        """Return True: this process has written them."""
        del folder, reading
        return True

    def results(self, task: ChunkTask, chunks: Sequence[Chunk]) -> Generator[ChunkResult]:
        """Yield what became of each chunk, in order."""
        for chunk, following in zip_longest(chunks, chunks[1:]):
            log_assigned(task, chunk)
            yield process_chunk(task, chunk, following)


@dataclass(slots=True)
class DaskEngine:
    """Runs chunks on a Dask client's workers, one task a chunk."""

    client: Client
    max_workers: int | None = None
    """Workers to keep busy at most; None: all there are."""
    own: bool = False
    """Whether the workers are this run's alone."""
    share: Share = field(default_factory=unbounded)
    """What the chunks may hold open."""
    remote: bool = field(default=True, init=False)

    @property
    def threads(self) -> int:
        """Threads that may run a chunk, whether they are to be kept busy or not."""
        known = self.client.scheduler_info(n_workers=-1)["workers"].values()
        found = sum(int(info["nthreads"]) for info in known)
        return max(found, self.max_workers or 0) if self.own else found

    def close_idle(self) -> None:
        """Close the connections that idle on the workers; a cluster of the run's own has none."""
        if not self.own:
            self.client.run(close_idle)

    def sees(self, folder: str, reading: str) -> bool:
        """Return whether all workers can read the files of a reading; not while there are none."""
        found = list(self.client.run(sees, folder, reading).values())
        return bool(found) and all(found)

    def results(self, task: ChunkTask, chunks: Sequence[Chunk]) -> Generator[ChunkResult]:
        """Yield what became of each chunk as it ends, in any order.

        What is submitted when a worker has ended a chunk goes to that worker, which has the least
        to do. No task is bound to it: one that is bound to a worker that dies may never run.
        """
        workers = self._workers()
        lanes = Lanes(chunks)
        task = _limited(task, workers)
        completed = as_completed(loop=self.client.loop, with_results=True, raise_errors=False)
        running: dict[str, tuple[Any, Turn]] = {}
        unsent: list[ChunkResult] = []

        def submit(turn: Turn) -> None:
            log_assigned(task, turn.chunk)
            try:
                future = self._sent(task, turn)
            except SpoolError as error:
                unsent.append(lost(turn.chunk, error))
                self.share.give_back()
                return
            running[str(future.key)] = future, turn
            completed.add(future)

        def fill(worker: str = "") -> None:
            """Hand out chunks while there is room; the first goes to a worker that is known."""
            while len(running) < WINDOW * len(workers) and self.share.take():
                turn = lanes.next(worker)
                if turn is None:
                    self.share.give_back()
                    return
                submit(turn)
                worker = ""

        try:
            fill()
            yield from emptied(unsent)
            for future, outcome in completed if running else ():
                _, turn = running.pop(future.key)
                result = released(future, outcome, turn.chunk)
                if result.file_unread:
                    task = shipping(task, result)
                    submit(turn)
                else:
                    self.share.give_back()
                    fill(result.worker)
                    yield result
                yield from emptied(unsent)
        finally:
            self.client.cancel([future for future, _ in running.values()])

    def _sent(self, task: ChunkTask, turn: Turn) -> Any:
        """Return the future of a chunk, on its way to whichever worker.

        Raises
        ------
        SpoolError
            When its file is to be sent along, and is not as it was written.
        """
        with dask.config.set({LARGE: CARRIED} if task.read.ships else {}):
            return self.client.submit(
                process_chunk,
                carrying(task, turn.chunk),
                turn.chunk,
                turn.following,
                key=f"mapper-chunk-{turn.chunk.chunk_id}-{uuid.uuid4().hex}",
                pure=False,
                retries=0,
            )

    def _workers(self) -> list[dict[str, Any]]:
        """Return what is known of the worker of each thread to keep busy."""
        known = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return [info for info in known for _ in range(info["nthreads"])][: self.max_workers] or [{}]


def _limited(task: ChunkTask, workers: Sequence[dict[str, Any]]) -> ChunkTask:
    """Tell a task the memory that the smallest of the workers may use."""
    limits = [info["memory_limit"] for info in workers if info.get("memory_limit")]
    limit = min(limits, default=None)
    return replace(task, read=replace(task.read, memory_limit=limit))


@contextlib.contextmanager
def open_engine(
    *,
    parallel: bool,
    client: Client | None,
    scheduler_address: str | None,
    max_workers: int,
    asked_workers: int | None,
) -> Iterator[Engine]:
    """Lend the engine of a run.

    Parameters
    ----------
    parallel
        Whether more than one chunk is to run at a time.
    client, scheduler_address
        Whose workers to use. Without either the current Dask client is used, and without one of
        those a cluster of ``max_workers`` processes is started here and closed at the end.
    asked_workers
        What the user asked for; None where ``max_workers`` is a default.
    """
    if not parallel:
        yield LoopEngine()
        return
    found = client or (None if scheduler_address else current_client())
    if found is not None:
        yield DaskEngine(found, asked_workers)
    elif scheduler_address is not None:
        with connected(scheduler_address) as lent:
            yield DaskEngine(lent, asked_workers)
    elif max_workers == 1:
        yield LoopEngine()
    else:
        with own_cluster(max_workers) as own:
            yield DaskEngine(own, max_workers, own=True)


@contextlib.contextmanager
def within(engine: Engine, share: Share) -> Iterator[str]:
    """Let an engine's chunks stay within a share of the connections; lend what to know of that.

    Where a limit was set, connections that idle on workers since earlier runs count against it, and
    are closed.
    """
    if share.limited:
        engine.close_idle()
    engine.share = share
    threads = engine.threads
    wanted = threads if engine.max_workers is None else min(threads, engine.max_workers)
    try:
        yield share.settle(threads, wanted, own=engine.own)
    finally:
        if share.limited:
            close_idle()


def close_idle_workers(client: Client | None, scheduler_address: str | None) -> None:
    """Close the connections that idle on the workers a run is going to use, where those exist."""
    with contextlib.ExitStack() as stack:
        if client is None and scheduler_address is not None:
            client = stack.enter_context(connected(scheduler_address))
        found = client or current_client()
        if found is not None:
            found.run(close_idle)


def current_client() -> Client | None:
    """Return the client this code runs under: a worker's own, or the session's default."""
    try:
        found: Client = get_client()
    except ValueError:
        return None
    return found


@contextlib.contextmanager
def connected(address: str) -> Iterator[Client]:
    """Lend a client of a scheduler.

    Raises
    ------
    ConfigurationError
        When it does not answer.
    """
    try:
        client = Client(address, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:  # a ValueError: it is no address
        message = f"scheduler_address {address!r} does not answer: {error}"
        raise ConfigurationError(message, field="scheduler_address") from None
    with client:
        yield client
