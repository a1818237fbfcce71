"""A query as a Dask DataFrame: a true one, every row once, right where Dask's own door is wrong."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import cloudpickle
import dask
import dask.dataframe as dd
import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import ChunkManager, MapperJob, read_sql_query
from mapper_dask.errors import ConfigurationError, DatabaseError, EncodeError
from tests.database import Database, Databases

ROWS = 1_000


@pytest.fixture
def shop(databases: Databases) -> Database:
    """1,000 rows of which 50 have no key."""
    databases.source.execute(
        "CREATE TABLE shop AS SELECT CASE WHEN g > 950 THEN NULL ELSE g END AS id, g AS nr, "
        f"'name ' || g AS name, g * 1.25 AS price FROM generate_series(1, {ROWS}) g"
    )
    databases.source.execute("CREATE INDEX ON shop (id)")
    databases.source.execute("ANALYZE shop")
    return databases.source


def rows_of(database: Database, sql: str, key: str, **options: Any) -> list[tuple[Any, ...]]:
    """Return what the partitions hold together, as a sorted bag."""
    frame = read_sql_query(sql, database.url, index_col=key, **{"chunk_size": 100, **options})
    whole = frame.reset_index().compute(scheduler="sync")
    whole = whole[[key, *[name for name in whole.columns if name != key]]]
    plain = [
        tuple(None if value is pd.NA else value for value in row)
        for row in zip(*(whole[name].tolist() for name in whole.columns), strict=True)
    ]
    return sorted(plain, key=repr)


def in_database(database: Database, sql: str) -> list[tuple[Any, ...]]:
    return sorted(database.fetch(sql), key=repr)


def optimised(frame: dd.DataFrame) -> int:
    return len(frame.optimize().__dask_graph__())


# -- a true Dask DataFrame -----------------------------------------------------------------------


def test_its_partitions_are_the_plans_chunks(shop: Database) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, index_col="id", chunk_size=100)
    job = MapperJob(
        source_conn=shop.url, source_sql="SELECT * FROM shop", key_column="id", chunk_size=100
    )
    chunks = ChunkManager().plan(job).chunks
    assert isinstance(frame, dd.DataFrame)
    assert frame.npartitions == len(chunks) == 11
    sizes = frame.map_partitions(len).compute(scheduler="sync").tolist()
    assert sorted(sizes) == [50, 50, *[100] * 9]
    last = frame.partitions[-1].compute(scheduler="sync")
    assert last.index.isna().all()
    assert len(last) == 50


def test_each_partition_stays_one_task(shop: Database) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, index_col="id", chunk_size=100)
    assert optimised(frame) == frame.npartitions
    more = frame.map_partitions(lambda part: part.assign(x=1))
    more = more.assign(y=more.price * 2)[["name", "y"]]
    assert optimised(more) == frame.npartitions


def test_its_types_are_known_beforehand_and_true(shop: Database) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, chunk_size=100)
    computed = frame.compute(scheduler="sync")
    assert frame.dtypes.to_dict() == computed.dtypes.to_dict()
    assert str(frame.dtypes["nr"]) == "int32[pyarrow]"
    nullable = read_sql_query("SELECT nr FROM shop", shop.url, dtype_backend="numpy_nullable")
    assert str(nullable.dtypes["nr"]) == "Int32"


@pytest.fixture(scope="module")
def processes() -> Iterator[Client]:
    """Two worker processes."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_it_computes_under_a_local_scheduler(shop: Database, scheduler: str) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, index_col="id", chunk_size=100)
    assert frame.nr.sum().compute(scheduler=scheduler) == ROWS * (ROWS + 1) // 2


def test_it_computes_on_worker_processes(shop: Database, processes: Client) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, index_col="id", chunk_size=100)
    assert processes.compute(frame.nr.sum()).result() == ROWS * (ROWS + 1) // 2


def test_no_password_is_in_the_graph(shop: Database) -> None:
    url = sa.make_url(shop.url).set(password="hunter2-geheim")
    frame = read_sql_query("SELECT * FROM shop", url, index_col="id", chunk_size=100)
    for shown in (
        pickle.dumps(frame), cloudpickle.dumps(dict(frame.__dask_graph__())),
        repr(frame).encode(), frame._repr_html_().encode(),
    ):  # fmt: skip
        assert b"geheim" not in shown
    assert frame.nr.sum().compute(scheduler="sync") == ROWS * (ROWS + 1) // 2


# -- right where dask.dataframe.read_sql_query is wrong ------------------------------------------


def test_rows_with_a_null_key_are_kept(shop: Database) -> None:
    sql = "SELECT id, nr FROM shop"
    assert rows_of(shop, sql, "id") == in_database(shop, sql)


@pytest.mark.parametrize("divisions", [[300, 600], [400], [5000], [-5, -1]])
def test_divisions_narrower_than_the_data_drop_no_row(shop: Database, divisions: list[int]) -> None:
    sql = "SELECT id, nr FROM shop"
    assert rows_of(shop, sql, "id", divisions=divisions) == in_database(shop, sql)


@pytest.mark.parametrize(
    "keys",
    [
        "(10::numeric(38) ^ 30 + g)::numeric(38,0)",  # beyond what a float tells apart
        "1152921504606846976 + g",
        "'2024-01-01'::timestamp + g * interval '0.000001 s'",
        "'2024-01-01'::date + g",
        "md5(g::text)::uuid",
        "chr(65 + g % 26) || CASE WHEN g % 2 = 0 THEN 'é' ELSE '_' END || g",
        "CASE WHEN g < 990 THEN 7 ELSE g END",  # one key nearly everywhere
        "1",
        "(g % 7)::bool",
    ],
)
def test_every_kind_of_key_gives_every_row_once(databases: Databases, keys: str) -> None:
    sql = f"SELECT {keys} AS k, g AS nr FROM generate_series(1, {ROWS}) g"
    databases.source.execute(f"CREATE TABLE keyed AS {sql}".replace("%", "%%"))
    found = rows_of(databases.source, "SELECT nr, k::text AS k FROM keyed", "nr")
    assert found == in_database(databases.source, "SELECT nr, k::text FROM keyed")
    frame = read_sql_query(
        "SELECT * FROM keyed", databases.source.url, index_col="k", chunk_size=90
    )
    assert sorted(frame.nr.compute(scheduler="sync")) == list(range(1, ROWS + 1))


def test_a_skewed_key_still_gives_even_partitions(databases: Databases) -> None:
    """Dask cuts the span of the keys; nearly all of these lie at its beginning."""
    databases.source.execute(
        "CREATE TABLE skewed AS SELECT CASE WHEN g < 990 THEN g ELSE g * 1000000000 END AS k "
        "FROM generate_series(1::bigint, 1000) g"
    )
    sql = "SELECT * FROM skewed"
    frame = read_sql_query(sql, databases.source.url, index_col="k", npartitions=5)
    sizes = frame.map_partitions(len).compute(scheduler="sync")
    assert sizes[sizes > 0].between(150, 250).all()
    assert sizes.sum() == ROWS


def test_exact_values_stay_exact(databases: Databases) -> None:
    """Numerics become no floats, ints with NULLs no texts, and bytes survive Dask's conversion."""
    sql = (
        "SELECT g AS id, CASE WHEN g < 7 THEN NULL ELSE g END AS late, 0.1::numeric(10,2) AS d, "
        "1e30::numeric AS free, '\\xff00'::bytea AS b, '2024-02-29'::date AS day, "
        "'2024-01-01 12:00:00.000001+02'::timestamptz AS t FROM generate_series(1, 20) g"
    )
    frame = read_sql_query(sql, databases.source.url, index_col="id", chunk_size=5)
    assert str(frame.dtypes["late"]) == "int32[pyarrow]"
    row = frame.compute(scheduler="sync").sort_index().iloc[-1]
    assert (row.late, row.d, row.free) == (20, Decimal("0.10"), Decimal(10) ** 30)
    assert (row.b, row.day) == (b"\xff\x00", dt.date(2024, 2, 29))
    assert row.t == pd.Timestamp("2024-01-01 10:00:00.000001", tz="UTC")


@pytest.mark.parametrize(
    ("sql", "key"),
    [
        ("SELECT nr, rank() OVER (ORDER BY nr DESC) AS place FROM shop", "nr"),
        ("SELECT nr, name FROM shop ORDER BY nr DESC LIMIT 10", "nr"),
        ("SELECT nr * 2 AS twice, name FROM shop", "twice"),
        ("SELECT a.nr, b.name FROM shop a JOIN shop b ON a.nr = b.nr", "nr"),
        ("SELECT nr FROM shop WHERE nr < 100 UNION ALL SELECT nr FROM shop WHERE nr < 50", "nr"),
        ("SELECT name, count(*) AS n FROM shop GROUP BY name", "name"),
        ("SELECT nr FROM shop -- with a comment at the end", "nr"),
    ],
)
def test_a_query_means_in_its_chunks_what_it_means_by_itself(
    shop: Database, sql: str, key: str
) -> None:
    assert rows_of(shop, sql, key) == in_database(shop, sql)


@pytest.mark.parametrize("made", ["text", "select"])
def test_sqlalchemys_queries_are_taken(shop: Database, made: str) -> None:
    shop_table = sa.table("shop", sa.column("nr"), sa.column("name"))
    query = (
        sa.text("SELECT nr FROM shop WHERE name LIKE 'name 1%'")
        if made == "text"
        else sa.select(shop_table.c.nr).where(shop_table.c.name.like("name 1%"))
    )
    frame = read_sql_query(query, shop.url, index_col="nr", chunk_size=20)
    assert len(frame.compute(scheduler="sync")) == 112


def test_an_empty_query_gives_an_empty_frame_of_the_same_kind(shop: Database) -> None:
    frame = read_sql_query("SELECT * FROM shop WHERE false", shop.url, index_col="id")
    computed = frame.compute(scheduler="sync")
    assert len(computed) == 0
    assert list(computed.columns) == ["nr", "name", "price"]


# -- its arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [1, 3, 8])
def test_as_many_partitions_as_were_asked_for(shop: Database, wanted: int) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, index_col="nr", npartitions=wanted)
    assert wanted <= frame.npartitions <= wanted + 1
    assert len(frame.compute(scheduler="sync")) == ROWS


def test_columns_are_all_that_is_read(shop: Database) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, index_col="nr", columns=["nr", "name"])
    assert list(frame.columns) == ["name"]
    with pytest.raises(ConfigurationError, match="index_col 'nr' must be among columns"):
        read_sql_query("SELECT * FROM shop", shop.url, index_col="nr", columns=["name"])


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"index_col": "no"}, ConfigurationError, "key_column 'no'"),
        ({"npartitions": 0}, ConfigurationError, "npartitions"),
        ({"chunk_size": 0}, ConfigurationError, "chunk_size"),
        ({"dtype_backend": "numpy"}, ConfigurationError, "dtype_backend"),
        ({"strategy": "BY_HAND"}, ConfigurationError, "strategy"),
        ({"sql": "SELEC 1"}, DatabaseError, "syntax error"),
        ({"sql": 5}, ConfigurationError, "sql"),
        ({"con": 5}, ConfigurationError, "con"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    shop: Database, arguments: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        read_sql_query(**{"sql": "SELECT * FROM shop", "con": shop.url, **arguments})


def test_a_value_that_arrow_cannot_hold_is_named_with_its_column(databases: Databases) -> None:
    sql = "SELECT 1 AS id, 'infinity'::date AS day"
    frame = read_sql_query(sql, databases.source.url, index_col="id")
    with pytest.raises(EncodeError, match=r"'day'.*infinity"):
        frame.compute(scheduler="sync")
    as_text = read_sql_query("SELECT 1 AS id, 'infinity'::date::text AS day", databases.source.url)
    assert as_text.compute(scheduler="sync").day.tolist() == ["infinity"]


def test_it_reads_anew_each_time(shop: Database) -> None:
    frame = read_sql_query("SELECT * FROM shop", shop.url, index_col="nr", chunk_size=100)
    assert len(frame.compute(scheduler="sync")) == ROWS
    shop.execute("INSERT INTO shop VALUES (5000, 5000, 'late', 1), (-5, -5, 'early', 1)")
    assert len(frame.compute(scheduler="sync")) == ROWS + 2, "beyond both ends of the plan"


def test_dasks_conversion_to_text_is_left_to_its_users(shop: Database) -> None:
    """Its setting is as it was once the frame is made."""
    before = dask.config.get("dataframe.convert-string", None)
    read_sql_query("SELECT * FROM shop", shop.url)
    assert dask.config.get("dataframe.convert-string", None) == before
