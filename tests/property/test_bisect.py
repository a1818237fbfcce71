"""Whatever rows a target refuses, bisection finds those and no others, and stops at the limit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.errors import RejectLimitError
from mapper_dask.staging.bisect import Bisection, Blocks, Piece

BLOCK = 5


@dataclass
class Target:
    """Refuses bad rows, and rows whose parent is not in it when the piece has entered."""

    rows: int
    bad: set[int]
    parents: dict[int, int] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)

    def attempt(self, piece: Piece) -> str | None:
        if isinstance(piece, Blocks):
            ids = set(range(piece.first * BLOCK, min(piece.end * BLOCK, self.rows)))
        else:
            ids = {int(place) for place in piece}
        assert not ids & self.held, "a row enters once"
        there = self.held | ids
        if ids & self.bad or any(self.parents.get(i, i) not in there for i in ids):
            return "no"
        self.held = there
        return None

    def rows_of(self, block: int) -> list[str]:
        return [str(i) for i in range(block * BLOCK, min((block + 1) * BLOCK, self.rows))]

    def bisected(self, most: int, *, together: bool = False) -> set[int]:
        bisection = Bisection(self.attempt, self.rows_of, most, most, together)
        return {int(place) for place in bisection.go(-(-self.rows // BLOCK))}


@given(st.integers(1, 2_000), st.sets(st.integers(0, 1_999), max_size=40))
def test_every_bad_row_is_found_and_every_other_enters(rows: int, bad: set[int]) -> None:
    bad = {i for i in bad if i < rows}
    target = Target(rows, bad)
    assert target.bisected(len(bad)) == bad
    assert target.held == set(range(rows)) - bad


@given(st.integers(1, 2_000), st.sets(st.integers(0, 1_999), min_size=1, max_size=40))
def test_one_more_than_may_be_ends_it(rows: int, bad: set[int]) -> None:
    bad = {i for i in bad if i < rows}
    if not bad:
        return
    with pytest.raises(RejectLimitError, match=f"{len(bad) - 1} that reject_limit"):
        Target(rows, bad).bisected(len(bad) - 1)


@given(
    st.integers(1, 300),
    st.sets(st.integers(0, 299), max_size=10),
    st.dictionaries(st.integers(0, 299), st.integers(0, 299), max_size=60),
)
def test_rows_that_need_others_enter_with_them(
    rows: int, bad: set[int], parents: dict[int, int]
) -> None:
    """Chains only: rows that need one another in a circle may be refused together."""
    bad = {i for i in bad if i < rows}
    parents = {i: p for i, p in parents.items() if i < p < rows}
    refused = set(bad)
    for i in sorted(parents, reverse=True):  # whoever needs a refused one is refused
        if parents[i] in refused:
            refused.add(i)
    target = Target(rows, bad, parents)
    assert target.bisected(len(refused), together=True) == refused
    assert target.held == set(range(rows)) - refused
