"""Whole runs: every row once, in every engine, and how rows pass."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client

from mapper_dask import ParallelProcessor
from mapper_dask.errors import (
    RunFailedError,
)
from tests.builders import job_of
from tests.database import Database, Databases, Server, fresh_databases
from tests.integration.processor.shop import (
    count,
    fails_on_three_hundreds,
    ledger_sums,
    process,
    query,
    unchanged,
)

ROWS = 300_000
SIZE = 5_000
BIG_SQL = "SELECT id, k, name, price, at FROM big"
BIG_DONE = "SELECT id, k, upper(name) AS name, price * 2 AS price, at, id % 7 AS week FROM big"


def mapped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what BIG_DONE gives in SQL."""
    return frame.assign(
        name=frame.name.str.upper(), price=frame.price * 2, week=frame.id - frame.id // 7 * 7
    )


def copy_back(databases: Databases, table: str) -> None:
    """Bring a target table to the source under the name ``arrived``, byte for byte."""
    stream = io.BytesIO()
    pairs = [
        (databases.target, f"COPY {table} TO STDOUT (FORMAT binary)"),
        (databases.source, "COPY arrived FROM STDIN (FORMAT binary)"),
    ]
    for database, statement in pairs:
        engine = sa.create_engine(database.url, poolclass=sa.NullPool)
        with contextlib.closing(engine.raw_connection()) as connection:
            connection.cursor().copy_expert(statement, stream)
            connection.commit()
        stream.seek(0)


def difference(databases: Databases, table: str, sql: str) -> tuple[int, int]:
    """Return how many rows EXCEPT ALL finds, target against query and query against target."""
    query(
        databases.source,
        f"DROP TABLE IF EXISTS arrived; CREATE TABLE arrived AS ({sql}) WITH NO DATA",
    )
    copy_back(databases, table)
    both = [("TABLE arrived", sql), (sql, "TABLE arrived")]
    counts = [
        query(databases.source, f"SELECT count(*) FROM (({a}) EXCEPT ALL ({b})) d")[0][0]
        for a, b in both
    ]
    return counts[0], counts[1]


def has_ledger(database: Database) -> bool:
    return query(database, "SELECT to_regclass('mapper_dask_run') IS NOT NULL") == [(True,)]


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
    sql = "SELECT 1 AS id, '1'::text AS v"
    target = {"target_schema": "public", "target_table": "t"}
    job = job_of(databases, source_sql=sql, transformation_logic=function, **target)
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
    assert query(
        databases.source,
        (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY (%' "
            "AND state = 'active' AND pid <> pg_backend_pid()"
        ),
    ) == [(0,)]


# -- 300,000 rows ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(postgres_server: Server) -> Iterator[Databases]:
    """300,000 rows: a tenth without a key, a third with one and the same, the rest skewed."""
    with fresh_databases(postgres_server) as databases:
        query(
            databases.source,
            f"""CREATE TABLE big AS SELECT i AS id,
                   CASE WHEN i % 10 = 0 THEN NULL WHEN i % 3 = 0 THEN 777
                        ELSE (i::float8 / {ROWS}) ^ 6 * 1e15 END::int8 AS k,
                   CASE WHEN i % 11 > 0 THEN 'n"x,' || i END AS name,
                   (i / 7.0)::numeric(12,3) AS price,
                   timestamptz '2024-01-01+00' + i * interval '1.000001 s' AS at
            FROM generate_series(1, {ROWS}) i;
            CREATE UNIQUE INDEX ON big (id); ALTER TABLE big ALTER id SET NOT NULL;
            CREATE INDEX ON big (k); ANALYZE big""",
        )
        yield databases


@pytest.fixture
def big_target(big: Databases) -> Databases:
    query(
        big.target,
        (
            "DROP TABLE IF EXISTS done; "
            "CREATE TABLE done (id int, k int8, name text, price numeric, at "
            "timestamptz, week int)"
        ),
    )
    return big


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
    stored = query(
        big_target.target,
        (
            f"SELECT DISTINCT bounds ->> 'kind' FROM mapper_dask_chunk "
            f"WHERE run_id = '{result.run_id}'"
        ),
    )
    assert {kind for (kind,) in stored} == kinds
    workers = {chunk.worker for chunk in result.chunk_results}
    assert len(workers) == (2 if parallel else 1)


def test_sixty_chunks_on_a_cluster_of_its_own(big_target: Databases) -> None:
    query(big_target.source, "CREATE OR REPLACE VIEW even AS SELECT id AS e, * FROM big")
    result = ParallelProcessor(max_workers=2, chunk_size=SIZE).process_mapper_job(
        big_target.source.url, BIG_SQL + " ORDER BY id", mapped, big_target.target.url,
        "public", "done",
    )  # fmt: skip
    assert (result.chunks_succeeded, result.chunks_total) == (60, 60)
    done = BIG_DONE.replace("price * 2 AS price", "(price * 2)::numeric AS price")
    assert difference(big_target, "done", done) == (0, 0)


def test_without_a_function_bytes_pass_through(big_target: Databases, client: Client) -> None:
    query(
        big_target.target,
        (
            "DROP TABLE done; CREATE TABLE done (id int, k int8, name text, price "
            "numeric(12,3), at timestamptz)"
        ),
    )
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


def test_the_first_example(databases: Databases) -> None:
    query(
        databases.source,
        "CREATE TABLE flights (id int PRIMARY KEY, distance int, air_time float8);"
        "INSERT INTO flights SELECT i, i * 3, nullif(i % 90, 0) FROM generate_series(1, 200) i",
    )
    query(
        databases.target,
        ("CREATE TABLE flights_clean (id int, distance int, air_time float8, speed float8)"),
    )
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
    assert query(
        databases.target, "SELECT count(*), count(speed), sum(speed)::int8 FROM flights_clean"
    ) == query(
        databases.source,
        "SELECT count(*), count(air_time), sum(distance / air_time * 60)::int8 FROM flights",
    )


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
