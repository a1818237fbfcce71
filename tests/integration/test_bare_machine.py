"""README's first command, and runs that ask for workers, on a machine that can start none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapper_dask import ExecutionEngine, Flow, FlowJob, MapperJob, ParallelProcessor
from mapper_dask.workers import startable
from tests.builders import job_of, make_shop
from tests.database import Databases
from tests.fault.apart import APART, MAY_MOUNT, WHY_NOT
from tests.scripts import ROOT
from tests.unit.test_machine import REFUSALS, lock_that_fails

SAID = "no worker process can be started here"
DEMO = [sys.executable, "-W", "error", "-m", "mapper_dask.demo", "--rows", "4000"]
DEMO += ["--chunk-size", "1000"]
SHM = {
    "read-only": "mount -t tmpfs -o ro none /dev/shm",
    "full": "mount -t tmpfs -o size=4k none /dev/shm && head -c 4096 /dev/zero > /dev/shm/full",
}


def demo(home: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in a home that is empty."""
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    for name in ("IPYTHONDIR", "MPLCONFIGDIR"):
        environment.pop(name, None)
    return subprocess.run(
        [*before, *DEMO], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def flights(databases: Databases) -> MapperJob:
    make_shop(databases, 1000, target="t (id int)")
    return job_of(databases, target_table="t", chunk_size=100)


@pytest.fixture
def _no_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startable, "get_mp_context", lock_that_fails(REFUSALS["read-only"]))


@pytest.mark.usefixtures("_no_semaphores")
def test_a_run_does_its_chunks_one_after_the_other_and_says_why(databases: Databases) -> None:
    result = ParallelProcessor(max_workers=2, progress=False).run(flights(databases))

    result.raise_for_status()
    assert [note for note in result.warnings if SAID in note]
    assert databases.target.fetch("SELECT count(*), count(DISTINCT id) FROM t") == [(1000, 1000)]


@pytest.mark.usefixtures("_no_semaphores")
def test_so_does_a_flow(databases: Databases) -> None:
    flow = Flow(name="one", jobs=(FlowJob(name="t", job=flights(databases)),))
    [job] = ExecutionEngine(max_workers=2, progress=False).run(flow).raise_for_status().jobs

    assert job.result is not None
    assert SAID in str(job.result)
    assert databases.target.fetch("SELECT count(*), count(DISTINCT id) FROM t") == [(1000, 1000)]


@pytest.mark.slow
@pytest.mark.skipif(not MAY_MOUNT, reason=WHY_NOT)
@pytest.mark.parametrize("mount", SHM.values(), ids=SHM)
def test_the_demo_runs_without_a_usable_dev_shm(tmp_path: Path, mount: str) -> None:
    done = demo(tmp_path / "home", *APART, "sh", "-c", f'{mount} && exec "$@"', "sh")

    assert done.returncode == 0, done.stderr
    assert "verified: 4,000 rows in flights, 4,000 rows in flights_clean" in done.stdout
    assert done.stdout.count(SAID) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_demo_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    done = demo(tmp_path / "home")

    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "home").iterdir()) == []
