"""Engines that run chunks: on the user's Dask client, on a local cluster, or in a plain loop.

All of them call the same function for a chunk. Dask may run a chunk more than once; the ledger
lets it commit once. The scheduler never holds more than a window of tasks, which follows the
number of workers, and finished futures are released, so that a lost worker never makes finished
chunks run again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Protocol

from distributed import Client

from mapper_dask.chunk.chunk_processor import process_chunk
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections.pool import close_idle
from mapper_dask.events.run_events import log_assigned
from mapper_dask.halting import current as current_halt
from mapper_dask.limits.budget import Share, unbounded
from mapper_dask.parallel_models import Chunk, ChunkResult
from mapper_dask.spool.files import sees
from mapper_dask.workers.assignment import Assigner
from mapper_dask.workers.clients import connected, current_client, waiting
from mapper_dask.workers.dispatch import Dispatch
from mapper_dask.workers.local_cluster import own_cluster
from mapper_dask.workers.membership import Membership
from mapper_dask.workers.startable import why_not_startable


def _nothing() -> None:
    """Do nothing."""


class Engine(Protocol):
    """Runs chunks and yields their results as they come."""

    remote: bool
    """Whether chunks leave this process."""
    share: Share
    """Limits the connections of the chunks."""
    max_workers: int | None
    """Chunks to run at a time; None: one a thread."""
    own: bool
    """Whether its processes serve this run alone, and no worker may join."""
    notes: list[str]
    """Notes on its workers, or that there are none, for the result of the run."""

    @property
    def threads(self) -> int:
        """Threads that may run a chunk."""
        ...

    def close_idle(self) -> None:
        """Close the connections that idle in other processes."""
        ...

    def halt(self) -> None:
        """Stop waiting for the chunks that run in other processes."""
        ...

    def sees(self, folder: str, reading: str) -> bool:
        """Return whether every process that runs chunks can read the files of a reading."""
        ...

    def results(
        self, task: ChunkTask, chunks: Sequence[Chunk], quiet: Callable[[], None] = _nothing
    ) -> Generator[ChunkResult]:
        """Yield the result of each chunk; closing the iterator abandons the others.

        Parameters
        ----------
        quiet
            Called now and then while chunks run in other processes and none has ended.
        """
        ...


class LoopEngine:
    """Runs one chunk after the other in this process."""

    remote = False
    max_workers: int | None = 1
    own = True
    threads = 1

    def __init__(self, note: str = "") -> None:
        self.share = unbounded()
        self.notes = [note] if note else list[str]()

    def close_idle(self) -> None:
        """Do nothing: there is no other process."""

    def halt(self) -> None:
        """Do nothing: the chunk of this process is interrupted by the halt itself."""

    def sees(self, folder: str, reading: str) -> bool:
        """Return True: this process wrote them."""
        del folder, reading
        return True

    def results(
        self, task: ChunkTask, chunks: Sequence[Chunk], quiet: Callable[[], None] = _nothing
    ) -> Generator[ChunkResult]:
        """Yield the result of each chunk, in order; ``quiet`` is never called."""
        del quiet
        for chunk, following in zip_longest(chunks, chunks[1:]):
            log_assigned(task, chunk)
            yield process_chunk(task, chunk, following)


@dataclass(slots=True)
class DaskEngine:
    """Runs chunks on a Dask client's workers, one task a chunk."""

    client: Client
    max_workers: int | None = None
    """Workers to keep busy at most; None: all."""
    own: bool = False
    """Whether the workers are this run's alone."""
    share: Share = field(default_factory=unbounded)
    """Limits the connections of the chunks."""
    notes: list[str] = field(default_factory=list)
    """Notes on workers that were passed over."""
    remote: bool = field(default=True, init=False)
    _dispatch: Dispatch | None = field(default=None, init=False)

    @property
    def threads(self) -> int:
        """Threads that may run a chunk, beyond ``max_workers`` too."""
        known = self.client.scheduler_info(n_workers=-1)["workers"].values()
        found = sum(int(info["nthreads"]) for info in known)
        return max(found, self.max_workers or 0) if self.own else found

    def close_idle(self) -> None:
        """Close the connections that idle on the workers; a cluster of the run's own has none."""
        if not self.own:
            self.client.run(close_idle, on_error="ignore")

    def sees(self, folder: str, reading: str) -> bool:
        """Return whether all workers can read the files of a reading; False without workers."""
        found = list(self.client.run(sees, folder, reading).values())
        return bool(found) and all(found)

    def results(
        self, task: ChunkTask, chunks: Sequence[Chunk], quiet: Callable[[], None] = _nothing
    ) -> Generator[ChunkResult]:
        """Yield the result of each chunk as it ends, in any order."""
        run_id = None if task.load is None else task.load.run_id
        workers = Membership(
            self.client, self.share, self.max_workers, self.own, run_id, self.notes
        )
        self._dispatch = Dispatch(self.client, workers, self.share, task, Assigner(chunks), quiet)
        return self._dispatch.results()

    def halt(self) -> None:
        """Cancel the submitted chunks: ``results`` yields no more."""
        if self._dispatch is not None:
            self._dispatch.halt()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who runs the chunks of a run.

    Without a client and an address the current Dask client is used, and without one of those a
    cluster of ``max_workers`` processes is started for each run and closed at its end. Where no
    process can be started, chunks run one after the other, and the report says why.
    """

    parallel: bool
    """Whether more than one chunk is to run at a time."""
    client: Client | None
    scheduler_address: str | None
    max_workers: int
    asked: int | None
    """What the user asked for; None where ``max_workers`` is a default."""
    shared: Callable[[int | None], Engine] | None = None
    """Returns the engine that all jobs of a flow share; None: each run opens one of its own."""

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        """Wait for a run where that keeps nobody from doing it; a flow does so for all its jobs."""
        if not self.parallel or self.shared is not None:
            return contextlib.nullcontext()
        return waiting(self.client, self.scheduler_address)

    @contextlib.contextmanager
    def engine(self, *, small: bool) -> Iterator[Engine]:
        """Lend the engine of a run; ``small`` ones are done here."""
        if small or not self.parallel:
            yield LoopEngine()
            return
        if self.shared is not None:
            yield self.shared(self.asked)
            return
        found = self.client or (None if self.scheduler_address else current_client())
        if found is not None:
            yield DaskEngine(found, self.asked)
        elif self.scheduler_address is not None:
            with connected(self.scheduler_address) as lent:
                yield DaskEngine(lent, self.asked)
        elif self.max_workers == 1:
            yield LoopEngine()
        elif why := why_not_startable():
            yield LoopEngine(why)
        else:
            with own_cluster(self.max_workers, current_halt()) as own:
                yield DaskEngine(own, self.max_workers, own=True)

    def close_idle(self) -> None:
        """Close the connections that idle on the workers a run is going to use, where those are."""
        if not self.parallel:
            return
        with contextlib.ExitStack() as stack:
            client = self.client
            if client is None and self.scheduler_address is not None:
                client = stack.enter_context(connected(self.scheduler_address))
            found = client or current_client()
            if found is not None:  # one that lacks the library is not in the way either
                found.run(close_idle, on_error="ignore")


@contextlib.contextmanager
def within(engine: Engine, share: Share) -> Iterator[str]:
    """Keep an engine's chunks within a share of the connections; lend a note on that, or "".

    Where a limit was set, idle connections that workers keep from earlier runs count against it,
    so they are closed.
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
