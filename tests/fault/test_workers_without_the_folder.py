"""Workers that do not see the files of a query that is read once: there from the start, or late."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from distributed import Client, LocalCluster

from mapper_dask.events.run_events import RunEvent
from mapper_dask.workers.engines import DaskEngine
from tests.database import Databases
from tests.fault.apart import MAY_MOUNT, WHY_NOT, mounting
from tests.fault.reading_once import (
    CHUNKS,
    ROOT,
    ROWS,
    RUN,
    WAYS,
    assert_every_row_once,
    folders,
    job,
    processor,
    shout,
    stage,
    states,
)
from tests.machine import NO_DASHBOARD

pytestmark = pytest.mark.skipif(not MAY_MOUNT, reason=WHY_NOT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "spool"
    made.mkdir()
    return made


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
    ) as made:  # fmt: skip
        yield made


@contextlib.contextmanager
def blind_worker(client: Client, folder: Path, workers: int) -> Iterator[int]:
    """Let a worker join that sees another folder in that place; lend its process's number."""
    command = [
        *mounting(folder), sys.executable, "-m", "distributed.cli.dask_worker",
        client.scheduler.address, "--nthreads", "1", "--no-nanny", *NO_DASHBOARD,
        "--name", "blind", "--local-directory", str(folder.parent),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as worker:
        try:
            client.wait_for_workers(workers, timeout=60)
            yield worker.pid
        finally:
            worker.kill()


def chunks_of(databases: Databases, pid: int) -> int:
    """Return how many chunks a process has committed."""
    [(number,)] = databases.target.fetch(
        "SELECT count(*)::int FROM mapper_dask_chunk "
        f"WHERE state = 'PROCESSED' AND worker LIKE '%%:{pid}'"
    )
    return number


def test_a_worker_that_does_not_see_it_from_the_start(
    databases: Databases, folder: Path, cluster: LocalCluster
) -> None:
    stage(databases)
    with (
        Client(cluster, set_as_default=False) as client,
        blind_worker(client, folder, 2) as blind,
    ):
        result = processor(folder, client=client).run(
            job(databases.source.url, databases.target.url, run_id=RUN)
        )

        assert result.raise_for_status().total_rows_successful == ROWS
        assert {chunk.attempts for chunk in result.chunk_results} == {1}
    assert chunks_of(databases, blind) > 0
    assert_every_row_once(databases)
    assert folders(folder) == []


HOLD = "hold"
"""Name of the file that holds up whoever sees it."""


class HeldUp:
    """A function that waits while its process sees a file in the folder; a blind worker never."""

    def __init__(self, folder: Path) -> None:
        self._hold = folder / HOLD

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        for _ in range(6000):
            if not self._hold.exists():
                return shout(frame)
            threading.Event().wait(0.01)
        message = "held up for a minute"
        raise TimeoutError(message)


class Late:
    """A hook that lets a worker join after the first chunk, and all others go.

    Those are held up meanwhile, or they would have done all chunks that are in line at them.
    """

    def __init__(self, stack: contextlib.ExitStack, client: Client, folder: Path) -> None:
        self._stack, self._client, self._folder = stack, client, folder
        self.pid = 0

    def chunk_done(self, event: RunEvent) -> None:
        if event.done != 1:
            return
        hold = self._folder / HOLD
        hold.touch()
        others = list(self._client.scheduler_info()["workers"])
        self.pid = self._stack.enter_context(blind_worker(self._client, self._folder, 2))
        hold.unlink()
        self._client.retire_workers(others)


@pytest.mark.parametrize("way", ["append", "replace"])
def test_a_worker_that_joins_later_gets_the_rows_with_its_tasks(
    databases: Databases, folder: Path, cluster: LocalCluster,
    caplog: pytest.LogCaptureFixture, way: str,
) -> None:  # fmt: skip
    stage(databases)
    caplog.set_level(logging.WARNING, "mapper_dask")
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(cluster, set_as_default=False))
        late = Late(stack, client, folder)

        function, known = HeldUp(folder), processor(folder, client=client, progress=late)
        result = known.run(
            job(databases.source.url, databases.target.url, function, run_id=RUN, **WAYS[way])
        )

        assert result.raise_for_status().total_rows_successful == ROWS
    assert chunks_of(databases, late.pid) > 0
    shipped = [r.getMessage() for r in caplog.records if "spool_shipped" in r.getMessage()]
    assert len(shipped) == 1
    assert "spool-folder" in shipped[0]
    assert "worker=" in shipped[0]
    assert_every_row_once(databases)
    assert states(databases) == [("SUCCEEDED", CHUNKS, CHUNKS)]
    assert folders(folder) == []


def test_a_file_that_nobody_can_read_fails_its_chunk_alone_and_by_name(
    databases: Databases, folder: Path, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the worker nor the coordinator: the others are done, and the run is resumed."""
    stage(databases)
    sees = DaskEngine.sees

    def spoil(engine: DaskEngine, path: str, reading: str) -> bool:
        (Path(path) / "00000007.arrow").rename(folder / "aside")
        return sees(engine, path, reading)

    monkeypatch.setattr(DaskEngine, "sees", spoil)
    asked = job(databases.source.url, databases.target.url, run_id=RUN, on_error="continue")
    with Client(cluster, set_as_default=False) as client:
        known = processor(folder, client=client)

        result = known.run(asked)

        assert [c.chunk_id for c in result.chunk_results if not c.succeeded] == [7]
        assert "spool-folder" in result.errors[0]
        assert databases.target.fetch("SELECT count(*)::int FROM d") == [(ROWS - 1_000,)]
        [left] = folders(folder)
        (folder / "aside").rename(left / "00000007.arrow")
        known.run(asked).raise_for_status()
    assert_every_row_once(databases)
