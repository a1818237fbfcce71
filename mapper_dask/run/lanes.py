"""Which worker gets which chunk next, so that each can be told what follows. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mapper_dask.parallel_models import Chunk


@dataclass(frozen=True, slots=True)
class Turn:
    """A chunk on its way to a worker."""

    lane: str
    """The worker's address."""
    chunk: Chunk
    following: Chunk | None
    """What the same worker gets next, unless another one is free sooner."""


class Lanes:
    """Deals out chunks, in order, to lanes that each know one chunk more than they were given.

    Parameters
    ----------
    chunks
        Every chunk, to be dealt out once.
    seats
        A lane's name for each chunk it is to have in hand at a time.
    """

    def __init__(self, chunks: Sequence[Chunk], seats: Sequence[str]) -> None:
        self._waiting = deque(chunks)
        self._seats = list(seats)
        self._reserved: dict[str, deque[Chunk]] = {seat: deque() for seat in seats}

    def begin(self) -> Iterator[Turn]:
        """Yield the turns to start with: each lane's first, then each lane's second, and so on."""
        rounds = sorted(
            range(len(self._seats)), key=lambda n: self._seats[:n].count(self._seats[n])
        )
        for lane in dict.fromkeys(self._seats):
            self._reserve(lane)
        for place in rounds:
            turn = self.next(self._seats[place])
            if turn is not None:
                yield turn

    def next(self, lane: str) -> Turn | None:
        """Return a lane's next turn; None when every chunk is dealt out.

        A lane with nothing of its own left takes what was reserved for another.
        """
        mine = self._reserved[lane] or max(self._reserved.values(), key=len)
        if not mine:
            return None
        chunk = mine.popleft()
        self._reserve(lane)
        following = self._reserved[lane]
        return Turn(lane, chunk, following[0] if following else None)

    def _reserve(self, lane: str) -> None:
        if self._waiting and not self._reserved[lane]:
            self._reserved[lane].append(self._waiting.popleft())
