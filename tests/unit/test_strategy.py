"""Which way a query is cut, chosen from surveys made by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import ConfigurationError, PlanError
from mapper_dask.parallel_models import ChunkingStrategy
from mapper_dask.plan.cost import PlanCost
from mapper_dask.plan.query import analyse
from mapper_dask.plan.sample import places
from mapper_dask.plan.strategy import choose, costs, detect_key, warnings, without_ranges
from mapper_dask.plan.survey import Survey
from mapper_dask.schema.facts import Estimate, Relation

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


def test_window_functions_are_warned_of_where_the_database_tells_no_cost():
    sql = "SELECT id, a, rank() OVER (ORDER BY a) AS b FROM t ORDER BY id"
    told = surveyed(sql, table(("id",)))
    untold = replace(told, estimate=Estimate(1000))

    choice = choose(told, strategy=KEY, keys=(), consistent=True)
    assert warnings(told, choice) == []
    assert "window functions" in warnings(untold, choice)[0]


# -- what chunks cost ------------------------------------------------------------------------------


def plan_cost(chunks: int, share: float, *, cost: float = 10_000, moving: float = 0) -> PlanCost:
    return PlanCost(chunks, share, Estimate(1_000_000, cost, moving=moving))


@pytest.mark.parametrize(
    ("what", "too_much", "notable"),
    [
        (plan_cost(100, 0.01), False, False),  # ranges of an index
        (plan_cost(100, 0.04), True, True),
        (plan_cost(100, 0.04, moving=100_000), False, False),  # moving the rows costs more
        (plan_cost(100, 1.0, moving=100_000), True, True),
        (plan_cost(5, 1.0), True, True),
        (plan_cost(5, 1.0, moving=30_000), False, True),  # a window in five chunks
        (plan_cost(2, 1.0), False, False),
        (plan_cost(100, 1.0, cost=5), False, False),  # a tiny table
        (PlanCost(100, 1.0, Estimate(10)), False, False),  # the database does not tell
    ],
)
def test_reading_once_is_weighed_against_computing_again(what, too_much, notable):
    assert (what.is_too_much, what.is_notable) == (too_much, notable)


def test_cost_of_cutting_stays_a_multiple_of_reading_once_however_large_the_table():
    """Ranges that each cost the whole are given up before they are quadratic."""
    for rows in (10**5, 10**6, 10**7, 10**8):
        chunks, cost, moving = rows // 50_000, rows * 0.03, rows * 1.0
        unindexed = PlanCost(chunks, 1.0, Estimate(rows, cost, moving=moving))
        cut = unindexed.times * cost + moving
        assert unindexed.is_too_much or cut <= 2 * (cost + moving)


@pytest.mark.parametrize(
    ("sql", "relation", "said"),
    [
        ("SELECT * FROM t ORDER BY a", table(("id",)), "a has no index the database can use"),
        ("SELECT * FROM t ORDER BY id", table(("id",)), "strategy='ROWID_BASED' reads fewer"),
        ("SELECT * FROM t ORDER BY id", table(("id",), heap=False), "a larger chunk_size"),
        ("SELECT * FROM t JOIN u USING (id) ORDER BY a", None, "cannot push a range of a"),
        ("SELECT * FROM v ORDER BY a", table(heap=False), "cannot push a range of a"),
        ("SELECT * FROM t ORDER BY id LIMIT 5", table(("id",)), "cannot push a range of id"),
    ],
)
def test_costs_are_told_with_their_cause_and_a_remedy(sql, relation, said):
    seen = surveyed(sql, relation)
    choice = choose(seen, strategy=KEY, keys=(), consistent=True)

    [note] = costs(seen, choice, plan_cost(20, 0.97))
    assert note.startswith("each of the 20 chunks costs about 97% of the whole query, 19 times")
    assert said in note
    assert costs(seen, choice, plan_cost(20, 0.05)) == []
    [unasked] = costs(seen, choice, plan_cost(20, 0.97), asked=False)
    assert said in unasked
    assert "leave" not in unasked, "they are out"


def test_addresses_that_each_cost_a_scan_are_told():
    seen = surveyed("SELECT * FROM t", table())
    choice = choose(seen, strategy=ROWID, keys=(), consistent=True)

    assert "each finds all of the query's rows" in costs(seen, choice, plan_cost(20, 1.0))[0]


def test_query_that_is_dear_to_cut_is_read_by_address_or_once():
    plain, joined = surveyed("SELECT * FROM t", table()), surveyed("SELECT * FROM t, u", None)

    assert without_ranges(plain, ["a"], plan_cost(20, 0.9)).strategy is ROWID
    once = without_ranges(joined, ["a"], plan_cost(20, 0.9))
    assert once.strategy is None
    assert "each of the 20 chunks costs about 90% of the whole query" in once.reason


@pytest.mark.parametrize(
    ("rows", "blocks", "size"),
    [(6_000_000, 120_000, 50_000), (10_000_000, 10_000_000, 500_000), (2_000_000, 40_000, 50_000)],
)
def test_places_of_a_sample_are_even_apart_and_inside(rows, blocks, size):
    found = places(rows, blocks, size)

    gaps = {after - before for before, after in pairwise(found.starts)}
    assert max(gaps) - min(gaps) <= 1
    assert min(gaps) > found.length
    assert found.starts[0] >= 0
    assert found.starts[-1] + found.length <= blocks
    assert len(found.starts) >= 4 * rows / size
    assert found.share * rows >= 0.9 * 300 * rows / size


@pytest.mark.parametrize(
    ("rows", "blocks", "size"),
    [(6_000_000, 120_000, 1_000), (300_000, 500, 5_000), (1_000, 100_000, 500)],
    ids=["too many chunks", "too small a table", "hardly a row a block"],
)
def test_sample_is_not_taken_at_places_that_are_too_many(rows, blocks, size):
    assert places(rows, blocks, size) is None


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
