"""A query that is read once, and the job that moves it; ``once_coordinator`` can be killed.

Every row carries a number that is drawn once a statement: it tells whether all rows are of one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd

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
