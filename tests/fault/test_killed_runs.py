"""Whatever is killed, in whatever moment: no row is lost, none comes twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mapper_dask import ParallelProcessingResult, ParallelProcessor
from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.events.run_events import RunEvent
from tests.database import Database, Databases
from tests.fault.moving import ROWS, assert_every_row_once, compare, job, stage
from tests.fault.sabotage import LOADERS, MUTANTS, doomed, order, sabotaged

RUN = "killed"
ROOT = Path(__file__).parents[2]


def run_doomed(
    databases: Databases, tmp_path: Path, loader: str, point: str
) -> ParallelProcessingResult:
    stage(databases)
    ordered = order(tmp_path, point)
    with sabotaged(tmp_path):
        result = ParallelProcessor(max_workers=2).run(
            job(databases.source.url, databases.target.url, doomed, run_id=f"{loader}-{RUN}")
        )
    assert not ordered.exists(), "no worker was killed, so this shows nothing"
    return result


@pytest.mark.parametrize("point", LOADERS["honest"].points)
def test_a_worker_killed_around_its_commit_neither_loses_nor_doubles_a_row(
    databases: Databases, tmp_path: Path, point: str
) -> None:
    result = run_doomed(databases, tmp_path, "honest", point)
    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.consistent
    assert_every_row_once(databases)


@pytest.mark.parametrize("loader", MUTANTS)
def test_the_same_kill_breaks_a_loader_whose_ledger_is_not_in_the_transaction(
    databases: Databases, tmp_path: Path, loader: str
) -> None:
    [point] = LOADERS[loader].points
    run_doomed(databases, tmp_path, loader, point)
    verdict = compare(databases)
    assert (verdict.lost > 0) == (loader == "ledger_before")
    assert (verdict.doubled > 0) == (loader != "ledger_before")


def killed_coordinator(databases: Databases, after_chunks: int) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.fault.coordinator",
        databases.source.url,
        databases.target.url,
        RUN,
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as coordinator:
        assert coordinator.stdout is not None
        for line in coordinator.stdout:
            if line.strip() == str(after_chunks):
                coordinator.kill()
                break
        assert coordinator.wait() == -9


def test_a_run_whose_coordinator_was_killed_is_finished_by_resume(databases: Databases) -> None:
    stage(databases)
    killed_coordinator(databases, after_chunks=6)
    [(before,)] = databases.target.fetch("SELECT count(*) FROM d")
    assert 0 < before < ROWS
    processor = ParallelProcessor(max_workers=2)
    result = processor.resume(RUN, target_conn=databases.target.url)
    assert result.raise_for_status().total_rows_successful == ROWS
    assert not result.consistent, "two coordinators read two snapshots, and the result must say so"
    assert_every_row_once(databases)


def test_resuming_a_finished_run_moves_nothing(databases: Databases) -> None:
    stage(databases)
    processor = ParallelProcessor(enable_parallel=False)
    first = processor.run(job(databases.source.url, databases.target.url, run_id=RUN))
    again = processor.resume(RUN, target_conn=databases.target.url)
    assert again.chunk_results == first.chunk_results
    assert_every_row_once(databases)


def test_two_coordinators_share_one_run(databases: Databases) -> None:
    stage(databases)
    killed_coordinator(databases, after_chunks=3)
    command = [
        sys.executable,
        "-m",
        "tests.fault.coordinator",
        databases.source.url,
        databases.target.url,
        RUN,
    ]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert_every_row_once(databases)


def test_a_backend_ended_by_its_administrator_is_tried_again(databases: Databases) -> None:
    stage(databases)
    ended: list[int] = []

    def end_one(_: RunEvent) -> None:
        rows = databases.target.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s",
            "mapper_dask:%",
        )
        ended.append(len(rows))

    result = ParallelProcessor(max_workers=2, progress=end_one).run(
        job(databases.source.url, databases.target.url)
    )
    assert sum(ended) > 0
    assert result.raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)


def test_a_crashed_server_is_waited_for_and_the_lost_snapshot_is_told(
    private_server: EmbeddedPostgres,
) -> None:
    databases = Databases(
        Database(private_server.create_database("source")),
        Database(private_server.create_database("target")),
    )
    stage(databases)

    def crash_once(event: RunEvent) -> None:
        if event.done == 5:
            private_server.restart()

    result = ParallelProcessor(max_workers=2, progress=crash_once).run(
        job(databases.source.url, databases.target.url)
    )
    assert result.raise_for_status().total_rows_successful == ROWS
    assert not result.consistent
    assert_every_row_once(databases)
