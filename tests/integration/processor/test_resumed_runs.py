"""Runs resumed: from the stored plan, by the same job, and never by another."""

from __future__ import annotations

from typing import Any

import pytest
from distributed import Client

from mapper_dask import ParallelProcessor
from mapper_dask.errors import (
    ConfigurationError,
    FingerprintError,
    RunNotFoundError,
)
from tests.builders import job_between
from tests.database import Databases
from tests.integration.processor.shop import (
    _mended,
    always_fails,
    count,
    fails_on_three_hundreds,
    process,
    query,
    unchanged,
)


def test_finished_run_is_only_reported(shop: Databases) -> None:
    first = process(shop, unchanged, run_id="nightly").raise_for_status()
    again = process(shop, unchanged, run_id="nightly").raise_for_status()
    third = ParallelProcessor(enable_parallel=False).resume("nightly", target_conn=shop.target.url)
    assert count(shop.target, "sold") == 1000
    assert first.run_id == again.run_id == third.run_id == "nightly"
    assert first.chunk_results == again.chunk_results == third.chunk_results
    assert (again.rows_this_run, third.rows_this_run) == (0, 0)
    assert again.total_rows_processed == 1000


def test_resume_after_the_function_was_mended(shop: Databases, client: Client) -> None:
    first = process(shop, fails_on_three_hundreds, on_error="continue")
    processor = ParallelProcessor(client=client)
    result = processor.resume(
        first.run_id,
        target_conn=shop.target.url,
        transformation_logic=_mended("fails_on_three_hundreds"),
    ).raise_for_status()
    assert (result.total_rows_processed, result.total_rows_successful) == (1000, 1000)
    assert result.rows_this_run == 100
    assert result.chunk_results[3].attempts == 2
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]
    assert query(shop.target, "SELECT state FROM mapper_dask_run") == [("SUCCEEDED",)]
    assert not result.consistent  # chunk 3 was read in another snapshot


def test_resume_takes_the_stored_plan(shop: Databases) -> None:
    first = process(shop, fails_on_three_hundreds, on_error="continue", run_id="r")
    query(
        shop.source,
        ("INSERT INTO shop SELECT i, 'late', 0 FROM generate_series(1001, 5000) i; ANALYZE"),
    )
    result = process(shop, _mended("fails_on_three_hundreds"), on_error="continue", run_id="r")
    assert [c.bounds for c in result.chunk_results] == [c.bounds for c in first.chunk_results]
    assert result.raise_for_status().rows_this_run == 100


def test_resume_of_a_lambda_asks_for_it(shop: Databases) -> None:
    first = process(shop, lambda frame: frame[frame.missing > 0], on_error="continue")
    assert first.chunks_succeeded == 0
    processor = ParallelProcessor(enable_parallel=False)
    with pytest.raises(ConfigurationError, match="pass transformation_logic") as caught:
        processor.resume(first.run_id, target_conn=shop.target.url)
    assert caught.value.details["field"] == "transformation_logic"


def test_resume_finds_an_importable_function(shop: Databases) -> None:
    first = process(shop, unchanged)
    query(
        shop.target,
        (
            "UPDATE mapper_dask_chunk SET state = 'ASSIGNED' WHERE chunk_id = 2; "
            "DELETE FROM sold WHERE id BETWEEN 201 AND 300"
        ),
    )
    result = ParallelProcessor(enable_parallel=False).resume(
        first.run_id, target_conn=shop.target.url
    )
    assert result.raise_for_status().total_rows_successful == 1000
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]


def test_resume_of_an_unknown_run(shop: Databases) -> None:
    for _ in range(2):
        with pytest.raises(RunNotFoundError, match="has no run 'nobody'"):
            ParallelProcessor().resume("nobody", target_conn=shop.target.url)
        process(shop)


@pytest.mark.parametrize(
    "changes",
    [
        {"source_sql": "SELECT * FROM shop WHERE id > 5"},
        {"chunk_size": 50},
        {"key_column": "name"},
        {"strategy": "ROWID_BASED"},
        {"columns": ["id"]},
        {"target_table": "other"},
        {"transformation_logic": always_fails},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_job_under_the_same_run_id_is_refused(
    shop: Databases, changes: dict[str, Any]
) -> None:
    query(shop.target, "CREATE TABLE other AS TABLE sold")
    options = {"transformation_logic": unchanged, "chunk_size": 100, "run_id": "r"}
    job = job_between(shop.source, "shop", shop.target, "sold", **options)
    processor = ParallelProcessor(enable_parallel=False)
    processor.run(job).raise_for_status()
    with pytest.raises(FingerprintError, match="belongs to another job"):
        processor.run(job.evolve(**changes))
    assert (count(shop.target, "sold"), count(shop.target, "other")) == (1000, 0)


def test_another_source_under_the_same_run_id_is_refused(shop: Databases) -> None:
    """The same text over another database is another job: its rows would be mixed in."""
    process(shop, fails_on_three_hundreds, on_error="continue", run_id="r")
    query(
        shop.target,
        (
            "CREATE TABLE shop AS "
            "SELECT i AS id, 'other'::text AS name, 0::numeric(10,2) AS price "
            "FROM generate_series(1, 1000) i"
        ),
    )
    elsewhere = Databases(shop.target, shop.target)
    with pytest.raises(FingerprintError):
        process(elsewhere, _mended("fails_on_three_hundreds"), on_error="continue", run_id="r")
    assert query(shop.target, "SELECT count(*) FROM sold WHERE name = 'other'") == [(0,)]


def test_changed_columns_of_the_source_refuse_to_resume(shop: Databases) -> None:
    process(shop, fails_on_three_hundreds, on_error="continue", run_id="r")
    query(shop.source, "ALTER TABLE shop ALTER price TYPE numeric(12,4)")
    with pytest.raises(FingerprintError, match="columns"):
        process(shop, _mended("fails_on_three_hundreds"), on_error="continue", run_id="r")


def test_run_whose_coordinator_died_last_is_ended_by_resume(shop: Databases) -> None:
    """All chunks committed, the coordinator killed before it could say so."""
    process(shop, unchanged, run_id="r")
    query(shop.target, "UPDATE mapper_dask_run SET state = 'RUNNING', ended_at = NULL")
    ParallelProcessor().resume("r", target_conn=shop.target.url).raise_for_status()
    assert query(shop.target, "SELECT state FROM mapper_dask_run") == [("SUCCEEDED",)]
