"""Halving finds exactly the rows that are refused, in few attempts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.chunk.bisect import refused_rows
from mapper_dask.errors import RejectLimitError

COUNTS = st.integers(0, 300)


def probing(bad: set[int], calls: list[tuple[int, int]]):
    """Return a probe that refuses a range for the first bad row in it."""

    def probe(start: int, stop: int) -> str | None:
        calls.append((start, stop))
        return next((f"row {row}" for row in range(start, stop) if row in bad), None)

    return probe


@given(COUNTS.flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(n - 1, 0))))))
def test_exactly_the_bad_rows_are_found_each_with_its_reason(case):
    count, bad = case
    bad = {row for row in bad if row < count}
    calls: list[tuple[int, int]] = []

    found = refused_rows(count, probing(bad, calls), most=count)

    assert found == {row: f"row {row}" for row in bad}
    assert len(calls) <= 1 + len(bad) * (2 * math.ceil(math.log2(count or 1)) + 1)


@given(st.integers(1, 200), st.data())
def test_rows_that_are_refused_only_together_are_not_found(count, data):
    """Then no row is at fault: the caller tries the whole again and is told."""
    together = data.draw(st.integers(2, count + 1))

    def probe(start: int, stop: int) -> str | None:
        return "too many" if stop - start >= together else None

    assert refused_rows(count, probe, most=count) == {}


@given(st.sets(st.integers(0, 99), min_size=2))
def test_more_than_allowed_stops_the_search(bad):
    calls: list[tuple[int, int]] = []

    with pytest.raises(RejectLimitError, match="reject_limit: more than the 1 rows left"):
        refused_rows(100, probing(bad, calls), most=1)

    assert len(calls) < 40
