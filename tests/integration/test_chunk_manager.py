"""Plans on a real server: which key, which way, how even; and that chunks cover the query."""
# ruff: noqa: E501 - a query or a case reads better on one line

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import Chunk, ChunkConfig, ChunkingStrategy, ChunkManager, ChunkPlan, MapperJob
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import ChunkKind
from mapper_dask.plan import sample
from mapper_dask.plan.chunk_plan import saved_chunks
from tests.database import Database, Databases, Server, fresh_databases

ROWS = 20_000
SIZE = 1_000
TOLERANCE = 0.2
LONGEST = "n" * 63


@dataclass(frozen=True)
class KeyType:
    """A type with an expression over ``i`` that gives ROWS different keys of it."""

    name: str
    type_name: str
    expression: str


KEY_TYPES = [
    KeyType("int", "int", "i"),
    KeyType("smallint", "smallint", "i"),
    KeyType("negative", "int", "i - 10000"),
    KeyType("sparse", "bigint", "9007199254740993 + i * 1000 + i % 7"),
    KeyType("largest", "bigint", "9223372036854775807 - i"),
    KeyType("numeric", "numeric", "i / 7::numeric + 10::numeric ^ 40"),
    KeyType("decimal", "numeric(20,4)", "i / 8::numeric - 1000"),
    KeyType("float", "float8", "sqrt(i)"),
    KeyType("text_c", 'text COLLATE "C"', "md5(i::text)"),
    KeyType("text_icu", "text COLLATE icu", "CASE i % 3 WHEN 0 THEN 'É' WHEN 1 THEN 'e' ELSE 'Z' END || md5(i::text)"),
    KeyType("text_odd", "text", "i % 10 || E'\\'\\\\%\"\\n é🎉' || i"),
    KeyType("char_padded", "char(12)", "'k ' || i"),
    KeyType("date", "date", "date '1900-01-01' + i"),
    KeyType("timestamp", "timestamp", "timestamp '2024-01-01' + i * interval '1 microsecond'"),
    KeyType("timestamptz", "timestamptz", "timestamptz '2024-03-31 00:30:00+00' + i * interval '1.000001 seconds'"),
    KeyType("uuid", "uuid", "md5(i::text)::uuid"),
    KeyType("bytea", "bytea", "decode(md5(i::text), 'hex')"),
    KeyType("interval", "interval", "i * interval '1 month 1 second'"),
    KeyType("skewed", "numeric", "(i::numeric / 20000) ^ 9 * 1000000000"),
]  # fmt: skip

SHOP = f'''
CREATE TABLE shop (
    id int PRIMARY KEY, code text NOT NULL UNIQUE, maybe int UNIQUE, area text, price numeric(10,2), at timestamptz
);
INSERT INTO shop SELECT i, 'c' || i, nullif(i, 5), (ARRAY['n','s','e','w'])[1 + i % 4], i / 3.0,
    timestamptz '2024-01-01+00' + i * interval '1 hour' FROM generate_series(1, 1000) i;
CREATE VIEW shop_view AS SELECT * FROM shop;
CREATE TABLE area (id int PRIMARY KEY, code text, name text);
INSERT INTO area VALUES (1, 'n', 'north'), (2, 's', 'south'), (3, 'e', 'east');
CREATE TABLE keyless (a int, b text);
INSERT INTO keyless SELECT i % 50, repeat('x', i % 90) FROM generate_series(1, 3000) i;
INSERT INTO keyless SELECT NULL, NULL FROM generate_series(1, 20);
CREATE TABLE pair (a int, b text, v int, PRIMARY KEY (a, b));
INSERT INTO pair SELECT i / 100, 'b' || i % 100, i FROM generate_series(0, 1999) i;
CREATE TABLE loose_pair (a int, b text, v int);
INSERT INTO loose_pair SELECT nullif(i / 100, 3), nullif('b' || i % 100, 'b7'), i FROM generate_series(0, 1999) i;
CREATE TABLE "Ödd %s ""T""" ("Key" int PRIMARY KEY, "a b" int, "q""q" text, "pct%" text, "100%s" int, "漢字" text, "{LONGEST}" int, "a.b" int);
INSERT INTO "Ödd %s ""T""" SELECT i, i * 2, 'x"' || i, '5%', i, 'é漢字🎉', i, -i FROM generate_series(1, 300) i;
ANALYZE
'''


def _create_collation(database: Database) -> bool:
    """Return whether the server has collations that sort other than by code points."""
    try:
        query(database, "CREATE COLLATION icu (provider = icu, locale = 'en')")
    except psycopg2.errors.FeatureNotSupported:
        return False
    return True


def _need_collation(database: Database, key: KeyType) -> None:
    if "icu" in key.name and query(database, "SELECT to_regclass('k_text_icu') IS NULL")[0][0]:
        pytest.skip(
            "this server is built without ICU; the one of MAPPER_DASK_TEST_PG_DSN may be with"
        )


def _key_table(key: KeyType) -> str:
    return f"""
        CREATE TABLE k_{key.name} (n int, v int, k {key.type_name});
        INSERT INTO k_{key.name} SELECT i, 1, {key.expression} FROM generate_series(1, {ROWS}) i;
        CREATE UNIQUE INDEX ON k_{key.name} (k);
    """


@pytest.fixture(scope="module")
def shop(postgres_server: Server) -> Iterator[Database]:
    """A database that the tests of this file only read."""
    with fresh_databases(postgres_server) as databases:
        has_icu = _create_collation(databases.source)
        keys = [key for key in KEY_TYPES if has_icu or "icu" not in key.name]
        query(databases.source, "".join(map(_key_table, keys)) + SHOP)
        yield databases.source


def query(database: Database, sql: str) -> list[tuple[object, ...]]:
    """Run statements and return the rows of the last; a percent sign in them is itself."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with contextlib.closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = list(cursor.fetchall()) if cursor.description else []
        connection.commit()
        return rows


def plan_of(database: Database, sql: str, **options: object) -> ChunkPlan:
    return ChunkManager().plan(MapperJob(source_conn=database.url, source_sql=sql, **options))


def chunk_queries(database: Database, plan: ChunkPlan) -> list[str]:
    manager = ChunkManager()
    return [manager.create_chunked_query(database.url, plan, chunk) for chunk in plan.chunks]


def sizes(database: Database, plan: ChunkPlan) -> list[int]:
    counts = [f"(SELECT count(*) FROM (\n{text}\n) AS c)" for text in chunk_queries(database, plan)]
    return list(query(database, f"SELECT {', '.join(counts)}")[0])


def assert_covers(database: Database, plan: ChunkPlan, sql: str) -> None:
    """Every row of the query is in one chunk: EXCEPT ALL is empty both ways."""
    parts = [f"SELECT c::text FROM (\n{text}\n) AS c" for text in chunk_queries(database, plan)]
    chunks = "\nUNION ALL\n".join(parts)
    whole = f"SELECT c::text FROM (\n{sql}\n) AS c"
    lost = query(database, f"({whole}) EXCEPT ALL ({chunks})")
    doubled = query(database, f"({chunks}) EXCEPT ALL ({whole})")
    assert (lost, doubled) == ([], [])


# -- rows and keys ----------------------------------------------------------------------------------


def test_total_rows_are_counted(shop: Database) -> None:
    manager = ChunkManager()
    assert manager.estimate_total_rows(shop.url, "SELECT * FROM shop WHERE id > 900;") == 100
    assert manager.estimate_total_rows(shop.url, "SELECT * FROM keyless -- all") == 3020
    assert manager.estimate_total_rows(shop.url, "SELECT 1 WHERE false") == 0


@pytest.mark.parametrize(
    ("sql", "key"),
    [
        ("SELECT * FROM shop ORDER BY at", ("at",)),
        ("SELECT * FROM shop ORDER BY area, at DESC", ("area", "at")),
        ("SELECT id, at AS moment FROM shop ORDER BY 2", ("moment",)),
        ("SELECT id AS number FROM shop s ORDER BY s.id", ("number",)),
        ("SELECT * FROM shop ORDER BY code, at", ("code",)),
        ("SELECT * FROM shop", ("id",)),
        ("SELECT * FROM public.shop AS s WHERE price > 3", ("id",)),
        ("SELECT code, id AS number FROM shop", ("number",)),
        ("SELECT code, price FROM shop", ("code",)),
        ("SELECT * FROM pair", ("a", "b")),
        ("SELECT maybe, price FROM shop", ()),
        ("SELECT price FROM shop", ()),
        ("SELECT upper(code) AS code FROM shop", ()),
        ("SELECT * FROM shop_view", ()),
        ("SELECT s.id, a.name FROM shop s JOIN area a ON a.code = s.area", ()),
        ("SELECT id, count(*) FROM shop GROUP BY id", ()),
        ("SELECT id FROM shop UNION ALL SELECT id FROM area", ()),
        ("SELECT * FROM keyless", ()),
        ('SELECT * FROM "Ödd %s ""T"""', ("Key",)),
    ],
)
def test_key_comes_from_order_then_from_unique_indexes(
    shop: Database, sql: str, key: tuple[str, ...]
) -> None:
    assert ChunkManager().detect_key_column(shop.url, sql) == key


def test_key_is_found_behind_a_qualified_star(shop: Database) -> None:
    assert ChunkManager().detect_key_column(shop.url, "SELECT s.* FROM shop s") == ("id",)


@pytest.mark.parametrize(
    "index",
    ["(k)", "(k) WHERE v = 1", "((k + 1))", "(k DESC NULLS LAST) INCLUDE (v)"],
    ids=["nullable", "partial", "expression", "nullable covering"],
)
def test_index_that_does_not_prove_a_key_is_none(databases: Databases, index: str) -> None:
    query(databases.source, "CREATE TABLE t (k int, v int)")
    query(databases.source, f"CREATE UNIQUE INDEX ON t {index}")
    assert ChunkManager().detect_key_column(databases.source.url, "SELECT * FROM t") == ()


def test_unique_index_with_included_columns_is_a_key(databases: Databases) -> None:
    query(databases.source, "CREATE TABLE t (k int NOT NULL, v int)")
    query(databases.source, "CREATE UNIQUE INDEX ON t (k) INCLUDE (v)")
    assert ChunkManager().detect_key_column(databases.source.url, "SELECT * FROM t") == ("k",)


def test_deferrable_constraint_is_no_key(databases: Databases) -> None:
    query(databases.source, "CREATE TABLE t (k int NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    assert ChunkManager().detect_key_column(databases.source.url, "SELECT * FROM t") == ()


# -- the choice -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "options", "strategy", "why"),
    [
        ("SELECT * FROM shop", {}, "KEY_BASED", "a unique index of the table"),
        ("SELECT * FROM shop ORDER BY id", {}, "KEY_BASED", "ORDER BY, a unique key"),
        ("SELECT * FROM shop ORDER BY price", {}, "ROWID_BASED", "price has no index"),
        ("SELECT * FROM keyless", {}, "ROWID_BASED", "no ORDER BY, and no unique key"),
        ("SELECT * FROM keyless", {"key_column": "a"}, "KEY_BASED", "key_column"),
        ("SELECT * FROM shop_view ORDER BY id", {}, "KEY_BASED", "ORDER BY"),
        ("SELECT area, count(*) AS n FROM shop GROUP BY area", {}, None, "pass key_column"),
        ("SELECT * FROM shop_view", {}, None, "pass key_column"),
        ("SELECT * FROM shop", {"strategy": "OFFSET_LIMIT"}, "OFFSET_LIMIT", "was asked for"),
        ("SELECT * FROM shop", {"strategy": "rowid_based"}, "ROWID_BASED", "was asked for"),
        ("SELECT * FROM shop", {"strategy": ChunkingStrategy.KEY_BASED}, "KEY_BASED", "asked for"),
    ],
)
def test_choice_says_why(
    shop: Database, sql: str, options: dict[str, object], strategy: str | None, why: str
) -> None:
    plan = plan_of(shop, sql, chunk_size=100, **options)
    assert why in plan.config.reason
    if strategy is None:
        assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE]
    else:
        assert plan.config.strategy is ChunkingStrategy[strategy]
        assert len(plan.chunks) > 3
    assert_covers(shop, plan, sql)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT * FROM shop LIMIT 300", "LIMIT"),
        ("SELECT * FROM shop ORDER BY area LIMIT 300", "LIMIT"),
        ("SELECT * FROM (SELECT * FROM shop LIMIT 300) s ORDER BY id", "LIMIT"),
        ("SELECT * FROM shop ORDER BY area FETCH FIRST 300 ROWS ONLY", "LIMIT"),
        ("SELECT * FROM shop ORDER BY area OFFSET 3", "LIMIT"),
        ("SELECT id, random() AS r FROM shop", "rand"),
        ("SELECT id, gen_random_uuid() AS r FROM shop", "uuid"),
        ("SELECT id, clock_timestamp() AS r FROM shop", "clock_timestamp()"),
        ("SELECT * FROM shop TABLESAMPLE BERNOULLI (50)", "TABLESAMPLE"),
        ("SELECT * FROM shop WHERE random() < 0.5", "rand"),
    ],
)
def test_query_that_is_another_each_time_is_one_chunk(shop: Database, sql: str, why: str) -> None:
    plan = plan_of(shop, sql, chunk_size=100)
    assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE]
    assert why in plan.config.reason


def test_user_s_volatile_function_is_one_chunk(databases: Databases) -> None:
    query(databases.source, "CREATE TABLE t (id int PRIMARY KEY)")
    query(databases.source, "INSERT INTO t SELECT generate_series(1, 1000)")
    query(
        databases.source,
        "CREATE FUNCTION dice() RETURNS float8 VOLATILE LANGUAGE sql AS 'SELECT random()'",
    )
    plan = plan_of(
        databases.source,
        "SELECT * FROM (SELECT id, dice() AS r FROM t) s ORDER BY r",
        chunk_size=100,
    )
    assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE]


def test_limit_over_a_unique_order_may_be_cut(shop: Database) -> None:
    sql = "SELECT * FROM shop ORDER BY id LIMIT 555"
    plan = plan_of(shop, sql, chunk_size=100, key_column="id")
    assert_covers(shop, plan, sql)
    assert len(plan.chunks) > 5
    assert not [note for note in plan.notes if "no unique order" in note]


# -- even chunks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEY_TYPES, ids=lambda key: key.name)
@pytest.mark.parametrize("sampled", [False, True], ids=["counted", "sampled"])
def test_chunks_are_even_for_every_key_type(
    shop: Database, monkeypatch: pytest.MonkeyPatch, key: KeyType, *, sampled: bool
) -> None:
    _need_collation(shop, key)
    if sampled:
        monkeypatch.setattr(sample, "WALKED_ROWS", SIZE)
    sql = f"SELECT * FROM k_{key.name}"
    plan = plan_of(shop, sql, key_column="k", chunk_size=SIZE)
    *ranges, nulls = plan.chunks
    assert nulls.kind is ChunkKind.NULL_KEY
    assert {chunk.kind for chunk in ranges} == {ChunkKind.KEY_RANGE}
    *found, last, without = sizes(shop, plan)
    assert without == 0
    assert sum(found) + last == ROWS
    assert abs(plan.config.total_rows - ROWS) <= ROWS * 0.1
    assert all(SIZE * (1 - TOLERANCE) <= rows <= SIZE * (1 + TOLERANCE) for rows in found)
    assert last <= SIZE * (1 + TOLERANCE)
    assert_covers(shop, plan, sql)


@pytest.mark.parametrize("key", [KEY_TYPES[0], KEY_TYPES[8]], ids=lambda key: key.name)
def test_sample_of_a_query_that_is_no_single_table(
    shop: Database, monkeypatch: pytest.MonkeyPatch, key: KeyType
) -> None:
    monkeypatch.setattr(sample, "WALKED_ROWS", SIZE)
    sql = f"SELECT t.k, u.v FROM k_{key.name} t JOIN k_{key.name} u USING (n)"
    plan = plan_of(shop, sql, key_column="k", chunk_size=2 * SIZE)
    assert_covers(shop, plan, sql)
    assert len(plan.chunks) > 5


@pytest.mark.parametrize("sampled", [False, True], ids=["counted", "sampled"])
def test_ten_thousand_ids_over_ten_million(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, *, sampled: bool
) -> None:
    if sampled:
        monkeypatch.setattr(sample, "WALKED_ROWS", SIZE)
    query(databases.source, "CREATE TABLE t (id bigint PRIMARY KEY)")
    query(
        databases.source,
        "INSERT INTO t SELECT CASE WHEN i <= 9000 THEN i ELSE 9007199254740993 + i * 1000::bigint END"
        " FROM generate_series(1, 10000) i",
    )
    query(databases.source, "ANALYZE t")
    plan = plan_of(databases.source, "SELECT * FROM t", chunk_size=500)
    found = sizes(databases.source, plan)
    assert sum(found) == 10_000
    assert all(400 <= rows <= 600 for rows in found[:-1])
    assert_covers(databases.source, plan, "SELECT * FROM t")


def test_estimate_far_too_high_walks_every_key(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "WALKED_ROWS", SIZE)
    query(databases.source, "CREATE TABLE t (id int PRIMARY KEY)")
    query(databases.source, "INSERT INTO t SELECT generate_series(1, 50000)")
    query(databases.source, "ANALYZE t")
    query(databases.source, "DELETE FROM t WHERE id > 200")
    plan = plan_of(databases.source, "SELECT * FROM t", chunk_size=50)
    assert sizes(databases.source, plan) == [50, 50, 50, 50]


def test_heavy_keys_are_named_and_the_rest_is_even(databases: Databases) -> None:
    query(databases.source, "CREATE TABLE t (k int, v int)")
    query(
        databases.source,
        "INSERT INTO t SELECT CASE WHEN i <= 9000 THEN 777 ELSE i END, i FROM generate_series(1, 19000) i",
    )
    query(databases.source, "CREATE INDEX ON t (k)")
    plan = plan_of(databases.source, "SELECT * FROM t", key_column="k", chunk_size=1000)
    assert any("777" in note and "1 key(s) alone fill more" in note for note in plan.warnings)
    found = sizes(databases.source, plan)
    assert [rows for rows in found if rows > 1200] == [max(found)]
    assert max(found) <= 9_000 + 1_200
    assert_covers(databases.source, plan, "SELECT * FROM t")


# -- small and strange sources ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "strategy"),
    [
        (0, None),
        (0, ChunkingStrategy.KEY_BASED),
        (0, ChunkingStrategy.OFFSET_LIMIT),
        pytest.param(0, ChunkingStrategy.ROWID_BASED),
        (1, None),
        (1, ChunkingStrategy.KEY_BASED),
        (1, ChunkingStrategy.OFFSET_LIMIT),
        (1, ChunkingStrategy.ROWID_BASED),
    ],
)
def test_source_of_no_or_one_row(databases: Databases, strategy: object, rows: int) -> None:
    query(databases.source, "CREATE TABLE t (id int PRIMARY KEY, v text)")
    query(databases.source, f"INSERT INTO t SELECT i, 'x' FROM generate_series(1, {rows}) i")
    plan = plan_of(databases.source, "SELECT * FROM t", strategy=strategy)
    assert len(plan.chunks) == 1
    assert sizes(databases.source, plan) == [rows]
    query(
        databases.source,
        "INSERT INTO t SELECT i, 'late' FROM generate_series(-500, -1) i UNION ALL SELECT i, 'late' FROM generate_series(10, 500) i",
    )
    assert_covers(databases.source, plan, "SELECT * FROM t")


def test_empty_table_without_a_key(databases: Databases) -> None:
    query(databases.source, "CREATE TABLE t (v text)")
    plan = plan_of(databases.source, "SELECT * FROM t")
    assert len(plan.chunks) == 1
    query(databases.source, "INSERT INTO t SELECT 'late' FROM generate_series(1, 500)")
    assert_covers(databases.source, plan, "SELECT * FROM t")


@pytest.mark.parametrize("value", ["NULL", "5"], ids=["all NULL", "all equal"])
def test_keys_that_cannot_be_told_apart(databases: Databases, value: str) -> None:
    query(databases.source, "CREATE TABLE t (k int, v int)")
    query(databases.source, f"INSERT INTO t SELECT {value}, i FROM generate_series(1, 1000) i")
    plan = plan_of(databases.source, "SELECT * FROM t", key_column="k", chunk_size=100)
    assert sorted(sizes(databases.source, plan)) == [0, 1000]
    assert any("1,000" in note or "900" in note for note in plan.warnings)
    assert_covers(databases.source, plan, "SELECT * FROM t")


@pytest.mark.parametrize("sampled", [False, True], ids=["counted", "sampled"])
def test_null_keys_have_a_chunk_of_their_own(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, *, sampled: bool
) -> None:
    if sampled:
        monkeypatch.setattr(sample, "WALKED_ROWS", 100)
    query(databases.source, "CREATE TABLE t (k int UNIQUE, v int)")
    query(
        databases.source,
        "INSERT INTO t SELECT CASE WHEN i % 400 > 0 THEN i END, i FROM generate_series(1, 8000) i",
    )
    query(databases.source, "ANALYZE t")
    plan = plan_of(databases.source, "SELECT * FROM t", key_column="k", chunk_size=1000)
    nulls = [chunk for chunk in plan.chunks if chunk.kind is ChunkKind.NULL_KEY]
    assert [chunk.describe() for chunk in nulls] == ["key IS NULL"]
    assert sizes(databases.source, plan)[nulls[0].chunk_id] == 20
    assert_covers(databases.source, plan, "SELECT * FROM t")


def test_not_null_constraint_that_was_never_validated_hides_no_row(databases: Databases) -> None:
    if databases.source.fetch("SHOW server_version_num") < [("180000",)]:
        pytest.skip("NOT NULL … NOT VALID came with PostgreSQL 18")
    query(databases.source, "CREATE TABLE t (k int, v int)")
    query(
        databases.source, "INSERT INTO t SELECT nullif(i % 40, 0), i FROM generate_series(1, 400) i"
    )
    query(databases.source, "CREATE INDEX ON t (k)")
    query(databases.source, "ALTER TABLE t ADD CONSTRAINT later NOT NULL k NOT VALID")
    plan = plan_of(databases.source, "SELECT * FROM t ORDER BY k", chunk_size=50)
    assert plan.config.strategy is ChunkingStrategy.KEY_BASED
    assert_covers(databases.source, plan, "SELECT * FROM t")


def test_dropped_not_null_after_planning_is_the_keeper_s_affair(databases: Databases) -> None:
    """A key that may not be NULL needs no chunk for it."""
    query(databases.source, "CREATE TABLE t (k int PRIMARY KEY)")
    query(databases.source, "INSERT INTO t SELECT generate_series(1, 100)")
    plan = plan_of(databases.source, "SELECT * FROM t", chunk_size=50)
    assert {chunk.kind for chunk in plan.chunks} == {ChunkKind.KEY_RANGE}


def test_outer_join_may_give_null_where_the_table_does_not(shop: Database) -> None:
    sql = "SELECT s.id, a.id AS area_id FROM shop s LEFT JOIN area a ON a.code = s.area"
    plan = plan_of(shop, sql, key_column="area_id", chunk_size=100)
    assert ChunkKind.NULL_KEY in {chunk.kind for chunk in plan.chunks}
    assert_covers(shop, plan, sql)


@pytest.mark.parametrize("table", ["pair", "loose_pair"])
@pytest.mark.parametrize("sampled", [False, True], ids=["counted", "sampled"])
def test_composite_key(
    shop: Database, monkeypatch: pytest.MonkeyPatch, table: str, *, sampled: bool
) -> None:
    if sampled:
        monkeypatch.setattr(sample, "WALKED_ROWS", 100)
    sql = f"SELECT * FROM {table}"
    plan = plan_of(shop, sql, key_column=["a", "b"], chunk_size=100)
    assert plan.config.key_columns == ("a", "b")
    assert len(plan.chunks) > 15
    assert all(len(chunk.lower) == 2 for chunk in plan.chunks if chunk.lower is not None)
    assert_covers(shop, plan, sql)


def test_planner_knows_the_size_of_a_composite_range(databases: Databases) -> None:
    """Else it takes a quarter of the table, and so reads all of it for every chunk."""
    query(
        databases.source,
        "CREATE TABLE t AS SELECT i / 7 AS a, i % 7 AS b FROM generate_series(1, 200000) i; "
        "ALTER TABLE t ADD PRIMARY KEY (a, b); ANALYZE t",
    )
    plan = plan_of(databases.source, "SELECT * FROM t", key_column=["a", "b"], chunk_size=10_000)
    sql = ChunkManager().create_chunked_query(databases.source.url, plan, 10)
    ((found,),) = query(databases.source, f"EXPLAIN (FORMAT JSON) {sql}")
    assert found[0]["Plan"]["Plan Rows"] <= 15_000


# -- row addresses, windows -------------------------------------------------------------------------


def test_row_addresses_cover_what_comes_after_planning(databases: Databases) -> None:
    query(databases.source, "CREATE TABLE t (v text)")
    query(databases.source, "INSERT INTO t SELECT repeat('x', 500) FROM generate_series(1, 2000)")
    query(databases.source, "ANALYZE t")
    plan = plan_of(databases.source, "SELECT * FROM t", chunk_size=200)
    assert plan.config.strategy is ChunkingStrategy.ROWID_BASED
    assert len(plan.chunks) == 10
    assert plan.chunks[0].lower is None
    assert plan.chunks[-1].upper is None
    found = sizes(databases.source, plan)
    assert all(160 <= rows <= 240 for rows in found)
    query(
        databases.source, "INSERT INTO t SELECT repeat('late', 100) FROM generate_series(1, 2000)"
    )
    assert sizes(databases.source, plan)[:-1] == found[:-1]
    assert_covers(databases.source, plan, "SELECT * FROM t")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT b, a + 1 AS n FROM keyless WHERE a > 3 AND b LIKE '%x%' ORDER BY b",
        "SELECT k.a, length(k.b) AS n FROM public.keyless AS k WHERE EXISTS (SELECT 1 FROM area z WHERE z.id = k.a)",
        "SELECT 'é漢字🎉 FROM keyless' AS \"é\", /* FROM keyless */ a -- FROM keyless\nFROM\tkeyless -- k\n;",
        'SELECT * FROM public."Ödd %s ""T"""',
        'SELECT "漢字" AS "FROM", "a b" % 7 AS m FROM "Ödd %s ""T""" AS "Other" WHERE "Other"."Key" > 3',
    ],
)
def test_row_addresses_stand_where_the_table_stood(shop: Database, sql: str) -> None:
    plan = plan_of(shop, sql, strategy="ROWID_BASED", chunk_size=20)
    assert len(plan.chunks) > 1
    assert_covers(shop, plan, sql.rstrip(";"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT public.keyless.a FROM public.keyless",
        "SELECT ctid::text AS address, a FROM keyless",
        "SELECT tableoid::int8 AS t, a FROM keyless",
        "SELECT row_to_json(keyless) AS j FROM keyless",
    ],
    ids=["schema-qualified column", "ctid", "tableoid", "whole row"],
)
def test_query_that_needs_the_table_itself_is_read_right(shop: Database, sql: str) -> None:
    plan = plan_of(shop, sql, chunk_size=100)
    assert_covers(shop, plan, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM shop_view",
        "SELECT DISTINCT area FROM shop",
        "SELECT area, count(*) FROM shop GROUP BY area",
        "SELECT max(id) FROM shop",
        "SELECT id, rank() OVER (ORDER BY price) FROM shop",
        "SELECT * FROM shop LIMIT 5",
        "SELECT s.id FROM shop s, area a",
        "WITH x AS (SELECT * FROM shop) SELECT * FROM x",
        "SELECT * FROM (SELECT * FROM shop LIMIT 3) x",
        "SELECT id FROM shop UNION SELECT id FROM area",
    ],
)
def test_row_addresses_refused_where_they_cannot_be(shop: Database, sql: str) -> None:
    with pytest.raises(PlanError, match="ROWID_BASED needs a query that passes on the rows"):
        plan_of(shop, sql, strategy="ROWID_BASED", chunk_size=100)


@pytest.mark.parametrize("aggregate", ["every(a > 0)", "jsonb_agg(a)", "last_of(a)"])
def test_aggregate_that_the_parser_does_not_know_is_read_whole(
    databases: Databases, aggregate: str
) -> None:
    query(databases.source, "CREATE TABLE t (a int, b text)")
    query(
        databases.source, "INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 1000) i"
    )
    query(
        databases.source,
        "CREATE AGGREGATE last_of(int) (SFUNC = int4larger, STYPE = int); ANALYZE t",
    )
    sql = f"SELECT generate_series(1, 100) AS n, {aggregate} AS v FROM t"
    assert_covers(databases.source, plan_of(databases.source, sql, chunk_size=10), sql)


def test_row_addresses_leave_out_partitioned_and_inherited_tables(databases: Databases) -> None:
    query(databases.source, "CREATE TABLE p (a int) PARTITION BY RANGE (a)")
    query(databases.source, "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (500)")
    query(databases.source, "CREATE TABLE p2 PARTITION OF p DEFAULT")
    query(databases.source, "INSERT INTO p SELECT generate_series(1, 1000)")
    query(databases.source, "CREATE TABLE parent (a int)")
    query(databases.source, "CREATE TABLE child () INHERITS (parent)")
    query(databases.source, "INSERT INTO child SELECT generate_series(1, 1000)")
    for table in ("p", "parent"):
        plan = plan_of(databases.source, f"SELECT * FROM {table}", chunk_size=100)
        assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE]
        assert_covers(databases.source, plan, f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    ("sql", "options"),
    [
        ("SELECT * FROM shop ORDER BY id", {}),
        ("SELECT * FROM shop_view ORDER BY id", {}),
        ("SELECT * FROM loose_pair WHERE v < 300", {"key_column": "v"}),
        ("SELECT a.id AS aid, s.id FROM shop s JOIN area a ON a.code = s.area ORDER BY s.id", {}),
        ("SELECT area, count(*) AS n FROM shop GROUP BY area ORDER BY area", {"chunk_size": 1}),
        ("SELECT nullif(id, 3) AS k FROM shop", {"key_column": "k"}),
    ],
)
def test_windows_over_a_unique_order(shop: Database, sql: str, options: dict[str, object]) -> None:
    plan = plan_of(shop, sql, **{"strategy": "OFFSET_LIMIT", "chunk_size": 77, **options})
    assert {chunk.kind for chunk in plan.chunks} == {ChunkKind.WINDOW}
    assert len(plan.chunks) > 3
    assert plan.chunks[-1].limit is None
    [growth] = [note for note in plan.warnings if "cost grows" in note]
    assert f"{len(plan.chunks)} windows read {plan.config.total_rows:,} rows" in growth
    assert f"{(len(plan.chunks) + 1) / 2:,.1f} times over" in growth
    assert_covers(shop, plan, sql)


@pytest.mark.parametrize("sql", ["SELECT * FROM shop ORDER BY area", "SELECT * FROM keyless ORDER BY a", "SELECT v AS x, b FROM loose_pair ORDER BY b"])  # fmt: skip
def test_windows_over_an_order_with_ties_are_refused(shop: Database, sql: str) -> None:
    with pytest.raises(PlanError, match="needs a unique order") as caught:
        plan_of(shop, sql, strategy="OFFSET_LIMIT", chunk_size=100)
    assert caught.value.details["field"] == "key_column"


def test_windows_need_a_key_and_a_snapshot(shop: Database) -> None:
    with pytest.raises(PlanError, match=r"OFFSET_LIMIT needs a key: .* Pass key_column"):
        plan_of(shop, "SELECT * FROM keyless", strategy="OFFSET_LIMIT")
    with pytest.raises(PlanError, match="needs consistent=True"):
        plan_of(shop, "SELECT * FROM shop", strategy="OFFSET_LIMIT", consistent=False)


# -- tricky queries ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tricky:
    """A query that a careless cut gets wrong."""

    name: str
    sql: str
    options: dict[str, object] = field(default_factory=dict)
    one_chunk: bool = False
    same: str = ""
    """The query as a subquery can hold it, where its text ends in a semicolon."""


TRICKY = [
    Tricky("window", "SELECT id, area, sum(price) OVER (PARTITION BY area ORDER BY id) AS running, row_number() OVER (ORDER BY id) AS n FROM shop", {"key_column": "id"}),
    Tricky("window_ordered", "SELECT id, lag(id) OVER (ORDER BY id) AS before FROM shop ORDER BY id"),
    Tricky("key_is_a_window", "SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM shop", {"key_column": "n"}),
    Tricky("limit", "SELECT * FROM shop ORDER BY id LIMIT 555"),
    Tricky("limit_offset", "SELECT * FROM shop ORDER BY id DESC LIMIT 555 OFFSET 17", {"key_column": "id"}),
    Tricky("union", "SELECT id, code FROM shop UNION SELECT id, code FROM area ORDER BY id"),
    Tricky("union_all", "SELECT id FROM shop UNION ALL SELECT id FROM shop", {"key_column": "id"}),
    Tricky("except", "SELECT id FROM shop EXCEPT SELECT id FROM area ORDER BY 1"),
    Tricky("distinct", "SELECT DISTINCT area, id % 100 AS m FROM shop ORDER BY m"),
    Tricky("distinct_on", "SELECT DISTINCT ON (area) area, id FROM shop ORDER BY area, id", {"chunk_size": 1}),
    Tricky("group", "SELECT id % 300 AS bucket, sum(price) AS total FROM shop GROUP BY 1 ORDER BY bucket"),
    Tricky("rollup", "SELECT id % 300 AS bucket, sum(price) AS total FROM shop GROUP BY ROLLUP (1)", {"key_column": "bucket"}),
    Tricky("having", "SELECT id / 2 AS half, count(*) AS n FROM shop GROUP BY 1 HAVING count(*) > 1", {"key_column": "half"}),
    Tricky("cte", "WITH x AS (SELECT id, price FROM shop WHERE id > 10) SELECT * FROM x ORDER BY id"),
    Tricky("recursive", "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 500) SELECT n FROM r", {"key_column": "n"}),
    Tricky("join", "SELECT s.id, a.name FROM shop s LEFT JOIN area a ON a.code = s.area", {"key_column": "id"}),
    Tricky("join_same_name", "SELECT s.id, a.id AS area_id FROM shop s JOIN area a ON a.code = s.area ORDER BY s.id"),
    Tricky("alias", "SELECT id * 2 AS id, id AS half FROM shop ORDER BY id"),
    Tricky("alias_shadows", "SELECT -id AS id FROM shop ORDER BY shop.id"),
    Tricky("like", "SELECT * FROM shop WHERE code LIKE 'c%5%' AND code NOT LIKE '%s' ORDER BY id", {"chunk_size": 30}),
    Tricky("modulo", "SELECT id % 7 AS m, id FROM shop WHERE id % 2 = 0 ORDER BY id", {"chunk_size": 50}),
    Tricky("semicolon", "SELECT * FROM shop ORDER BY id ; ; ", same="TABLE shop"),
    Tricky("comment", "SELECT * FROM shop ORDER BY id -- by id"),
    pytest.param(Tricky("semicolon_comment", "SELECT * FROM shop ORDER BY id; -- done", same="TABLE shop")),
    Tricky("block_comment", "/* all; of; it */ SELECT * FROM shop ORDER BY id /* ; */"),
    Tricky("semicolon_text", "SELECT id, 'a;b--c' AS v, $$x;y$$ AS w FROM shop ORDER BY id"),
    Tricky("parenthesised", "(SELECT * FROM shop ORDER BY id)", {"key_column": "id"}),
    Tricky("values", "VALUES (1, 'a'), (2, 'b'), (NULL, 'c'), (3, 'd'), (4, 'e')", {"key_column": "column1", "chunk_size": 1}),
    Tricky("table", "TABLE shop", {"key_column": "id"}),
    Tricky("function", "SELECT g AS n FROM generate_series(1, 500) g ORDER BY n"),
    Tricky("set_returning", "SELECT id, generate_series(1, 2) AS g FROM shop", {"key_column": "id"}),
    Tricky("lateral", "SELECT s.id, l.x FROM shop s, LATERAL (SELECT s.id * 2 AS x) l ORDER BY s.id"),
    Tricky("mixed_case", 'SELECT * FROM "Ödd %s ""T""" ORDER BY "Key"'),
    Tricky("space", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": "a b"}),
    Tricky("quote", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": 'q"q'}),
    Tricky("percent", 'SELECT "100%s", "pct%" FROM "Ödd %s ""T"""', {"key_column": "100%s"}),
    Tricky("unicode", 'SELECT "漢字" || "Key" AS "漢字" FROM "Ödd %s ""T"""', {"key_column": "漢字"}),
    Tricky("longest", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": LONGEST}),
    Tricky("dot", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": "a.b"}),
    Tricky("columns", "SELECT * FROM shop", {"columns": ["code", "price"], "key_column": "id"}),
    Tricky("duplicates", "SELECT a, b FROM keyless", {"key_column": "a"}),
    Tricky("named_like_ours", "SELECT q.id AS q, s.id AS s FROM shop q JOIN shop s USING (id)", {"key_column": "q"}),
]  # fmt: skip


@pytest.mark.parametrize("tricky", TRICKY, ids=lambda tricky: tricky.name)
@pytest.mark.parametrize("sampled", [False, True], ids=["counted", "sampled"])
def test_chunks_hold_each_row_of_the_query_once(
    shop: Database, monkeypatch: pytest.MonkeyPatch, tricky: Tricky, *, sampled: bool
) -> None:
    if sampled:
        monkeypatch.setattr(sample, "WALKED_ROWS", 10)
    plan = plan_of(shop, tricky.sql, **{"chunk_size": 60, **tricky.options})
    assert tricky.one_chunk == (len(plan.chunks) == 1)
    whole = tricky.same or tricky.sql
    if columns := tricky.options.get("columns"):
        whole = f"SELECT {', '.join(columns)} FROM ({whole}) w"
    assert_covers(shop, plan, whole)


@pytest.mark.parametrize(
    "end", ["", ";", " ;\n", "-- by id", pytest.param("; -- done\n"), "/* c */"]
)
@pytest.mark.parametrize("strategy", ["KEY_BASED", "OFFSET_LIMIT"])
def test_the_user_s_text_is_wrapped_untouched(shop: Database, end: str, strategy: str) -> None:
    text = "SELECT  *\n FROM shop  WHERE code LIKE '%1%' -- odd   spacing\n ORDER BY id"
    plan = plan_of(shop, text + end, strategy=strategy, chunk_size=50)
    for made in chunk_queries(shop, plan):
        assert text in made
        assert ";" not in made


def test_chunk_may_be_named_by_its_place(shop: Database) -> None:
    plan = plan_of(shop, "SELECT * FROM shop", chunk_size=100)
    manager = ChunkManager()
    assert manager.create_chunked_query(shop.url, plan, 3) == manager.create_chunked_query(
        shop.url, plan, plan.chunks[3]
    )


# -- the plan itself --------------------------------------------------------------------------------


def test_saved_plan_comes_back(shop: Database, tmp_path: Path) -> None:
    for number, (sql, options) in enumerate(
        [
            ("SELECT * FROM k_text_odd", {"key_column": "k"}),
            ("SELECT * FROM loose_pair", {"key_column": ["a", "b"]}),
            ("SELECT * FROM keyless", {}),
            ("SELECT * FROM shop", {"strategy": "OFFSET_LIMIT"}),
            ("SELECT 1 AS one", {}),
        ]
    ):
        plan = plan_of(shop, sql, chunk_size=100, **options)
        path = tmp_path / f"{number}.json"
        plan.save(path)
        assert saved_chunks(json.loads(path.read_text(encoding="utf-8"))) == plan.chunks
        assert [Chunk.from_json(chunk.to_json()) for chunk in plan.chunks] == list(plan.chunks)


def test_plan_prints(shop: Database) -> None:
    sql = "SELECT id, '<script>&' AS \"<b>\" FROM shop ORDER BY id"
    plan = plan_of(shop, sql, chunk_size=50)
    text, html = str(plan), plan._repr_html_()
    assert "KEY_BASED into 20 chunks of about 50" in text
    assert "about 1,000" in text
    assert "ORDER BY, a unique key" in text
    assert "a dry run counts only" in text
    assert "[-∞, 51)" in text
    assert "+∞)" in text
    assert "<script>" not in html
    assert "&lt;script&gt;&amp;" in html


def test_config_alone(shop: Database) -> None:
    config = ChunkManager(chunk_size=100).calculate_chunk_config(
        shop.url, "SELECT * FROM shop_view", key_column="id"
    )
    assert config == ChunkConfig(
        ChunkingStrategy.KEY_BASED, 100, 1_000, 10, ("id",), "ranges of id: key_column"
    )
    assert ChunkManager().calculate_chunk_config(shop.url, "TABLE shop", chunk_size=1).chunk_size


@pytest.mark.parametrize(("key", "warned"), [("n", True), ("k", False)])
def test_plan_warns_of_a_key_without_an_index(shop: Database, key: str, *, warned: bool) -> None:
    plan = plan_of(shop, "SELECT * FROM k_int", key_column=key, chunk_size=SIZE)
    assert warned == any(f"{key} has no index" in note for note in plan.warnings)


def test_plan_of_many_chunks_warns(shop: Database) -> None:
    plan = plan_of(shop, "SELECT * FROM k_int", key_column="k", chunk_size=1)
    assert any("a larger chunk_size" in note for note in plan.warnings)
    assert len(plan.chunks) == ROWS + 1


def _ids(chunks: Sequence[Chunk]) -> list[int]:
    return [chunk.chunk_id for chunk in chunks]


@pytest.mark.parametrize("strategy", [None, *ChunkingStrategy])
def test_chunk_ids_are_places(shop: Database, strategy: ChunkingStrategy | None) -> None:
    chunks = plan_of(shop, "SELECT * FROM shop", strategy=strategy, chunk_size=77).chunks
    assert _ids(chunks) == list(range(len(chunks)))


def test_planning_writes_nothing(shop: Database) -> None:
    before = shop.fetch("SELECT count(*) FROM pg_class")
    plan_of(shop, "SELECT * FROM shop ORDER BY at", chunk_size=10)
    assert shop.fetch("SELECT count(*) FROM pg_class") == before
