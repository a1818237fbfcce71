"""Which chunk a worker processes next, and which one after it, so that it can read ahead. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mapper_dask.parallel_models import Chunk


@dataclass(frozen=True, slots=True)
class Assignment:
    """A chunk assigned to a worker."""

    chunk: Chunk
    following: Chunk | None = None
    """The worker's next chunk, unless another worker is free sooner; None: not known."""
    handed_on: int = 0
    """How often it was moved to another worker because one could not reach a database."""
    lost: int = 0
    """How often the cluster lost its task, as when it is restarted."""


class Assigner:
    """Assigns chunks in order, and reserves the next one for a named worker.

    Parameters
    ----------
    chunks
        All chunks; each is assigned once.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._waiting = deque(chunks)
        self._reserved: dict[str, Chunk] = {}

    def next(self, worker: str) -> Assignment | None:
        """Return a worker's next assignment; None when every chunk is assigned.

        A worker for which nothing is left takes a chunk reserved for another. An empty name
        assigns the chunk to whichever worker is free.
        """
        chunk = self._reserved.pop(worker, None) or self._any()
        if chunk is None:
            return None
        if self._waiting and worker:
            self._reserved[worker] = self._waiting.popleft()
        return Assignment(chunk, self._reserved.get(worker))

    def put_back(self, chunk: Chunk) -> None:
        """Take back a chunk that no worker has begun: it is assigned next."""
        self._waiting.appendleft(chunk)

    def _any(self) -> Chunk | None:
        if self._waiting:
            return self._waiting.popleft()
        return self._reserved.popitem()[1] if self._reserved else None
