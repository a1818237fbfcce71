"""Whole runs: every row once, in every engine; failures counted; runs continued; one snapshot."""

# ruff: noqa: EM101, ARG001 - short errors raised on purpose, spies that ignore what they see
# ruff: noqa: E501 - a query reads better on one line

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import distributed
import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.errors import (
    ConfigurationError,
    FingerprintError,
    RunFailedError,
    RunNotFoundError,
)
from mapper_dask.events.run_events import RunEvent
from mapper_dask.parallel_models import ChunkState
from mapper_dask.workers import clients, membership
from mapper_dask.workers import local_cluster as own_cluster
from tests.database import Database, Databases, Server, fresh_databases

ROWS = 300_000
SIZE = 5_000
BIG_SQL = "SELECT id, k, name, price, at FROM big"
BIG_DONE = "SELECT id, k, upper(name) AS name, price * 2 AS price, at, id % 7 AS week FROM big"


def mapped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what BIG_DONE gives in SQL."""
    return frame.assign(
        name=frame.name.str.upper(), price=frame.price * 2, week=frame.id - frame.id // 7 * 7
    )


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def fails_on_three_hundreds(frame: pd.DataFrame) -> pd.DataFrame:
    """Fail where a row is asked for that only one chunk of a hundred rows has."""
    if (frame.id == 350).any():
        raise ValueError("no bread today")
    return frame


def always_fails(frame: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError(f"{len(frame)} rows are too many")


def query(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """Run statements and return the rows of the last; a percent sign in them is itself."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with contextlib.closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = list(cursor.fetchall()) if cursor.description else []
        connection.commit()
        return rows


def copy_back(databases: Databases, table: str) -> None:
    """Bring a target table to the source under the name ``arrived``, byte for byte."""
    stream = io.BytesIO()
    pairs = [(databases.target, f"COPY {table} TO STDOUT (FORMAT binary)"), (databases.source, "COPY arrived FROM STDIN (FORMAT binary)")]  # fmt: skip
    for database, statement in pairs:
        engine = sa.create_engine(database.url, poolclass=sa.NullPool)
        with contextlib.closing(engine.raw_connection()) as connection:
            connection.cursor().copy_expert(statement, stream)
            connection.commit()
        stream.seek(0)


def difference(databases: Databases, table: str, sql: str) -> tuple[int, int]:
    """Return how many rows EXCEPT ALL finds, target against query and query against target."""
    query(databases.source, f"DROP TABLE IF EXISTS arrived; CREATE TABLE arrived AS ({sql}) WITH NO DATA")  # fmt: skip
    copy_back(databases, table)
    both = [("TABLE arrived", sql), (sql, "TABLE arrived")]
    counts = [
        query(databases.source, f"SELECT count(*) FROM (({a}) EXCEPT ALL ({b})) d")[0][0]
        for a, b in both
    ]
    return counts[0], counts[1]


def has_ledger(database: Database) -> bool:
    return query(database, "SELECT to_regclass('mapper_dask_run') IS NOT NULL") == [(True,)]


def ledger_sums(database: Database, run_id: str) -> tuple[int, int, int, int]:
    return query(database, f"SELECT sum(rows_read), sum(rows_out), sum(rows_loaded), sum(rows_rejected) FROM mapper_dask_chunk WHERE run_id = '{run_id}'")[0]  # fmt: skip


def count(database: Database, table: str) -> int:
    return int(query(database, f"SELECT count(*) FROM {table}")[0][0])


# -- bytes that pass undecoded ----------------------------------------------------------------------


@pytest.mark.parametrize("at", [5, 40_000], ids=["at once", "after most rows"])
def test_an_error_of_the_source_is_told_as_its_own_and_loads_nothing(
    databases: Databases, at: int
) -> None:
    query(databases.target, "CREATE TABLE t (id int, d int)")
    result = ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        databases.source.url,
        f"SELECT i AS id, 1 / (i - {at}) AS d FROM generate_series(1, 40000) i",
        None,
        databases.target.url,
        "public",
        "t",
    )
    assert "division by zero" in str(result.chunk_results[0].error)
    assert "read()" not in str(result.chunk_results[0].error)  # so the driver wraps it
    assert count(databases.target, "t") == 0


@pytest.mark.parametrize(
    ("columns", "function", "shown"),
    [
        ("id int, v text", None, "COPY binary → COPY binary, bytes undecoded"),
        ("id bigint, v text", None, "COPY text → Arrow → COPY binary"),
        ("id int, v text", unchanged, "COPY text → pandas (pyarrow) → COPY binary"),
        ("id int, v jsonb", unchanged, "COPY text → pandas (pyarrow) → COPY csv"),
    ],
)
def test_plan_shows_how_rows_pass(
    databases: Databases, columns: str, function: Any, shown: str
) -> None:
    query(databases.target, f"CREATE TABLE t ({columns})")
    job = MapperJob(
        source_conn=databases.source.url,
        source_sql="SELECT 1 AS id, '1'::text AS v",
        transformation_logic=function,
        target_conn=databases.target.url,
        target_schema="public",
        target_table="t",
    )
    plan, _ = ParallelProcessor(progress=False).prepare(job)
    assert plan.transport == shown
    assert shown in str(plan)


def test_an_error_of_the_target_ends_the_read(databases: Databases) -> None:
    query(databases.target, "CREATE TABLE t (id int CHECK (id < 10), pad text)")
    result = ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        databases.source.url,
        "SELECT i AS id, repeat('x', 1000) AS pad FROM generate_series(1, 400000) i",
        None,
        databases.target.url,
        "public",
        "t",
    )
    assert "t_id_check" in str(result.chunk_results[0].error)
    assert count(databases.target, "t") == 0
    assert query(databases.source, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND state = 'active' AND pid <> pg_backend_pid()") == [(0,)]  # fmt: skip


# -- 300,000 rows -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(postgres_server: Server) -> Iterator[Databases]:
    """300,000 rows: a tenth without a key, a third with one and the same, the rest skewed."""
    with fresh_databases(postgres_server) as databases:
        query(
            databases.source,
            f"""CREATE TABLE big AS SELECT i AS id,
                   CASE WHEN i % 10 = 0 THEN NULL WHEN i % 3 = 0 THEN 777 ELSE (i::float8 / {ROWS}) ^ 6 * 1e15 END::int8 AS k,
                   CASE WHEN i % 11 > 0 THEN 'n"x,' || i END AS name, (i / 7.0)::numeric(12,3) AS price,
                   timestamptz '2024-01-01+00' + i * interval '1.000001 s' AS at FROM generate_series(1, {ROWS}) i;
            CREATE UNIQUE INDEX ON big (id); ALTER TABLE big ALTER id SET NOT NULL;
            CREATE INDEX ON big (k); ANALYZE big""",
        )
        yield databases


@pytest.fixture
def big_target(big: Databases) -> Databases:
    query(
        big.target,
        "DROP TABLE IF EXISTS done; CREATE TABLE done (id int, k int8, name text, price numeric, at timestamptz, week int)",
    )
    return big


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two worker processes, which the tests of this file share."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"key_column": "k"}, {"key_range", "null_key"}),
        ({"strategy": "ROWID_BASED"}, {"rowid_range"}),
        ({"strategy": "OFFSET_LIMIT"}, {"window"}),
        ({"key_column": "k", "dtype_backend": "numpy_nullable"}, {"key_range", "null_key"}),
    ],
    ids=["keys", "ctid", "offset", "nullable"],
)
@pytest.mark.parametrize("parallel", [True, False], ids=["dask", "loop"])
def test_three_hundred_thousand_rows_arrive_once(
    big_target: Databases,
    client: Client,
    options: dict[str, Any],
    kinds: set[str],
    *,
    parallel: bool,
) -> None:
    backend = options.get("dtype_backend")
    if not parallel and (backend or "strategy" in options):
        pytest.skip("the loop calls the same function; one cut shows it")
    processor = ParallelProcessor(2, SIZE, parallel, client=client if parallel else None)
    result = processor.process_mapper_job(
        big_target.source.url, BIG_SQL, mapped, big_target.target.url, None, "done", **options
    ).raise_for_status()
    assert result.total_rows_processed == result.total_rows_successful == ROWS
    assert result.total_rows_failed == 0
    assert result.consistent
    assert result.chunks_succeeded == result.chunks_total >= (30 if "key_range" in kinds else 55)
    done = BIG_DONE.replace("price * 2 AS price", "(price * 2)::numeric AS price")
    assert difference(big_target, "done", done) == (0, 0)
    stored = query(big_target.target, f"SELECT DISTINCT bounds ->> 'kind' FROM mapper_dask_chunk WHERE run_id = '{result.run_id}'")  # fmt: skip
    assert {kind for (kind,) in stored} == kinds
    workers = {chunk.worker for chunk in result.chunk_results}
    assert len(workers) == (2 if parallel else 1)


def test_sixty_chunks_on_a_cluster_of_its_own(big_target: Databases) -> None:
    query(big_target.source, "CREATE OR REPLACE VIEW even AS SELECT id AS e, * FROM big")
    result = ParallelProcessor(max_workers=2, chunk_size=SIZE).process_mapper_job(
        big_target.source.url, BIG_SQL + " ORDER BY id", mapped, big_target.target.url, "public", "done"
    )  # fmt: skip
    assert (result.chunks_succeeded, result.chunks_total) == (60, 60)
    done = BIG_DONE.replace("price * 2 AS price", "(price * 2)::numeric AS price")
    assert difference(big_target, "done", done) == (0, 0)


def test_without_a_function_bytes_pass_through(big_target: Databases, client: Client) -> None:
    query(big_target.target, "DROP TABLE done; CREATE TABLE done (id int, k int8, name text, price numeric(12,3), at timestamptz)")  # fmt: skip
    result = ParallelProcessor(chunk_size=SIZE, client=client).process_mapper_job(
        big_target.source.url,
        BIG_SQL,
        None,
        big_target.target.url,
        None,
        "done",
        key_column="k",
    )
    assert result.raise_for_status().total_rows_successful == ROWS
    assert difference(big_target, "done", BIG_SQL) == (0, 0)


# -- small jobs -------------------------------------------------------------------------------------


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """A thousand rows to move, in ten chunks of a hundred."""
    query(
        databases.source,
        "CREATE TABLE shop (id int PRIMARY KEY, name text, price numeric(10,2));"
        "INSERT INTO shop SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, 1000) i; ANALYZE",
    )
    query(databases.target, "CREATE TABLE sold (id int, name text, price numeric(10,2))")
    return databases


def process(
    databases: Databases,
    function: Callable[[pd.DataFrame], Any] | None = None,
    *,
    processor: ParallelProcessor | None = None,
    sql: str = "SELECT * FROM shop",
    **options: Any,
) -> Any:
    mover = processor or ParallelProcessor(chunk_size=100, enable_parallel=False)
    return mover.process_mapper_job(
        databases.source.url, sql, function, databases.target.url, None, "sold", **options
    )


def test_the_first_example(databases: Databases) -> None:
    query(
        databases.source,
        "CREATE TABLE flights (id int PRIMARY KEY, distance int, air_time float8);"
        "INSERT INTO flights SELECT i, i * 3, nullif(i % 90, 0) FROM generate_series(1, 200) i",
    )
    query(databases.target, "CREATE TABLE flights_clean (id int, distance int, air_time float8, speed float8)")  # fmt: skip
    processor = ParallelProcessor(max_workers=4, chunk_size=50_000, enable_parallel=True)
    result = processor.process_mapper_job(
        source_conn=databases.source.url,
        source_sql="SELECT * FROM flights ORDER BY id",
        transformation_logic=lambda df: df.assign(speed=df.distance / df.air_time * 60),
        target_conn=databases.target.url,
        target_schema="public",
        target_table="flights_clean",
    )
    assert result.total_rows_processed == 200
    assert result.total_rows_successful == 200
    assert result.total_rows_failed == 0
    assert (result.chunks_succeeded, result.chunks_total) == (1, 1)
    assert query(databases.target, "SELECT count(*), count(speed), sum(speed)::int8 FROM flights_clean") == query(
        databases.source, "SELECT count(*), count(air_time), sum(distance / air_time * 60)::int8 FROM flights"
    )  # fmt: skip


def test_dry_run_counts_and_writes_nothing(shop: Databases) -> None:
    result = ParallelProcessor(chunk_size=100, enable_parallel=False).process_mapper_job(
        shop.source.url, "SELECT * FROM shop", lambda frame: frame[frame.id > 250]
    )
    assert result.run_id is None
    assert result.succeeded
    assert result.consistent
    assert (result.total_rows_processed, result.total_rows_successful) == (1000, 750)
    assert [chunk.rows_loaded for chunk in result.chunk_results] == [0] * 10
    for database in shop:
        assert not has_ledger(database)
    assert "dry run" in str(result)


@pytest.mark.parametrize(
    ("function", "rows"),
    [
        (lambda f: f[f.id > 500], 500),
        (lambda f: pd.concat([f, f]), 2000),
        (lambda f: f.iloc[:0], 0),
        (lambda f: pd.DataFrame({"name": ["total"], "price": [f.price.sum()]}), 10),
        (lambda f: f[["price", "id"]], 1000),
        (lambda f: f.groupby("name", as_index=True)[["price"]].sum(), 1000),
        (lambda f: f.set_index("id"), 1000),
    ],
    ids=["fewer", "more", "none", "other", "columns", "grouped", "indexed"],
)
def test_function_may_return_other_rows(
    shop: Databases, function: Callable[[pd.DataFrame], pd.DataFrame], rows: int
) -> None:
    result = process(shop, function).raise_for_status()
    assert (result.total_rows_processed, result.total_rows_successful) == (1000, rows)
    assert count(shop.target, "sold") == rows
    assert ledger_sums(shop.target, result.run_id) == (1000, rows, rows, 0)


def test_source_and_target_may_be_one_database(shop: Databases) -> None:
    query(shop.source, "CREATE TABLE sold AS SELECT * FROM shop WITH NO DATA")
    both = Databases(shop.source, shop.source)
    assert process(both).raise_for_status().total_rows_successful == 1000
    assert query(shop.source, "TABLE shop EXCEPT ALL TABLE sold") == []
    assert count(shop.source, "sold") == 1000


def test_table_may_be_doubled_into_itself(shop: Databases) -> None:
    """The snapshot keeps a run from reading what it wrote."""
    query(
        shop.source, "ALTER TABLE shop DROP CONSTRAINT shop_pkey; ALTER TABLE shop RENAME TO sold"
    )
    result = process(Databases(shop.source, shop.source), sql="SELECT * FROM sold")
    assert result.raise_for_status().total_rows_successful == 1000
    assert query(shop.source, "SELECT count(*), count(DISTINCT id) FROM sold") == [(2000, 1000)]


@pytest.mark.parametrize("rows", [0, 1])
def test_source_of_no_or_one_row(shop: Databases, rows: int) -> None:
    result = process(shop, unchanged, sql=f"SELECT * FROM shop WHERE id <= {rows}")
    assert result.raise_for_status().succeeded
    assert count(shop.target, "sold") == result.total_rows_processed == rows
    assert result.consistent


def test_results_print_and_become_a_frame(shop: Databases) -> None:
    result = process(shop, fails_on_three_hundreds, on_error="continue")
    frame = result.to_frame()
    assert list(frame.chunk_id) == list(range(10))
    assert frame.rows_loaded.sum() == 900
    assert set(frame.state) == {"PROCESSED", "PROCESSED_WITH_ERROR"}
    assert "run FAILED" in str(result)
    assert "9 of 10 committed" in str(result)
    assert "no bread today" in result._repr_html_()
    with pytest.raises(RunFailedError, match=r"1 of 10 chunks .* resume\(") as caught:
        result.raise_for_status()
    assert caught.value.details["run_id"] == result.run_id


# -- engines ----------------------------------------------------------------------------------------


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
    query(admin, "CREATE TABLE shop AS SELECT i AS id FROM generate_series(1, 1000) i; ALTER TABLE shop ADD PRIMARY KEY (id); CREATE TABLE sold (id int)")  # fmt: skip
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
    rows = query(admin, "SELECT r::text FROM mapper_dask_run r UNION ALL SELECT c::text FROM mapper_dask_chunk c")  # fmt: skip
    assert not [row for (row,) in rows if "s3cr" in row]
    query(admin, f"UPDATE mapper_dask_chunk SET state = 'UNASSIGNED' WHERE chunk_id = 3; DELETE FROM sold WHERE id BETWEEN 301 AND 400")  # fmt: skip  # noqa: F541
    with pytest.raises(ConfigurationError, match="pass source_conn"):
        processor.resume(result.run_id, target_conn=url)
    assert processor.resume(result.run_id, target_conn=url, source_conn=url).succeeded
    assert count(admin, "sold") == 1000


def _can_connect(url: sa.URL) -> bool:
    try:
        psycopg2.connect(host=url.query["host"], port=5432, user=url.username, password=url.password, dbname=url.database).close()  # fmt: skip
    except psycopg2.OperationalError:
        return False
    return True


# -- failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [True, False], ids=["dask", "loop"])
def test_continue_counts_and_names_what_failed(
    shop: Databases, client: Client, *, parallel: bool
) -> None:
    processor = ParallelProcessor(None, 100, parallel, client=client if parallel else None)
    result = process(shop, fails_on_three_hundreds, processor=processor, on_error="continue")
    assert not result.succeeded
    assert (result.chunks_total, result.chunks_succeeded, result.chunks_failed) == (10, 9, 1)
    assert (result.total_rows_successful, result.total_rows_failed) == (900, 100)
    [error] = result.errors
    assert "chunk 3 [301, 401)" in error
    assert "ValueError: no bread today" in error
    assert 'raise ValueError("no bread today")' in error
    assert __file__.rpartition("/")[2] in error
    assert "mapper_dask/chunk" not in error
    assert query(shop.target, "SELECT count(*), count(*) FILTER (WHERE id BETWEEN 301 AND 400) FROM sold") == [(900, 0)]  # fmt: skip
    assert query(shop.target, "SELECT state, ended_at IS NOT NULL FROM mapper_dask_run") == [("FAILED", True)]  # fmt: skip


@pytest.mark.parametrize("parallel", [True, False], ids=["dask", "loop"])
def test_abort_stops_and_accounts_for_what_is_committed(
    shop: Databases, client: Client, *, parallel: bool
) -> None:
    processor = ParallelProcessor(None, 10, parallel, client=client if parallel else None)
    result = process(shop, always_fails, processor=processor)
    assert result.chunks_total == 100
    states = [chunk.state for chunk in result.chunk_results]
    assert states.count(ChunkState.UNASSIGNED) >= 90
    assert states.count(ChunkState.PROCESSED) == 0
    assert count(shop.target, "sold") == 0
    assert "are too many" in result.errors[0]


@pytest.mark.parametrize("parallel", [True, False], ids=["dask", "loop"])
def test_abort_in_the_middle_keeps_ledger_and_table_equal(
    shop: Databases, client: Client, *, parallel: bool
) -> None:
    processor = ParallelProcessor(None, 10, parallel, client=client if parallel else None)
    result = process(shop, fails_on_three_hundreds, processor=processor)
    assert 0 < result.chunks_succeeded < 60
    loaded = count(shop.target, "sold")
    assert loaded == result.total_rows_successful == ledger_sums(shop.target, result.run_id)[2]
    assert loaded == 10 * result.chunks_succeeded
    mended = _mended("fails_on_three_hundreds")
    done = process(shop, mended, processor=processor, run_id=result.run_id)
    assert done.raise_for_status().total_rows_successful == 1000
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]


def _mended(name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a function under the name of one that failed, as an edited file would hold it."""

    def function(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    function.__qualname__ = function.__name__ = name
    return function


def test_row_the_table_refuses_fails_its_chunk_alone(shop: Databases) -> None:
    query(shop.target, "ALTER TABLE sold ADD CHECK (id <> 555)")
    result = process(shop, unchanged, on_error="continue")
    assert (result.chunks_succeeded, result.total_rows_successful) == (9, 900)
    [error] = result.errors
    assert "sold_id_check" in error
    assert "[501, 601)" in error
    assert "n555" not in error


def test_text_of_an_error_may_hold_anything(shop: Databases) -> None:
    """An error's text is noted in the ledger, which cannot hold a NUL."""

    def odd(frame: pd.DataFrame) -> pd.DataFrame:
        if (frame.id == 350).any():
            raise ValueError("odd \0 text \udcff")
        return frame

    result = process(shop, odd, on_error="continue")
    assert (result.chunks_succeeded, result.total_rows_successful) == (9, 900)
    assert "odd" in result.errors[0]


# -- runs continued ---------------------------------------------------------------------------------


def test_finished_run_is_only_reported(shop: Databases) -> None:
    first = process(shop, unchanged, run_id="nightly").raise_for_status()
    again = process(shop, unchanged, run_id="nightly").raise_for_status()
    third = ParallelProcessor(enable_parallel=False).resume("nightly", target_conn=shop.target.url)
    assert count(shop.target, "sold") == 1000
    assert first.run_id == again.run_id == third.run_id == "nightly"
    assert first.chunk_results == again.chunk_results == third.chunk_results
    assert (again.rows_this_run, third.rows_this_run) == (0, 0)
    assert again.total_rows_processed == 1000


def test_resume_after_the_function_was_mended(shop: Databases, client: Client) -> None:
    first = process(shop, fails_on_three_hundreds, on_error="continue")
    processor = ParallelProcessor(client=client)
    result = processor.resume(
        first.run_id,
        target_conn=shop.target.url,
        transformation_logic=_mended("fails_on_three_hundreds"),
    ).raise_for_status()
    assert (result.total_rows_processed, result.total_rows_successful) == (1000, 1000)
    assert result.rows_this_run == 100
    assert result.chunk_results[3].attempts == 2
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]
    assert query(shop.target, "SELECT state FROM mapper_dask_run") == [("SUCCEEDED",)]
    assert not result.consistent  # chunk 3 was read in another snapshot


def test_resume_takes_the_stored_plan(shop: Databases) -> None:
    first = process(shop, fails_on_three_hundreds, on_error="continue", run_id="r")
    query(shop.source, "INSERT INTO shop SELECT i, 'late', 0 FROM generate_series(1001, 5000) i; ANALYZE")  # fmt: skip
    result = process(shop, _mended("fails_on_three_hundreds"), on_error="continue", run_id="r")
    assert [c.bounds for c in result.chunk_results] == [c.bounds for c in first.chunk_results]
    assert result.raise_for_status().rows_this_run == 100


def test_resume_of_a_lambda_asks_for_it(shop: Databases) -> None:
    first = process(shop, lambda frame: frame[frame.missing > 0], on_error="continue")
    assert first.chunks_succeeded == 0
    processor = ParallelProcessor(enable_parallel=False)
    with pytest.raises(ConfigurationError, match="pass transformation_logic") as caught:
        processor.resume(first.run_id, target_conn=shop.target.url)
    assert caught.value.details["field"] == "transformation_logic"


def test_resume_finds_an_importable_function(shop: Databases) -> None:
    first = process(shop, unchanged)
    query(shop.target, "UPDATE mapper_dask_chunk SET state = 'ASSIGNED' WHERE chunk_id = 2; DELETE FROM sold WHERE id BETWEEN 201 AND 300")  # fmt: skip
    result = ParallelProcessor(enable_parallel=False).resume(
        first.run_id, target_conn=shop.target.url
    )
    assert result.raise_for_status().total_rows_successful == 1000
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]


def test_resume_of_an_unknown_run(shop: Databases) -> None:
    for _ in range(2):
        with pytest.raises(RunNotFoundError, match="has no run 'nobody'"):
            ParallelProcessor().resume("nobody", target_conn=shop.target.url)
        process(shop)


@pytest.mark.parametrize(
    "changes",
    [
        {"source_sql": "SELECT * FROM shop WHERE id > 5"},
        {"chunk_size": 50},
        {"key_column": "name"},
        {"strategy": "ROWID_BASED"},
        {"columns": ["id"]},
        {"target_table": "other"},
        {"transformation_logic": always_fails},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_job_under_the_same_run_id_is_refused(
    shop: Databases, changes: dict[str, Any]
) -> None:
    query(shop.target, "CREATE TABLE other AS TABLE sold")
    job = MapperJob(
        source_conn=shop.source.url,
        source_sql="SELECT * FROM shop",
        transformation_logic=unchanged,
        target_conn=shop.target.url,
        target_table="sold",
        chunk_size=100,
        run_id="r",
    )
    processor = ParallelProcessor(enable_parallel=False)
    processor.run(job).raise_for_status()
    with pytest.raises(FingerprintError, match="belongs to another job"):
        processor.run(job.evolve(**changes))
    assert (count(shop.target, "sold"), count(shop.target, "other")) == (1000, 0)


def test_another_source_under_the_same_run_id_is_refused(shop: Databases) -> None:
    """The same text over another database is another job: its rows would be mixed in."""
    process(shop, fails_on_three_hundreds, on_error="continue", run_id="r")
    query(shop.target, "CREATE TABLE shop AS SELECT i AS id, 'other'::text AS name, 0::numeric(10,2) AS price FROM generate_series(1, 1000) i")  # fmt: skip
    elsewhere = Databases(shop.target, shop.target)
    with pytest.raises(FingerprintError):
        process(elsewhere, _mended("fails_on_three_hundreds"), on_error="continue", run_id="r")
    assert query(shop.target, "SELECT count(*) FROM sold WHERE name = 'other'") == [(0,)]


def test_changed_columns_of_the_source_refuse_to_resume(shop: Databases) -> None:
    process(shop, fails_on_three_hundreds, on_error="continue", run_id="r")
    query(shop.source, "ALTER TABLE shop ALTER price TYPE numeric(12,4)")
    with pytest.raises(FingerprintError, match="columns"):
        process(shop, _mended("fails_on_three_hundreds"), on_error="continue", run_id="r")


def test_run_whose_coordinator_died_last_is_ended_by_resume(shop: Databases) -> None:
    """All chunks committed, the coordinator killed before it could say so."""
    process(shop, unchanged, run_id="r")
    query(shop.target, "UPDATE mapper_dask_run SET state = 'RUNNING', ended_at = NULL")
    ParallelProcessor().resume("r", target_conn=shop.target.url).raise_for_status()
    assert query(shop.target, "SELECT state FROM mapper_dask_run") == [("SUCCEEDED",)]


# -- one snapshot -----------------------------------------------------------------------------------


@contextlib.contextmanager
def transfers(database: Database) -> Iterator[Callable[[], int]]:
    """Move amounts between accounts all the while; lend a function that tells how many it moved."""
    stop, moved = threading.Event(), [0]

    def move() -> None:
        engine = sa.create_engine(database.url, poolclass=sa.NullPool)
        with contextlib.closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            while not stop.is_set():
                n = moved[0] * 37 % 1000
                cursor.execute(
                    "UPDATE account SET amount = amount + CASE id WHEN %s THEN 10 ELSE -10 END WHERE id IN (%s, %s)",
                    (n + 1, n + 1, 1000 - n if 1000 - n != n + 1 else 1),
                )
                connection.commit()
                moved[0] += 1

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield lambda: moved[0]
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def accounts(databases: Databases) -> Databases:
    query(databases.source, "CREATE TABLE account AS SELECT i AS id, 1000 AS amount FROM generate_series(1, 1000) i; ALTER TABLE account ADD PRIMARY KEY (id)")  # fmt: skip
    query(databases.target, "CREATE TABLE sold (id int, amount int)")
    return databases


@pytest.mark.parametrize("strategy", ["KEY_BASED", "ROWID_BASED", "OFFSET_LIMIT"])
def test_one_snapshot_under_concurrent_transfers(
    accounts: Databases, client: Client, strategy: str
) -> None:
    with transfers(accounts.source) as moved:
        for _ in range(2):
            query(accounts.target, "TRUNCATE sold")
            before = moved()
            result = process(
                accounts,
                unchanged,
                sql="SELECT * FROM account",
                processor=ParallelProcessor(chunk_size=50, client=client),
                strategy=strategy,
            ).raise_for_status()
            assert moved() > before
            assert result.consistent
            assert len({chunk.snapshot for chunk in result.chunk_results}) == 1
            assert query(accounts.target, "SELECT sum(amount), count(*), count(DISTINCT id) FROM sold") == [(1_000_000, 1000, 1000)]  # fmt: skip


def test_without_a_snapshot_the_result_says_so(accounts: Databases) -> None:
    result = process(accounts, sql="SELECT * FROM account", consistent=False).raise_for_status()
    assert not result.consistent
    assert {chunk.snapshot for chunk in result.chunk_results} == {None}
    assert "one snapshot     no" in str(result)


def test_lost_snapshot_is_said(shop: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper's session is ended in mid-run: the rest is read as it is then."""
    killed: list[int] = []

    def end_keeper(frame: pd.DataFrame) -> pd.DataFrame:
        if (frame.id == 450).any() and len(frame) == 100 and not killed:
            killed.append(1)
            query(shop.source, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1")  # fmt: skip
        return frame

    result = process(shop, end_keeper, run_id="r").raise_for_status()
    assert killed
    assert not result.consistent
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]


# -- accounts and events ----------------------------------------------------------------------------


def test_ledger_rows_balance(shop: Databases, client: Client) -> None:
    processor = ParallelProcessor(chunk_size=100, client=client)
    result = process(
        shop, lambda f: f[f.id % 3 > 0], dtype_backend="numpy_nullable", processor=processor
    ).raise_for_status()
    rows = query(shop.target, "SELECT state, rows_out = rows_loaded + rows_rejected, rows_read, attempts, worker <> '', snapshot IS NOT NULL, seconds > 0, ended_at >= started_at FROM mapper_dask_chunk")  # fmt: skip
    assert set(rows) == {("PROCESSED", True, 100, 1, True, True, True, True)}
    assert ledger_sums(shop.target, result.run_id) == (1000, 667, 667, 0)
    [(plan,)] = query(shop.target, "SELECT plan FROM mapper_dask_run")
    assert plan["sql"] == "SELECT * FROM shop"
    assert plan["job"]["source_conn"] == shop.source.url


def test_progress_may_be_a_function(shop: Databases, client: Client) -> None:
    events: list[RunEvent] = []
    processor = ParallelProcessor(chunk_size=100, client=client, progress=events.append)
    result = process(shop, fails_on_three_hundreds, processor=processor, on_error="continue")
    assert [event.done for event in events] == list(range(1, 11))
    assert sorted(event.chunk.chunk_id for event in events) == list(range(10))
    assert {event.total for event in events} == {10}
    assert {event.run_id for event in events} == {result.run_id}
    assert (events[-1].failed, events[-1].rows) == (1, 1000)
    assert str(events[-1]).startswith("10/10 chunks, 1 failed, 1,000 rows")


def test_progress_prints_lines_where_there_is_no_terminal(
    shop: Databases, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    process(shop, processor=ParallelProcessor(1, 20, progress=True))
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("50/50 chunks, 1,000 rows")
    assert shown.out == ""


@pytest.mark.parametrize("progress", [None, False])
def test_no_progress_unasked(
    shop: Databases, capsys: pytest.CaptureFixture[str], *, progress: bool | None
) -> None:
    process(shop, processor=ParallelProcessor(1, 100, progress=progress))
    assert capsys.readouterr() == ("", "")


def test_logs_tell_each_chunk(shop: Databases, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="mapper_dask"):
        result = process(shop, fails_on_three_hundreds, on_error="continue")
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("mapper_dask")]
    for chunk in range(10):
        assert any(f"run={result.run_id} chunk={chunk} state=" in text for text in messages)
    assert any("chunk=3 state=PROCESSED_WITH_ERROR" in text for text in messages)
    warned = [r for r in caplog.records if r.levelno == logging.WARNING]
    # The tests' server runs without fsync, and the plan says so.
    assert len([r for r in warned if "fsync = off" not in r.getMessage()]) == 1


def test_interrupted_run_is_cancelled_and_can_go_on(shop: Databases) -> None:
    def interrupt(event: RunEvent) -> None:
        if event.done == 4:
            raise KeyboardInterrupt

    processor = ParallelProcessor(1, 100, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        process(shop, unchanged, processor=processor, run_id="r")
    assert query(shop.target, "SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
    assert count(shop.target, "sold") == 400
    result = ParallelProcessor(enable_parallel=False).resume("r", target_conn=shop.target.url)
    assert result.raise_for_status().rows_this_run == 600
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]


def test_connections_may_be_engines_and_variables(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SOURCE", shop.source.url)
    engine = sa.create_engine(shop.target.url)
    ParallelProcessor(enable_parallel=False).process_mapper_job(
        "env:SHOP_SOURCE", "SELECT * FROM shop", None, engine, "public", "sold"
    ).raise_for_status()
    assert count(shop.target, "sold") == 1000
    engine.dispose()


def test_quoted_names_all_the_way(databases: Databases, client: Client) -> None:
    columns = '"Key %s" int PRIMARY KEY, "a ""b""" text, "漢字" text, "100%" text'
    source, target = '"S %s"."T ""%s"""', '"Out %s"."To ""%s"""'
    query(databases.source, f'CREATE SCHEMA "S %s"; CREATE TABLE {source} ({columns})')
    query(databases.source, f"INSERT INTO {source} SELECT i, 'x%', NULL, '' FROM generate_series(1, 500) i")  # fmt: skip
    query(databases.target, f'CREATE SCHEMA "Out %s"; CREATE TABLE {target} ({columns})')
    processor = ParallelProcessor(chunk_size=100, client=client)
    for function in (None, unchanged):
        query(databases.target, f"TRUNCATE {target}")
        processor.process_mapper_job(
            databases.source.url,
            f"SELECT * FROM {source}",
            function,
            databases.target.url,
            "Out %s",
            'To "%s"',
        ).raise_for_status()
        found = query(databases.target, f'SELECT count(*), min("a ""b"""), count("漢字"), max("100%") FROM {target}')  # fmt: skip
        assert found == [(500, "x%", 0, "")]
