"""One job, five ways: by a call, a job file, a saved plan, on a cluster, in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from distributed import Client
from nbclient import NotebookClient

from mapper_dask import MapperJob, ParallelProcessor, reject
from tests.database import Databases
from tests.machine import NO_DASHBOARD
from tests.scripts import ROOT

ROWS, CHUNK, LIMIT = 3000, 250, 300
SQL = "SELECT * FROM trips"
COUNTS = ("rows_read", "rows_loaded", "rows_failed", "rows_rejected", "chunks", "chunks_done")

FUNCTION = """
from mapper_dask import reject


def with_speed(trips):
    trips = trips.assign(speed=trips["miles"] / trips["hours"])
    return reject(trips, trips["speed"] > 90, "too fast")
"""

JOB_FILE = f"""
version: 1
name: trips
jobs:
  trips:
    source: {{connection: "env:SOURCE", sql: "{SQL}"}}
    transform: {{function: "trip_functions:with_speed"}}
    target: {{connection: "env:TARGET", table: "${{TABLE}}"}}
    chunking: {{key: id, size: {CHUNK}}}
    execution: {{reject_limit: {LIMIT}}}
"""

CELL = f"""
import os

from mapper_dask import MapperJob, ParallelProcessor

job = MapperJob(
    source_conn="env:SOURCE", source_sql="{SQL}", transformation_logic=with_speed,
    target_conn="env:TARGET", target_table=os.environ["TABLE"], key_column="id",
    chunk_size={CHUNK}, reject_limit={LIMIT},
)
result = ParallelProcessor(max_workers=2, progress=False).run(job)
"""

SHOWN = """
import json

print(json.dumps({
    "rows_read": result.total_rows_processed, "rows_loaded": result.total_rows_successful,
    "rows_failed": result.total_rows_failed, "rows_rejected": result.total_rows_rejected,
    "chunks": result.chunks_total, "chunks_done": result.chunks_succeeded,
}))
"""


def with_speed(trips: pd.DataFrame) -> pd.DataFrame:
    """Do what the job file's function does."""
    trips = trips.assign(speed=trips["miles"] / trips["hours"])
    return reject(trips, trips["speed"] > 90, "too fast")


@pytest.fixture
def folder(tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Path:
    databases.source.execute(
        "CREATE TABLE trips AS SELECT g::int AS id, (g * 37 % 1000)::float8 AS miles, "
        "1 + (g % 10)::float8 AS hours, CASE WHEN g % 7 > 0 THEN 'trip ' || g END AS note, "
        f"(g * 1.05)::numeric(10,2) AS price FROM generate_series(1, {ROWS}) g".replace("%", "%%")
    )
    databases.source.execute("ALTER TABLE trips ADD PRIMARY KEY (id)")
    databases.source.execute("UPDATE trips SET miles = 60 WHERE miles / hours > 90 AND id > 300")
    for table in ("by_call", "by_file", "by_plan", "by_cluster", "by_notebook"):
        databases.target.execute(
            f"CREATE TABLE {table} (id int PRIMARY KEY, miles float8, hours float8, note text, "
            "price numeric(10,2), speed float8)"
        )
    (tmp_path / "trip_functions.py").write_text(FUNCTION, encoding="utf-8")
    (tmp_path / "trips.yaml").write_text(JOB_FILE, encoding="utf-8")
    monkeypatch.setenv("SOURCE", databases.source.url)
    monkeypatch.setenv("TARGET", databases.target.url)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def command(folder: Path, *arguments: str, table: str) -> Any:
    """Run the command line in a process of its own; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "mapper_dask.cli", *arguments, "--json"],
        cwd=folder, env={**os.environ, "TABLE": table}, text=True, capture_output=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr + done.stdout
    return json.loads(done.stdout)


def counts_of(answer: Any) -> dict[str, int]:
    [job] = answer["jobs"]
    assert job["state"] == "SUCCEEDED"
    return {name: job[name] for name in COUNTS}


def by_call(folder: Path) -> dict[str, int]:
    del folder
    job = MapperJob(
        source_conn="env:SOURCE", source_sql=SQL, transformation_logic=with_speed,
        target_conn="env:TARGET", target_table="by_call", key_column="id", chunk_size=CHUNK,
        reject_limit=LIMIT,
    )  # fmt: skip
    result = ParallelProcessor(max_workers=2, progress=False).run(job)
    assert result.succeeded
    values = (
        result.total_rows_processed, result.total_rows_successful, result.total_rows_failed,
        result.total_rows_rejected, result.chunks_total, result.chunks_succeeded,
    )  # fmt: skip
    return dict(zip(COUNTS, values, strict=True))


def by_file(folder: Path) -> dict[str, int]:
    return counts_of(command(folder, "run", "trips.yaml", "--workers", "2", table="by_file"))


def by_plan(folder: Path) -> dict[str, int]:
    plans = folder / "plans"
    plans.mkdir()
    command(folder, "plan", "trips.yaml", "-o", "plans/trips.plan", table="by_plan")
    stored = (plans / "trips.plan").read_text(encoding="utf-8")
    assert "${TABLE}" in stored
    assert os.environ["SOURCE"] not in stored
    return counts_of(command(folder, "run", "plans/trips.plan", "--workers", "2", table="by_plan"))


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Lend the address of a Dask scheduler with two workers, each a process of its own."""
    dask = [sys.executable, "-m", "dask"]
    file = folder / "scheduler.json"
    place = ["--host", "127.0.0.1", "--scheduler-file", str(file)]
    options = [*NO_DASHBOARD, "--nthreads", "1", "--local-directory", str(folder)]
    with contextlib.ExitStack() as stack:
        starts = [
            [*dask, "scheduler", *place, "--port", "0", *NO_DASHBOARD],
            *([*dask, "worker", *place, *options] for _ in range(2)),
        ]
        for start in starts:
            process = stack.enter_context(
                subprocess.Popen(start, cwd=folder, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
            )  # fmt: skip
            stack.callback(process.terminate)
            while not file.exists():
                assert process.poll() is None, "the scheduler did not start"
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address


def by_cluster(folder: Path) -> dict[str, int]:
    with cluster(folder) as address:
        answer = command(folder, "run", "trips.yaml", "--scheduler", address, table="by_cluster")
        with Client(address, set_as_default=False) as client:
            assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2, "they live on"
    return counts_of(answer)


def by_notebook(folder: Path) -> dict[str, int]:
    cells = [nbformat.v4.new_code_cell(text) for text in (FUNCTION, CELL, SHOWN)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    with asyncio.Runner() as runner:
        environment = {**os.environ, "TABLE": "by_notebook"}
        runner.run(client.async_execute(env=environment))
    outputs = [o["text"] for o in notebook.cells[-1].outputs if o.get("name") == "stdout"]
    return dict(json.loads("".join(outputs)))


def test_five_ways_give_the_same_rows_and_the_same_counts(
    folder: Path, databases: Databases
) -> None:
    ways = {
        way.__name__: way(folder) for way in (by_call, by_file, by_plan, by_cluster, by_notebook)
    }
    first = ways["by_call"]
    assert (first["rows_read"], first["chunks"]) == (ROWS, ROWS // CHUNK)
    assert first["rows_rejected"] > 0
    assert first["rows_loaded"] == ROWS - first["rows_rejected"]
    for table, counts in ways.items():
        assert counts == first, table
        there = f"SELECT * FROM {table}"
        different = (
            f"(({there} EXCEPT ALL SELECT * FROM by_call) UNION ALL "
            f"(SELECT * FROM by_call EXCEPT ALL {there}))"
        )
        assert databases.target.fetch(f"SELECT count(*) FROM {different} x") == [(0,)], table
        assert databases.target.fetch(f"SELECT count(*) FROM {table}") == [(first["rows_loaded"],)]
    workers = databases.target.fetch(
        "SELECT count(DISTINCT c.worker) FROM mapper_dask_chunk c JOIN mapper_dask_run r "
        "USING (run_id) WHERE r.plan->>'target' LIKE '%%by_cluster%%'"
    )
    assert workers == [(2,)], "both workers of the cluster have moved chunks"
