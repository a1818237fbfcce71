"""A query that is read once, and the job that moves it; ``once_coordinator`` can be killed.

Every row carries a number that is drawn once a statement: it tells whether all rows are of one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.settings import resolve
from tests.database import Databases

ROWS = 30_000
CHUNK_SIZE = 1_000
CHUNKS = ROWS // CHUNK_SIZE
RUN = "once"
ROOT = Path(__file__).parents[2]

SOURCE_SQL = "SELECT s.id, s.v, (SELECT random()) AS reading FROM s"

SETUP = f"CREATE TABLE s AS SELECT g AS id, g::text AS v FROM generate_series(1, {ROWS}) g"

SLEEPY_SQL = f"""
SELECT id, v, (SELECT random()) AS reading FROM s
WHERE id < {ROWS * 2 // 3} OR pg_sleep((SELECT seconds FROM nap)) IS NOT NULL
"""
"""Gives two thirds of the rows, and waits then, as long as ``nap`` says, before each other one."""

NAP = "CREATE TABLE nap AS SELECT 600.0::float8 AS seconds"

WAYS: dict[str, dict[str, object]] = {
    "append": {},
    "atomic": {"atomic": True},
    "replace": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge", "primary_key": "id"},
}


def shout(frame: pd.DataFrame) -> pd.DataFrame:
    """Mark a text."""
    return frame.assign(v=frame["v"] + "!")


def stage(databases: Databases) -> None:
    """Make the source's rows and the empty target."""
    databases.source.execute(SETUP)
    databases.source.execute("ANALYZE s")
    databases.target.execute("CREATE TABLE d (id int PRIMARY KEY, v text, reading float8)")


def job(source: str, target: str, function: object = shout, **options: object) -> MapperJob:
    """Return the job that moves them."""
    chosen = {"chunk_size": CHUNK_SIZE, **options}
    return MapperJob(
        source_conn=source, source_sql=SOURCE_SQL, transformation_logic=function,
        target_conn=target, target_table="d", **chosen,
    )  # fmt: skip


def processor(folder: Path | str, **options: object) -> ParallelProcessor:
    """Return a processor whose readings wait in a folder."""
    return ParallelProcessor(settings=resolve(call={"spool-folder": str(folder)}), **options)


def folders(parent: Path) -> list[Path]:
    """Return what waits there."""
    return sorted(parent.glob("mapper-dask-spool-*"))


def assert_every_row_once(databases: Databases, rows: int = ROWS) -> None:
    """Count rows, their ids, their readings; hold them against the ledger."""
    counted = databases.target.fetch(
        "SELECT count(*), count(DISTINCT id), min(id), max(id), count(DISTINCT reading), "
        "count(*) FILTER (WHERE v = id || '!') FROM d"
    )
    assert counted == [(rows, rows, 1, rows, 1, rows)]
    booked = databases.target.fetch("SELECT sum(rows_loaded)::int FROM mapper_dask_chunk")
    assert booked == [(rows,)]


def asleep(databases: Databases) -> None:
    """Return when the statement that reads has come to where it waits."""
    for _ in range(3000):
        if databases.source.fetch(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
            "AND application_name ~ '^mapper_dask:.*:0$' AND datname = current_database()"
        ):
            return
        threading.Event().wait(0.02)
    pytest.fail("the statement was never seen")


def readers(databases: Databases) -> int:
    """Return the sessions that read at the source: one that was ended goes in a moment."""
    number = 0
    for _ in range(500):
        [(number,)] = databases.source.fetch(
            "SELECT count(*)::int FROM pg_stat_activity WHERE application_name ~ '^mapper_dask:' "
            "AND datname = current_database() AND state <> 'idle'"
        )
        if not number:
            break
        threading.Event().wait(0.02)
    return number


def states(databases: Databases) -> list[tuple[str, int, int]]:
    """Return each run's state, its chunks, and those of them that are committed."""
    return databases.target.fetch(
        "SELECT r.state, count(c.*)::int, count(*) FILTER (WHERE c.state = 'PROCESSED')::int "
        "FROM mapper_dask_run r LEFT JOIN mapper_dask_chunk c USING (run_id) GROUP BY r.state"
    )


def killed(databases: Databases, folder: Path, way: str, after: int) -> None:
    """Run the job in a process of its own, and kill it with its workers after some chunks."""
    command = [
        *(sys.executable, "-m", "tests.fault.once_coordinator", databases.source.url),
        *(databases.target.url, str(folder), way),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as coordinator:
        assert coordinator.stdout is not None
        for line in coordinator.stdout:
            if line.strip() == str(after):
                os.killpg(coordinator.pid, signal.SIGKILL)
                break
        assert coordinator.wait() == -9
