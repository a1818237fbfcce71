"""The state that chunks are read in is lost: no row is, and what cannot be exact does not succeed.

Rows that are updated move to other blocks, so ranges of row addresses cover a table in one state
only. Each attack empties the rows' old places and lets their new versions stand where was read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ChunkManager, MapperJob, ParallelProcessingResult, ParallelProcessor
from mapper_dask.errors import ConfigurationError, PlanError
from mapper_dask.events.run_events import RunEvent
from tests.builders import job_of
from tests.database import Databases

ROWS, SIZE, AFTER = 17_000, 1_000, 3
RUN = "addresses"

END_KEEPER = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE '%%:keeper'
"""

MOVE = (
    "DELETE FROM s WHERE id <= 2000",
    "VACUUM (TRUNCATE off) s",
    "UPDATE s SET v = v + 1 WHERE id > 15000",
)
"""Rows from the end of the table come to stand in the blocks that were read first."""


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def stage(databases: Databases) -> None:
    databases.source.execute("CREATE TABLE s (id int, v int) WITH (autovacuum_enabled = off)")
    databases.source.execute(f"INSERT INTO s SELECT g, 0 FROM generate_series(1, {ROWS}) g")
    databases.source.execute("ANALYZE s")
    databases.target.execute("CREATE TABLE d (id int, v int)")


def job(databases: Databases, **options: Any) -> MapperJob:
    return job_of(databases, **{"chunk_size": SIZE, "run_id": RUN, **options})


def attacked(databases: Databases, **options: Any) -> ParallelProcessingResult:
    """Run the job; in its midst the snapshot is lost, and rows move."""
    done: list[int] = []

    def attack(event: RunEvent) -> None:
        if event.done == AFTER and not done:
            done.extend(ended for (ended,) in databases.source.fetch(END_KEEPER))
            for statement in MOVE:
                databases.source.execute(statement)

    made = job(databases, **options)
    workers = (
        {"max_workers": 2} if options.get("transformation_logic") else {"enable_parallel": False}
    )
    result = ParallelProcessor(**workers, progress=attack).run(made)
    assert done == [True]
    return result


def ids(databases: Databases) -> Counter[int]:
    return Counter(row for (row,) in databases.target.fetch("SELECT id FROM d"))


BY_ADDRESS = {"strategy": "ROWID_BASED"}
BY_WINDOW = {"strategy": "OFFSET_LIMIT", "key_column": "id"}


@pytest.mark.parametrize("cut", [BY_ADDRESS, BY_WINDOW, {}], ids=["address", "window", "chosen"])
@pytest.mark.parametrize("function", [None, unchanged], ids=["relay", "workers"])
@pytest.mark.parametrize("on_error", ["abort", "continue"])
def test_a_run_by_address_fails_when_its_snapshot_is_lost(
    databases: Databases, cut: dict[str, Any], function: Any, on_error: str
) -> None:
    stage(databases)
    result = attacked(databases, transformation_logic=function, on_error=on_error, **cut)
    assert not result.succeeded
    assert "SnapshotLostError" in " ".join(map(str, result.errors))
    assert not ids(databases) - Counter(range(1, ROWS + 1)), "a row came twice"
    booked = sum(chunk.rows_loaded for chunk in result.chunk_results if chunk.succeeded)
    assert sum(ids(databases).values()) == booked < ROWS


@pytest.mark.parametrize("cut", [BY_ADDRESS, BY_WINDOW], ids=["address", "window"])
def test_it_does_not_go_on_in_another_state(databases: Databases, cut: dict[str, Any]) -> None:
    stage(databases)
    before = sum(chunk.rows_loaded for chunk in attacked(databases, **cut).chunk_results)
    resumer = ParallelProcessor(enable_parallel=False)
    for go_on in (
        lambda: resumer.resume(RUN, target_conn=databases.target.url),
        lambda: resumer.run(job(databases, **cut)),
    ):
        with pytest.raises(ConfigurationError, match="read in a state of the source that is gone"):
            go_on()
    assert sum(ids(databases).values()) == before


@pytest.mark.parametrize("cut", [BY_ADDRESS, BY_WINDOW], ids=["address", "window"])
@pytest.mark.parametrize(
    "options", [{"write_disposition": "replace"}, {"atomic": True}], ids=["replace", "atomic"]
)
@pytest.mark.parametrize("function", [None, unchanged], ids=["relay", "workers"])
def test_a_staged_run_begins_anew(
    databases: Databases, cut: dict[str, Any], options: dict[str, Any], function: Any
) -> None:
    stage(databases)
    result = attacked(databases, transformation_logic=function, **cut, **options).raise_for_status()
    assert result.consistent
    assert any("all was read again" in warning for warning in result.warnings)
    assert ids(databases) == Counter(range(2_001, ROWS + 1))
    assert databases.target.fetch("SELECT sum(v) FROM d") == [(2_000,)]


def stopped(databases: Databases, **options: Any) -> None:
    """Leave a run behind that has committed some chunks, and whose snapshot is gone."""
    stage(databases)
    databases.target.execute("ALTER TABLE d ADD CHECK (id <= 6000)")
    result = ParallelProcessor(enable_parallel=False).run(job(databases, **options))
    assert any(chunk.succeeded for chunk in result.chunk_results)
    assert not result.succeeded
    databases.target.execute("ALTER TABLE d DROP CONSTRAINT d_id_check")
    for (name,) in databases.target.fetch(
        "SELECT relname FROM pg_class WHERE relname LIKE 'mapper_dask_stage%%' AND relkind = 'r'"
    ):
        databases.target.execute(f"ALTER TABLE {name} DROP CONSTRAINT d_id_check")
    for statement in MOVE:
        databases.source.execute(statement)


@pytest.mark.parametrize("cut", [BY_ADDRESS, BY_WINDOW], ids=["address", "window"])
def test_a_resumed_staged_run_begins_anew(databases: Databases, cut: dict[str, Any]) -> None:
    stopped(databases, write_disposition="replace", **cut)
    result = ParallelProcessor(enable_parallel=False).resume(RUN, target_conn=databases.target.url)
    assert result.raise_for_status().consistent
    assert any("all was read in state" in warning for warning in result.warnings)
    assert ids(databases) == Counter(range(2_001, ROWS + 1))


def test_a_run_of_which_nothing_is_committed_goes_on(databases: Databases) -> None:
    stage(databases)
    databases.target.execute("ALTER TABLE d ADD CHECK (id < 0)")
    assert not ParallelProcessor(enable_parallel=False).run(job(databases, **BY_ADDRESS)).succeeded
    databases.target.execute("ALTER TABLE d DROP CONSTRAINT d_id_check")
    for statement in MOVE:
        databases.source.execute(statement)
    result = ParallelProcessor(enable_parallel=False).resume(RUN, target_conn=databases.target.url)
    assert result.raise_for_status().consistent
    assert ids(databases) == Counter(range(2_001, ROWS + 1))


def test_a_second_coordinator_reads_the_state_of_the_first(databases: Databases) -> None:
    """While the first is at work its state can be read, so both read it and nothing is lost."""
    stage(databases)
    second: list[ParallelProcessingResult] = []

    def join(event: RunEvent) -> None:
        if event.done == AFTER and not second:
            for statement in MOVE:
                databases.source.execute(statement)
            beside = ParallelProcessor(enable_parallel=False)
            second.append(beside.resume(RUN, target_conn=databases.target.url))

    ParallelProcessor(enable_parallel=False, progress=join).run(job(databases, **BY_ADDRESS))
    assert second[0].raise_for_status().consistent
    assert ids(databases) == Counter(range(1, ROWS + 1))
    assert databases.target.fetch("SELECT sum(v) FROM d") == [(0,)]


def test_without_a_snapshot_no_addresses_are_used(databases: Databases) -> None:
    stage(databases)
    with pytest.raises(PlanError, match="ROWID_BASED needs consistent=True"):
        ChunkManager().plan(job(databases, consistent=False, **BY_ADDRESS))
    plan = ChunkManager().plan(job(databases, consistent=False))
    assert len(plan.chunks) == 1


def test_a_key_is_read_on_and_the_result_says_so(databases: Databases) -> None:
    """A range of keys holds the rows that it held, whatever state is read."""
    stage(databases)
    databases.source.execute("ALTER TABLE s ADD PRIMARY KEY (id)")
    result = attacked(databases, key_column="id").raise_for_status()
    assert not result.consistent
    assert set(ids(databases)) >= set(range(3_001, ROWS + 1))
    assert max(ids(databases).values()) == 1
