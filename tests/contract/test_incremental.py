"""Incremental jobs, from either database to either: each row once, late ones too, none lost."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from mapper_dask import ExecutionEngine, Flow, FlowJob, Incremental, MapperJob
from mapper_dask.errors import ConfigurationError

# Each database is a source here, and holds the ledger, once.
ACROSS = [("postgresql", "oracle"), ("oracle", "postgresql")]
pytestmark = pytest.mark.parametrize("pair", ACROSS, ids="-".join, indirect=True)

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC).replace(tzinfo=None)
HOUR = dt.timedelta(hours=1)

VALUES = {
    "integer": lambda n: n,
    "key": lambda n: n,
    "wide": lambda n: Decimal(10**37 + n),
    "money": lambda n: Decimal(n) / 100,
    "number": lambda n: Decimal("9007199254740993.0000000001") + n,
    "second": lambda n: NOON + n * HOUR,
    "time": lambda n: NOON + n * HOUR + dt.timedelta(microseconds=n),
    "instant": lambda n: (NOON + n * HOUR + dt.timedelta(microseconds=n)).replace(tzinfo=dt.UTC),
}
"""A growing value of each kind that can be a watermark."""


COARSE = {"second"}
"""Kinds of which later rows can have the greatest value: append takes none of them, and a merge
reads the rows at its last value again."""


def fit(kind):
    return "merge" if kind in COARSE else "append"


class Moving:
    """A source that grows, a target, and the flow between them."""

    def __init__(self, pair, kind, disposition, **incremental):
        self.source, self.target = pair
        self.kinds = {"id": "key NOT NULL", "mark": kind, "label": "text"}
        self.there = self.source.table(self.kinds)
        self.here = self.target.table(self.kinds, "PRIMARY KEY (id)")
        self.flow = Flow(
            name=f"flow of {self.here}",
            jobs=(
                FlowJob(
                    name="copy",
                    job=MapperJob(
                        source_conn=self.source.url,
                        source_sql=f"SELECT * FROM {self.there};",
                        target_conn=self.target.url,
                        target_table=self.here,
                        write_disposition=disposition,
                        chunk_size=100,
                        key_column="id",
                    ),
                    incremental=Incremental(column="mark", **incremental),
                ),
            ),
        )

    def grow(self, *rows):
        self.source.insert(self.there, self.kinds, rows)

    def run(self):
        result = ExecutionEngine(1, progress=False).run(self.flow).raise_for_status()
        return result.jobs[0]

    def rows(self):
        return self.target.rows(self.here, self.kinds)

    def is_moved(self):
        return self.rows() == self.source.rows(self.there, self.kinds)


@pytest.mark.parametrize("kind", VALUES)
def test_each_run_moves_what_is_new_and_equal_values_at_the_edge_once(pair, kind):
    value = VALUES[kind]
    moving, again = Moving(pair, kind, fit(kind)), 1 if kind in COARSE else 0
    moving.grow(*((n, value(n), "first") for n in range(250)))
    first = moving.run()
    assert (first.rows, first.low) == (250, None)
    assert moving.is_moved()

    nothing = moving.run()
    assert nothing.rows == again
    assert (nothing.low, nothing.high) == (first.high, first.high)

    moving.grow((300, value(250), "x"), (301, value(250), "y"), (302, value(251), "z"))
    second = moving.run()
    assert (second.rows, second.low) == (3 + again, first.high)
    assert moving.is_moved()

    moving.grow((400, value(252), "w"))
    third = moving.run()
    assert (third.rows, third.low) == (1 + again, second.high)
    assert moving.is_moved()


@pytest.mark.parametrize(
    ("kind", "overlap", "late", "later"),
    [
        ("integer", 5, 6, 5),
        ("integer", 5.5, 5, 4),
        ("money", Decimal("0.05"), 6, 5),
        ("number", 5, 6, 5),
        ("second", 5 * HOUR, 6, 5),
        ("second", 5 * HOUR + dt.timedelta(microseconds=1), 5, 4),
        ("time", 5 * HOUR, 6, 5),
        ("instant", 5 * HOUR + dt.timedelta(microseconds=5), 6, 5),
    ],
)
def test_late_rows_in_the_overlap_are_merged(pair, kind, overlap, late, later):
    value = VALUES[kind]
    moving = Moving(pair, kind, "merge", overlap=overlap)
    moving.grow(*((n, value(n), "first") for n in range(11)))
    moving.run()
    changed = f"UPDATE {moving.there} SET label = 'changed' WHERE id = 9"
    moving.source.execute(changed)
    moving.grow((100, value(late), "late"), (101, value(later), "too late"))
    second = moving.run()
    moved = {row[0] for row in moving.rows()}
    assert 100 in moved
    assert 101 not in moved, "it lies below the overlap, so the window was wider than asked for"
    assert (9, "changed") in {(row[0], row[2]) for row in moving.rows()}
    third = moving.run()
    assert (third.low, third.high) == (second.low, second.high)


def test_rows_that_get_the_last_value_later_are_merged(pair):
    value = VALUES["second"]
    moving = Moving(pair, "second", "merge")
    moving.grow(*((n, value(n), "first") for n in range(3)))
    moving.run()
    moving.grow((10, value(2), "of the same second"))
    moving.source.execute(f"UPDATE {moving.there} SET label = 'changed' WHERE id = 2")
    assert moving.run().rows == 2
    assert moving.is_moved()


def test_values_that_later_rows_can_have_too_are_not_appended(pair):
    moving = Moving(pair, "second", "append")
    moving.grow((1, VALUES["second"](1), "a"))
    result = ExecutionEngine(1, progress=False).run(moving.flow)
    for remedy in ("write_disposition='merge'", "microseconds", "range_end='open'"):
        assert remedy in result.jobs[0].error
    assert not moving.rows()


def test_the_greatest_value_is_left_to_the_run_that_finds_a_greater_one(pair):
    value = VALUES["second"]
    moving = Moving(pair, "second", "append", range_end="open")
    moving.grow((1, value(1), "a"))
    assert (moving.run().high, moving.rows().total()) == (None, 0)
    moving.grow((2, value(1), "b"), (3, value(2), "c"))
    assert moving.run().rows == 2
    moving.grow((4, value(2), "d"))
    assert moving.run().rows == 0
    moving.grow((5, value(3), "e"))
    assert moving.run().rows == 2
    assert {row[0] for row in moving.rows()} == {1, 2, 3, 4}


def test_a_target_that_lost_its_newest_rows_is_not_passed_over(pair):
    moving = Moving(pair, "time", "append")
    moving.grow(*((n, VALUES["time"](n), "first") for n in range(10)))
    first = moving.run()
    moving.target.execute(f"DELETE FROM {moving.here} WHERE id = 9")
    moving.grow((20, VALUES["time"](20), "new"))
    engine = ExecutionEngine(1, progress=False)
    result = engine.run(moving.flow)
    assert "are gone" in result.jobs[0].error
    assert moving.rows().total() == 9
    runs = [r for r in engine.flows(moving.target.url) if r.name == moving.flow.name]
    [flow_run] = [r for r in runs if r.state.value == "SUCCEEDED"]
    moving.target.execute(f"DELETE FROM {moving.here}")
    assert first.rows == 10
    assert engine.rewind(flow_run.run_id, ledger_conn=moving.target.url) == ("copy",)
    assert moving.run().rows == 11
    assert moving.is_moved()


def test_rows_of_a_transaction_that_commits_later_are_not_lost(pair):
    moving = Moving(pair, "integer", "append", commit_wait=0)
    moving.grow((1, 1, "a"))
    moving.run()
    with moving.source.cursor() as late:
        late.execute(f"INSERT INTO {moving.there} (id, mark, label) VALUES (5, 5, 'late')")
        moving.grow((6, 6, "early"))
        held_back = moving.run()
        assert held_back.rows == 0
        assert "had not ended" in held_back.warnings[0]
    assert moving.run().rows == 2
    assert moving.is_moved()


def test_rows_without_a_value_are_merged_by_each_run(pair):
    moving = Moving(pair, "time", "merge")
    moving.grow((1, VALUES["time"](1), "a"), (2, None, "b"))
    assert moving.run().rows == 2
    moving.source.execute(f"UPDATE {moving.there} SET label = 'c' WHERE id = 2")
    moving.grow((3, None, "d"))
    assert moving.run().rows == 2
    assert moving.is_moved()


def test_rows_without_a_value_stop_what_would_lose_or_double_them(pair):
    moving = Moving(pair, "time", "append")
    moving.grow((1, VALUES["time"](1), "a"), (2, None, "b"), (3, None, "c"))
    result = ExecutionEngine(1, progress=False).run(moving.flow)
    assert "mark' is NULL in 2 rows" in result.jobs[0].error
    assert "COALESCE" in result.jobs[0].error
    assert not moving.rows()
    moving.source.execute(f"DELETE FROM {moving.there} WHERE mark IS NULL")
    assert moving.run().rows == 1


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_a_source_that_is_empty_at_first_loses_nothing(pair, disposition):
    moving = Moving(pair, "instant", disposition)
    assert moving.run().high is None
    moving.grow((1, VALUES["instant"](1), "a"))
    assert moving.run().rows == 1
    assert moving.is_moved()


@pytest.mark.parametrize(
    ("kind", "start", "first"),
    [
        ("integer", 4, 5),
        ("integer", "4.9", 5),
        ("money", Decimal("0.04"), 5),
        ("money", 0.04, 5),
        ("second", NOON + 4 * HOUR, 5),
        ("second", "2024-02-29", 0),
        ("time", dt.date(2024, 2, 29), 0),
        ("time", "2024-02-29T16:00:00.000004", 5),
        ("instant", "2024-02-29 18:00:00.000004+02:00", 5),
        ("instant", NOON + 4 * HOUR, 4),
    ],
)
def test_the_first_run_begins_where_it_is_told(pair, kind, start, first):
    moving = Moving(pair, kind, fit(kind), start=start)
    moving.grow(*((n, VALUES[kind](n), "first") for n in range(10)))
    moving.run()
    assert {row[0] for row in moving.rows()} == set(range(first, 10))


def test_no_overlap_reaches_below_the_start(pair):
    moving = Moving(pair, "integer", "merge", start=4, overlap=100)
    moving.grow(*((n, n, "first") for n in range(10)))
    moving.run()
    moving.grow((10, 10, "x"))
    assert moving.run().low == "4"
    assert {row[0] for row in moving.rows()} == set(range(5, 11))


@pytest.mark.parametrize(
    ("kind", "incremental", "said"),
    [
        ("text", {}, "must be a date, a timestamp, an integer or an exact decimal"),
        ("float", {}, "must be a date, a timestamp, an integer or an exact decimal"),
        ("time", {"start": "soon"}, "is no value of"),
        ("time", {"start": 5}, "is no value of"),
        ("time", {"start": "2024-01-01T00:00:00+00:00"}, "it has a zone"),
        ("time", {"start": "2024-01-01T00:00:00.1234567"}, "more than six digits"),
        ("integer", {"start": "x"}, "is no value of"),
        ("integer", {"start": "NaN"}, "is no value of"),
        ("integer", {"start": dt.date(2024, 1, 1)}, "is no value of"),
    ],
)
def test_what_tells_no_new_rows_is_refused_before_a_row_moves(pair, kind, incremental, said):
    moving = Moving(pair, kind, "append", **incremental)
    result = ExecutionEngine(1, progress=False).run(moving.flow)
    assert said in result.jobs[0].error
    assert not moving.rows()


@pytest.mark.parametrize(
    ("kind", "overlap", "said"),
    [("time", 3, "must be a time"), ("integer", HOUR, "must be a number")],
)
def test_an_overlap_is_of_its_columns_kind(pair, kind, overlap, said):
    moving = Moving(pair, kind, "merge", overlap=overlap)
    result = ExecutionEngine(1, progress=False).run(moving.flow)
    assert said in result.jobs[0].error


def test_an_unfinished_window_is_in_the_way_of_a_new_one(pair):
    moving = Moving(pair, "integer", "append")
    moving.grow(*((n, n, "first") for n in range(10)))
    moving.target.insert(moving.here, moving.kinds, [(7, 7, "in the way")])
    engine = ExecutionEngine(1, progress=False)
    broken = engine.run(moving.flow)
    assert not broken.succeeded
    moving.grow((20, 20, "new"))
    with pytest.raises(ConfigurationError, match="may be half loaded") as raised:
        engine.run(moving.flow)
    assert raised.value.details["run_id"] == broken.run_id
    moving.target.execute(f"DELETE FROM {moving.here} WHERE id = 7")
    ended = engine.resume(broken.run_id, ledger_conn=moving.target.url, flow=moving.flow)
    assert ended.raise_for_status().jobs[0].rows == 10
    assert moving.run().rows == 1
    assert moving.is_moved()


@pytest.mark.parametrize("disposition", ["merge", "atomic"])
def test_an_unfinished_window_whose_rows_only_wait_is_passed_over(pair, disposition):
    moving = Moving(pair, "integer", "merge" if disposition == "merge" else "append")
    [job] = moving.flow.jobs
    moving.flow = moving.flow.evolve(
        jobs=(
            FlowJob(
                name=job.name,
                job=job.job.evolve(atomic=disposition == "atomic", transformation_logic=picky),
                incremental=job.incremental,
            ),
        )
    )
    moving.grow(*((n, n, "bad" if n == 250 else "first") for n in range(251)))
    broken = ExecutionEngine(1, progress=False).run(moving.flow)
    assert not broken.succeeded
    assert not moving.rows()
    moving.source.execute(f"UPDATE {moving.there} SET label = 'good' WHERE id = 250")
    moving.grow((300, 300, "new"))
    assert moving.run().rows == 252
    assert moving.is_moved()
    again = ExecutionEngine(1, progress=False).resume(
        broken.run_id, ledger_conn=moving.target.url, flow=moving.flow
    )
    assert "passed over by run" in again.jobs[0].error
    assert moving.is_moved()


def picky(frame):
    """Raise at a bad row."""
    if (frame["label"] == "bad").any():
        message = "a bad row"
        raise ValueError(message)
    return frame
