"""A run that is cancelled from elsewhere while its query is read once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from mapper_dask import ExecutionEngine, Flow, FlowJob, MapperJob, RunEvent
from mapper_dask.chunk.chunk_processor import process_chunk
from mapper_dask.cli import main
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.snapshot import keep_snapshot
from mapper_dask.errors import ConnectionFailedError, LedgerLostError, RunStoppedError
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.parallel_models import Chunk, ChunkKind, SpooledFile
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.preflight.checks import prepare
from mapper_dask.resolved_job import resolved
from mapper_dask.run import entry, once
from mapper_dask.run.handle import RunHandle
from mapper_dask.run.spooling import Spooler
from mapper_dask.settings import resolve
from mapper_dask.spool.folder import SpoolFolder
from tests.database import Databases
from tests.fault.reading_once import (
    CHUNKS,
    NAP,
    ROWS,
    RUN,
    SLEEPY_SQL,
    SOURCE_SQL,
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

LONG_SQL = "SELECT s.id, s.v, (SELECT random()) AS reading FROM s CROSS JOIN s b"
"""Gives rows for longer than anybody waits."""


def asked(databases: Databases, way: str = "append", sql: str = SLEEPY_SQL) -> MapperJob:
    moved = job(databases.source.url, databases.target.url, run_id=RUN, **WAYS[way])
    return moved.evolve(source_sql=sql)


@pytest.fixture
def begun(databases: Databases, tmp_path: Path) -> Callable[..., RunHandle]:
    """Return what begins a run, and returns while its query is being read."""
    stage(databases)
    databases.source.execute(NAP)

    def begin(way: str = "append") -> RunHandle:
        handle = processor(tmp_path, enable_parallel=False).start(asked(databases, way))
        asleep(databases)
        return handle

    return begin


def by_the_ledger(databases: Databases, folder: Path) -> None:
    """Somebody who has no way to the source, which is another server: here it is the same one."""
    del folder
    RunLedger(reference(databases.target.url), RUN).set_state(RunState.CANCELLED)


def by_a_processor(databases: Databases, folder: Path) -> None:
    processor(folder).cancel(
        RUN, target_conn=databases.target.url, source_conn=databases.source.url
    )


def by_the_command_line(databases: Databases, folder: Path) -> None:
    del folder
    assert main(["cancel", RUN, "--ledger", databases.target.url]) == 0


WHO = [by_the_ledger, by_a_processor, by_the_command_line]


def assert_it_has_ended(databases: Databases, folder: Path, handle: RunHandle) -> None:
    with pytest.raises(RunStoppedError, match="no row of it is loaded"):
        handle.result(60)
    assert readers(databases) == 0
    assert folders(folder) == []
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]


def assert_it_goes_on(databases: Databases, folder: Path, way: str) -> None:
    databases.source.execute("UPDATE nap SET seconds = 0")
    result = processor(folder, enable_parallel=False).run(asked(databases, way))
    assert once.AGAIN in result.raise_for_status().warnings
    assert_every_row_once(databases)
    assert folders(folder) == []


@pytest.mark.parametrize("cancel", WHO)
@pytest.mark.parametrize("way", ["append", "replace"])
def test_a_statement_that_waits_is_ended_and_the_run_is_cancelled(
    databases: Databases, tmp_path: Path, begun: Callable[..., RunHandle],
    way: str, cancel: Callable[[Databases, Path], None],
) -> None:  # fmt: skip
    handle = begun(way)
    assert states(databases) == [("RUNNING", 1, 0)]

    cancel(databases, tmp_path)

    assert_it_has_ended(databases, tmp_path, handle)
    assert states(databases) == [("CANCELLED", 1, 0)]
    assert_it_goes_on(databases, tmp_path, way)


@pytest.mark.parametrize("cancel", WHO)
def test_a_statement_that_gives_row_after_row_is_ended(
    databases: Databases, tmp_path: Path, cancel: Callable[[Databases, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    stage(databases)
    written = threading.Event()
    end = Spooler._end
    monkeypatch.setattr(Spooler, "_end", lambda taking: (end(taking), written.set())[0])

    handle = processor(tmp_path, enable_parallel=False).start(asked(databases, sql=LONG_SQL))
    assert written.wait(60)
    assert len(folders(tmp_path)) == 1
    cancel(databases, tmp_path)

    assert_it_has_ended(databases, tmp_path, handle)
    assert states(databases) == [("CANCELLED", 1, 0)]


def test_a_run_that_is_read_again_is_cancelled_again(
    databases: Databases, tmp_path: Path, begun: Callable[..., RunHandle]
) -> None:
    for _ in range(2):
        handle = begun()
        by_the_ledger(databases, tmp_path)
        assert_it_has_ended(databases, tmp_path, handle)
        assert states(databases) == [("CANCELLED", 1, 0)]
    assert_it_goes_on(databases, tmp_path, "append")


trouble = threading.Event()


def troubled(frame: pd.DataFrame) -> pd.DataFrame:
    """Mark a text; while there is trouble, only in the first half of the rows."""
    if trouble.is_set() and (frame["id"] > ROWS // 2).any():
        message = "not now"
        raise ValueError(message)
    return frame.assign(v=frame["v"] + "!")


def test_a_staged_run_is_cancelled_while_all_is_read_anew_since_its_files_are_gone(
    databases: Databases, tmp_path: Path
) -> None:
    stage(databases)
    databases.source.execute(NAP)
    databases.source.execute("UPDATE nap SET seconds = 0")
    moved = asked(databases, "replace").evolve(transformation_logic=troubled)
    known = processor(tmp_path, enable_parallel=False)
    trouble.set()
    assert not known.run(moved).succeeded
    trouble.clear()
    assert states(databases) == [("FAILED", CHUNKS, CHUNKS // 2)]
    databases.source.execute("UPDATE nap SET seconds = 600")
    [left] = folders(tmp_path)
    shutil.rmtree(left)

    handle = known.start(moved)
    asleep(databases)
    assert states(databases) == [("RUNNING", 1, 0)]
    by_the_ledger(databases, tmp_path)

    assert_it_has_ended(databases, tmp_path, handle)
    assert states(databases) == [("CANCELLED", 1, 0)]
    databases.source.execute("UPDATE nap SET seconds = 0")
    result = known.run(moved)
    assert any("15 chunks that were staged" in note for note in result.warnings)
    assert_every_row_once(databases)


def test_a_run_that_is_discarded_while_its_query_is_read_ends(
    databases: Databases, tmp_path: Path, begun: Callable[..., RunHandle]
) -> None:
    handle = begun("replace")

    processor(tmp_path).discard(RUN, target_conn=databases.target.url)

    assert_it_has_ended(databases, tmp_path, handle)
    assert states(databases) == []


def test_no_row_waits_for_the_ledger(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked by the clock: however many batches there are, not once while that stands."""
    stage(databases)
    questions: list[str] = []
    state = RunLedger.state
    monkeypatch.setattr(entry, "ASKED_EACH", 10**9)
    monkeypatch.setattr(
        RunLedger, "state", lambda self: (questions.append(self.run_id), state(self))[1]
    )
    moved = job(databases.source.url, databases.target.url, run_id=RUN, chunk_size=100)

    result = processor(tmp_path, enable_parallel=False).run(moved)

    assert result.raise_for_status().chunks_total == ROWS // 100
    assert questions == []


def test_a_ledger_that_cannot_be_asked_stops_nothing(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(databases)
    asked_for = threading.Event()

    def fail(_: RunLedger) -> None:
        asked_for.set()
        message = "gone"
        raise ConnectionFailedError(message)

    def end(taking: Spooler) -> None:
        taken(taking)
        assert asked_for.wait(60)

    taken = Spooler._end
    monkeypatch.setattr(RunLedger, "state", fail)
    monkeypatch.setattr(Spooler, "_end", end)

    moved = job(databases.source.url, databases.target.url, run_id=RUN)
    processor(tmp_path, enable_parallel=False).run(moved).raise_for_status()

    assert_every_row_once(databases)


def test_a_run_that_is_discarded_while_rows_are_written_ends(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are gone under it, and that is not what is told."""
    stage(databases)
    written = threading.Event()
    end = Spooler._end
    monkeypatch.setattr(Spooler, "_end", lambda taking: (end(taking), written.set())[0])
    handle = processor(tmp_path, enable_parallel=False).start(asked(databases, sql=LONG_SQL))
    assert written.wait(60)

    processor(tmp_path).discard(RUN, target_conn=databases.target.url)

    assert_it_has_ended(databases, tmp_path, handle)
    assert states(databases) == []


def test_the_job_of_a_flow_that_is_cancelled_from_elsewhere_says_so(
    databases: Databases, tmp_path: Path
) -> None:
    stage(databases)
    databases.source.execute(NAP)
    flow = Flow(
        name="nightly", jobs=[FlowJob(name="once", job=asked(databases).evolve(run_id=None))]
    )
    engine = ExecutionEngine(
        1, progress=False, settings=resolve(call={"spool-folder": str(tmp_path)})
    )
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.run, flow)
        asleep(databases)
        [(run_id,)] = databases.target.fetch("SELECT run_id FROM mapper_dask_run")
        RunLedger(reference(databases.target.url), run_id).set_state(RunState.CANCELLED)
        result = running.result(60)

    assert [job.state.value for job in result.jobs] == ["CANCELLED"]
    assert readers(databases) == 0
    assert folders(tmp_path) == []


# -- two coordinators --------------------------------------------------------------------------


@pytest.fixture
def late(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Begin a run that has read all rows, and waits before it says so; lend it and its gate."""
    stage(databases)
    here, gate = threading.Event(), threading.Event()
    complete = SpoolFolder.complete

    def wait_once(folder: SpoolFolder, told: dict[str, object]) -> None:
        if not here.is_set():
            here.set()
            assert gate.wait(120)
        complete(folder, told)

    monkeypatch.setattr(SpoolFolder, "complete", wait_once)
    handle = processor(tmp_path, enable_parallel=False).start(asked(databases, sql=SOURCE_SQL))
    assert here.wait(60)
    yield handle, gate
    gate.set()


def test_a_reading_that_comes_second_is_given_up(
    databases: Databases, tmp_path: Path, late: tuple[RunHandle, threading.Event]
) -> None:
    handle, gate = late
    quicker = processor(tmp_path, enable_parallel=False).run(asked(databases, sql=SOURCE_SQL))
    assert quicker.raise_for_status().total_rows_successful == ROWS
    assert len(folders(tmp_path)) == 1, "what another process uses stays"

    gate.set()

    assert handle.result(60).raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


def test_a_reading_that_comes_second_joins_the_first(
    databases: Databases, tmp_path: Path, late: tuple[RunHandle, threading.Event]
) -> None:
    handle, gate = late
    moved = asked(databases, sql=SOURCE_SQL)
    loading, go_on = threading.Event(), threading.Event()

    def hold(event: RunEvent) -> None:
        loading.set()
        assert event.done != 3 or go_on.wait(120)

    quicker = processor(tmp_path, enable_parallel=False, progress=hold).start(moved)
    assert loading.wait(60)
    gate.set()
    late_result = handle.result(120)
    go_on.set()

    assert late_result.raise_for_status().total_rows_successful == ROWS
    assert quicker.result(120).raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


def test_a_chunk_of_the_whole_query_does_not_commit_where_there_are_files_now(
    databases: Databases, tmp_path: Path, late: tuple[RunHandle, threading.Event]
) -> None:
    """Its number is that of the first file, and its rows are all."""
    handle, gate = late
    stored = RunLedger(reference(databases.target.url), RUN)
    [(whole, _)] = stored.chunks()
    moved = resolved(asked(databases, sql=SOURCE_SQL)).evolve(run_id=RUN)
    with keep_snapshot(moved.source, consistent=False) as keeper:
        plan = ChunkManager().plan_on(keeper.source, moved.job)
        prepared = prepare(moved, plan, keeper, processor(tmp_path).retry_policy)
    chunks = [replace(spooled, chunk_id=n) for n, spooled in enumerate([SPOOLED] * CHUNKS)]
    assert stored.take_chunks(None, [whole], chunks, "")

    straggler = process_chunk(prepared.task, whole)

    assert straggler.state.value == "UNASSIGNED"
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]
    assert not stored.take_chunks(None, [whole], chunks[:1], ""), "they are others by now"
    assert stored.withdraw() is False, "a chunk has begun"
    stored.forget()
    gate.set()
    with pytest.raises((RunStoppedError, LedgerLostError)):  # whichever looks first
        handle.result(60)


SPOOLED = Chunk(
    0, ChunkKind.SPOOLED, offset=0, limit=1_000, spooled=SpooledFile("7" * 32, 1_000, 1)
)  # fmt: skip
