"""What a run waits for is broken off without waiting for whoever does not answer."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import dask
import pytest
from distributed import Client

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    MapperJob,
    ParallelProcessingResult,
    ParallelProcessor,
    RunEvent,
)
from mapper_dask.connections.pool import dispose_engines, engine_for, raw_connection
from mapper_dask.connections.reference import reference
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.postgresql import links
from mapper_dask.errors import LedgerLostError, RunStoppedError
from mapper_dask.halting import Halt
from mapper_dask.ledger import stored_runs
from mapper_dask.run.handle import RunHandle
from mapper_dask.workers import dispatch
from tests.database import Database, Databases
from tests.fault.joining import closed_port, guarded
from tests.fault.moving import assert_every_row_once, job, stage
from tests.fault.playground import local_cluster
from tests.fault.relay import ROOT, relayed
from tests.fault.watch import connected

SLEEPING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'PgSleep'
"""
BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
HANGS = 60.0
"""Seconds after which a line is not coming any more."""


def wait_for(reached: Callable[[], bool]) -> None:
    waited = guarded()
    while not reached():
        assert not waited()


# -- a server that does not answer ------------------------------------------------------------


class Waiter:
    """A program under way that waits for a database."""

    def __init__(self, url: str, how: str) -> None:
        command = [sys.executable, "-m", "tests.fault.waiter", url, how]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        """Return what it says next; nothing when it hangs."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], HANGS)
        return self.process.stdout.readline().strip() if ready else ""

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def waiter(url: str, how: str) -> Iterator[Waiter]:
    made = Waiter(url, how)
    with made.process:
        try:
            yield made
        finally:
            made.process.kill()


@pytest.mark.parametrize("how", ["as it is", "of an old libpq", "without libpq"])
def test_a_frozen_server_keeps_no_other_thread_from_its_work(
    databases: Databases, how: str
) -> None:
    """Who cancels goes on while the frozen server is still being asked; and who waits ends."""
    with relayed(databases.source.url) as relay, waiter(relay.url, how) as program:
        assert program.line() == "waits"
        wait_for(lambda: databases.source.fetch(SLEEPING) == [(1,)])
        relay.freeze()
        program.go_on()
        assert program.line() == "goes on"
        assert program.line() == "ended"


@pytest.mark.parametrize("how", ["as it is", "of an old libpq", "without libpq"])
def test_a_server_that_answers_is_asked_to_break_off(databases: Databases, how: str) -> None:
    with waiter(databases.source.url, how) as program:
        assert program.line() == "waits"
        wait_for(lambda: databases.source.fetch(SLEEPING) == [(1,)])
        program.go_on()
        assert program.line() == "goes on"
        assert program.line() == "ended"
    if how != "without libpq":
        assert databases.source.fetch(SLEEPING) == [(0,)]


# -- connections that go to others afterwards -------------------------------------------------


@contextlib.contextmanager
def lent(database: Database) -> Iterator[int]:
    """Lend a connection of the pool, by its server process."""
    ref = reference(database.url)
    engine = engine_for(ref, connect_args=dialect_for(ref).connect_args())
    with raw_connection(engine) as conn:
        yield conn.info.backend_pid


@pytest.fixture
def source(databases: Databases) -> Iterator[Database]:
    yield databases.source
    dispose_engines()


def test_a_connection_that_was_being_broken_off_goes_to_nobody_else(source: Database) -> None:
    """The cancel may still be on its way when the block ends."""
    halt = Halt()
    with halt.current(), lent(source) as before:
        halt.set()
    with lent(source) as after:
        assert after != before


def test_a_connection_that_was_given_back_is_not_broken_off(
    source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The halt comes to it late, for another took its time; another run has it then."""
    halt, given_back, asked = Halt(), threading.Event(), threading.Event()
    cancelled: list[object] = []

    def cancel(link: object) -> None:
        cancelled.append(link)

    monkeypatch.setattr(links.PostgresLink, "cancel", cancel)

    def slow() -> None:
        asked.set()
        given_back.wait()

    with halt.current(), halt.breaks(slow):
        with lent(source) as before:
            halting = threading.Thread(target=halt.set)
            halting.start()
            asked.wait()
        with lent(source) as after:
            given_back.set()
            halting.join()
            for thread in threading.enumerate():
                if thread.name == "mapper_dask-cancel":
                    thread.join()
            assert after == before, "nobody has begun to break it off"
    assert cancelled == []


# -- runs that are planned, or wait for workers -----------------------------------------------


@pytest.fixture
def locked(databases: Databases) -> Iterator[Databases]:
    """A source whose table is held."""
    stage(databases)
    holder = connected(databases.source)
    try:
        holder.cursor().execute("BEGIN; LOCK TABLE s IN ACCESS EXCLUSIVE MODE")
        yield databases
    finally:
        holder.close()
        dispose_engines()


@pytest.mark.parametrize("kind", ["loads", "dry", "named"])
def test_a_run_that_is_cancelled_while_it_is_planned_says_so(locked: Databases, kind: str) -> None:
    told: list[object] = []

    class Hook:
        def run_refused(self, refused: object) -> None:
            told.append(refused)

    work = job(locked.source.url, locked.target.url)
    if kind == "named":
        work = work.evolve(run_id="known")
    if kind == "dry":
        work = MapperJob(source_conn=locked.source.url, source_sql="SELECT * FROM s")
    run = ParallelProcessor(enable_parallel=False, progress=Hook()).start(work)
    wait_for(lambda: locked.source.fetch(BLOCKED) == [(1,)])
    run.cancel()
    with pytest.raises(RunStoppedError, match="was stopped before it began"):
        run.result()
    assert [refused.error for refused in told] == ["RunStoppedError"]
    assert locked.target.fetch("SELECT count(*) FROM d") == [(0,)]


@pytest.fixture
def nobody() -> Iterator[Client]:
    """A cluster that waits for its first worker."""
    with local_cluster(0) as made, Client(made, set_as_default=False) as client:
        yield client


def entered(databases: Databases) -> bool:
    there = databases.target.fetch("SELECT to_regclass('mapper_dask_run') IS NOT NULL")
    states = "SELECT count(*) FROM mapper_dask_run WHERE state = 'RUNNING'"
    return there == [(True,)] and databases.target.fetch(states) == [(1,)]


@pytest.mark.parametrize("how", ["cancel", "discard"])
def test_what_is_done_elsewhere_is_noticed_while_no_worker_is_there(
    databases: Databases, nobody: Client, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(dispatch, "QUIET", 0.5, raising=False)
    stage(databases)
    run = ParallelProcessor(client=nobody, on_failure="return").start(
        job(databases.source.url, databases.target.url, run_id="r")
    )
    wait_for(lambda: entered(databases))
    elsewhere = ParallelProcessor()
    if how == "cancel":
        elsewhere.cancel("r", target_conn=databases.target.url)
        assert "cancelled" in str(run.result(HANGS).error)
        assert databases.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
        resumed = ParallelProcessor(enable_parallel=False)
        resumed.resume("r", target_conn=databases.target.url)
        assert_every_row_once(databases)
    else:
        elsewhere.discard("r", target_conn=databases.target.url)
        with pytest.raises(LedgerLostError):
            run.result(HANGS)
        assert databases.target.fetch("SELECT count(*) FROM d") == [(0,)]
    dispose_engines()


def test_a_flow_with_a_client_does_not_ask_the_scheduler_of_the_settings(
    databases: Databases,
) -> None:
    """That one is dead; the client's own is used, by each of its jobs."""
    stage(databases)
    with (
        dask.config.set({"mapper-dask.scheduler-address": f"tcp://127.0.0.1:{closed_port()}"}),
        local_cluster(1) as made,
        Client(made, set_as_default=False) as client,
    ):
        work = job(databases.source.url, databases.target.url)
        flow = Flow(name="f", jobs=(FlowJob(name="j", job=work),))
        assert ExecutionEngine(client=client).run(flow).succeeded
    assert_every_row_once(databases)


# -- runs whose last chunk is committed -------------------------------------------------------

OLD = 5


def staged(databases: Databases, **options: object) -> MapperJob:
    """Return a job that puts its rows in the place of some others, all at a time."""
    stage(databases)
    databases.target.execute(f"INSERT INTO d (id) SELECT -g FROM generate_series(1, {OLD}) g")
    urls = (databases.source.url, databases.target.url)
    return job(*urls, chunk_size=20_000, write_disposition="replace", run_id="r", **options)


class AtTheLast:
    """Cancels a run when its last chunk is committed, and nothing is published yet."""

    def __init__(self, cancel: Callable[[RunHandle], None]) -> None:
        self._cancel = cancel
        self._handle: Future[RunHandle] = Future()

    def chunk_done(self, event: RunEvent) -> None:
        if event.done == event.total:
            self._cancel(self._handle.result())

    def cancelled(self, work: MapperJob) -> ParallelProcessingResult:
        """Run a job, and return what became of it."""
        run = ParallelProcessor(enable_parallel=False, progress=self, on_failure="return")
        self._handle.set_result(handle := run.start(work))
        return handle.result()


def assert_nothing_published(databases: Databases) -> None:
    states = "SELECT DISTINCT state FROM mapper_dask_chunk"
    assert databases.target.fetch(states) == [("PROCESSED",)]
    assert databases.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
    assert databases.target.fetch("SELECT count(*), max(id) FROM d") == [(OLD, -1)]


def by_its_handle(handle: RunHandle, _: Databases) -> None:
    handle.cancel()


def from_elsewhere(handle: RunHandle, databases: Databases) -> None:
    ParallelProcessor().cancel(handle.run_id, target_conn=databases.target.url)


@pytest.mark.parametrize("how", [by_its_handle, from_elsewhere])
def test_a_run_cancelled_after_its_last_chunk_publishes_nothing_and_resumed_it_does_once(
    databases: Databases, how: Callable[[RunHandle, Databases], None]
) -> None:
    def cancel(handle: RunHandle) -> None:
        how(handle, databases)
        assert_nothing_published(databases)

    result = AtTheLast(cancel).cancelled(staged(databases))
    assert "cancelled" in str(result.error)
    assert_nothing_published(databases)
    for _ in range(2):
        again = ParallelProcessor(enable_parallel=False)
        assert again.resume("r", target_conn=databases.target.url).succeeded
        assert_every_row_once(databases)
    dispose_engines()


def test_who_cancels_what_is_only_to_be_published_sees_nothing_published_afterwards(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is there: it is let go on in the moment in which it is cancelled."""
    work = staged(databases)
    AtTheLast(RunHandle.cancel).cancelled(work)
    assert_nothing_published(databases)

    reached, cancelled, finish = threading.Event(), threading.Event(), stored_runs.result_of

    def late(*arguments: Any) -> ParallelProcessingResult:
        reached.set()
        cancelled.wait()
        return finish(*arguments)

    monkeypatch.setattr(stored_runs, "result_of", late)
    again = ParallelProcessor(enable_parallel=False, on_failure="return").start(work)
    reached.wait()
    again.cancel()
    cancelled.set()
    assert not again.result().succeeded
    assert_nothing_published(databases)
    monkeypatch.undo()
    ParallelProcessor(enable_parallel=False).resume("r", target_conn=databases.target.url)
    assert_every_row_once(databases)
    dispose_engines()
