"""On a real server: the chunks of a plan hold every row exactly once, for every type of key."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper_dask import ChunkingStrategy, ChunkManager, MapperJob
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.plan import sample
from tests.database import Server, fresh_databases
from tests.long_form import KEYS as KEYS_EACH

WORDS = st.text(st.sampled_from("abAB éß_%'\"\\漢😀"), max_size=4)
INT_8 = st.integers(-(2**63), 2**63 - 1)
NEAR = st.integers(2**53, 2**53 + 20)
TEXTS = {
    "text_c": 'text COLLATE "C"',
    "text_default": "text",
    "text_icu": 'text COLLATE "und-x-icu"',
    "text_icu_ci": "text COLLATE case_blind",
    "char": "char(6)",
    "varchar": "varchar(6)",
}


def dates() -> st.SearchStrategy[str]:
    ordinary = st.dates().map(str)
    bc = st.integers(1, 4000).map(lambda year: f"{year:04d}-03-15 BC")
    return st.sampled_from(["infinity", "-infinity"]) | ordinary | bc


def stamps(zone: str = "") -> st.SearchStrategy[str]:
    ordinary = st.datetimes().map(lambda moment: f"{moment}{zone}")
    close = st.integers(0, 30).map(lambda us: f"2020-01-01 00:00:00.0000{us:02d}{zone}")
    return st.sampled_from(["infinity", "-infinity", f"4000-01-01 BC{zone}"]) | ordinary | close


KEYS: dict[str, tuple[str, st.SearchStrategy[str]]] = {
    "integer": ("integer", st.integers(-9, 9).map(str)),
    "bigint": ("bigint", (INT_8 | NEAR).map(str)),
    "numeric": (
        "numeric",
        st.sampled_from(["NaN", "Infinity", "-Infinity", "1.0", "1.00", "1e-30", "-0.0", "9e40"])
        | NEAR.map(str)
        | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    ),
    "numeric_38": ("numeric(38,2)", st.integers(10**35, 10**35 + 30).map(str)),
    "float": ("float8", (st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 0.1])).map(str)),
    "real": ("float4", st.floats(width=32).map(str)),
    **{name: (kind, WORDS) for name, kind in TEXTS.items()},
    "date": ("date", dates()),
    "timestamp": ("timestamp", stamps()),
    "timestamptz": ("timestamptz", stamps("+05")),
    "time": ("time", st.times().map(str) | st.just("24:00:00")),
    "uuid": ("uuid", st.uuids().map(str)),
    "bytea": ("bytea", st.binary(max_size=3).map(lambda value: "\\x" + value.hex())),
    "interval": (
        "interval",
        st.sampled_from(["1 mon", "30 days", "720:00:00", "-1 day +02:00", "1 year 0.000001 s"])
        | st.integers(-9, 9).map(lambda days: f"{days} days"),
    ),
    "enum": ("mood", st.sampled_from(["sad", "ok", "happy"])),
    "boolean": ("bool", st.sampled_from(["t", "f"])),
    "inet": ("inet", st.ip_addresses(v=4).map(str)),
    "array": ("int[]", st.sampled_from(["{}", "{1}", "{1,NULL}", "{NULL}", "{1,2}", "{2}"])),
}


@dataclass
class Planner:
    """A connection to load rows with; the library opens its own."""

    url: str
    conn: Any

    def fill(self, rows: list[tuple[str | None, ...]], *types: str) -> str:
        """Make a table of key columns k0, k1, … beside a row number; return its name."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        columns = ", ".join(f"k{i} {kind}" for i, kind in enumerate(types))
        with self.conn.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {name} (id int, {columns})")
            marks = ", ".join(["%s"] * (len(types) + 1))
            cursor.executemany(
                f"INSERT INTO {name} VALUES ({marks})", [(i, *row) for i, row in enumerate(rows)]
            )
        return name

    def require(self, types: Iterable[str]) -> None:
        """Skip where the server was built without ICU, as the embedded one is."""
        has_icu = self.fetch("SELECT 1 FROM pg_collation WHERE collname = 'case_blind'")
        if not has_icu and any("COLLATE" in kind and '"C"' not in kind for kind in types):
            pytest.skip("this server knows no ICU collations; set MAPPER_DASK_TEST_PG_DSN")

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        with self.conn.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


@pytest.fixture(scope="module")
def planner(postgres_server: Server) -> Iterator[Planner]:
    with fresh_databases(postgres_server) as fresh:
        url = sa.make_url(fresh.source.url)
        args = {**url.translate_connect_args(username="user", database="dbname"), **url.query}
        conn = psycopg2.connect(**args)
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
            with contextlib.suppress(psycopg2.errors.FeatureNotSupported):
                cursor.execute(
                    "CREATE COLLATION case_blind "
                    "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
                )
        yield Planner(fresh.source.url, conn)
        conn.close()
        dispose_engines()


def chunk_queries(planner: Planner, **job: Any) -> list[str]:
    manager = ChunkManager()
    plan = manager.plan(MapperJob(source_conn=planner.url, **job))
    return [manager.create_chunked_query(planner.url, plan, chunk) for chunk in plan.chunks]


def require_every_row_once(planner: Planner, table: str, queries: list[str]) -> None:
    """Compare by row number, which no type's own idea of equality can blur."""
    read = " UNION ALL ".join(f"(SELECT id FROM ({query}\n) AS c)" for query in queries)

    assert planner.fetch(f"({read}) EXCEPT ALL SELECT id FROM {table}") == []
    assert planner.fetch(f"SELECT id FROM {table} EXCEPT ALL ({read})") == []


def examples(count: int = KEYS_EACH) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def check(planner: Planner, rows: list, size: int, types: list[str], **job: Any) -> None:
    table = planner.fill(rows, *types)
    keys = [f"k{i}" for i in range(len(types))]
    job = {"key_column": keys, "source_sql": f"SELECT * FROM {table}", **job}
    queries = chunk_queries(planner, chunk_size=size, **job)
    require_every_row_once(planner, table, queries)
    _drop(planner, table)


def _drop(planner: Planner, table: str) -> None:
    with planner.conn.cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}")


SIZES = st.integers(1, 6)


@pytest.mark.parametrize("kind", KEYS)
def test_ranges_of_one_key_hold_every_row_once(planner, kind):
    type_name, values = KEYS[kind]
    planner.require([type_name])

    @examples()
    @given(st.lists(st.tuples(st.none() | values), max_size=25), SIZES)
    def every_row_once(rows, size):
        check(planner, rows, size, [type_name])

    every_row_once()


PAIRS = [
    ("integer", "text_icu_ci"),
    ("text_c", "timestamp"),
    ("boolean", "numeric"),
    ("char", "interval"),
    ("float", "uuid"),
]


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_ranges_of_composite_keys_hold_every_row_once_with_null_in_any_part(planner, kinds):
    types, values = zip(*(KEYS[kind] for kind in kinds), strict=True)
    planner.require(types)

    @examples()
    @given(st.lists(st.tuples(*(st.none() | value for value in values)), max_size=25), SIZES)
    def every_row_once(rows, size):
        check(planner, rows, size, list(types))

    every_row_once()


@pytest.mark.parametrize("kind", ["integer", "text_c", "text_icu", "float"])
def test_windows_over_a_unique_order_hold_every_row_once(planner, kind):
    type_name, values = KEYS[kind]
    planner.require([type_name])

    @examples()
    @given(st.lists(st.none() | values, max_size=25), SIZES)
    def every_row_once(keys, size):
        table = planner.fill([(key,) for key in keys], type_name)
        job = {"source_sql": f"SELECT * FROM {table} ORDER BY k0, id", "chunk_size": size}
        queries = chunk_queries(planner, strategy=ChunkingStrategy.OFFSET_LIMIT, **job)
        require_every_row_once(planner, table, queries)
        _drop(planner, table)

    every_row_once()


@pytest.mark.parametrize("condition", ["true", "id % 3 <> 0"])
def test_row_addresses_hold_every_row_once(planner, condition):
    table = planner.fill([(str(i),) for i in range(10)], "text")
    with planner.conn.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} SELECT i, repeat('x', 90) FROM generate_series(10, 4999) i"
        )
        cursor.execute(f"DELETE FROM {table} WHERE NOT ({condition})")

    job = {"source_sql": f"SELECT * FROM {table} AS x", "chunk_size": 300}
    queries = chunk_queries(planner, strategy=ChunkingStrategy.ROWID_BASED, **job)

    assert len(queries) > 10
    require_every_row_once(planner, table, queries)


@pytest.mark.parametrize("key", ["k0", "k1"], ids=["in the order of the rows", "in no order"])
def test_keys_sampled_at_places_hold_every_row_once(planner, key, monkeypatch):
    """The places see one block in seven, so most keys are never seen when bounds are chosen."""
    monkeypatch.setattr(sample, "WALKED_ROWS", 1_000)
    monkeypatch.setattr(sample, "FEWEST_PLACES", 40)
    monkeypatch.setattr(sample, "PLACES_A_CHUNK", 2)
    table = planner.fill([], "int", "int")
    with planner.conn.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} SELECT i, i / 7, nullif(hashint4(i) % 5000, 3) "
            "FROM generate_series(1, 60000) i"
        )
        cursor.execute(f"ANALYZE {table}")
    placed = []
    original = sample._by_place
    monkeypatch.setattr(sample, "_by_place", lambda *args: _noted(placed, original(*args)))

    job = {"source_sql": f"SELECT * FROM {table}", "key_column": key, "chunk_size": 3_000}
    queries = chunk_queries(planner, **job)

    assert placed[0].share < 0.5
    assert len(queries) > 10
    require_every_row_once(planner, table, queries)
    _drop(planner, table)


def _noted(notes: list[Any], value: Any) -> Any:
    notes.append(value)
    return value


NULLABLE_AFTER_ALL = {
    "a constraint that is not valid yet": (
        "CREATE TABLE {t} (id int, k int)",
        "INSERT INTO {t} SELECT i, nullif(i % 3, 0) FROM generate_series(1, 60) i",
        "ALTER TABLE {t} ADD CONSTRAINT present NOT NULL k NOT VALID",
    ),
    "a constraint that children do not have": (
        "CREATE TABLE {t} (id int, k int NOT NULL NO INHERIT)",
        "CREATE TABLE {t}_child () INHERITS ({t})",
        "INSERT INTO {t} SELECT i, i FROM generate_series(1, 30) i",
        "INSERT INTO {t}_child SELECT i, NULL FROM generate_series(31, 60) i",
    ),
}


@pytest.mark.parametrize("case", NULLABLE_AFTER_ALL)
def test_a_not_null_mark_that_does_not_hold_for_every_row_loses_none(planner, case):
    if planner.conn.server_version < 180_000:
        pytest.xfail("such constraints came with PostgreSQL 18")
    table = f"t_{uuid.uuid4().hex[:12]}"
    with planner.conn.cursor() as cursor:
        for statement in NULLABLE_AFTER_ALL[case]:
            cursor.execute(statement.format(t=table))

    queries = chunk_queries(
        planner, source_sql=f"SELECT * FROM {table}", key_column="k", chunk_size=10
    )

    require_every_row_once(planner, table, queries)
