"""Which worker gets which chunk: each chunk once, and what follows is what comes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.run.lanes import Lanes, Turn


def chunks(count: int) -> list[Chunk]:
    return [Chunk(place, ChunkKind.WINDOW, offset=place) for place in range(count)]


@given(
    st.integers(0, 30),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), max_size=60),
)
def test_every_chunk_is_dealt_out_once_whoever_ends_first(count, seats, ends):
    lanes = Lanes(chunks(count), seats)
    running: list[Turn] = list(lanes.begin())
    dealt = [turn.chunk.chunk_id for turn in running]
    for end in [*ends, *([0] * (count + len(seats)))]:
        if not running:
            break
        done = running.pop(end % len(running))
        turn = lanes.next(done.lane)
        if turn is not None:
            assert turn.lane == done.lane
            running.append(turn)
            dealt.append(turn.chunk.chunk_id)

    assert sorted(dealt) == list(range(count))


def test_each_seat_has_a_chunk_to_begin_with():
    begun = list(Lanes(chunks(10), ["a", "b", "a", "b"]).begin())

    assert Counter(turn.lane for turn in begun) == {"a": 2, "b": 2}
    assert [turn.lane for turn in begun[:2]] == ["a", "b"]


def test_what_follows_is_what_a_lane_gets_next():
    lanes = Lanes(chunks(9), ["a", "b"])
    first = {turn.lane: turn for turn in lanes.begin()}

    for lane in ("a", "a", "b", "a"):
        following = first[lane].following
        turn = lanes.next(lane)
        assert turn is not None
        assert turn.chunk == following
        first[lane] = turn


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_last_chunk_is_followed_by_none(count):
    lanes = Lanes(chunks(count), ["a"])
    turns = list(lanes.begin())
    while (turn := lanes.next("a")) is not None:
        turns.append(turn)

    assert [turn.following and turn.following.chunk_id for turn in turns] == [
        *range(1, count), None
    ]  # fmt: skip


def test_a_lane_that_is_done_takes_what_was_reserved_for_another():
    lanes = Lanes(chunks(3), ["a", "b"])
    begun = list(lanes.begin())

    assert [turn.chunk.chunk_id for turn in begun] == [0, 1]
    taken = lanes.next("b")
    assert taken is not None
    assert taken.chunk.chunk_id == 2
    assert lanes.next("a") is None
