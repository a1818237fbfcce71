"""Workers that leave in the middle of a chunk, on a cluster that is the user's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from distributed import Client, LocalCluster

from mapper_dask import ParallelProcessingResult, ParallelProcessor
from tests.database import Databases
from tests.fault.gate import closed_gate
from tests.fault.moving import ROWS, assert_every_row_once, job, stage
from tests.fault.playground import local_cluster

WORKERS = 2


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(WORKERS) as own:
        yield own


def let_one_go(
    databases: Databases, cluster: LocalCluster, leave: Callable[[Client, int], None]
) -> ParallelProcessingResult:
    """Run while both workers stand in the middle of a chunk and one of them leaves."""
    stage(databases)
    with Client(cluster, set_as_default=False) as client, ThreadPoolExecutor(1) as aside:
        before = set(client.run(os.getpid).values())
        with closed_gate(databases.target) as gate:
            work = job(databases.source.url, databases.target.url)
            run = aside.submit(ParallelProcessor(client=client).run, work)
            first, *_ = gate.crowd(WORKERS, run.done)
            leave(client, first)
            assert len(gate.waiting()) == WORKERS, "the server does not know that it has left"
        result = run.result()
        after = set(client.run(os.getpid).values())
    assert len(before & after) == 1, "the other worker goes on"
    return result


def test_a_cluster_that_shrinks_in_the_middle_of_a_chunk_may_do_it_twice(
    databases: Databases, cluster: LocalCluster
) -> None:
    def shrink(client: Client, _: int) -> None:
        cluster.scale(1)
        while len(client.scheduler_info(n_workers=-1)["workers"]) > 1:
            pass

    result = let_one_go(databases, cluster, shrink)
    assert result.raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)


def test_a_worker_that_is_terminated_in_the_middle_of_a_chunk_is_replaced(
    databases: Databases, cluster: LocalCluster
) -> None:
    def terminate(_: Client, worker: int) -> None:
        process = psutil.Process(worker)
        process.terminate()
        process.wait()

    result = let_one_go(databases, cluster, terminate)
    assert result.raise_for_status().total_rows_successful == ROWS
    assert any(chunk.attempts > 1 for chunk in result.chunk_results), "none was begun twice"
    assert_every_row_once(databases)
