"""Chunks are even for every key type, also of small and strange sources."""

from __future__ import annotations

import pytest

from mapper_dask import ChunkingStrategy, ChunkManager
from mapper_dask.parallel_models import ChunkKind
from mapper_dask.plan import sample
from tests.database import Database, Databases
from tests.integration.planning.plans import (
    KEY_TYPES,
    ROWS,
    SIZE,
    KeyType,
    assert_covers,
    plan_of,
    query,
    sizes,
)

TOLERANCE = 0.2


def _need_collation(database: Database, key: KeyType) -> None:
    if "icu" in key.name and query(database, "SELECT to_regclass('k_text_icu') IS NULL")[0][0]:
        pytest.skip(
            "this server is built without ICU; the one of MAPPER_DASK_TEST_PG_DSN may be with"
        )


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
        "INSERT INTO t SELECT CASE WHEN i <= 9000 THEN i ELSE 9007199254740993 + i "
        "* 1000::bigint END"
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
        (
            "INSERT INTO t SELECT CASE WHEN i <= 9000 THEN 777 ELSE i END, i "
            "FROM generate_series(1, 19000) i"
        ),
    )
    query(databases.source, "CREATE INDEX ON t (k)")
    plan = plan_of(databases.source, "SELECT * FROM t", key_column="k", chunk_size=1000)
    assert any("777" in note and "1 key(s) alone fill more" in note for note in plan.warnings)
    found = sizes(databases.source, plan)
    assert [rows for rows in found if rows > 1200] == [max(found)]
    assert max(found) <= 9_000 + 1_200
    assert_covers(databases.source, plan, "SELECT * FROM t")


# -- small and strange sources ---------------------------------------------------------------------


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
        (
            "INSERT INTO t SELECT i, 'late' FROM generate_series(-500, -1) i UNION ALL "
            "SELECT i, 'late' FROM generate_series(10, 500) i"
        ),
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
