"""Which key a plan cuts by, and which way it chooses, on a real server."""

from __future__ import annotations

import pytest

from mapper_dask import ChunkingStrategy, ChunkManager
from mapper_dask.parallel_models import ChunkKind
from tests.database import Database, Databases
from tests.integration.planning.plans import assert_covers, plan_of, query


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


# -- the choice ------------------------------------------------------------------------------------


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
