"""Every row once and every value exact, where Dask's own reader loses or changes them."""

# ruff: noqa: DTZ001 - a timestamp without time zone is read as one

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import dask
import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import read_sql_query
from tests.database import Database
from tests.integration.frames.readings import ALL, ROWS, SIZE, sizes, texts, values

readings = sa.table("readings", sa.column("id"), sa.column("k"), sa.column("name"))


def make_table(database: Database, name: str, type_name: str, rows: list[Any]) -> None:
    """Make a table of numbered values of one type."""
    database.execute(f"CREATE TABLE {name} (id int, v {type_name})")
    marks = ", ".join(["(%s, %s)"] * len(rows))
    numbered = [part for row in enumerate(rows) for part in row]
    database.execute(f"INSERT INTO {name} VALUES {marks}", *numbered)


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
    "fractions": (
        "numeric",
        [Decimal("0.1"), Decimal("0.10000000000000000000000000001"), Decimal(2)],
    ),
    "microseconds": ("timestamp", [dt.datetime(2024, 1, 1, 0, 0, 0, i) for i in range(1, 9)]),
    "time_zones": (
        "timestamptz",
        [dt.datetime(2024, 3, 31, i, 30, tzinfo=dt.UTC) for i in range(4)],
    ),
    "dates": ("date", [dt.date(2024, 2, day) for day in (27, 28, 29)]),
    "booleans": ("boolean", [False, True]),
    "bytes": ("bytea", [b"", b"\0", b"\xff\xfe", b"'\\"]),
    "text": ('text COLLATE "C"', ["", "A", "Z", "a", "É", "é", "漢", "it's", "%s", "\\", "\n"]),
}


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
]


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
    sql = (
        "SELECT timestamptz '2024-10-27 00:30+00' + i * interval '1 hour' AS at "
        "FROM generate_series(0, 1) i"
    )
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
    "text_clause": (
        sa.text("SELECT id FROM readings WHERE mod(id, 3) = 0 AND name LIKE 'n%'"),
        "id",
    ),
    "select": (sa.select(readings).where(readings.c.id > 500), "id"),
    "compound": (sa.union_all(sa.select(readings.c.id), sa.select(readings.c.k)), "id"),
    "modulo": (sa.select(readings).where(readings.c.id % 2 == 0), "id"),
    "like": (sa.select(readings.c.id).where(readings.c.name.like("n1%")), "id"),
    "in": (sa.select(readings.c.id).where(readings.c.name.in_(["n1", "n2", "%"])), "id"),
}


@pytest.mark.parametrize(("sql", "key"), QUERIES.values(), ids=QUERIES)
def test_any_query_gives_the_rows_it_gives_by_itself(source: Database, sql: Any, key: str) -> None:
    """It is computed as a whole, and its result is cut; never a condition is added inside it."""
    frame = read_sql_query(sql, source.url, key, npartitions=3)
    engine = sa.create_engine(source.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        run = connection.exec_driver_sql if isinstance(sql, str) else connection.execute
        rows = [tuple(row) for row in run(sql.replace("%", "%%") if isinstance(sql, str) else sql)]
    computed = frame.compute().reset_index()
    read = [
        tuple(None if pd.isna(v) else v for v in row) for row in computed.itertuples(index=False)
    ]
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
