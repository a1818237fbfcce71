"""Bounds from statistics: taken where they are fine enough, left where they are not."""

from __future__ import annotations

from mapper_dask.plan.key_space import key_chunks, thinned
from mapper_dask.schema.facts import Histogram, KeyMark

EVEN = Histogram(tuple(KeyMark(n, (str(n * 10),)) for n in range(254)), 254)


def test_values_about_a_chunk_apart_are_kept():
    marks = thinned(EVEN, rows=254_000, size=10_000)
    assert [mark.position for mark in marks] == [n * 10_000 for n in range(26)]
    assert marks[3].key == ("300",)


def test_the_chunks_cover_everything_whatever_the_statistics_say():
    chunks = key_chunks(
        thinned(EVEN, rows=254_000, size=10_000), rows=254_000, rows_per_position=1, nulls=0
    )
    assert chunks[0].lower is None
    assert chunks[-2].upper is None
    assert [a.upper for a in chunks[:-2]] == [b.lower for b in chunks[1:-1]]
    assert sum(chunk.estimated_rows for chunk in chunks) == 254_000


def test_statistics_coarser_than_chunks_are_left():
    assert thinned(EVEN, rows=254_000_000, size=10_000) == []


def test_one_wide_gap_is_enough_to_leave_them():
    skewed = Histogram((*EVEN.marks, KeyMark(400, ("9999",))), 401)
    assert thinned(skewed, rows=401_000, size=10_000) == []


def test_rows_behind_the_last_value_count_as_a_gap():
    assert thinned(Histogram(EVEN.marks, 400), rows=400_000, size=10_000) == []


def test_the_least_and_the_greatest_value_alone_tell_nothing():
    two = Histogram((KeyMark(0, ("1",)), KeyMark(1, ("9",))), 2)
    assert thinned(two, rows=10, size=100) == []
    assert thinned(Histogram(), rows=10, size=100) == []
