"""Which worker gets which chunk: each chunk once, and what follows is what comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.workers.assignment import Assigner


def chunks(count: int) -> list[Chunk]:
    return [Chunk(place, ChunkKind.WINDOW, offset=place) for place in range(count)]


@given(
    st.integers(0, 30), st.integers(1, 6), st.lists(st.sampled_from(["a", "b", "c", ""]))
)  # fmt: skip
def test_every_chunk_is_dealt_out_once_whoever_ends_first(count, window, ends):
    assigner = Assigner(chunks(count))
    begun = [assigner.next("") for _ in range(window)]
    dealt = [assignment.chunk.chunk_id for assignment in begun if assignment]
    assert dealt == list(range(min(count, window)))
    for worker in [*ends, *(["a"] * count)]:
        assignment = assigner.next(worker)
        dealt += [assignment.chunk.chunk_id] if assignment else []

    assert sorted(dealt) == list(range(count))
    assert assigner.next("b") is None


def test_what_follows_is_what_a_worker_gets_next():
    assigner = Assigner(chunks(12))
    for _ in range(4):
        assigner.next("")
    following = {}

    for worker in ("a", "a", "b", "a", "b"):
        assignment = assigner.next(worker)
        assert assignment is not None
        assert assignment.chunk == following.get(worker, assignment.chunk)
        assert assignment.following is not None
        following[worker] = assignment.following


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_last_chunk_is_followed_by_none(count):
    assigner = Assigner(chunks(1 + count))
    assigner.next("")
    assignments = [assigner.next("a") for _ in range(count)]

    assert [a and a.following and a.following.chunk_id for a in assignments] == [
        *range(2, count + 1), None
    ]  # fmt: skip


def test_a_worker_that_is_done_takes_what_was_reserved_for_another():
    assigner = Assigner(chunks(2))
    first = assigner.next("a")

    taken = assigner.next("b")

    assert first is not None
    assert taken is not None
    assert taken.chunk == first.following
    assert assigner.next("a") is None
