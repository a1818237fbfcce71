"""The database's cost of cutting by a key, compared with reading the query once. Pure.

A range of an indexed key costs what its rows cost. But a query whose predicate the database cannot
push down (an aggregate, a window, a join, a CTE), or whose key has no index, is computed whole for
every chunk; then the cost of a row grows with the number of chunks, and so with the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from mapper_dask.schema.facts import Estimate

WORTH = 2.0
"""Cutting may take this many times the work of reading once, the moving of the rows included: two
workers at least share the chunks, and so are as quick as the one that reads it all."""

WHOLE_SHARE = 0.5
"""A chunk that costs half of the whole is worth a note, even where moving its rows costs more."""

FEWEST_CHUNKS = 3
"""Computing a query twice for two chunks is acceptable."""

LITTLE = 1_000.0
"""Units of cost, some milliseconds, that are negligible."""


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What the chunks of a plan cost together."""

    chunks: int
    share: float
    """Cost of one of them, as a share of the whole query's."""
    whole: Estimate
    """Of the whole query."""

    @property
    def times(self) -> float:
        """How many times over the database computes the query."""
        return self.chunks * self.share

    @property
    def is_too_much(self) -> bool:
        """Whether reading the query once is better, however many workers wait for it."""
        cost, moving = self.whole.cost or 0.0, self.whole.moving
        cut, once = self.times * cost + moving, cost + moving
        return self._is_felt and cut > WORTH * once

    @property
    def is_notable(self) -> bool:
        """Whether the user should know."""
        return self.is_too_much or (self._is_felt and self.share >= WHOLE_SHARE)

    @property
    def _is_felt(self) -> bool:
        added = (self.times - 1) * (self.whole.cost or 0.0)
        return self.chunks >= FEWEST_CHUNKS and added >= LITTLE

    def __str__(self) -> str:
        return (
            f"each of the {self.chunks:,} chunks costs about {self.share:.0%} of the whole query, "
            f"{self.times:,.0f} times all of it together"
        )
