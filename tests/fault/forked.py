"""A coordinator to be killed again and again.

It is forked from a process that has imported the library already, so that a start takes a moment
and not seconds.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from typing import NamedTuple

from mapper_dask import MapperError, ParallelProcessor
from mapper_dask.events.run_events import RunEvent
from tests.database import Databases
from tests.fault.moving import job
from tests.fault.sabotage import doomed

LONGEST_SILENCE = 120.0
"""Seconds after which a coordinator that tells nothing hangs: a failure, not a wait."""


class End(NamedTuple):
    """How a coordinator ended by itself."""

    over: bool
    """Whether the run is."""
    why: str = ""
    """Why it is not."""
    stray: bool = False
    """Whether what was raised is not an error of the library's."""


class Coordinator:
    """A run's coordinator in a process of its own, and what it has told."""

    def __init__(self, run_id: str, databases: Databases, chunk_size: int, scheduler: str) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._news, teller = context.Pipe(duplex=False)
        urls = databases.source.url, databases.target.url
        told = (teller, run_id, *urls, chunk_size, scheduler)
        self._process = context.Process(target=coordinate, args=told)
        self._process.start()
        teller.close()
        self._heard = time.monotonic()
        self.chunks = 0
        """Chunks it has told of."""
        self.end: End | None = None
        """None while it works, or when it was killed."""
        self.alive = True

    def listen(self, seconds: float = LONGEST_SILENCE) -> None:
        """Take the next news, if some come in time; notice the end of the process."""
        if not self._news.poll(seconds):
            silent = time.monotonic() - self._heard
            assert silent < LONGEST_SILENCE, f"nothing was heard for {silent:.0f} s"
            return
        self._heard = time.monotonic()
        try:
            news = self._news.recv()
        except EOFError:
            self.alive = False
            self._process.join()
            assert self.end or self._process.exitcode == -signal.SIGKILL, (
                f"died: {self._process.exitcode}"
            )
        else:
            self.chunks += news is None
            self.end = self.end or news

    def kill(self) -> bool:
        """Kill it; return whether it was still at work."""
        self._process.kill()
        while self.alive:
            self.listen()
        return self.end is None

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        self._process.close()
        self._news.close()


def coordinate(
    news: Connection, run_id: str, source: str, target: str, chunk_size: int, scheduler: str
) -> None:
    """Run the job or go on with it; tell of each chunk, and of the end."""
    logging.disable()
    events: list[RunEvent] = []

    def tell(event: RunEvent) -> None:
        events.append(event)
        news.send(None)

    work = job(source, target, doomed, key_column="id", chunk_size=chunk_size, run_id=run_id)
    try:
        result = ParallelProcessor(scheduler_address=scheduler, progress=tell).run(work)
    except Exception as error:  # noqa: BLE001 - counted, and the run is begun again
        why = f"{type(error).__name__}: {error}"
        news.send(End(over=False, why=why, stray=not isinstance(error, MapperError)))
        return
    over = result.succeeded
    if run_id.startswith("no_ledger") and events:  # nobody but Dask says that it is done
        over = events[-1].done == events[-1].total and not events[-1].failed
    news.send(End(over, why="".join(result.errors[:1])))
