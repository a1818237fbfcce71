"""A run that is stopped, however, leaves nothing half done, and goes on when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.events.run_events import RunEvent
from tests.database import Database, Databases
from tests.fault.moving import ROWS, assert_every_row_once, job, shout, stage

ROOT = Path(__file__).parents[2]
RUN = "stopped"

INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from tests.fault.coordinator import main
main(*sys.argv[1:])
"""
LOADING = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^mapper_dask:.*:[0-9]+$'"
STUCK = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name ~ '^mapper_dask:.*:[0-9]+$' AND wait_event = 'PgSleep'
"""


@pytest.fixture
def tar_pit(databases: Databases) -> Databases:
    """A target in which the sixth chunk's rows and those after it take an hour each."""
    stage(databases)
    databases.target.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(3600); RETURN new; END $$"
    )
    databases.target.execute(
        "CREATE TRIGGER wait BEFORE INSERT ON d FOR EACH ROW WHEN (new.id > 20000) "
        "EXECUTE FUNCTION wait()"
    )
    return databases


def pit_job(databases: Databases, **options: object) -> MapperJob:
    made = job(databases.source.url, databases.target.url, run_id=RUN, **options)
    return made.evolve(key_column="id")


def wait_until_stuck(target: Database, sessions: int = 1) -> None:
    while target.fetch(STUCK)[0][0] < sessions:
        pass


def assert_stopped(databases: Databases) -> None:
    """Nothing is half done, the ledger says so, and its chunks are the target's rows.

    A worker whose session was ended may look once more, and then learns that the run was stopped.
    """
    assert databases.target.fetch(STUCK) == [(0,)]
    for database in databases:
        while database.fetch(LOADING) != [(0,)]:
            pass
    assert databases.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
    [(rows,)] = databases.target.fetch("SELECT count(*) FROM d")
    [(booked,)] = databases.target.fetch("SELECT sum(rows_loaded) FROM mapper_dask_chunk")
    assert 0 < rows == booked < ROWS


def finish(databases: Databases) -> None:
    databases.target.execute("DROP TRIGGER IF EXISTS wait ON d")
    processor = ParallelProcessor(max_workers=2)
    processor.resume(RUN, target_conn=databases.target.url).raise_for_status()
    assert_every_row_once(databases)


@pytest.fixture
def own_cluster() -> Iterator[Client]:
    """A user's own cluster, which no run may harm."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize("parallel", [False, True])
def test_cancel_breaks_off_what_is_being_loaded(tar_pit: Databases, *, parallel: bool) -> None:
    processor = ParallelProcessor(max_workers=2, enable_parallel=parallel)
    with processor.start(pit_job(tar_pit)) as run:
        wait_until_stuck(tar_pit.target, 2 if parallel else 1)
        run.cancel()
        assert tar_pit.target.fetch(STUCK) == [(0,)]
        result = run.result()
    assert not result.succeeded
    assert "cancelled" in result.errors[0]
    assert_stopped(tar_pit)
    finish(tar_pit)


def test_leaving_the_with_block_cancels(tar_pit: Databases) -> None:
    with ParallelProcessor(enable_parallel=False).start(pit_job(tar_pit)) as run:
        wait_until_stuck(tar_pit.target)
    assert run.done()
    assert_stopped(tar_pit)
    finish(tar_pit)


def test_another_session_cancels_a_run(tar_pit: Databases) -> None:
    with ParallelProcessor(enable_parallel=False).start(pit_job(tar_pit)) as run:
        wait_until_stuck(tar_pit.target)
        ParallelProcessor().cancel(RUN, target_conn=tar_pit.target.url)
        assert not run.result().succeeded
    assert_stopped(tar_pit)
    finish(tar_pit)


def test_workers_of_a_users_own_cluster_stay_alive(tar_pit: Databases, own_cluster: Client) -> None:
    before = set(own_cluster.run(lambda: __import__("os").getpid()).values())
    with ParallelProcessor(client=own_cluster).start(pit_job(tar_pit)) as run:
        wait_until_stuck(tar_pit.target, 2)
    assert not run.result().succeeded
    assert set(own_cluster.run(lambda: __import__("os").getpid()).values()) == before
    assert_stopped(tar_pit)
    finish(tar_pit)


def test_ctrl_c_in_a_script_stops_its_run(tar_pit: Databases) -> None:
    tar_pit.source.execute("ALTER TABLE s ADD PRIMARY KEY (id)")
    urls = (tar_pit.source.url, tar_pit.target.url)
    command = [sys.executable, "-c", INTERRUPTIBLE, *urls, RUN]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as script:
        wait_until_stuck(tar_pit.target, 2)
        script.send_signal(signal.SIGINT)
        _, complaint = script.communicate(timeout=60)
    assert script.returncode != 0
    assert "KeyboardInterrupt" in complaint
    assert_stopped(tar_pit)
    finish(tar_pit)


def test_an_interrupt_where_the_run_is_awaited_stops_it(tar_pit: Databases) -> None:
    """As the interrupt button of a notebook does: an exception in the main thread."""
    stuck = threading.Thread(
        target=lambda: (wait_until_stuck(tar_pit.target), signal.raise_signal(signal.SIGINT))
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stuck.start()
        with pytest.raises(KeyboardInterrupt):
            ParallelProcessor(max_workers=2).run(pit_job(tar_pit))
    finally:
        signal.signal(signal.SIGINT, before)
        stuck.join()
    assert_stopped(tar_pit)
    finish(tar_pit)


def test_abort_does_not_wait_for_the_other_chunks(tar_pit: Databases) -> None:
    """One chunk fails while another is stuck: that one is broken off, not waited for."""
    tar_pit.target.execute("ALTER TABLE d ADD CHECK (id NOT BETWEEN 1 AND 100)")
    result = ParallelProcessor(max_workers=2).run(pit_job(tar_pit))
    assert not result.succeeded
    assert tar_pit.target.fetch(LOADING) == [(0,)]
    assert tar_pit.target.fetch("SELECT state FROM mapper_dask_run") == [("FAILED",)]


def test_cancelling_before_the_first_chunk_moves_nothing(databases: Databases) -> None:
    stage(databases)
    run = ParallelProcessor(enable_parallel=False).start(
        job(databases.source.url, databases.target.url, run_id=RUN)
    )
    run.cancel()
    result = run.result()
    assert not result.succeeded or result.total_rows_successful == ROWS
    [(rows,)] = databases.target.fetch("SELECT count(*) FROM d")
    assert rows == result.total_rows_successful
    finish(databases)


def test_cancelling_a_finished_run_changes_nothing(databases: Databases) -> None:
    stage(databases)
    processor = ParallelProcessor(enable_parallel=False)
    run = processor.start(job(databases.source.url, databases.target.url, run_id=RUN))
    assert run.result().succeeded
    run.cancel()
    processor.cancel(RUN, target_conn=databases.target.url)
    assert databases.target.fetch("SELECT state FROM mapper_dask_run") == [("SUCCEEDED",)]
    assert_every_row_once(databases)


def test_a_dry_run_is_cancelled(databases: Databases) -> None:
    stage(databases)
    begun = threading.Event()

    def tell(_: RunEvent) -> None:
        begun.set()

    dry = MapperJob(
        source_conn=databases.source.url, source_sql="SELECT * FROM s", key_column="id",
        chunk_size=100, transformation_logic=shout,
    )  # fmt: skip
    with ParallelProcessor(enable_parallel=False, progress=tell).start(dry) as run:
        begun.wait()
    assert run.result().chunks_succeeded < run.result().chunks_total
