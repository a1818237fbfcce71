"""Plans that cut by row addresses or windows, and where they cannot."""

from __future__ import annotations

import pytest

from mapper_dask import ChunkingStrategy
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import ChunkKind
from tests.database import Database, Databases
from tests.integration.planning.plans import assert_covers, plan_of, query, sizes


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
        (
            "SELECT k.a, length(k.b) AS n FROM public.keyless AS k "
            "WHERE EXISTS (SELECT 1 FROM area z WHERE z.id = k.a)"
        ),
        (
            "SELECT 'é漢字🎉 FROM keyless' AS \"é\", /* FROM keyless */ a -- "
            "FROM keyless\nFROM\tkeyless -- k\n;"
        ),
        'SELECT * FROM public."Ödd %s ""T"""',
        (
            'SELECT "漢字" AS "FROM", "a b" % 7 AS m FROM "Ödd %s ""T""" AS "Other" '
            'WHERE "Other"."Key" > 3'
        ),
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


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM shop ORDER BY area",
        "SELECT * FROM keyless ORDER BY a",
        "SELECT v AS x, b FROM loose_pair ORDER BY b",
    ],
)
def test_windows_over_an_order_with_ties_are_refused(shop: Database, sql: str) -> None:
    with pytest.raises(PlanError, match="needs a unique order") as caught:
        plan_of(shop, sql, strategy="OFFSET_LIMIT", chunk_size=100)
    assert caught.value.details["field"] == "key_column"


def test_windows_need_a_key_and_a_snapshot(shop: Database) -> None:
    with pytest.raises(PlanError, match=r"OFFSET_LIMIT needs a key: .* Pass key_column"):
        plan_of(shop, "SELECT * FROM keyless", strategy="OFFSET_LIMIT")
    with pytest.raises(PlanError, match="needs consistent=True"):
        plan_of(shop, "SELECT * FROM shop", strategy="OFFSET_LIMIT", consistent=False)
