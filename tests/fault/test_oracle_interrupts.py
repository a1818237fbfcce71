"""Ctrl-C in a script that loads Oracle, and a cancel where it is planned: it stops, and goes on."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.errors import RunStoppedError
from tests.builders import job_between
from tests.contract import sides
from tests.database import Database, Databases
from tests.fault.joining import guarded
from tests.fault.oracle_runs import LAST, Ground, ground
from tests.fault.relay import ROOT
from tests.fault.terminal import CTRL_C, terminal
from tests.oracle_standin import Running

SCRIPT = """
import os
from mapper_dask import ParallelProcessor
from tests.fault.moving import job

if __name__ == "__main__":
    processor = ParallelProcessor(max_workers=2, enable_parallel={parallel}, progress=False)
    processor.run(job("env:SOURCE", "env:TARGET", run_id="{run_id}", key_column="id",
                      chunk_size=1_000))
"""

DRIVER = ("postgresql://", "postgresql+psycopg2://")

BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def here(databases: Databases, standin: Running) -> Iterator[Ground]:
    behind = standin.postgres.replace(*DRIVER)
    with ground(databases, standin.url("target"), behind) as made:
        yield made
        dispose_engines()


@pytest.mark.parametrize("parallel", [False, True], ids=["here", "in workers"])
def test_a_script_that_loads_oracle(here: Ground, tmp_path: Path, *, parallel: bool) -> None:
    """Its insert waits for a row that somebody else holds; it is broken off."""
    run_id = f"interrupted-{uuid.uuid4().hex[:12]}"
    here.target.execute("ALTER TABLE d ADD CONSTRAINT d_once UNIQUE (id)")
    (tmp_path / "script.py").write_text(SCRIPT.format(parallel=parallel, run_id=run_id), "utf-8")
    source, target = (database.url for database in here.databases)
    environment = {**os.environ, "SOURCE": source, "TARGET": target, "PYTHONPATH": str(ROOT)}
    with (
        here.held(LAST),
        terminal([sys.executable, "script.py"], tmp_path, environment) as running,
    ):
        running.wait_for(lambda: here.waiting(run_id) > 0)
        assert running.press(CTRL_C) == -signal.SIGINT
        running.wait_until_alone()
        after = running.text[running.text.index("interrupted") :]
    assert len(after.splitlines()) < 20, after
    assert f"ParallelProcessor().resume('{run_id}'" in after
    assert here.state(run_id) == "CANCELLED"
    ParallelProcessor(enable_parallel=False).resume(
        run_id, target_conn=target, source_conn=source
    ).raise_for_status()
    here.assert_every_row_once(run_id)


def test_a_run_that_is_planned_on_oracle_is_broken_off(
    databases: Databases, standin: Running
) -> None:
    """Its source does not answer, for somebody holds the table."""
    oracle = sides.oracle(standin.url("source"))
    name = oracle.table({"id": "key"})
    databases.target.execute(f"CREATE TABLE {name} (id numeric(10))")
    [(owner,)] = oracle.query(f"SELECT owner FROM all_tables WHERE table_name = '{name.upper()}'")
    place = sa.make_url(standin.postgres).set(drivername="postgresql")
    holder = psycopg2.connect(place.render_as_string(hide_password=False))
    try:
        cursor = holder.cursor()
        cursor.execute(f'LOCK TABLE "{owner}"."{name.upper()}" IN ACCESS EXCLUSIVE MODE')
        run = ParallelProcessor(enable_parallel=False).start(
            job_between(oracle, name, databases.target, name)
        )
        waited, behind = guarded(), Database(standin.postgres.replace(*DRIVER))
        while behind.fetch(BLOCKED) == [(0,)]:
            assert not waited()
        run.cancel()
        with pytest.raises(RunStoppedError, match="was stopped before it began"):
            run.result()
    finally:
        holder.close()
        oracle.clean()
        dispose_engines()
