"""Every kind of cluster one may have, and what happens to it in mid-run: every row arrives once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cloudpickle
import dask
import pytest
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    MapperJob,
    ParallelProcessingResult,
    ParallelProcessor,
    RunEvent,
)
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.errors import ConfigurationError
from mapper_dask.workers import membership
from mapper_dask.workers.remote import version
from tests.database import Databases
from tests.fault.gate import LOCK, closed_gate
from tests.fault.joining import (
    HIDDEN,
    OLD,
    Cable,
    closed_port,
    guarded,
    joining,
    silence,
    wait_for_workers,
)
from tests.fault.moving import ROWS, assert_every_row_once, job, stage
from tests.fault.playground import local_cluster
from tests.fault.watch import connected

CHUNK = 4_000

EVERY = int(os.environ.get("ROUNDS", "1")) > 1
"""Whether every variation is tried: ``ROUNDS=2 pytest tests/fault/test_clusters.py``."""


def some(*variations: object) -> list[object]:
    """Return variations of which the first does without ``ROUNDS``."""
    return list(variations if EVERY else variations[:1])


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Worker processes with one thread each; each test says how many."""
    with local_cluster(1) as made:
        yield made


@pytest.fixture
def narrow(cluster: LocalCluster) -> Iterator[Client]:
    """A client of the cluster, which has one worker."""
    cluster.scale(1)
    with Client(cluster, set_as_default=False) as client:
        wait_for_workers(client, 1)
        yield client


@pytest.fixture(scope="module")
def bare() -> Iterator[LocalCluster]:
    """A scheduler without a worker."""
    with local_cluster(0) as made:
        yield made


@pytest.fixture
def empty(bare: LocalCluster) -> Iterator[Client]:
    """A client of a scheduler that has no worker yet."""
    with Client(bare, set_as_default=False) as client:
        wait_for_workers(client, 0)
        yield client


def in_threads(threads: int) -> LocalCluster:
    """Return a worker in this process."""
    return LocalCluster(
        n_workers=1, threads_per_worker=threads, processes=False, dashboard_address=None
    )


def assert_done(result: ParallelProcessingResult, databases: Databases) -> None:
    assert result.raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)


def moved(databases: Databases, **options: object) -> MapperJob:
    return job(databases.source.url, databases.target.url, chunk_size=CHUNK, **options)


def flow_of(work: MapperJob) -> Flow:
    return Flow(name="f", jobs=(FlowJob(name="j", job=work),))


# -- clients that are asynchronous ---------------------------------------------------------------


@contextlib.asynccontextmanager
async def asynchronous(*, default: bool = False):
    async with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, asynchronous=True,
            dashboard_address=None, protocol="inproc://",
        ) as cluster,
        Client(cluster, asynchronous=True, set_as_default=default) as client,
    ):  # fmt: skip
        yield client


@pytest.mark.parametrize("default", [False, True], ids=["given", "current"])
def test_an_asynchronous_client_serves_who_awaits_the_run(
    databases: Databases, *, default: bool
) -> None:
    stage(databases)

    async def run() -> ParallelProcessingResult:
        async with asynchronous(default=default) as client:
            processor = ParallelProcessor(client=None if default else client)
            for waits in (
                lambda: processor.run(moved(databases)),
                lambda: ExecutionEngine(client=processor.client).run(flow_of(moved(databases))),
            ):
                with pytest.raises(ConfigurationError, match=r"await processor\.start"):
                    waits()
            handle = processor.start(moved(databases))
            with pytest.raises(ConfigurationError, match="scheduler_address"):
                handle.result()
            return await handle

    assert_done(asyncio.run(run()), databases)


def test_an_asynchronous_client_serves_a_thread_and_a_flow(databases: Databases) -> None:
    stage(databases)

    async def run() -> object:
        async with asynchronous() as client:
            engine = ExecutionEngine(client=client)
            flow = flow_of(moved(databases))
            return (await asyncio.to_thread(engine.run, flow)).raise_for_status()

    asyncio.run(run())
    assert_every_row_once(databases)


def test_who_stops_awaiting_a_run_can_await_it_again(databases: Databases) -> None:
    stage(databases)

    async def run() -> ParallelProcessingResult:
        async with asynchronous() as client:
            with closed_gate(databases.target):
                handle = ParallelProcessor(client=client).start(moved(databases))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(handle, 0.1)
                assert not handle.done()
            return await handle

    assert_done(asyncio.run(run()), databases)


def test_leaving_the_block_of_a_run_cancels_it_and_leaves_the_loop_free(
    databases: Databases,
) -> None:
    stage(databases)

    async def run() -> bool:
        async with asynchronous() as client:
            with closed_gate(databases.target) as gate:
                async with ParallelProcessor(client=client).start(moved(databases)) as handle:
                    await asyncio.to_thread(gate.crowd, 2, handle.done)
                return handle.done()

    assert asyncio.run(run())
    [(state,)] = databases.target.fetch("SELECT state FROM mapper_dask_run")
    assert state == "CANCELLED"


def test_a_client_that_was_never_awaited_is_refused(databases: Databases) -> None:
    async def run() -> None:
        async with asynchronous() as client:
            late = Client(client.scheduler.address, asynchronous=True, set_as_default=False)
            with pytest.raises(ConfigurationError, match="await it first"):
                ParallelProcessor(client=late).start(moved(databases))
            await late
            await late.close()

    asyncio.run(run())


# -- runs inside tasks ----------------------------------------------------------------------------


def run_it(source: str, target: str, table: str = "d") -> int:
    """Run the job from wherever this is called."""
    work = job(source, target, chunk_size=CHUNK).evolve(target_table=table)
    return ParallelProcessor().run(work).raise_for_status().total_rows_successful


def start_it(source: str, target: str) -> int:
    """Run it in the background, and wait."""
    with ParallelProcessor().start(job(source, target, chunk_size=CHUNK)) as handle:
        return handle.result().raise_for_status().total_rows_successful


@pytest.mark.parametrize("how", [run_it, start_it])
def test_a_run_inside_a_task_leaves_its_only_thread_to_its_chunks(
    databases: Databases, narrow: Client, how: Callable[..., int]
) -> None:
    stage(databases)
    task = narrow.submit(how, databases.source.url, databases.target.url, pure=False)
    assert task.result(timeout=120) == ROWS
    assert_every_row_once(databases)
    assert narrow.submit(int, "7", pure=False).result(timeout=60) == 7


@pytest.mark.parametrize("how", ["distributed", "threads"])
def test_two_delayed_runs_on_two_threads(databases: Databases, how: str) -> None:
    stage(databases)
    databases.target.execute("CREATE TABLE e (LIKE d)")
    with in_threads(2) as made, Client(made) as client:
        runs = [
            dask.delayed(run_it)(databases.source.url, databases.target.url, table)
            for table in ("d", "e")
        ]
        with ThreadPoolExecutor(1) as aside:
            scheduler = client if how == "distributed" else how
            both = aside.submit(lambda: dask.compute(*runs, scheduler=scheduler, num_workers=2))
            assert both.result(timeout=120) == (ROWS, ROWS)
    [(rows, ids)] = databases.target.fetch("SELECT count(*)::int, count(DISTINCT id)::int FROM e")
    assert (rows, ids) == (ROWS, ROWS)
    dispose_engines()


# -- workers that join and leave ------------------------------------------------------------------


def joined(
    databases: Databases,
    client: Client,
    grow: Callable[[], object],
    reached: Callable[[], bool] = lambda: True,
) -> ParallelProcessingResult:
    """Run with one worker in the middle of a chunk, let more come until three are at work."""
    stage(databases)
    with ThreadPoolExecutor(1) as aside, closed_gate(databases.target) as gate:
        run = aside.submit(ParallelProcessor(client=client).run, moved(databases))
        waited = guarded()
        gate.crowd(1, lambda: run.done() or waited())
        grow()
        gate.crowd(3, lambda: run.done() or waited())
        while not reached():
            assert not waited(), "it never came to that"
        gate.open()
        return run.result()


def test_an_adaptive_cluster_reaches_its_most(databases: Databases, narrow: Client) -> None:
    cluster = narrow.cluster
    adaptive = cluster.adapt(minimum=1, maximum=3, interval="200ms")
    try:
        result = joined(databases, narrow, lambda: None)
    finally:
        adaptive.stop()
    assert len({chunk.worker for chunk in result.chunk_results}) == 3
    assert_done(result, databases)


def held(client: Client) -> int:
    """Return how many chunks of a run the scheduler holds."""
    return int(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


def test_workers_that_join_in_mid_run_help_at_once(
    databases: Databases, narrow: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have two chunks each in hand, also where hardly any is in line for who may join."""
    monkeypatch.setattr(membership, "IN_LINE", 0)
    monkeypatch.setattr(membership, "IN_LINE_A_THREAD", 0)
    result = joined(
        databases, narrow, lambda: narrow.cluster.scale(3), lambda: held(narrow) >= 2 * 3
    )
    assert len({chunk.worker for chunk in result.chunk_results}) == 3
    assert_done(result, databases)


def test_a_worker_cut_from_the_scheduler(
    databases: Databases, empty: Client, tmp_path: Path
) -> None:
    stage(databases)
    cable = Cable(empty.scheduler.address)
    try:
        with (
            joining(empty, "near", folder=tmp_path),
            joining(empty, "far", folder=tmp_path, scheduler=cable.address),
            ThreadPoolExecutor(1) as aside,
            closed_gate(databases.target) as gate,
        ):
            run = aside.submit(ParallelProcessor(client=empty).run, moved(databases))
            gate.crowd(2, run.done)
            cable.cut()
            wait_for_workers(empty, 1)
            gate.open()
            assert_done(run.result(), databases)
    finally:
        cable.cut()


# -- workers cut off from a database --------------------------------------------------------------


def elsewhere(url: str, port: int) -> str:
    return (
        sa.make_url(url)
        .set(host="127.0.0.1", port=port, query={})
        .render_as_string(hide_password=False)
    )


@pytest.fixture
def named(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The job's connections by variables, which each worker may have otherwise."""
    stage(databases)
    right = {"MOVED_FROM": databases.source.url, "MOVED_TO": databases.target.url}
    for name, url in right.items():
        monkeypatch.setenv(name, url)
    return right


@pytest.mark.parametrize(
    ("cut", "silent"),
    [("MOVED_TO", False), *some(("MOVED_FROM", True), ("MOVED_TO", True), ("MOVED_FROM", False))],
)
def test_a_worker_cut_off_from_a_database_leaves_its_chunks_to_others(
    databases: Databases, named: dict[str, str], empty: Client, tmp_path: Path,
    cut: str, *, silent: bool,
) -> None:  # fmt: skip
    with silence() as port:
        wrong = elsewhere(named[cut], port if silent else closed_port())
        with (
            joining(empty, "well", folder=tmp_path),
            joining(empty, "cut", folder=tmp_path, environment={cut: wrong}) as cut_off,
        ):
            work = job("env:MOVED_FROM", "env:MOVED_TO", chunk_size=CHUNK)
            result = ParallelProcessor(client=empty).run(work)
            assert_done(result, databases)
    assert len({chunk.worker for chunk in result.chunk_results}) == 1
    assert any(cut_off in note and "could not reach" in note for note in result.warnings)


def test_a_database_that_no_worker_reaches_fails_the_run_by_name(
    databases: Databases, named: dict[str, str], empty: Client, tmp_path: Path
) -> None:
    wrong = {"MOVED_TO": elsewhere(named["MOVED_TO"], closed_port())}
    with (
        joining(empty, "one", folder=tmp_path, environment=wrong),
        joining(empty, "two", folder=tmp_path, environment=wrong),
    ):
        work = job("env:MOVED_FROM", "env:MOVED_TO", chunk_size=CHUNK, run_id="cut")
        result = ParallelProcessor(client=empty, retries=2).run(work)
    assert not result.succeeded
    assert "cannot connect" in result.errors[0]
    ParallelProcessor(enable_parallel=False).resume("cut", target_conn=databases.target.url)
    assert_every_row_once(databases)


# -- a cluster that is restarted ------------------------------------------------------------------


def test_a_cluster_that_is_restarted_in_mid_run_goes_on(
    databases: Databases, narrow: Client
) -> None:
    stage(databases)
    wait_for_workers(narrow, 1)

    def restart(event: RunEvent) -> None:
        if event.done == 2:
            narrow.restart()

    result = ParallelProcessor(client=narrow, progress=restart).run(moved(databases))

    assert_done(result, databases)
    assert any("restarted" in note and "sent again" in note for note in result.warnings)


# -- workers without the library, or with another version of it -----------------------------------


@pytest.mark.parametrize(
    ("first", "told"),
    [(HIDDEN, "cannot import mapper_dask"), (OLD, "it has mapper-dask 0.0.1")],
    ids=["none", "another version"],
)
def test_a_worker_that_has_not_this_library_is_told_before_a_row_moves(
    databases: Databases, empty: Client, tmp_path: Path, first: str, told: str
) -> None:
    stage(databases)
    with (
        joining(empty, "well", folder=tmp_path),
        joining(empty, "other", folder=tmp_path, preload=first) as address,
        pytest.raises(ConfigurationError) as caught,
    ):
        ParallelProcessor(client=empty).run(moved(databases))
    for part in (address, told, f"install mapper-dask {version()}"):
        assert part in str(caught.value)
    assert caught.value.details["field"] == "client"
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]


@contextlib.contextmanager
def closed_again(databases: Databases) -> Iterator[None]:
    """Close a gate that stands there already; its making would alter the target in mid-run."""
    with contextlib.closing(connected(databases.target)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        yield


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("unfit", "left"),
    [
        ({"preload": OLD}, True),
        *some(
            ({"environment": {"MOVED_TO": "no url"}}, False),
            ({"environment": {"MOVED_TO": "no url"}}, True),
            ({"preload": OLD}, False),
        ),
    ],
)
def test_a_worker_that_joins_late_and_is_unfit_does_no_chunk(
    databases: Databases, empty: Client, tmp_path: Path, unfit: dict[str, object], *, left: bool
) -> None:  # fmt: skip
    work = job("env:MOVED_FROM", "env:MOVED_TO", chunk_size=CHUNK, run_id="late")
    begun = threading.Event()
    with closed_gate(databases.target):
        pass  # it stands there, and is open
    with contextlib.ExitStack() as stack:
        well = stack.enter_context(contextlib.ExitStack())
        well.enter_context(joining(empty, "well", folder=tmp_path))

        def come(_: RunEvent) -> None:
            """Let it join while the other stands in a chunk: what is in line is sent to it."""
            if begun.is_set():
                return
            begun.set()
            with closed_again(databases):
                late = stack.enter_context(joining(empty, "late", folder=tmp_path, **unfit))
                waited = guarded()
                while not any(empty.has_what([late]).values()):
                    assert not waited(), "no chunk was sent to it"
                if not left:
                    well.close()
                    wait_for_workers(empty, 1)

        result = ParallelProcessor(client=empty, progress=come).run(work)
    assert begun.is_set()
    assert len({chunk.worker for chunk in result.chunk_results if chunk.succeeded}) == 1
    assert any("was passed over" in note for note in result.warnings)
    if not left:
        assert not result.succeeded
        assert "no worker can do the run's chunks" in "".join(result.errors)
        result = ParallelProcessor(enable_parallel=False).run(work)
    assert_done(result, databases)


def test_a_function_that_is_registered_by_value_goes_along(
    databases: Databases, empty: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy that is given where a worker lacks the function's module."""
    stage(databases)
    (tmp_path / "mine.py").write_text(
        "import pandas as pd\n\nFACTOR = 2\n\n\ndef doubled(frame: pd.DataFrame) -> pd.DataFrame:\n"
        "    return frame.assign(v=frame['v'] * FACTOR, t=frame['t'].str.upper())\n",
        "utf-8",
    )
    with joining(empty, "bare", folder=tmp_path):
        monkeypatch.syspath_prepend(tmp_path)
        module = importlib.import_module("mine")
        work = moved(databases, function=module.doubled)
        processor = ParallelProcessor(client=empty)
        with pytest.raises(ConfigurationError, match="register_pickle_by_value"):
            processor.run(work)
        cloudpickle.register_pickle_by_value(module)
        try:
            result = processor.run(work)
        finally:
            cloudpickle.unregister_pickle_by_value(module)
    assert_done(result, databases)


# -- a scheduler that is not there ----------------------------------------------------------------


@pytest.mark.parametrize("size", some(ROWS, CHUNK))
@pytest.mark.parametrize("what", ["job", "flow"])
def test_a_dead_scheduler_is_noticed_at_once(databases: Databases, size: int, what: str) -> None:
    stage(databases)
    work = job(databases.source.url, databases.target.url, chunk_size=size)
    address = f"tcp://127.0.0.1:{closed_port()}"
    flow = flow_of(work)
    runs = {
        "job": lambda: ParallelProcessor(scheduler_address=address).run(work),
        "flow": lambda: ExecutionEngine(scheduler_address=address).run(flow),
    }
    with pytest.raises(ConfigurationError, match="does not answer") as caught:
        runs[what]()
    assert caught.value.details["field"] == "scheduler_address"
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]


def test_the_scheduler_never_holds_more_than_a_bounded_number(
    databases: Databases, narrow: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(databases)
    monkeypatch.setattr(membership, "IN_LINE", 5)
    counts: list[int] = []

    def count(_: RunEvent) -> None:
        counts.append(held(narrow))

    work = job(databases.source.url, databases.target.url, chunk_size=1_000)
    result = ParallelProcessor(client=narrow, progress=count).run(work)
    assert_done(result, databases)
    assert 2 < max(counts) <= 2 + 5 + membership.IN_LINE_A_THREAD + 1
