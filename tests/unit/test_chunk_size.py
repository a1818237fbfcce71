"""Rows a chunk: what the user says, or as many as fill its bytes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mapper_dask import MapperJob
from mapper_dask.errors import ConfigurationError
from mapper_dask.parallel_processor import ParallelProcessor
from mapper_dask.plan.chunk_size import (
    CHUNK_BYTES,
    FEWEST_ROWS,
    LEAST_BYTES,
    MOST_ROWS,
    PARTS,
    Size,
    wanted,
)
from mapper_dask.schema.facts import Column, Estimate, TypeFamily

NUMBER = Column("n", "bigint", TypeFamily.INTEGER, pa.int64())
TEXT = Column("t", "text", TypeFamily.TEXT, pa.string())
MANY = 10**9


def test_a_number_is_taken_as_it_is():
    assert wanted(7, Estimate(1_000_000, row_bytes=100_000), [TEXT]) == Size(7)


@pytest.mark.parametrize("width", [100, 1_000, 10_000])
def test_auto_fills_a_chunk_s_bytes(width: int):
    rows = wanted("auto", Estimate(MANY, row_bytes=width), [TEXT]).rows
    assert 0.9 * CHUNK_BYTES < rows * width <= CHUNK_BYTES


@pytest.mark.parametrize(
    ("megabytes", "chunks"), [(1, 1), (10, 3), (100, PARTS), (400, PARTS), (1024, 33)]
)
def test_smaller_tables_have_a_chunk_for_each_worker_all_the_same(megabytes: int, chunks: int):
    rows = (megabytes << 20) // 104
    size = wanted("auto", Estimate(rows, row_bytes=100), [TEXT]).rows
    assert -(-rows // size) in (chunks, chunks + 1)
    assert size * 104 > 0.99 * LEAST_BYTES


def test_auto_is_never_absurd():
    assert wanted("auto", Estimate(MANY, row_bytes=1), [NUMBER]).rows == MOST_ROWS
    assert wanted("auto", Estimate(MANY, row_bytes=10**9), [NUMBER]).rows == FEWEST_ROWS
    assert wanted("auto", Estimate(0, row_bytes=0), []).rows == MOST_ROWS


def test_auto_guesses_where_the_database_does_not_tell():
    narrow = wanted("auto", Estimate(MANY), [NUMBER] * 4).rows
    wide = wanted("auto", Estimate(MANY), [TEXT] * 20).rows
    assert FEWEST_ROWS < wide < narrow <= MOST_ROWS


@pytest.mark.parametrize(
    ("rows", "said"), [(MANY, "about 32 MB a chunk"), (10_000, "about 4.0 MB a chunk")]
)
def test_auto_says_what_it_chose(rows: int, said: str):
    assert said in wanted("auto", Estimate(rows, row_bytes=100), [TEXT]).why


@pytest.mark.parametrize("wrong", ["automatic", "", 0, -1, 1.5, True, None])
def test_anything_else_is_refused_by_name(wrong: object):
    with pytest.raises(ConfigurationError, match=r"chunk_size.*auto"):
        MapperJob(source_conn="x", source_sql="SELECT 1", chunk_size=wrong).validated()
    if wrong is None:  # to a processor that is: as the settings have it
        return
    if wrong is None:  # a processor takes the setting then
        return
    with pytest.raises(ConfigurationError, match=r"chunk_size.*auto"):
        ParallelProcessor(chunk_size=wrong)
