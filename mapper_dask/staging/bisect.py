"""Finds the staged rows that a target refuses, by bisection. Opens no connection.

A piece is some blocks of the staging table. A refused piece is halved down to one block, and that
block's rows down to a single row. Pieces grow while they are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mapper_dask.errors import RejectLimitError

FIRST_BLOCKS = 128
"""Blocks of the first piece: one that is refused, somewhere in it, has not cost much."""

MOST_WAITING = 10_000
"""Rows that may be refused at first where rows depend on one another, and some of them are taken
once others are in."""


MOST_PIECES = 500
"""Pieces within blocks that are taken before they are joined: a server holds a lock for each."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Some blocks of a table that follow one another."""

    first: int
    end: int
    """The first one that is not among them."""


Piece = Blocks | Sequence[str]
"""Blocks, or rows by their places."""


@dataclass(slots=True)
class Bisection:
    """Inserts staged rows into a target, but for those it refuses."""

    attempt: Callable[[Piece], str | None]
    """Inserts the rows of a piece, or none of them; returns why not."""
    rows_of: Callable[[int], Sequence[str]]
    """Returns the places of a block's rows."""
    most: int
    """Rows that may be refused."""
    limit: int
    """The run's reject_limit, of which other rows may have used some."""
    together: bool = False
    """Whether a row that is refused may be taken once others are in."""
    before_again: Callable[[Sequence[str]], object] = len
    """Called with the refused rows before they are tried once more."""
    reinsert: Callable[[int, Sequence[str]], object] | None = None
    """Inserts all rows before a block again, but for those at some places; called now and then."""
    taken: int = 0
    """Pieces that were taken since."""
    refused: dict[str, str] = field(default_factory=dict)
    """Their places, and why."""

    def go(self, blocks: int) -> dict[str, str]:
        """Return the refused rows of a table of so many blocks.

        Raises
        ------
        RejectLimitError
            When there are more of them than may be.
        """
        place, size = 0, FIRST_BLOCKS
        while place < blocks:
            piece = Blocks(place, min(place + size, blocks))
            why = self.attempt(piece)
            if why is None:
                place, size = piece.end, size * 2
            elif size > 1:
                size = max(1, min(size, blocks - place) // 2)
            else:
                self._bisect(self.rows_of(place), why)
                place += 1
                self._tidy(place)
        while self.together and self.refused and self._again():
            pass
        self._require(self.most)
        return self.refused

    def _again(self) -> bool:
        """Try the refused rows once more; return whether some of them were taken."""
        places, self.refused = list(self.refused), {}
        self.before_again(places)
        why = self.attempt(places)
        if why is not None:
            self._bisect(places, why)
        return len(self.refused) < len(places)

    def _bisect(self, places: Sequence[str], why: str) -> None:
        """Find which rows of a refused piece are refused."""
        if len(places) == 1:
            self.refused[places[0]] = why
            self._require(max(self.most, MOST_WAITING) if self.together else self.most)
            return
        half = len(places) // 2
        for part in (places[:half], places[half:]):
            again = self.attempt(part)
            if again is not None:
                self._bisect(part, again)
            else:
                self.taken += 1

    def _tidy(self, end: int) -> None:
        """Insert again in one piece what was taken in many."""
        if self.reinsert is not None and self.taken > MOST_PIECES:
            self.reinsert(end, list(self.refused))
            self.taken = 0

    def _require(self, most: int) -> None:
        if len(self.refused) > most:
            raise beyond(self.most, self.limit, list(self.refused.values())[-1])


def beyond(most: int, limit: int, last: str) -> RejectLimitError:
    """Return the error that more staged rows are refused than may be.

    Parameters
    ----------
    most
        Rows that the limit left after those rejected before.
    last
        Why the last one was refused.
    """
    message = (
        f"it refuses more of the staged rows than the {most} that reject_limit={limit} leaves; "
        f"last: {last}"
    )
    return RejectLimitError(message)
