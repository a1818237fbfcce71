"""Who does the chunks: a cluster of the run's own, the user's, or this process."""

# ruff: noqa: EM101 - short errors raised on purpose, spies that ignore what they see

from __future__ import annotations

from typing import Any

import distributed
import psycopg2
import pytest
import sqlalchemy as sa
from distributed import Client

from mapper_dask import ParallelProcessor
from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.errors import (
    ConfigurationError,
)
from mapper_dask.parallel_models import ChunkState
from mapper_dask.run import execution
from mapper_dask.workers import clients, membership
from mapper_dask.workers import local_cluster as own_cluster
from mapper_dask.workers.engines import LoopEngine
from tests.database import Database, Databases
from tests.integration.processor.shop import count, process, query, unchanged


def no_cluster(*_: object, **__: object) -> None:
    raise AssertionError("Dask was used")


@pytest.fixture
def no_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_cluster, "LocalCluster", no_cluster)
    monkeypatch.setattr(own_cluster, "Client", no_cluster)
    monkeypatch.setattr(clients, "Client", no_cluster)


@pytest.mark.usefixtures("no_dask")
@pytest.mark.parametrize(
    "processor",
    [
        ParallelProcessor(4, 100, enable_parallel=False),
        ParallelProcessor(4, 1000),
        ParallelProcessor(1, 100),
        ParallelProcessor(4, 100, enable_parallel=False, scheduler_address="tcp://127.0.0.1:1"),
    ],
    ids=["not parallel", "one chunk", "one worker", "not parallel with an address"],
)
def test_jobs_that_need_no_dask_use_none(shop: Databases, processor: ParallelProcessor) -> None:
    result = process(shop, unchanged, processor=processor).raise_for_status()
    assert result.total_rows_successful == 1000
    assert len({chunk.worker for chunk in result.chunk_results}) == 1


def test_the_loop_and_the_aggregation_of_a_processor_load_nothing_twice(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they are given has run already, as the ledger says."""
    given: dict[str, tuple[Any, ...]] = {}
    results, aggregated = LoopEngine.results, execution.aggregated

    def kept_results(engine: LoopEngine, *args: Any) -> Any:
        given.setdefault("loop", args[:2])
        return results(engine, *args)

    def kept_aggregated(*args: Any) -> Any:
        given.setdefault("aggregation", args)
        return aggregated(*args)

    monkeypatch.setattr(LoopEngine, "results", kept_results)
    monkeypatch.setattr(execution, "aggregated", kept_aggregated)
    processor = ParallelProcessor(1, 100, enable_parallel=False)
    first = process(shop, unchanged, processor=processor).raise_for_status()

    again = list(processor._process_sequential(*given["loop"]))
    assert [chunk.chunk_id for chunk in again] == list(range(10))
    assert {chunk.state for chunk in again} == {ChunkState.UNASSIGNED}, "none can be claimed"
    assert count(shop.target, "sold") == 1000
    result = processor._aggregate_results(*given["aggregation"])
    result.raise_for_status()
    assert (result.run_id, result.total_rows_successful) == (first.run_id, 1000)


def test_a_client_of_the_user_s_stays_open(shop: Databases, client: Client) -> None:
    processor = ParallelProcessor(chunk_size=100, client=client)
    result = process(shop, unchanged, processor=processor).raise_for_status()
    assert result.total_rows_successful == 1000
    assert client.status == "running"
    assert client.submit(int, "7").result() == 7
    mine = {chunk.worker.partition(":")[2] for chunk in result.chunk_results}
    assert mine == {str(pid) for pid in client.run(_pid).values()}


def _pid() -> int:
    import os

    return os.getpid()


def test_the_current_client_is_used_and_stays_open(
    shop: Databases, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_cluster, "LocalCluster", no_cluster)
    with Client(client.scheduler.address, set_as_default=True) as default:
        result = process(shop, unchanged, processor=ParallelProcessor(chunk_size=100))
        assert default.status == "running"
        assert distributed.default_client() is default
    workers = {chunk.worker.partition(":")[2] for chunk in result.raise_for_status().chunk_results}
    assert workers == {str(pid) for pid in client.run(_pid).values()}


def test_a_scheduler_s_address(shop: Databases, client: Client) -> None:
    processor = ParallelProcessor(chunk_size=100, scheduler_address=client.scheduler.address)
    result = process(shop, unchanged, processor=processor).raise_for_status()
    workers = {chunk.worker.partition(":")[2] for chunk in result.chunk_results}
    assert workers == {str(pid) for pid in client.run(_pid).values()}
    assert client.submit(int, "7").result() == 7


def test_a_run_inside_a_task(shop: Databases, client: Client) -> None:
    """A task that runs a job uses the cluster it is on."""
    future = client.submit(_nested, shop.source.url, shop.target.url, pure=False)
    assert future.result() == (1000, True)
    assert count(shop.target, "sold") == 1000


def _nested(source: str, target: str) -> tuple[int, bool]:
    distributed.secede()
    result = ParallelProcessor(chunk_size=100).process_mapper_job(
        source, "SELECT * FROM shop", unchanged, target, None, "sold"
    )
    return result.total_rows_successful, result.consistent


class Spy:
    """A client that counts what it is given."""

    def __init__(self, client: Client) -> None:
        self.submitted = 0
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def submit(self, function: Any, *args: Any, **options: Any) -> Any:
        self.submitted += 1
        return self._client.submit(function, *args, **options)


@pytest.mark.parametrize(("workers", "window"), [(None, 4 + 2), (1, 2)])
def test_no_more_than_a_window_of_tasks(
    shop: Databases, client: Client, workers: int | None, window: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One task follows each that ended, so the first window is the largest.

    Where more workers may join, some are in line for those.
    """
    monkeypatch.setattr(membership, "IN_LINE", 0)
    monkeypatch.setattr(membership, "IN_LINE_A_THREAD", 0)
    spy, submitted = Spy(client), []
    processor = ParallelProcessor(
        workers, 20, client=spy, progress=lambda _: submitted.append(spy.submitted)
    )
    process(shop, unchanged, processor=processor).raise_for_status()
    assert submitted == [min(50, window + done) for done in range(1, 51)]


def test_no_password_reaches_the_workers(private_server: EmbeddedPostgres, client: Client) -> None:
    """The password is needed: a wrong one is refused, the right one works on every worker."""
    secret = "s3cr€t/p@ss %41:word"
    admin = Database(private_server.url())
    query(admin, f"CREATE ROLE mover LOGIN SUPERUSER PASSWORD '{secret}'")
    hba = private_server.data_directory / "pg_hba.conf"
    hba.write_text(f"local all mover scram-sha-256\n{hba.read_text()}")
    query(admin, "SELECT pg_reload_conf()")
    query(
        admin,
        (
            "CREATE TABLE shop AS SELECT i AS id FROM generate_series(1, 1000) i; "
            "ALTER TABLE shop ADD PRIMARY KEY (id); CREATE TABLE sold (id int)"
        ),
    )
    url = sa.make_url(private_server.url()).set(username="mover", password=secret)
    wrong = url.set(password="no")
    while _can_connect(wrong):  # the server rereads its file in its own time
        pass
    processor = ParallelProcessor(chunk_size=100, client=client)
    with pytest.raises(Exception, match="password authentication failed") as refused:
        processor.process_mapper_job(wrong, "SELECT * FROM shop")
    assert type(refused.value).__name__ == "ConnectionFailedError"
    text = url.render_as_string(hide_password=False)
    result = processor.process_mapper_job(text, "SELECT * FROM shop", unchanged, url, None, "sold")
    assert result.raise_for_status().total_rows_successful == 1000
    assert len({chunk.worker for chunk in result.chunk_results}) == 2
    rows = query(
        admin,
        ("SELECT r::text FROM mapper_dask_run r UNION ALL SELECT c::text FROM mapper_dask_chunk c"),
    )
    assert not [row for (row,) in rows if "s3cr" in row]
    query(
        admin,
        "UPDATE mapper_dask_chunk SET state = 'UNASSIGNED' WHERE chunk_id = 3; "
        "DELETE FROM sold WHERE id BETWEEN 301 AND 400",
    )
    with pytest.raises(ConfigurationError, match="pass source_conn"):
        processor.resume(result.run_id, target_conn=url)
    assert processor.resume(result.run_id, target_conn=url, source_conn=url).succeeded
    assert count(admin, "sold") == 1000


def _can_connect(url: sa.URL) -> bool:
    try:
        psycopg2.connect(
            host=url.query["host"], port=5432, user=url.username, password=url.password,
            dbname=url.database,
        ).close()  # fmt: skip
    except psycopg2.OperationalError:
        return False
    return True
