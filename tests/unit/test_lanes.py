"""Which worker gets which chunk: each chunk once, and what follows is what comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.workers.assignment import Lanes


def chunks(count: int) -> list[Chunk]:
    return [Chunk(place, ChunkKind.WINDOW, offset=place) for place in range(count)]


@given(
    st.integers(0, 30), st.integers(1, 6), st.lists(st.sampled_from(["a", "b", "c", ""]))
)  # fmt: skip
def test_every_chunk_is_dealt_out_once_whoever_ends_first(count, window, ends):
    lanes = Lanes(chunks(count))
    begun = [lanes.next("") for _ in range(window)]
    dealt = [turn.chunk.chunk_id for turn in begun if turn]
    assert dealt == list(range(min(count, window)))
    for worker in [*ends, *(["a"] * count)]:
        turn = lanes.next(worker)
        dealt += [turn.chunk.chunk_id] if turn else []

    assert sorted(dealt) == list(range(count))
    assert lanes.next("b") is None


def test_what_follows_is_what_a_worker_gets_next():
    lanes = Lanes(chunks(12))
    for _ in range(4):
        lanes.next("")
    following = {}

    for worker in ("a", "a", "b", "a", "b"):
        turn = lanes.next(worker)
        assert turn is not None
        assert turn.chunk == following.get(worker, turn.chunk)
        assert turn.following is not None
        following[worker] = turn.following


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_last_chunk_is_followed_by_none(count):
    lanes = Lanes(chunks(1 + count))
    lanes.next("")
    turns = [lanes.next("a") for _ in range(count)]

    assert [turn and turn.following and turn.following.chunk_id for turn in turns] == [
        *range(2, count + 1), None
    ]  # fmt: skip


def test_a_worker_that_is_done_takes_what_was_reserved_for_another():
    lanes = Lanes(chunks(2))
    first = lanes.next("a")

    taken = lanes.next("b")

    assert first is not None
    assert taken is not None
    assert taken.chunk == first.following
    assert lanes.next("a") is None
