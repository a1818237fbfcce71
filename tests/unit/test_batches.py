"""Rows are cut by rows and by bytes; none is lost, none is moved, and ordinary ones stay whole."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.plan.chunk_size import CHUNK_BYTES
from mapper_dask.schema.batches import BATCH_BYTES, cut, pieces, regrouped


def tables(*sizes: list[int]) -> list[pa.Table]:
    schema = pa.schema([("v", pa.string())])
    return [pa.table({"v": ["x" * size for size in each]}, schema=schema) for each in sizes]


def lengths(parts) -> list[int]:
    return [len(text) for part in parts for text in part["v"].to_pylist()]


LISTS = st.lists(st.lists(st.integers(0, 300), max_size=8), min_size=1, max_size=6)


@given(LISTS, st.integers(1, 10), st.integers(1, 1000))
def test_no_batch_has_more_unless_it_is_one_row(sizes, at_most, most_bytes):
    given_tables = tables(*sizes)
    made = list(regrouped(iter(given_tables), at_most, most_bytes))

    assert lengths(made) == lengths(given_tables)
    assert all(part.num_rows <= at_most for part in made)
    assert all(part.nbytes <= most_bytes or part.num_rows == 1 for part in made)
    assert made
    if len(made) > 1:
        assert all(part.num_rows for part in made)


@given(LISTS, st.integers(1, 10), st.integers(1, 1000))
def test_pieces_that_are_sent_are_the_rows(sizes, at_most, most_bytes):
    whole = pa.concat_tables(tables(*sizes))
    made = list(pieces(whole, at_most, most_bytes))

    assert lengths(made) == lengths([whole])
    assert all(0 < part.num_rows <= at_most for part in made)
    assert all(part.nbytes <= most_bytes or part.num_rows == 1 for part in made)


def test_what_is_ordinary_stays_whole():
    rows = pa.table({"v": pa.array(range(1_000_000))})
    assert [part.num_rows for part in cut(rows, BATCH_BYTES)] == [1_000_000]
    assert CHUNK_BYTES < BATCH_BYTES


def test_without_a_bound_of_bytes_a_partition_is_one_frame():
    made = list(regrouped(iter(tables([300], [300])), 10))
    assert [part.num_rows for part in made] == [2]
