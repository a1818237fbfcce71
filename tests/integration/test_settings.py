"""Settings on their way: what the coordinator resolved holds on workers told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dask
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from mapper_dask import ParallelProcessor
from tests.database import Databases

OTHERWISE = {
    "DASK_MAPPER_DASK__RETRIES": "1",
    "DASK_MAPPER_DASK__LOCK_TIMEOUT": "0.001",
    "DASK_MAPPER_DASK__REJECT_LIMIT": "0",
    "DASK_MAPPER_DASK__CONNECTIONS__WAIT": "0",
    "DASK_MAPPER_DASK__CHUNK_SIZE": "1",
}
FAILS_ONCE = """
CREATE SEQUENCE tried;
CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('tried') = 1 THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '40001'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER fail_once AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION fail_once()
"""


@pytest.fixture
def client() -> Iterator[Client]:
    """A worker as ``dask worker`` starts it, in an environment that says otherwise."""
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        program = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        place = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        options = ["--no-nanny", "--nthreads", "1", *place]
        worker = subprocess.Popen([*program, *options], env={**os.environ, **OTHERWISE})
        try:
            client.wait_for_workers(1)
            yield client
        finally:
            worker.terminate()
            worker.wait()


def with_the_worker_s_own(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what the process itself is configured for."""
    return frame.assign(retries=dask.config.get("mapper-dask.retries"), here=os.getpid())


ROWS = 1000  # and a chunk for those without a key


def move(databases: Databases, processor: ParallelProcessor, **options: Any) -> Any:
    return processor.process_mapper_job(
        databases.source.url,
        f"SELECT g AS id FROM generate_series(1, {ROWS}) g",
        with_the_worker_s_own,
        databases.target.url,
        target_table="d",
        key_column="id",
        **options,
    )


def test_workers_do_what_the_coordinator_resolved(databases: Databases, client: Client) -> None:
    databases.target.execute("CREATE TABLE d (id int, retries int, here int)")
    databases.target.execute(FAILS_ONCE)
    there = {"mapper-dask.retries": 3, "mapper-dask.chunk-size": 250}
    with dask.config.set(there):
        result = move(databases, ParallelProcessor(client=client)).raise_for_status()

    found = databases.target.fetch("SELECT count(*), min(retries), max(retries) FROM d")
    assert found == [(ROWS, 1, 1)], "the worker's environment says otherwise"
    assert databases.target.fetch("SELECT DISTINCT here FROM d") != [(os.getpid(),)]
    assert sorted(chunk.attempts for chunk in result.chunk_results) == [1, 1, 1, 1, 2]


def test_the_call_beats_the_settings_and_they_beat_the_defaults(databases: Databases) -> None:
    databases.target.execute("CREATE TABLE d (id int, retries int, here int)")
    there = {"mapper-dask.chunk-size": 500, "mapper-dask.parallel": False}
    with dask.config.set(there):
        assert move(databases, ParallelProcessor()).chunks_total == 3
        assert move(databases, ParallelProcessor(chunk_size=250)).chunks_total == 5
        assert move(databases, ParallelProcessor(chunk_size=250), chunk_size=200).chunks_total == 6


def test_what_a_failed_chunk_does_and_how_many_rows_are_set_aside_are_settings_too(
    databases: Databases,
) -> None:
    databases.target.execute("CREATE TABLE d (id int CHECK (id <> 7), retries int, here int)")
    there = {"mapper-dask.parallel": False, "mapper-dask.chunk-size": 250}
    with dask.config.set({**there, "mapper-dask.on-error": "continue"}):
        result = move(databases, ParallelProcessor())
    assert (result.chunks_failed, result.chunks_succeeded) == (1, 4)

    databases.target.execute("TRUNCATE d")
    with dask.config.set({**there, "mapper-dask.reject-limit": 1}):
        result = move(databases, ParallelProcessor())
    assert (result.total_rows_rejected, result.total_rows_successful) == (1, ROWS - 1)
