"""A worker that froze while it held a chunk: its session is ended, another does the chunk."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mapper_dask import ParallelProcessor
from tests.database import Databases
from tests.fault.freezing import MARK
from tests.fault.moving import ROWS, assert_every_row_once, job, stage

ROOT = Path(__file__).parents[2]
RUN = "frozen"
LOCK_TIMEOUT = 0.5
START = "import sys; from tests.fault.freezing import main; main(*sys.argv[1:])"


def stopped(process: psutil.Process) -> psutil.Process | None:
    """Return the process of a family that is frozen; members come and go meanwhile."""
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            if member.status() == psutil.STATUS_STOPPED:
                return member
    return None


@pytest.mark.parametrize("workers", [1, 2])
def test_another_coordinator_ends_a_frozen_session_and_does_its_chunk(
    databases: Databases, tmp_path: Path, workers: int
) -> None:
    stage(databases)
    urls = (databases.source.url, databases.target.url)
    command = [sys.executable, "-c", START, *urls, RUN, str(workers)]
    environment = {**os.environ, MARK: str(tmp_path / "frozen")}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as first:
        while (frozen := stopped(psutil.Process(first.pid))) is None:
            assert first.poll() is None, "it ended before it froze"
        try:
            second = ParallelProcessor(enable_parallel=False, lock_timeout=LOCK_TIMEOUT)
            result = second.resume(RUN, target_conn=databases.target.url)
            assert result.raise_for_status().total_rows_successful == ROWS
            assert_every_row_once(databases)
        finally:
            frozen.send_signal(signal.SIGCONT)
        assert first.wait() == 0, "it wakes, finds its chunk done, and reports the run"
    assert_every_row_once(databases)


def test_a_session_that_works_is_not_taken_for_frozen(databases: Databases) -> None:
    """It holds its chunk for longer than a lock is waited for, but its backend is at work."""
    stage(databases)
    databases.target.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(1.5); RETURN new; END $$"
    )
    databases.target.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON d FOR EACH ROW WHEN (new.id = 30000) "
        "EXECUTE FUNCTION slow()"
    )
    urls = (databases.source.url, databases.target.url)
    command = [sys.executable, "-c", START, *urls, RUN, "1"]
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with subprocess.Popen(command, cwd=ROOT) as first:
        while databases.target.fetch(asleep) == [(0,)]:
            assert first.poll() is None
        second = ParallelProcessor(enable_parallel=False, lock_timeout=LOCK_TIMEOUT)
        second.resume(RUN, target_conn=databases.target.url).raise_for_status()
        assert first.wait() == 0
    assert_every_row_once(databases)
    tries = "SELECT attempts FROM mapper_dask_chunk WHERE error IS NULL ORDER BY 1 DESC LIMIT 1"
    assert databases.target.fetch(tries)[0][0] >= 1


def test_every_waiting_session_has_its_fences(databases: Databases) -> None:
    """What bounds a wait is set in each session, whoever reads or loads."""
    stage(databases)
    databases.target.execute(
        "CREATE TABLE seen AS SELECT name, setting, current_setting('application_name') AS who "
        "FROM pg_settings LIMIT 0"
    )
    databases.target.execute(
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen "
        "SELECT name, setting, current_setting('application_name') FROM pg_settings WHERE name IN "
        "('lock_timeout', 'tcp_keepalives_idle', 'client_connection_check_interval'); "
        "RETURN NULL; END $$"
    )
    databases.target.execute("CREATE TRIGGER look AFTER INSERT ON d EXECUTE FUNCTION look()")
    processor = ParallelProcessor(enable_parallel=False, lock_timeout=7)
    processor.run(job(*(d.url for d in databases), run_id="Ünïcode; run")).raise_for_status()
    settings = dict(databases.target.fetch("SELECT DISTINCT name, setting FROM seen"))
    assert settings["lock_timeout"] == "7000"
    assert settings["client_connection_check_interval"] == "10000"
    [(who,)] = databases.target.fetch("SELECT who FROM seen ORDER BY who LIMIT 1")
    assert who.startswith("mapper_dask:")
    assert who.isascii()
