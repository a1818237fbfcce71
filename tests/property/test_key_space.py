"""Chunks of any key space are disjoint and complete, whatever marks were found in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.plan import key_space
from mapper_dask.schema.facts import KeyMark

KEYS = st.lists(st.none() | st.integers(-20, 20), max_size=60)
STEPS = st.integers(1, 15)


def as_text(key: int) -> tuple[str]:
    return (str(key),)


def marks_of(keys: list[int], step: int) -> list[KeyMark]:
    """Return what the database's ordered walk would: every ``step``-th key."""
    return [KeyMark(i, as_text(key)) for i, key in enumerate(sorted(keys)) if i % step == 0]


def holds(chunk: Chunk, key: int | None) -> bool:
    """Return what the chunk's predicate says of a key, as SQL would."""
    if key is None or chunk.kind is ChunkKind.NULL_KEY:
        return key is None and chunk.kind is ChunkKind.NULL_KEY
    above = chunk.lower is None or key >= int(chunk.lower[0])
    return above and (chunk.upper is None or key < int(chunk.upper[0]))


def cut(marks: list[KeyMark], rows: int, nulls: int | None = 0) -> list[Chunk]:
    return key_space.key_chunks(marks, rows=rows, rows_per_position=1, nulls=nulls)


@given(KEYS, STEPS)
def test_every_key_is_in_exactly_one_chunk(keys, step):
    present = [key for key in keys if key is not None]

    chunks = cut(marks_of(present, step), len(present))

    assert all(sum(holds(chunk, key) for chunk in chunks) == 1 for key in keys)


@given(marked=KEYS, keys=KEYS, step=STEPS)
def test_keys_that_no_mark_foresaw_are_in_exactly_one_chunk(marked, keys, step):
    seen = [key for key in marked if key is not None]

    chunks = cut(marks_of(seen, step), len(seen))

    assert all(sum(holds(chunk, key) for chunk in chunks) == 1 for key in keys)


@given(KEYS, STEPS)
def test_chunks_are_numbered_by_their_place(keys, step):
    chunks = cut(marks_of([k for k in keys if k is not None], step), len(keys))

    assert [chunk.chunk_id for chunk in chunks] == list(range(len(chunks)))


@given(st.sets(st.integers(), min_size=1, max_size=60), STEPS)
def test_distinct_keys_give_even_chunks_and_estimates_that_add_up(keys, step):
    chunks = cut(marks_of(list(keys), step), len(keys), None)

    sizes = [sum(holds(chunk, key) for key in keys) for chunk in chunks]
    assert max(sizes) <= step
    assert sizes == [chunk.estimated_rows for chunk in chunks]


@given(st.lists(st.integers(-3, 3), max_size=60), STEPS)
def test_a_heavy_key_has_at_least_the_rows_it_is_said_to_have(keys, step):
    for heavy in key_space.heavy_keys(marks_of(keys, step), step):
        assert keys.count(int(heavy.key[0])) > heavy.rows >= step


@given(st.lists(st.integers(-3, 3), max_size=60), STEPS)
def test_a_key_of_two_steps_is_named_heavy(keys, step):
    named = {heavy.key for heavy in key_space.heavy_keys(marks_of(keys, step), step)}

    assert {as_text(key) for key in keys if keys.count(key) >= 2 * step} <= named


@given(st.lists(st.integers(-9, 9), unique=True).map(sorted), st.none() | st.integers(-12, 12))
def test_bounds_that_a_user_gives_cover_every_key(bounds, key):
    chunks = key_space.bounded_chunks([as_text(bound) for bound in bounds])

    assert sum(holds(chunk, key) for chunk in chunks) == 1


@given(counted=st.integers(0, 200), rows=st.integers(0, 400), size=st.integers(1, 50))
def test_windows_cover_every_row_even_when_more_came_than_were_counted(counted, rows, size):
    seen: list[int] = []
    for chunk in key_space.windows(counted, size):
        end = rows if chunk.limit is None else min(rows, chunk.offset + chunk.limit)
        seen += range(chunk.offset, end)

    assert seen == list(range(rows))


@given(planned=st.integers(0, 300), blocks=st.integers(0, 600), parts=st.integers(1, 40))
def test_block_ranges_cover_every_block_even_those_added_since(planned, blocks, parts):
    starts = key_space.block_starts(planned, parts) if planned else []
    chunks = key_space.block_chunks([((str(start),), 1) for start in starts])

    assert len(chunks) <= max(1, parts)
    assert all(sum(holds(chunk, block) for chunk in chunks) == 1 for block in range(blocks))


def test_nothing_at_all_is_still_a_chunk():
    assert [c.kind for c in cut([], 0)] == [ChunkKind.KEY_RANGE, ChunkKind.NULL_KEY]
    assert len(key_space.windows(0, 10)) == len(key_space.whole(0)) == 1
