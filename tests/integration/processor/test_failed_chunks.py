"""Chunks that fail are counted and named, and the rest is loaded or the run aborted."""

# ruff: noqa: EM101 - short errors raised on purpose, spies that ignore what they see
from __future__ import annotations

import pandas as pd
import pytest
from distributed import Client

from mapper_dask import ParallelProcessor
from mapper_dask.parallel_models import ChunkState
from tests.database import Databases
from tests.integration.processor.shop import (
    _mended,
    always_fails,
    count,
    fails_on_three_hundreds,
    ledger_sums,
    process,
    query,
    unchanged,
)


@pytest.mark.parametrize("parallel", [True, False], ids=["dask", "loop"])
def test_continue_counts_and_names_what_failed(
    shop: Databases, client: Client, *, parallel: bool
) -> None:
    processor = ParallelProcessor(None, 100, parallel, client=client if parallel else None)
    result = process(shop, fails_on_three_hundreds, processor=processor, on_error="continue")
    assert not result.succeeded
    assert (result.chunks_total, result.chunks_succeeded, result.chunks_failed) == (10, 9, 1)
    assert (result.total_rows_successful, result.total_rows_failed) == (900, 100)
    [error] = result.errors
    assert "chunk 3 [301, 401)" in error
    assert "ValueError: no bread today" in error
    assert 'raise ValueError("no bread today")' in error
    assert fails_on_three_hundreds.__code__.co_filename.rpartition("/")[2] in error
    assert "mapper_dask/chunk" not in error
    assert query(
        shop.target, "SELECT count(*), count(*) FILTER (WHERE id BETWEEN 301 AND 400) FROM sold"
    ) == [(900, 0)]
    assert query(shop.target, "SELECT state, ended_at IS NOT NULL FROM mapper_dask_run") == [
        ("FAILED", True)
    ]


@pytest.mark.parametrize("parallel", [True, False], ids=["dask", "loop"])
def test_abort_stops_and_accounts_for_what_is_committed(
    shop: Databases, client: Client, *, parallel: bool
) -> None:
    processor = ParallelProcessor(None, 10, parallel, client=client if parallel else None)
    result = process(shop, always_fails, processor=processor)
    assert result.chunks_total == 100
    states = [chunk.state for chunk in result.chunk_results]
    assert states.count(ChunkState.UNASSIGNED) >= 90
    assert states.count(ChunkState.PROCESSED) == 0
    assert count(shop.target, "sold") == 0
    assert "are too many" in result.errors[0]


@pytest.mark.parametrize("parallel", [True, False], ids=["dask", "loop"])
def test_abort_in_the_middle_keeps_ledger_and_table_equal(
    shop: Databases, client: Client, *, parallel: bool
) -> None:
    processor = ParallelProcessor(None, 10, parallel, client=client if parallel else None)
    result = process(shop, fails_on_three_hundreds, processor=processor)
    assert 0 < result.chunks_succeeded < 60
    loaded = count(shop.target, "sold")
    assert loaded == result.total_rows_successful == ledger_sums(shop.target, result.run_id)[2]
    assert loaded == 10 * result.chunks_succeeded
    mended = _mended("fails_on_three_hundreds")
    done = process(shop, mended, processor=processor, run_id=result.run_id)
    assert done.raise_for_status().total_rows_successful == 1000
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]


def test_row_the_table_refuses_fails_its_chunk_alone(shop: Databases) -> None:
    query(shop.target, "ALTER TABLE sold ADD CHECK (id <> 555)")
    result = process(shop, unchanged, on_error="continue")
    assert (result.chunks_succeeded, result.total_rows_successful) == (9, 900)
    [error] = result.errors
    assert "sold_id_check" in error
    assert "[501, 601)" in error
    assert "n555" not in error


def test_text_of_an_error_may_hold_anything(shop: Databases) -> None:
    """An error's text is noted in the ledger, which cannot hold a NUL."""

    def odd(frame: pd.DataFrame) -> pd.DataFrame:
        if (frame.id == 350).any():
            raise ValueError("odd \0 text \udcff")
        return frame

    result = process(shop, odd, on_error="continue")
    assert (result.chunks_succeeded, result.total_rows_successful) == (9, 900)
    assert "odd" in result.errors[0]
