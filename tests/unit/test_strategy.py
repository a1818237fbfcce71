"""Which way a query is cut, chosen from surveys made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapper_dask.dialects.facts import Estimate, Relation
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import ConfigurationError, PlanError
from mapper_dask.parallel_models import ChunkingStrategy
from mapper_dask.plan.query import analyse
from mapper_dask.plan.strategy import choose, detect_key, warnings
from mapper_dask.plan.survey import Survey

KEY, ROWID, OFFSET = (
    ChunkingStrategy.KEY_BASED,
    ChunkingStrategy.ROWID_BASED,
    ChunkingStrategy.OFFSET_LIMIT,
)


def table(*unique: tuple[str, ...], heap: bool = True, indexed: tuple[str, ...] = ()) -> Relation:
    return Relation(heap, 100, unique, (*(key[0] for key in unique), *indexed))


def surveyed(sql: str, relation: Relation | None, *, not_null: tuple[str, ...] = ()) -> Survey:
    columns = tuple(
        column(name, "integer", "integer", "N", native=True, not_null=name in not_null)
        for name in ("id", "a", "b")
    )
    shape = analyse(sql, "postgres")
    return Survey(shape, columns, relation if shape.table else None, Estimate(1000, 10.0))


def chosen(sql, relation=None, *, strategy=None, keys=(), consistent=True):
    choice = choose(surveyed(sql, relation), strategy=strategy, keys=keys, consistent=consistent)
    return choice.strategy, choice.keys


@pytest.mark.parametrize(
    ("sql", "relation", "expected"),
    [
        ("SELECT * FROM t", table(("id",)), (KEY, ("id",))),
        ("SELECT * FROM t ORDER BY id, a", table(("id",)), (KEY, ("id",))),
        ("SELECT * FROM t ORDER BY a, b", table(("a", "b")), (KEY, ("a", "b"))),
        ("SELECT * FROM t ORDER BY a", table(("id",), indexed=("a",)), (KEY, ("a",))),
        ("SELECT * FROM t ORDER BY a", table(("id",)), (ROWID, ())),
        ("SELECT * FROM t", table(), (ROWID, ())),
        ("SELECT * FROM t ORDER BY a", table(heap=False), (KEY, ("a",))),
        ("SELECT * FROM t", table(heap=False), (None, ())),
        ("SELECT t.* FROM t JOIN u USING (id) ORDER BY a", None, (KEY, ("a",))),
        ("SELECT t.* FROM t JOIN u USING (id)", None, (None, ())),
        ("SELECT * FROM t ORDER BY a LIMIT 10", None, (None, ())),
    ],
)
def test_the_way_is_chosen_from_order_and_indexes(sql, relation, expected):
    assert chosen(sql, relation) == expected


def test_every_choice_says_why():
    for sql in ("SELECT * FROM t", "SELECT * FROM t ORDER BY id", "SELECT random() AS a FROM t"):
        seen = surveyed(sql, table(("id",)))
        assert choose(seen, strategy=None, keys=(), consistent=True).reason


def test_what_the_user_asks_for_comes_first():
    one = table(("id",))

    assert chosen("SELECT * FROM t ORDER BY id", one, keys=("b",)) == (KEY, ("b",))
    assert chosen("SELECT * FROM t ORDER BY id", one, strategy=ROWID) == (ROWID, ())
    assert chosen("SELECT * FROM t ORDER BY a", one, strategy=KEY) == (KEY, ("a",))
    assert chosen("SELECT * FROM t ORDER BY a", one, strategy=OFFSET) == (OFFSET, ("a",))


@pytest.mark.parametrize("strategy", [KEY, OFFSET])
def test_a_key_is_demanded_where_none_offers_itself(strategy):
    with pytest.raises(PlanError, match="key_column"):
        chosen("SELECT * FROM t", table(), strategy=strategy)


def test_windows_need_one_snapshot():
    with pytest.raises(PlanError, match="consistent=True"):
        chosen("SELECT * FROM t ORDER BY id", table(("id",)), strategy=OFFSET, consistent=False)


@pytest.mark.parametrize(
    ("sql", "relation"),
    [
        ("SELECT * FROM t JOIN u USING (id)", None),
        ("SELECT * FROM v", table(heap=False)),
        ("SELECT id FROM t GROUP BY id", table()),
    ],
)
def test_row_addresses_are_refused_where_they_do_not_cover_the_query(sql, relation):
    with pytest.raises(PlanError, match="ROWID_BASED needs"):
        chosen(sql, relation, strategy=ROWID)


def test_a_query_that_does_not_repeat_is_cut_only_on_demand_and_with_a_warning():
    sql = "SELECT id, a, random() AS b FROM t"
    seen = replace(surveyed(sql, table(("id",))), volatile=("random",))
    assert choose(seen, strategy=None, keys=(), consistent=True).strategy is None
    choice = choose(seen, strategy=None, keys=("id",), consistent=True)

    assert choice.strategy is KEY
    assert "rows may be lost or doubled" in warnings(seen, choice)[0]


def test_a_limit_inside_needs_an_order_of_its_own():
    sql = "SELECT * FROM t WHERE a IN (SELECT x FROM u LIMIT 5) ORDER BY id"

    assert chosen(sql, table(("id",))) == (None, ())


def test_windows_and_window_functions_are_warned_of():
    seen = surveyed(
        "SELECT id, a, rank() OVER (ORDER BY a) AS b FROM t ORDER BY id", table(("id",))
    )

    by_key = choose(seen, strategy=KEY, keys=(), consistent=True)
    by_offset = choose(seen, strategy=OFFSET, keys=(), consistent=True)
    assert "window functions" in warnings(seen, by_key)[0]
    assert "cost grows" in warnings(seen, by_offset)[0]


def test_a_unique_key_is_known_under_its_result_names():
    seen = surveyed("SELECT x AS id, y AS a, z + 1 AS b FROM t", table(("x", "y"), ("z",)))

    assert seen.unique_keys == [("id", "a")]
    assert detect_key(seen)[0] == ("id", "a")


def test_only_columns_that_forbid_null_can_do_without_a_chunk_of_nulls():
    seen = surveyed("SELECT * FROM t", table(), not_null=("id",))

    assert seen.never_null(["id"])
    assert not seen.never_null(["id", "a"])
    assert not surveyed("SELECT * FROM t, u", None, not_null=("id",)).never_null(["id"])


def test_an_unknown_column_is_refused_with_those_there_are():
    with pytest.raises(ConfigurationError, match=r"key_column 'no'.*id, a, b"):
        surveyed("SELECT * FROM t", table()).column("no", "key_column")
