"""What a run leans on goes away: the session that keeps its snapshot, the scheduler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import Client

from mapper_dask import MapperError, ParallelProcessor
from mapper_dask.events.run_events import RunEvent
from tests.database import Databases
from tests.fault.moving import ROWS, assert_every_row_once, committed, job, stage
from tests.machine import NO_DASHBOARD

RUN = "left-alone"
WORKERS = 2

END_KEEPER = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
ORDER BY xact_start LIMIT 1
"""
"""The keeper's transaction began before any chunk's."""


def test_rows_arrive_without_the_keeper_of_the_snapshot_and_the_result_says_so(
    databases: Databases,
) -> None:
    stage(databases)
    ended: list[bool] = []

    def end_keeper(event: RunEvent) -> None:
        if event.done == 3:
            ended.extend(done for (done,) in databases.source.fetch(END_KEEPER))

    processor = ParallelProcessor(max_workers=2, progress=end_keeper)
    result = processor.run(job(databases.source.url, databases.target.url))
    assert ended == [True]
    assert result.raise_for_status().total_rows_successful == ROWS
    assert not result.consistent
    assert_every_row_once(databases)


@dataclass(frozen=True)
class Cluster:
    """A scheduler in a process of its own, with workers."""

    address: str
    scheduler: subprocess.Popen[bytes]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    file = tmp_path / "scheduler.json"
    here = ["--host", "127.0.0.1", *NO_DASHBOARD, "--scheduler-file", str(file)]
    with ExitStack() as stack:

        def start(program: str, *options: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "dask", program, *here, *options]
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            stack.callback(process.kill)
            return process

        scheduler = start("scheduler", "--port", "0")
        for _ in range(WORKERS):
            start("worker", "--nthreads", "1", "--no-nanny", "--death-timeout", "60")
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(WORKERS)
            address = client.scheduler.address
        yield Cluster(address, scheduler)


def test_a_run_whose_scheduler_is_killed_ends_and_is_finished_by_resume(
    databases: Databases, cluster: Cluster
) -> None:
    stage(databases)

    def kill_scheduler(event: RunEvent) -> None:
        if event.done == 3:
            cluster.scheduler.kill()

    processor = ParallelProcessor(scheduler_address=cluster.address, progress=kill_scheduler)
    with pytest.raises(MapperError):
        processor.run(
            job(databases.source.url, databases.target.url, run_id=RUN)
        ).raise_for_status()
    rows, booked = committed(databases)
    assert 0 < rows == booked < ROWS
    finisher = ParallelProcessor(max_workers=2)
    finisher.resume(RUN, target_conn=databases.target.url).raise_for_status()
    assert_every_row_once(databases)
