"""Which chunk comes after which on a worker, so that each can be told what follows. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mapper_dask.parallel_models import Chunk


@dataclass(frozen=True, slots=True)
class Turn:
    """A chunk on its way to a worker."""

    chunk: Chunk
    following: Chunk | None = None
    """What the same worker gets next, unless another one is free sooner; None: nobody knows."""
    handed_on: int = 0
    """How often it was given to another worker, since one could not reach a database."""
    lost: int = 0
    """How often its task was lost with all others, as when a cluster is restarted."""


class Lanes:
    """Deals out chunks in order; to a worker that is known, with a look at the one after.

    Parameters
    ----------
    chunks
        Every chunk, to be dealt out once.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._waiting = deque(chunks)
        self._reserved: dict[str, Chunk] = {}

    def next(self, worker: str) -> Turn | None:
        """Return the turn of a worker that has ended a chunk; None when every chunk is dealt out.

        A worker for which nothing is left takes what was reserved for another.
        Without a name it is a turn for anybody: which worker gets it, nobody knows yet.
        """
        chunk = self._reserved.pop(worker, None) or self._any()
        if chunk is None:
            return None
        if self._waiting and worker:
            self._reserved[worker] = self._waiting.popleft()
        return Turn(chunk, self._reserved.get(worker))

    def put_back(self, chunk: Chunk) -> None:
        """Take back a chunk that nobody has begun: it is dealt out next."""
        self._waiting.appendleft(chunk)

    def _any(self) -> Chunk | None:
        if self._waiting:
            return self._waiting.popleft()
        return self._reserved.popitem()[1] if self._reserved else None
