"""Dask DataFrames from a query: partitions are chunks, and what Dask's own reader gets wrong."""

# ruff: noqa: E501 - a query reads better on one line
# ruff: noqa: DTZ001 - a timestamp without time zone is read as one

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import cloudpickle
import dask
import dask.dataframe as dd
import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import ChunkManager, MapperError, MapperJob, read_sql_query
from mapper_dask.connections.masking import secrets_of
from mapper_dask.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DatabaseError,
    EncodeError,
    PlanError,
    SourceChangedError,
)
from tests.database import Database, Server, fresh_databases

ROWS = 1_000
SIZE = 100
ALL = "SELECT * FROM readings"
PASSWORD = "s3cret/§%40 @:x"

# Every seventh k is NULL, half of the others are one and the same; no index, so none is detected.
TABLES = f"""
CREATE TYPE size AS ENUM ('small', 'medium', 'large');
CREATE TABLE readings (id int8 PRIMARY KEY, k int4, name text, price numeric(12, 3));
INSERT INTO readings SELECT i, CASE WHEN mod(i, 7) = 0 THEN NULL WHEN mod(i, 2) = 0 THEN 5 ELSE i END,
  'n' || i, i / 8.0 FROM generate_series(1, {ROWS}) i;
CREATE TABLE heap AS SELECT id, name FROM readings;
CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE texts (id int, name text);
INSERT INTO texts VALUES (1, '5%%'), (2, '5%%%%'), (3, 'a\\b'), (4, 'a\\\\b'), (5, 'it''s :x');
CREATE TABLE sizes AS SELECT i AS id, (ARRAY['small', 'medium', 'large', NULL]::size[])[1 + mod(i, 4)] AS size
  FROM generate_series(1, 40) i;
ANALYZE
"""

readings = sa.table("readings", sa.column("id"), sa.column("k"), sa.column("name"))
texts = sa.table("texts", sa.column("id"), sa.column("name"))


@pytest.fixture(scope="module")
def source(postgres_server: Server) -> Iterator[Database]:
    """The tables that the tests of this file read; a test that writes makes its own."""
    with fresh_databases(postgres_server) as databases:
        for statement in TABLES.split(";\n"):
            databases.source.execute(statement)
        yield databases.source


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two worker processes, reachable from this machine only."""
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


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute in the test's own thread, where no other scheduler is named."""
    with dask.config.set(scheduler="sync"):
        yield


def values(frame: dd.DataFrame, column: str) -> list[Any]:
    """Return a column, or the index by its name, as Python values; NULL is None."""
    computed = frame.compute()
    found = computed.index if computed.index.name == column else computed[column]
    return [None if pd.isna(value) else value for value in found]


def sizes(frame: dd.DataFrame) -> list[int]:
    return [len(part) for part in dask.compute(*frame.to_delayed())]


def make_table(database: Database, name: str, type_name: str, rows: list[Any]) -> None:
    """Make a table of numbered values of one type."""
    database.execute(f"CREATE TABLE {name} (id int, v {type_name})")
    marks = ", ".join(["(%s, %s)"] * len(rows))
    numbered = [part for row in enumerate(rows) for part in row]
    database.execute(f"INSERT INTO {name} VALUES {marks}", *numbered)


def with_password(url: str) -> sa.URL:
    # The server trusts its socket, so any password opens it; this one must only stay hidden.
    return sa.make_url(url).set(password=PASSWORD)


# -- partitions -------------------------------------------------------------------------------------

CUTS = [
    ({"index_col": "id"}, ALL),
    ({"index_col": "k"}, ALL),
    ({"index_col": "name"}, ALL),
    ({}, ALL + " ORDER BY id DESC"),
    ({}, "SELECT id, name FROM heap"),
    ({}, "SELECT id, random() AS r FROM readings"),
]
CUT_IDS = ["key", "null_keys", "text_key", "detected", "heap", "one_chunk"]


@pytest.mark.parametrize(("options", "sql"), CUTS, ids=CUT_IDS)
def test_the_partitions_are_the_plans_chunks(
    source: Database, options: dict[str, Any], sql: str
) -> None:
    """Each partition holds the rows that its chunk's own SQL gives, and together all of them."""
    job = MapperJob(
        source_conn=source.url,
        source_sql=sql,
        key_column=options.get("index_col"),
        strategy=options.get("strategy"),
        chunk_size=SIZE,
        consistent=False,
    )
    plan = ChunkManager().plan(job)
    frame = read_sql_query(sql, source.url, chunk_size=SIZE, **options)
    assert isinstance(frame, dd.DataFrame)
    assert frame.npartitions == len(plan.chunks)
    once = "random" in sql or "heap" in sql  # row addresses need a snapshot, and there is no key
    assert (frame.npartitions == 1) == once
    for chunk, part in zip(plan.chunks, frame.partitions, strict=True):
        own = source.fetch(ChunkManager().create_chunked_query(source.url, plan, chunk))
        place = [column.name for column in plan.query.columns].index("id")
        assert sorted(values(part, "id")) == sorted(row[place] for row in own)
    assert sorted(values(frame, "id")) == list(range(1, ROWS + 1))


DERIVED: dict[str, Callable[[dd.DataFrame], dd.DataFrame]] = {
    "read": lambda frame: frame,
    "map_partitions": lambda frame: frame.map_partitions(lambda part: part.head(3)),
    "assign": lambda frame: frame.assign(twice=frame.price * 2),
    "filter": lambda frame: frame[frame.price > 1][["price"]],
    "chain": lambda frame: frame.assign(one=1).map_partitions(lambda p: p).assign(two=2),
}


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_a_partition_is_one_task_with_what_is_done_to_it(
    source: Database, derive: Callable[[dd.DataFrame], dd.DataFrame]
) -> None:
    """The partition of NULL keys is no exception: it is read by a task like the others."""
    frame = derive(read_sql_query(ALL, source.url, "k", chunk_size=SIZE))
    assert frame.npartitions > 4
    assert len(frame.optimize().__dask_graph__()) == frame.npartitions


def test_what_dask_computes_is_what_the_database_computes(source: Database) -> None:
    """Groups that stand in many partitions, NULL among them, with exact sums."""
    frame = read_sql_query(ALL, source.url, "id", chunk_size=SIZE)
    sums = frame.groupby("k", dropna=False).price.sum().compute()
    expected = source.fetch("SELECT k, sum(price) FROM readings GROUP BY k")
    assert {None if pd.isna(k) else k: v for k, v in sums.items()} == dict(expected)
    assert frame.k.sum().compute() == source.fetch("SELECT sum(k) FROM readings")[0][0]
    assert len(frame) == ROWS


def test_it_reads_when_it_is_computed_and_anew_each_time(source: Database) -> None:
    """Rows beyond the keys the plan saw are in the open partitions."""
    source.execute("CREATE TABLE growing AS SELECT i AS id FROM generate_series(1, 10) i")
    frame = read_sql_query("SELECT id FROM growing", source.url, "id", chunk_size=3)
    source.execute("INSERT INTO growing VALUES (-5), (99), (NULL)")
    assert len(frame) == 13
    source.execute("DELETE FROM growing WHERE id > 1")
    assert set(values(frame, "id")) == {-5, 1, None}


def test_a_source_that_changed_since_is_an_error(source: Database) -> None:
    """A partition never has other columns or types than the frame says."""
    source.execute("CREATE TABLE drifting AS SELECT 1 AS id, 2 AS n")
    frame = read_sql_query("SELECT id, n FROM drifting", source.url, "id")
    source.execute("ALTER TABLE drifting ALTER n TYPE text USING 'two'")
    with pytest.raises((EncodeError, SourceChangedError), match="column 'n'"):
        frame.compute()
    source.execute("ALTER TABLE drifting DROP n")
    with pytest.raises(DatabaseError, match='column "n" does not exist'):
        frame.compute()


# -- where Dask's own reader loses or changes rows --------------------------------------------------


def test_rows_with_a_null_key_are_kept(source: Database) -> None:
    """They are the last partition."""
    frame = read_sql_query(ALL, source.url, "k", npartitions=4)
    last = frame.partitions[frame.npartitions - 1]
    assert len(frame) == ROWS
    assert values(last, "k") == [None] * (ROWS // 7)
    assert None not in values(frame.partitions[0], "k")


NEAR = [2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3]
KEYS: dict[str, tuple[str, list[Any]]] = {
    "bigint_beyond_2_53": ("int8", [2**60 + 1, 2**60 + 2, 2**60 + 3, *NEAR, 2**63 - 1, -(2**63)]),
    "numeric_beyond_2_53": ("numeric(38,0)", [Decimal(key) for key in (*NEAR, 10**38 - 1)]),
    "fractions": ("numeric", [Decimal("0.1"), Decimal("0.10000000000000000000000000001"), Decimal(2)]),
    "microseconds": ("timestamp", [dt.datetime(2024, 1, 1, 0, 0, 0, i) for i in range(1, 9)]),
    "time_zones": ("timestamptz", [dt.datetime(2024, 3, 31, i, 30, tzinfo=dt.UTC) for i in range(4)]),
    "dates": ("date", [dt.date(2024, 2, day) for day in (27, 28, 29)]),
    "booleans": ("boolean", [False, True]),
    "bytes": ("bytea", [b"", b"\0", b"\xff\xfe", b"'\\"]),
    "text": ('text COLLATE "C"', ["", "A", "Z", "a", "É", "é", "漢", "it's", "%s", "\\", "\n"]),
}  # fmt: skip


@pytest.mark.parametrize(("type_name", "keys"), KEYS.values(), ids=KEYS)
def test_keys_of_every_type_are_read_once_and_exactly(
    source: Database, request: pytest.FixtureRequest, type_name: str, keys: list[Any]
) -> None:
    """In partitions of a row or two, so that a bound stands beside every key."""
    table = "k_" + request.node.callspec.id
    make_table(source, table, type_name, [*keys, None])
    frame = read_sql_query(f"SELECT v AS k FROM {table}", source.url, "k", chunk_size=1)
    assert frame.npartitions == len(keys) + 1
    assert values(frame, "k") == [*sorted(keys), None]


def test_text_keys_follow_the_databases_collation(source: Database) -> None:
    """Python would sort B before a; what is cut and how the bounds compare is the database's."""
    if not source.fetch("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'"):
        pytest.skip("this server knows no ICU collations; set MAPPER_DASK_TEST_PG_DSN")
    source.execute('CREATE TABLE words (w text COLLATE "und-x-icu")')
    source.execute("INSERT INTO words VALUES ('a'), ('B'), ('c'), ('e'), ('É'), ('Z'), (NULL)")
    for options in ({"chunk_size": 1}, {"divisions": ["B", "Z", "a", "c"]}):
        frame = read_sql_query("SELECT w FROM words", source.url, "w", **options)
        assert values(frame, "w") == ["a", "B", "c", "e", "É", "Z", None]


def test_keys_with_an_order_of_their_own_are_read_once(source: Database) -> None:
    """An enum sorts as it was declared, which no Python value of it shows."""
    frame = read_sql_query("SELECT * FROM sizes", source.url, "size", chunk_size=10)
    parts = [set(values(part, "size")) for part in frame.partitions]
    assert parts == [{"small"}, {"medium"}, {"large"}, {None}]
    assert sizes(frame) == [10, 10, 10, 10]


def test_skewed_keys_give_partitions_of_like_size(source: Database) -> None:
    """Ranges of equal width would put 990 rows into one partition and none into three."""
    sql = (
        "SELECT CASE WHEN i > 990 THEN i * 1000000 ELSE i END AS k FROM generate_series(1, 1000) i"
    )
    frame = read_sql_query(sql, source.url, "k", npartitions=5)
    assert sizes(frame) == [200, 200, 200, 200, 200, 0]  # the last: no NULL keys, but who knows


def test_keys_that_are_all_equal_are_one_partition(source: Database) -> None:
    """Rows of one key are never torn apart, nor read twice."""
    sql = "SELECT 7 AS k, i FROM generate_series(1, 500) i"
    frame = read_sql_query(sql, source.url, "k", chunk_size=SIZE)
    assert sorted(values(frame, "i")) == list(range(1, 501))
    assert sorted(sizes(frame))[:-1] == [0] * (frame.npartitions - 1)


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
@pytest.mark.parametrize("options", [{}, {"npartitions": 5}, {"divisions": [10, 20]}], ids=str)
def test_an_empty_source_gives_an_empty_frame_with_its_dtypes(
    source: Database, options: dict[str, Any], backend: Any
) -> None:
    """As many rows as there are, and the dtypes of a frame that has some."""
    full = read_sql_query(ALL, source.url, "id", dtype_backend=backend)
    sql = ALL + " WHERE id < 0"
    empty = read_sql_query(sql, source.url, "id", dtype_backend=backend, **options).compute()
    assert len(empty) == 0
    assert empty.index.name == "id"
    pd.testing.assert_series_equal(empty.dtypes, full.compute().dtypes)


EXACT: list[tuple[str, list[Any]]] = [
    ("numeric(38,10)", [Decimal("1234567890123456789012345678.0123456789"), Decimal("-0.1")]),
    ("numeric", [Decimal("0.10"), Decimal("1e-30"), Decimal(10) ** 60 + 1]),
    ("numeric(60,2)", [Decimal("123456789012345678901234567890123456789012345678.25")]),
    ("int8", [2**63 - 1, 2**53 + 1]),
    ("int4", [9999]),
    ("int2", [-3]),
    ("boolean", [True, False]),
    ("float8", [0.1, 1e300]),
    ("bytea", [b"", b"\x00\xff\xfe", b"\\x41"]),
    ("text", ["", "nan", "None", "\\N", 'a"b,c\r\n']),
    ("date", [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    ("timestamp", [dt.datetime(1500, 1, 1, 0, 0, 0, 1), dt.datetime(2024, 1, 1, 12)]),
    ("timestamptz", [dt.datetime(2024, 3, 31, 1, 30, 0, 5, tzinfo=dt.UTC)]),
    ("time", [dt.time(23, 59, 59, 999999)]),
]  # fmt: skip


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
@pytest.mark.parametrize(("type_name", "given"), EXACT, ids=[name for name, _ in EXACT])
def test_values_are_exact_beside_null(
    source: Database, request: pytest.FixtureRequest, type_name: str, given: list[Any], backend: Any
) -> None:
    """NULL comes first and last, alone in its partition: the dtype is the same in all of them."""
    table = f'"exact {request.node.callspec.id}"'
    make_table(source, table, type_name, [None, *given, None])
    sql = f"SELECT * FROM {table}"
    frame = read_sql_query(sql, source.url, "id", chunk_size=1, dtype_backend=backend)
    parts = dask.compute(*frame.map_partitions(lambda part: part).to_delayed())
    read = [None if pd.isna(value) else value for part in parts for value in part.v]
    assert read == [None, *given, None]
    assert {part.v.dtype for part in parts} == {frame.v.dtype}


def test_an_instant_is_the_same_whatever_the_time_zone_of_the_session(source: Database) -> None:
    """It arrives in UTC; an hour that a clock shows twice stays two hours."""
    sql = "SELECT timestamptz '2024-10-27 00:30+00' + i * interval '1 hour' AS at FROM generate_series(0, 1) i"
    expected = [dt.datetime(2024, 10, 27, hour, 30, tzinfo=dt.UTC) for hour in (0, 1)]
    for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata"):
        url = sa.make_url(source.url).update_query_dict({"options": f"-c timezone={zone}"})
        assert values(read_sql_query(sql, url, "at", chunk_size=1), "at") == expected


QUERIES: dict[str, tuple[Any, str]] = {
    "limit": ("SELECT id FROM readings ORDER BY id DESC LIMIT 4", "id"),
    "offset": ("SELECT id FROM readings ORDER BY id OFFSET 990", "id"),
    "window": ("SELECT id, sum(k) OVER (ORDER BY id) AS total FROM readings", "id"),
    "alias": ("SELECT id * 2 AS twice, name FROM readings", "twice"),
    "group": ("SELECT k, count(*) AS n FROM readings GROUP BY k", "k"),
    "union": ("SELECT id FROM readings UNION ALL SELECT id FROM readings", "id"),
    "join": ("SELECT a.id, b.k FROM readings a JOIN readings b ON b.id = a.id + 1", "id"),
    "with": ("WITH s AS (SELECT * FROM readings) SELECT id FROM s WHERE k > 7 -- odd", "id"),
    "quoted": ('SELECT id AS "a ""%s"" b" FROM readings', 'a "%s" b'),
    "text_clause": (sa.text("SELECT id FROM readings WHERE mod(id, 3) = 0 AND name LIKE 'n%'"), "id"),
    "select": (sa.select(readings).where(readings.c.id > 500), "id"),
    "compound": (sa.union_all(sa.select(readings.c.id), sa.select(readings.c.k)), "id"),
    "modulo": (sa.select(readings).where(readings.c.id % 2 == 0), "id"),
    "like": (sa.select(readings.c.id).where(readings.c.name.like("n1%")), "id"),
    "in": (sa.select(readings.c.id).where(readings.c.name.in_(["n1", "n2", "%"])), "id"),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "key"), QUERIES.values(), ids=QUERIES)
def test_any_query_gives_the_rows_it_gives_by_itself(source: Database, sql: Any, key: str) -> None:
    """It is computed as a whole, and its result is cut; never a condition is added inside it."""
    frame = read_sql_query(sql, source.url, key, npartitions=3)
    engine = sa.create_engine(source.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        run = connection.exec_driver_sql if isinstance(sql, str) else connection.execute
        rows = [tuple(row) for row in run(sql.replace("%", "%%") if isinstance(sql, str) else sql)]
    computed = frame.compute().reset_index()
    read = [tuple(None if pd.isna(v) else v for v in row) for row in computed.itertuples(index=False)]  # fmt: skip
    assert rows
    assert frame.npartitions > 1
    assert sorted(read, key=repr) == sorted(rows, key=repr)


@pytest.mark.parametrize("name", ["5%", "5%%", "a\\b", "a\\\\b", "it's :x"])
def test_a_value_in_a_sqlalchemy_query_is_taken_as_it_is(source: Database, name: str) -> None:
    """A percent sign, a backslash, a quote or a colon is not doubled, nor taken for a parameter."""
    queries = [
        sa.select(texts).where(texts.c.name == name),
        sa.text("SELECT * FROM texts WHERE name = :name").bindparams(name=name),
    ]
    for query in queries:
        assert values(read_sql_query(query, source.url, "id"), "name") == [name]


# -- arguments --------------------------------------------------------------------------------------


def test_index_col_is_the_index_and_what_is_cut_by(source: Database) -> None:
    """Divisions are not known to Dask, since NULL has no place among them."""
    frame = read_sql_query(ALL, source.url, "k", chunk_size=SIZE)
    assert frame.index.name == "k"
    assert list(frame.columns) == ["id", "name", "price"]
    assert not frame.known_divisions
    computed = [part.index.dropna() for part in dask.compute(*frame.to_delayed())]
    ranges = [index for index in computed if len(index)]
    assert all(a.max() < b.min() for a, b in pairwise(ranges))


def test_without_index_col_the_key_is_detected_and_stays_a_column(source: Database) -> None:
    """The key may be left out of what is read, too."""
    frame = read_sql_query(ALL, source.url, chunk_size=SIZE)
    assert frame.index.name is None
    assert list(frame.columns) == ["id", "k", "name", "price"]
    names = read_sql_query(ALL, source.url, chunk_size=SIZE, columns=["name"])
    assert sorted(values(names, "name")) == sorted(f"n{i}" for i in range(1, ROWS + 1))
    assert names.npartitions == frame.npartitions == ROWS // SIZE


def test_columns_are_read_in_the_order_they_are_named(source: Database) -> None:
    """An index without columns is a frame, too."""
    frame = read_sql_query(ALL, source.url, "id", columns=["price", "id", "k"])
    assert list(frame.columns) == list(frame.compute().columns) == ["price", "k"]
    assert read_sql_query(ALL, source.url, "id", columns=["id"]).compute().shape == (ROWS, 0)


@pytest.mark.parametrize("wanted", [1, 2, 4, 10, 50])
def test_npartitions_are_what_is_wanted_beside_the_one_of_null_keys(
    source: Database, wanted: int
) -> None:
    """A key that can be NULL has one more; fewer are made where the keys are few."""
    frame = read_sql_query(ALL, source.url, "id", npartitions=wanted)
    assert sizes(frame) == [ROWS // wanted] * wanted
    by_k = read_sql_query(ALL, source.url, "k", npartitions=wanted)
    assert 2 <= by_k.npartitions <= wanted + 1
    assert len(by_k) == ROWS
    few = read_sql_query(ALL + " WHERE id <= 10", source.url, "id", npartitions=10 * wanted)
    assert few.npartitions == 10


def test_chunk_size_gives_the_partitions_where_npartitions_does_not(source: Database) -> None:
    """By default a partition has 50,000 rows."""
    assert sizes(read_sql_query(ALL, source.url, "id", chunk_size=300)) == [300, 300, 300, 100]
    assert read_sql_query(ALL, source.url, "id").npartitions == 1


def test_divisions_are_inner_bounds_and_leave_no_row_out(source: Database) -> None:
    """A bound begins its partition; the first and the last are open, NULL comes after them."""
    frame = read_sql_query(ALL, source.url, "id", divisions=[400, 500])
    assert sizes(frame) == [399, 100, 501, 0]
    assert min(values(frame.partitions[1], "id")) == 400
    assert sizes(read_sql_query(ALL, source.url, "id", divisions=[5_000, 6_000])) == [ROWS, 0, 0, 0]
    assert len(read_sql_query(ALL, source.url, "k", divisions=[])) == ROWS
    assert sizes(read_sql_query(ALL, source.url, divisions=(400,), npartitions=9)) == [399, 601, 0]


@pytest.mark.parametrize(
    "divisions", [[15, 5], [9, 10, 1], [7, 7], pd.Index([30, 4, 100])], ids=str
)
def test_divisions_in_any_order_read_every_row_once(source: Database, divisions: Any) -> None:
    """Taken as they come, ranges between them would overlap."""
    frame = read_sql_query(ALL, source.url, "id", divisions=divisions)
    assert values(frame, "id") == list(range(1, ROWS + 1))
    assert frame.npartitions == len(divisions) + 2


def test_divisions_are_in_the_databases_order(source: Database) -> None:
    """Sorted as texts, or in Python, these would overlap."""
    by_size = read_sql_query(
        "SELECT * FROM sizes", source.url, "size", divisions=["large", "medium"]
    )
    assert [set(values(part, "size")) for part in by_size.partitions] == [{"small"}, {"medium"}, {"large"}, {None}]  # fmt: skip
    assert sizes(read_sql_query(ALL, source.url, "price", divisions=[Decimal(100), Decimal("9.5")])) == [75, 724, 201, 0]  # fmt: skip
    sql = "SELECT timestamptz '2024-01-01+00' + i * interval '1 day' AS at FROM generate_series(0, 9) i"
    days = [
        dt.datetime(2024, 1, day, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))) for day in (9, 4)
    ]
    assert sizes(read_sql_query(sql, source.url, "at", divisions=days)) == [3, 5, 2, 0]
    assert sizes(read_sql_query("SELECT name FROM texts", source.url, "name", divisions=["it's", "5%%"])) == [1, 3, 1, 0]  # fmt: skip


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
def test_dtypes_are_those_of_the_backend(source: Database, backend: Any) -> None:
    """What Dask believes of the dtypes is what each partition has."""
    frame = read_sql_query(ALL, source.url, "id", dtype_backend=backend)
    shown = {
        "pyarrow": ["int32[pyarrow]", "string[pyarrow]", "decimal128(12, 3)[pyarrow]"],
        "numpy_nullable": ["Int32", "string", "object"],
    }[backend]
    assert [str(dtype) for dtype in frame.dtypes] == shown
    pd.testing.assert_series_equal(frame.dtypes, frame.compute().dtypes)
    assert frame.index.dtype == frame.compute().index.dtype


# -- schedulers and secrets -------------------------------------------------------------------------


def with_process(part: pd.DataFrame) -> pd.DataFrame:
    return part.assign(process=os.getpid())


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_it_computes_in_this_process(source: Database, scheduler: str) -> None:
    """With more threads than a pool keeps connections, too."""
    frame = read_sql_query(ALL, with_password(source.url), "id", chunk_size=20)
    computed = frame.map_partitions(with_process).compute(scheduler=scheduler, num_workers=8)
    assert list(computed.index) == list(range(1, ROWS + 1))
    assert set(computed.process) == {os.getpid()}


def test_it_computes_on_worker_processes(source: Database, client: Client) -> None:
    """They find the password that is not in what they are sent."""
    frame = read_sql_query(ALL, with_password(source.url), "k", chunk_size=SIZE)
    computed = client.compute(frame.map_partitions(with_process)).result()
    workers = set(client.run(os.getpid).values())
    assert set(computed.process) <= workers
    assert sorted(computed.id) == list(range(1, ROWS + 1))


def test_an_error_of_a_worker_process_arrives_as_it_was_raised(
    source: Database, client: Client
) -> None:
    """It has its type and its text, which name the column."""
    frame = read_sql_query("SELECT 1 AS id, date 'infinity' AS d", source.url, "id")
    with pytest.raises(EncodeError, match="column 'd'"):
        client.compute(frame).result()


def hidden(*seen: Any) -> bool:
    """Return whether none of the password's spellings is in what was seen, shown or pickled."""
    spellings = secrets_of(sa.URL.create("x", password=PASSWORD))
    text = " ".join(map(repr, seen)) + " ".join(map(str, seen))
    pickles = b" ".join(cloudpickle.dumps(thing) for thing in seen)
    return all(s not in text and s.encode() not in pickles for s in spellings)


@pytest.mark.parametrize("kind", ["url", "text", "engine"])
def test_neither_the_graph_nor_what_is_shown_holds_the_password(
    source: Database, kind: str
) -> None:
    """Nor does the expression, before or after it is optimized, in any spelling of a URL."""
    url = with_password(source.url)
    engine = sa.create_engine(url)
    con = {"url": url, "text": url.render_as_string(hide_password=False), "engine": engine}[kind]
    assert not hidden([url.render_as_string(hide_password=False)])
    read = read_sql_query(ALL, con, "id", chunk_size=SIZE)
    for frame in (read, read.map_partitions(with_process), read.assign(one=1)):
        assert hidden(frame, frame.expr, dict(frame.dask), dict(frame.optimize().__dask_graph__()))
        assert hidden(frame._repr_html_(), frame.expr.tree_repr(), *frame.to_delayed())
    engine.dispose()


def test_an_environment_variable_is_looked_up_when_it_is_read(
    source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its name is in the graph."""
    monkeypatch.setenv("FRAMES_SOURCE", source.url)
    frame = read_sql_query(ALL, "env:FRAMES_SOURCE", "id")
    assert source.url.encode() not in cloudpickle.dumps(dict(frame.dask))
    assert len(frame) == ROWS
    monkeypatch.delenv("FRAMES_SOURCE")
    with pytest.raises(ConfigurationError, match="FRAMES_SOURCE is not set"):
        frame.compute()


# -- refused ----------------------------------------------------------------------------------------

UNFIT = [
    ("date", "infinity"),
    ("date", "-infinity"),
    ("timestamp", "infinity"),
    ("timestamptz", "-infinity"),
    ("date", "0044-03-15 BC"),
    ("numeric(10,2)", "NaN"),
]


@pytest.mark.parametrize(("type_name", "value"), UNFIT)
def test_a_value_that_its_dtype_cannot_hold_is_an_error_that_names_the_column(
    source: Database, type_name: str, value: str
) -> None:
    """The remedy it gives works; rows of other partitions are not concerned."""
    table = f"(VALUES (1, NULL::{type_name}), (2, '{value}'::{type_name})) t (id, \"my day\")"
    sql = f"SELECT * FROM {table}"
    frame = read_sql_query(sql, source.url, "id", chunk_size=1)
    assert values(frame.partitions[0], "my day") == [None]
    with pytest.raises(EncodeError, match=r"column 'my day' \(.*\) holds a value") as caught:
        frame.compute()
    assert '"my day"::text' in str(caught.value)
    text = read_sql_query(f'SELECT id, "my day"::text AS d FROM {table}', source.url, "id")
    assert values(text, "d") == [None, value]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"sql": " "}, "sql", "sql must be a query text"),
    ({"sql": 5}, "sql", "sql must be a query, as text or from SQLAlchemy; got int"),
    ({"sql": "SELEC id"}, "sql", "sql must be a query"),
    ({"sql": "DELETE FROM readings"}, "sql", "sql must be a query"),
    ({"sql": "SELECT 1 AS id, 2 AS id"}, "sql", "sql returns 'id' more than once"),
    ({"sql": sa.text("SELECT :n AS id")}, "sql", "value is required for bind parameter 'n'"),
    ({"sql": sa.select(texts).where(texts.c.id == object())}, "sql", "sql cannot be written"),
    ({"con": None}, "con", "con must be a URL"),
    ({"con": "nowhere"}, "con", "con must be a URL"),
    ({"con": "env:NO_SUCH_VARIABLE"}, "con", "NO_SUCH_VARIABLE is not set"),
    ({"index_col": "missing"}, "index_col", "index_col 'missing' is not a column .* id, k"),
    ({"index_col": ["id", "k"]}, "index_col", "index_col must be the name of one column"),
    ({"index_col": "id", "columns": ["k"]}, "columns", "'id' must be among columns"),
    ({"columns": ["id", "missing"]}, "columns", "columns 'missing' is not a column"),
    ({"columns": []}, "columns", "columns must be a list of column names"),
    ({"npartitions": 0}, "npartitions", "npartitions must be at least 1.* got 0"),
    ({"npartitions": -3}, "npartitions", "got -3"),
    ({"npartitions": 2.5}, "npartitions", "got 2.5"),
    ({"npartitions": "3"}, "npartitions", "got '3'"),
    ({"npartitions": True}, "npartitions", "got True"),
    ({"npartitions": 0, "divisions": [5]}, "npartitions", "got 0"),
    ({"divisions": 5}, "divisions", "divisions must be a list of keys, got int"),
    ({"divisions": "57"}, "divisions", "divisions must be a list of keys, got str"),
    ({"divisions": [5, "x"]}, "divisions", r"keys of id \(bigint\): invalid input .*\"x\"$"),
    ({"divisions": [None, 5]}, "divisions", r"keys of id \(bigint\): .*\"None\"$"),
    ({"divisions": [10**30]}, "divisions", r"keys of id \(bigint\): .*out of range"),
    ({"divisions": [5], "strategy": "ROWID_BASED"}, "strategy", "ROWID_BASED needs"),
    ({"divisions": [5], "sql": "SELECT name FROM heap"}, "divisions", "need one key"),
    ({"divisions": [5], "sql": "SELECT * FROM pairs"}, "divisions", "name it with index_col"),
    ({"chunk_size": 0}, "chunk_size", "must be an integer of at least 1 or .auto., got 0"),
    ({"strategy": "hash"}, "strategy", "strategy must be one of"),
    ({"strategy": "OFFSET_LIMIT"}, "strategy", "OFFSET_LIMIT needs"),
    ({"dtype_backend": "numpy"}, "dtype_backend", "dtype_backend must be"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "field", "words"), REFUSED, ids=lambda value: str(value)[:40]
)
def test_an_argument_that_cannot_be_used_is_refused_by_its_name(
    source: Database, arguments: dict[str, Any], field: str, words: str
) -> None:
    """Before a row is read, and by the name the argument has here."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_sql_query(**{"sql": ALL, "con": source.url, **arguments})
    assert caught.value.details["field"] == field


def test_a_key_without_an_order_is_refused(source: Database) -> None:
    """The error names the argument, the column and its type."""
    with pytest.raises(PlanError, match=r"index_col j \(json\) cannot be cut by") as caught:
        read_sql_query("SELECT json '{}' AS j", source.url, "j")
    assert caught.value.details["field"] == "index_col"


@pytest.mark.parametrize("sql", ["SELECT id, nothing FROM readings", "  SELECT * FROM nowhere"])
def test_bad_sql_is_the_databases_own_error_with_its_position(source: Database, sql: str) -> None:
    """The position counts in the text that was given."""
    with pytest.raises(DatabaseError) as caught:
        read_sql_query(sql, source.url, "id")
    assert caught.value.details["position"] == 1 + sql.index("no")


def test_a_database_that_cannot_be_reached_is_an_error_without_the_password() -> None:
    """It says where it was looked for."""
    url = sa.URL.create("postgresql+psycopg2", "u", PASSWORD, "127.0.0.1", 1, "x")
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:1/x") as caught:
        read_sql_query(ALL, url, "id")
    error: BaseException | None = caught.value
    while isinstance(error, MapperError):
        assert hidden(error)
        error = error.__cause__


# -- what the plan warns of ------------------------------------------------------------------------

UNREPEATABLE = [
    "SELECT k FROM (SELECT k FROM t ORDER BY random() LIMIT 500) q",
    "SELECT k, random() AS r FROM t",
    "SELECT k FROM t TABLESAMPLE BERNOULLI (50)",
    "SELECT k FROM (SELECT k FROM t LIMIT 100) q",
    "SELECT k, clock_timestamp() AS at FROM t",
    "SELECT k, gen_random_uuid() AS id FROM t",
]


@pytest.mark.parametrize("sql", UNREPEATABLE)
def test_rows_that_may_be_lost_or_doubled_never_pass_unseen(source: Database, sql: str) -> None:
    source.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (k int PRIMARY KEY)")
    source.execute("INSERT INTO t SELECT generate_series(1, 1000)")
    job = MapperJob(
        source_conn=source.url, source_sql=sql, key_column="k", chunk_size=SIZE, consistent=False
    )
    said = ChunkManager().plan(job).warnings

    with pytest.warns(UserWarning, match=r".") as caught:
        read_sql_query(sql, source.url, "k", chunk_size=SIZE)

    assert said
    assert [str(warning.message) for warning in caught] == list(said)
    assert {warning.filename for warning in caught} == {__file__}


def test_what_the_plan_says_of_costs_is_no_warning(source: Database) -> None:
    sql = "SELECT 7 AS k, i FROM generate_series(1, 500) i"
    job = MapperJob(source_conn=source.url, source_sql=sql, key_column="k", chunk_size=SIZE)
    assert any("alone fill" in note for note in ChunkManager().plan(job).warnings)
    read_sql_query(sql, source.url, "k", chunk_size=SIZE)  # a warning would be an error
