"""Chunks of a tricky query hold each of its rows once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from mapper_dask import ChunkManager
from mapper_dask.errors import ConfigurationError
from mapper_dask.plan import sample
from tests.database import Database
from tests.integration.planning.plans import LONGEST, assert_covers, chunk_queries, plan_of


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
    Tricky(
        "window",
        (
            "SELECT id, area, sum(price) OVER (PARTITION BY area "
            "ORDER BY id) AS running, row_number() OVER (ORDER BY id) AS n FROM shop"
        ),
        {"key_column": "id"},
    ),
    Tricky(
        "window_ordered", "SELECT id, lag(id) OVER (ORDER BY id) AS before FROM shop ORDER BY id"
    ),
    Tricky(
        "key_is_a_window",
        "SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM shop",
        {"key_column": "n"},
    ),
    Tricky("limit", "SELECT * FROM shop ORDER BY id LIMIT 555"),
    Tricky(
        "limit_offset",
        "SELECT * FROM shop ORDER BY id DESC LIMIT 555 OFFSET 17",
        {"key_column": "id"},
    ),
    Tricky("union", "SELECT id, code FROM shop UNION SELECT id, code FROM area ORDER BY id"),
    Tricky("union_all", "SELECT id FROM shop UNION ALL SELECT id FROM shop", {"key_column": "id"}),
    Tricky("except", "SELECT id FROM shop EXCEPT SELECT id FROM area ORDER BY 1"),
    Tricky("distinct", "SELECT DISTINCT area, id % 100 AS m FROM shop ORDER BY m"),
    Tricky(
        "distinct_on",
        "SELECT DISTINCT ON (area) area, id FROM shop ORDER BY area, id",
        {"chunk_size": 1},
    ),
    Tricky(
        "group",
        ("SELECT id % 300 AS bucket, sum(price) AS total FROM shop GROUP BY 1 ORDER BY bucket"),
    ),
    Tricky(
        "rollup",
        ("SELECT id % 300 AS bucket, sum(price) AS total FROM shop GROUP BY ROLLUP (1)"),
        {"key_column": "bucket"},
    ),
    Tricky(
        "having",
        ("SELECT id / 2 AS half, count(*) AS n FROM shop GROUP BY 1 HAVING count(*) > 1"),
        {"key_column": "half"},
    ),
    Tricky(
        "cte", ("WITH x AS (SELECT id, price FROM shop WHERE id > 10) SELECT * FROM x ORDER BY id")
    ),
    Tricky(
        "recursive",
        (
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r "
            "WHERE n < 500) SELECT n FROM r"
        ),
        {"key_column": "n"},
    ),
    Tricky(
        "join",
        "SELECT s.id, a.name FROM shop s LEFT JOIN area a ON a.code = s.area",
        {"key_column": "id"},
    ),
    Tricky(
        "join_same_name",
        ("SELECT s.id, a.id AS area_id FROM shop s JOIN area a ON a.code = s.area ORDER BY s.id"),
    ),
    Tricky("alias", "SELECT id * 2 AS id, id AS half FROM shop ORDER BY id"),
    Tricky("alias_shadows", "SELECT -id AS id FROM shop ORDER BY shop.id"),
    Tricky(
        "like",
        ("SELECT * FROM shop WHERE code LIKE 'c%5%' AND code NOT LIKE '%s' ORDER BY id"),
        {"chunk_size": 30},
    ),
    Tricky(
        "modulo",
        "SELECT id % 7 AS m, id FROM shop WHERE id % 2 = 0 ORDER BY id",
        {"chunk_size": 50},
    ),
    Tricky("semicolon", "SELECT * FROM shop ORDER BY id ; ; ", same="TABLE shop"),
    Tricky("comment", "SELECT * FROM shop ORDER BY id -- by id"),
    pytest.param(
        Tricky("semicolon_comment", "SELECT * FROM shop ORDER BY id; -- done", same="TABLE shop")
    ),
    Tricky("block_comment", "/* all; of; it */ SELECT * FROM shop ORDER BY id /* ; */"),
    Tricky("semicolon_text", "SELECT id, 'a;b--c' AS v, $$x;y$$ AS w FROM shop ORDER BY id"),
    Tricky("parenthesised", "(SELECT * FROM shop ORDER BY id)", {"key_column": "id"}),
    Tricky(
        "values",
        "VALUES (1, 'a'), (2, 'b'), (NULL, 'c'), (3, 'd'), (4, 'e')",
        {"key_column": "column1", "chunk_size": 1},
    ),
    Tricky("table", "TABLE shop", {"key_column": "id"}),
    Tricky("function", "SELECT g AS n FROM generate_series(1, 500) g ORDER BY n"),
    Tricky(
        "set_returning", "SELECT id, generate_series(1, 2) AS g FROM shop", {"key_column": "id"}
    ),
    Tricky(
        "lateral", ("SELECT s.id, l.x FROM shop s, LATERAL (SELECT s.id * 2 AS x) l ORDER BY s.id")
    ),
    Tricky("mixed_case", 'SELECT * FROM "Ödd %s ""T""" ORDER BY "Key"'),
    Tricky("space", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": "a b"}),
    Tricky("quote", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": 'q"q'}),
    Tricky("percent", 'SELECT "100%s", "pct%" FROM "Ödd %s ""T"""', {"key_column": "100%s"}),
    Tricky(
        "unicode", 'SELECT "漢字" || "Key" AS "漢字" FROM "Ödd %s ""T"""', {"key_column": "漢字"}
    ),
    Tricky("longest", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": LONGEST}),
    Tricky("dot", 'SELECT * FROM "Ödd %s ""T"""', {"key_column": "a.b"}),
    Tricky("columns", "SELECT * FROM shop", {"columns": ["code", "price"], "key_column": "id"}),
    Tricky("duplicates", "SELECT a, b FROM keyless", {"key_column": "a"}),
    Tricky(
        "named_like_ours",
        "SELECT q.id AS q, s.id AS s FROM shop q JOIN shop s USING (id)",
        {"key_column": "q"},
    ),
]


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


@pytest.mark.parametrize("chunk", [10, -1, "x", 1.0, None])
def test_a_chunk_that_the_plan_lacks_is_refused_with_the_numbers_it_has(
    shop: Database, chunk: Any
) -> None:
    plan = plan_of(shop, "SELECT * FROM shop", chunk_size=100)
    with pytest.raises(ConfigurationError, match=f"from 0 to {len(plan.chunks) - 1}") as caught:
        ChunkManager().create_chunked_query(shop.url, plan, chunk)
    assert caught.value.details["field"] == "chunk"
