"""A run whose coordinator, or whose source's session, dies while its query is read once."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapper_dask import ParallelProcessingResult
from mapper_dask.errors import ConfigurationError, DatabaseError
from mapper_dask.run import execution, once
from mapper_dask.run.spooling import Spooler
from mapper_dask.spool.folder import SpoolFolder
from tests.database import Databases
from tests.fault.once_reader import COMMITTED, POINTS
from tests.fault.reading_once import (
    CHUNKS,
    NAP,
    ROOT,
    ROWS,
    RUN,
    SLEEPY_SQL,
    WAYS,
    asleep,
    assert_every_row_once,
    folders,
    job,
    processor,
    readers,
    stage,
    states,
)


def killed(databases: Databases, folder: Path, way: str, point: str) -> None:
    command = [
        *(sys.executable, "-m", "tests.fault.once_reader", databases.source.url),
        *(databases.target.url, str(folder), way, point),
    ]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL


def resumed(databases: Databases, folder: Path, way: str) -> ParallelProcessingResult:
    del way
    return processor(folder, enable_parallel=False).resume(
        RUN, target_conn=databases.target.url, source_conn=databases.source.url
    )


def run_again(databases: Databases, folder: Path, way: str) -> ParallelProcessingResult:
    asked = job(databases.source.url, databases.target.url, run_id=RUN, **WAYS[way])
    return processor(folder, enable_parallel=False).run(asked)


KILLS = list(zip(POINTS, itertools.cycle(WAYS), strict=False))


@pytest.mark.parametrize("again", [resumed, run_again])
@pytest.mark.parametrize(("point", "way"), KILLS)
def test_a_run_that_was_killed_while_its_query_was_read_begins_anew_and_says_so(
    databases: Databases,
    tmp_path: Path,
    point: str,
    way: str,
    again: Callable[..., ParallelProcessingResult],
) -> None:
    stage(databases)
    killed(databases, tmp_path, way, point)
    assert states(databases) == [("RUNNING", CHUNKS if point == COMMITTED else 1, 0)]
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]

    result = again(databases, tmp_path, way)

    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.consistent
    assert (once.AGAIN in result.warnings) is (point != COMMITTED)
    assert_every_row_once(databases)
    assert states(databases) == [("SUCCEEDED", CHUNKS, CHUNKS)]
    assert folders(tmp_path) == []


def test_so_it_does_where_its_rows_fit_one_chunk(databases: Databases, tmp_path: Path) -> None:
    stage(databases)
    killed(databases, tmp_path, "append", "it is entered")
    databases.source.execute("DELETE FROM s WHERE id > 900")

    result = resumed(databases, tmp_path, "append")

    assert result.raise_for_status().chunks_total == 1
    assert once.AGAIN in result.warnings
    assert_every_row_once(databases, 900)


def test_files_that_are_all_there_are_gone_on_with(databases: Databases, tmp_path: Path) -> None:
    stage(databases)
    killed(databases, tmp_path, "append", COMMITTED)
    databases.source.execute("DELETE FROM s WHERE id > 5")  # what a second reading would see

    assert resumed(databases, tmp_path, "append").raise_for_status().consistent
    assert_every_row_once(databases)


def test_it_is_killed_again_and_again(databases: Databases, tmp_path: Path) -> None:
    stage(databases)
    for point in POINTS:
        killed(databases, tmp_path, "append", point)
        assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)], point

    resumed(databases, tmp_path, "append").raise_for_status()
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


@pytest.mark.parametrize("way", ["append", "replace"])
def test_what_was_killed_is_discarded_with_its_files(
    databases: Databases, tmp_path: Path, way: str
) -> None:
    stage(databases)
    killed(databases, tmp_path, way, "half the files are")
    assert len(folders(tmp_path)) == 1

    processor(tmp_path).discard(RUN, target_conn=databases.target.url)

    assert states(databases) == []
    assert folders(tmp_path) == []
    left = "SELECT count(*)::int FROM pg_class WHERE relname LIKE 'mapper_dask_stage%%'"
    assert databases.target.fetch(left) == [(0,)]


# -- the source's session ----------------------------------------------------------------------

MOMENTS: dict[str, tuple[Any, str, int]] = {
    "the first rows": (Spooler, "add", 1),
    "the first file": (Spooler, "_end", 1),
    "half the files": (Spooler, "_end", CHUNKS // 2),
    "the last file but one": (Spooler, "_end", CHUNKS - 1),
}


def ending(databases: Databases, method: Callable[..., Any], number: int, times: int) -> Any:
    """Return a method that ends the reading session at one of its calls, so many times."""
    calls, ended = itertools.count(1), itertools.count(1)

    def call(taking: Spooler, *arguments: Any) -> Any:
        answer = method(taking, *arguments)
        if next(calls) >= number and next(ended) <= times:
            databases.source.fetch(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name ~ '^mapper_dask:.*:0$' AND datname = current_database()"
            )
        return answer

    return call


WIDE = "SELECT s.id, s.v, (SELECT random()) AS reading, repeat(s.v, 200) AS w FROM s"
"""Enough bytes for the source to be still sending them when its session ends."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_session_that_ends_in_mid_read_is_followed_by_another(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    stage(databases)
    databases.target.execute("ALTER TABLE d ADD w text")
    place, name, number = MOMENTS[moment]
    monkeypatch.setattr(place, name, ending(databases, getattr(place, name), number, 1))
    asked = job(databases.source.url, databases.target.url, run_id=RUN).evolve(source_sql=WIDE)

    result = processor(tmp_path, enable_parallel=False).run(asked)

    assert result.raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_source_that_ends_each_session_ends_the_run_and_the_same_name_is_free_again(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    stage(databases)
    databases.target.execute("ALTER TABLE d ADD w text")
    asked = job(databases.source.url, databases.target.url, run_id=RUN, **WAYS[way])
    asked = asked.evolve(source_sql=WIDE)
    known = processor(tmp_path, enable_parallel=False, retries=2)
    with monkeypatch.context() as patched:
        patched.setattr(Spooler, "_end", ending(databases, Spooler._end, 1, ROWS))
        with pytest.raises(DatabaseError):
            known.run(asked)
    assert states(databases) == []
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]
    assert folders(tmp_path) == []

    known.run(asked).raise_for_status()

    assert_every_row_once(databases)
    assert folders(tmp_path) == []


def test_workers_that_cannot_do_it_take_the_run_out_of_the_ledger(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked when all rows are here; the same name is free again, and no file is left."""
    stage(databases)
    asked = job(databases.source.url, databases.target.url, run_id=RUN, atomic=True)
    known = processor(tmp_path, enable_parallel=False)

    def refuse(*_: object) -> None:
        message = "the workers cannot use the connections"
        raise ConfigurationError(message)

    with monkeypatch.context() as patched:
        patched.setattr(execution, "require_reachable", refuse)
        with pytest.raises(ConfigurationError, match="cannot use the connections"):
            known.run(asked)
    assert states(databases) == []
    assert folders(tmp_path) == []

    known.run(asked).raise_for_status()
    assert_every_row_once(databases)


# -- Ctrl-C ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["append", "merge"])
def test_ctrl_c_while_the_statement_waits_cancels_the_run(
    databases: Databases, tmp_path: Path, way: str
) -> None:
    stage(databases)
    databases.source.execute(NAP)
    command = [
        *(sys.executable, "-m", "tests.fault.once_sleeper", databases.source.url),
        *(databases.target.url, str(tmp_path), way),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as coordinator:
        asleep(databases)
        os.kill(coordinator.pid, signal.SIGINT)
        try:
            _, told = coordinator.communicate(timeout=60)
        finally:
            coordinator.kill()

    assert "KeyboardInterrupt" in told
    assert states(databases) == [("CANCELLED", 1, 0)]
    assert readers(databases) == 0
    assert folders(tmp_path) == []
    databases.source.execute("UPDATE nap SET seconds = 0")
    asked = job(databases.source.url, databases.target.url, run_id=RUN, **WAYS[way])
    again = processor(tmp_path, enable_parallel=False).run(asked.evolve(source_sql=SLEEPY_SQL))
    assert once.AGAIN in again.raise_for_status().warnings
    assert_every_row_once(databases)


def test_a_folder_that_another_process_reads_into_stays(
    databases: Databases, tmp_path: Path
) -> None:
    """What a killed coordinator left goes; what a live one has under way does not."""
    stage(databases)
    at_work = SpoolFolder.made(tmp_path, "another run", "1" * 32)
    killed(databases, tmp_path, "append", "half the files are")
    assert len(folders(tmp_path)) == 2

    resumed(databases, tmp_path, "append").raise_for_status()

    assert folders(tmp_path) == [at_work.path]
    at_work.close()
