"""Counting again finds the chunks that do not add up, and repairs just those."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mapper_dask import ParallelProcessor, Reconciliation
from mapper_dask.errors import ConfigurationError, RunNotFoundError
from tests.builders import job_of
from tests.database import Databases

ROWS = 5_000
RUN = "counted"
COUNTED = {
    "source_sql": "SELECT * FROM t", "target_table": "t", "run_id": RUN,
    "key_column": "k", "chunk_size": 500,
}  # fmt: skip


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """5,000 rows, NULL keys among them, and a target like their table."""
    for database in databases:
        database.execute("CREATE TABLE t (k int, v numeric(10,2), s text)")
    databases.source.execute(
        f"INSERT INTO t SELECT nullif(g % 500, 0) * 10 + g / 500, g / 4.0, md5(g::text) "
        f"FROM generate_series(1, {ROWS}) g".replace("%", "%%")
    )
    databases.source.execute("CREATE INDEX ON t (k)")
    return databases


def move(shop: Databases, function: Any = None, **options: Any) -> None:
    job = job_of(shop, transformation_logic=function, **{**COUNTED, **options})
    ParallelProcessor(enable_parallel=False).run(job).raise_for_status()


def count(shop: Databases, **options: Any) -> Reconciliation:
    processor = ParallelProcessor(enable_parallel=False)
    return processor.reconcile(RUN, target_conn=shop.target.url, **options)


def assert_equal(shop: Databases) -> None:
    rows = "SELECT * FROM t ORDER BY 1, 2, 3"
    assert shop.source.fetch(rows) == shop.target.fetch(rows)


def dearer(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(v=frame["v"] * 2)


def test_a_run_that_adds_up_says_so(shop: Databases) -> None:
    move(shop)
    found = count(shop, checksum=True)
    assert found.matches
    assert found.differences == ()
    assert sum(check.source_rows for check in found.checks) == ROWS == found.target_rows
    assert not found.same_snapshot
    assert "run adds up" in str(found)
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("damage", "bad"),
    [
        ("DELETE FROM t WHERE k = 100", 1),
        ("DELETE FROM t WHERE k IS NULL", 1),
        ("DELETE FROM t", 11),
    ],
)
def test_damage_in_the_target_is_found_and_repaired(shop: Databases, damage: str, bad: int) -> None:
    move(shop)
    attempts = "SELECT chunk_id, attempts FROM mapper_dask_chunk ORDER BY 1"
    before = dict(shop.target.fetch(attempts))
    shop.target.execute(damage)
    found = count(shop)
    assert not found.matches
    assert len(found.differences) == bad
    mended = count(shop, repair=True)
    assert mended.matches
    assert mended.repaired == tuple(check.chunk_id for check in found.differences)
    after = dict(shop.target.fetch(attempts))
    assert {c for c in after if after[c] != before[c]} == set(mended.repaired), "just those"
    assert_equal(shop)


def test_changed_content_is_found_by_its_checksum_only(shop: Databases) -> None:
    move(shop)
    shop.target.execute("UPDATE t SET v = v + 0.01 WHERE k = 100")
    assert count(shop).matches
    assert len(count(shop, checksum=True).differences) == 1
    with pytest.raises(ConfigurationError, match="1 of 500 rows in its range are not as"):
        count(shop, checksum=True, repair=True)
    shop.target.execute("DELETE FROM t WHERE k = 100")  # as it says: whose row it is, is clear now
    assert count(shop, checksum=True, repair=True).matches
    assert_equal(shop)


def test_rows_that_others_added_are_no_difference_and_stay(shop: Databases) -> None:
    move(shop)
    shop.target.execute("INSERT INTO t VALUES (100, 1, 'x'), (4000, 1, 'x'), (NULL, 1, 'x')")
    found = count(shop, checksum=True)
    assert found.matches
    assert sum(check.target_rows for check in found.checks) == ROWS + 3
    assert sum(check.own_rows for check in found.checks) == ROWS
    assert count(shop, repair=True).repaired == ()
    assert shop.target.fetch("SELECT count(*) FROM t WHERE s = 'x'") == [(3,)]


def test_rows_written_to_the_source_since_are_found_and_fetched(shop: Databases) -> None:
    move(shop)
    shop.source.execute("INSERT INTO t VALUES (1, 1, 'late'), (NULL, 1, 'late')")
    found = count(shop)
    assert len(found.differences) == 2
    assert "at the source" in str(found)
    assert count(shop, repair=True).matches
    assert_equal(shop)


def test_a_chunk_that_was_never_committed_differs(shop: Databases) -> None:
    move(shop)
    shop.target.execute("UPDATE mapper_dask_chunk SET state = 'ASSIGNED' WHERE chunk_id = 3")
    [check] = count(shop).differences
    assert (check.chunk_id, check.committed) == (3, False)


def test_with_a_function_the_source_is_counted_against_the_ledger(shop: Databases) -> None:
    move(shop, dearer)
    assert count(shop).matches
    assert {check.target_rows for check in count(shop).checks} == {None}
    shop.source.execute("DELETE FROM t WHERE k = 100")
    assert len(count(shop).differences) == 1
    shop.target.execute("DELETE FROM t WHERE k < 100")
    assert count(shop).target_rows < ROWS
    with pytest.raises(ConfigurationError, match="without a function"):
        count(shop, repair=True)


def test_the_runs_snapshot_is_counted_while_it_lives(shop: Databases) -> None:
    """Two chunks are done; rows that come meanwhile are no difference."""
    seen: list[Reconciliation] = []

    def look(event: Any) -> None:
        if event.done == 2:
            shop.source.execute("INSERT INTO t VALUES (1, 1, 'late')")
            seen.append(count(shop))

    ParallelProcessor(enable_parallel=False, progress=look).run(job_of(shop, **COUNTED))
    assert seen[0].same_snapshot
    assert [c.chunk_id for c in seen[0].differences] == list(range(2, len(seen[0].checks)))
    assert [c.chunk_id for c in count(shop).differences] == [0], "now it is one"


def test_a_text_key_is_not_compared_in_the_target(shop: Databases) -> None:
    move(shop, key_column="s")
    assert count(shop).matches
    with pytest.raises(ConfigurationError, match="number or a time"):
        count(shop, checksum=True)


def test_a_replaced_table_is_counted_not_repaired(shop: Databases) -> None:
    move(shop, write_disposition="replace")
    assert count(shop, checksum=True).matches
    with pytest.raises(ConfigurationError, match="another run_id"):
        count(shop, repair=True)


def test_checksum_refuses_columns_of_other_types(shop: Databases) -> None:
    shop.target.execute("ALTER TABLE t ALTER v TYPE numeric(12,4)")
    move(shop)
    with pytest.raises(ConfigurationError, match="v have other types"):
        count(shop, checksum=True)


def test_an_unknown_run_is_not_found(shop: Databases) -> None:
    with pytest.raises(RunNotFoundError):
        count(shop)
