"""Repair takes back what is shown to be the run's, leaves what is not, and else refuses."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessor, Reconciliation
from mapper_dask.errors import ConfigurationError, LedgerError
from tests.builders import job_of
from tests.database import Database, Databases

ROWS = 1_000
FIRST, SECOND, THIRD = "first", "second", "third"
MOVED: dict[str, Any] = {
    "source_sql": "SELECT * FROM t", "target_table": "t", "key_column": "k", "chunk_size": 250,
}  # fmt: skip


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """1,000 rows in four chunks and one for NULL keys, and a target like their table."""
    for database in databases:
        database.execute("CREATE TABLE t (k int, v numeric(10,2), s text)")
    databases.source.execute(
        f"INSERT INTO t SELECT CASE WHEN g > 5 THEN g END, g / 4.0, md5(g::text) "
        f"FROM generate_series(1, {ROWS}) g"
    )
    databases.source.execute("CREATE INDEX ON t (k)")
    return databases


def move(shop: Databases, run_id: str = FIRST, **options: Any) -> None:
    job = job_of(shop, run_id=run_id, **{**MOVED, **options})
    ParallelProcessor(enable_parallel=False).run(job).raise_for_status()


def count(shop: Databases, run_id: str = FIRST, **options: Any) -> Reconciliation:
    processor = ParallelProcessor(enable_parallel=False)
    return processor.reconcile(run_id, target_conn=shop.target.url, **options)


def bag(database: Database) -> Counter[Any]:
    return Counter(database.fetch("SELECT k, v, s FROM t"))


def copies(shop: Databases, times: int) -> Counter[Any]:
    return Counter({row: times * n for row, n in bag(shop.source).items()})


def rows_of(shop: Databases, run_id: str) -> list[Any]:
    """Return a run's rows with their places, which change when a row is written anew."""
    return shop.target.fetch(
        "SELECT t.ctid::text, k, v FROM t WHERE xmin::text IN ("
        "SELECT jsonb_array_elements(loaded_by)::text FROM mapper_dask_chunk WHERE run_id = %s) "
        "ORDER BY k, v",
        run_id,
    )


def lose(shop: Databases, run_id: str, where: str) -> int:
    """Delete some of one run's rows by hand."""
    return shop.target.execute(
        "DELETE FROM t WHERE xmin::text IN (SELECT jsonb_array_elements(loaded_by)::text "
        f"FROM mapper_dask_chunk WHERE run_id = %s) AND ({where})",
        run_id,
    )


# -- others' rows stay -----------------------------------------------------------------------------


def test_two_runs_of_the_same_keys_both_add_up(shop: Databases) -> None:
    """The attack: repair of the first deleted the second's rows and said it had repaired."""
    move(shop, FIRST)
    move(shop, SECOND)

    for run_id in (FIRST, SECOND):
        found = count(shop, run_id, repair=True, checksum=True)
        assert found.matches
        assert found.repaired == ()
    assert bag(shop.target) == copies(shop, 2)


@pytest.mark.parametrize("damaged", [FIRST, SECOND, THIRD])
@pytest.mark.parametrize("lost", ["k BETWEEN 300 AND 310", "k IS NULL", "true"])
def test_of_three_runs_only_the_damaged_one_is_loaded_anew(
    shop: Databases, damaged: str, lost: str
) -> None:
    runs = [FIRST, SECOND, THIRD]
    for run_id in runs:
        move(shop, run_id)
    lost_rows = lose(shop, damaged, lost)
    assert lost_rows
    others = [rows_of(shop, run_id) for run_id in runs if run_id != damaged]

    found = count(shop, damaged)
    assert not found.matches
    assert all(count(shop, run_id).matches for run_id in runs if run_id != damaged)
    mended = count(shop, damaged, repair=True)

    assert mended.matches
    assert mended.repaired == tuple(check.chunk_id for check in found.differences)
    assert bag(shop.target) == copies(shop, 3)
    assert [rows_of(shop, run_id) for run_id in runs if run_id != damaged] == others


def test_a_run_whose_rows_are_another_s_does_not_add_up(shop: Databases) -> None:
    """The ranges hold as many rows as were loaded, and none of them is its own."""
    move(shop, FIRST)
    move(shop, SECOND)
    lose(shop, FIRST, "true")

    assert len(count(shop, FIRST).differences) == 5
    assert count(shop, FIRST, repair=True).matches
    assert bag(shop.target) == copies(shop, 2)


def test_rows_of_an_atomic_append_are_told_apart_too(shop: Databases) -> None:
    move(shop, FIRST)
    move(shop, SECOND, atomic=True)
    lose(shop, FIRST, "k < 20")

    assert count(shop, FIRST, repair=True).matches
    assert bag(shop.target) == copies(shop, 2)


def test_rows_put_there_by_hand_stay_beside_those_loaded_anew(shop: Databases) -> None:
    move(shop)
    shop.target.execute("INSERT INTO t VALUES (7, 1, 'mine'), (NULL, 2, 'mine')")
    shop.source.execute("UPDATE t SET v = v + 1 WHERE k = 7 OR k IS NULL")

    mended = count(shop, checksum=True, repair=True)

    assert mended.matches
    assert len(mended.repaired) == 2
    mine = Counter({(7, 1, "mine"): 1, (None, 2, "mine"): 1})
    assert bag(shop.target) == bag(shop.source) + mine


def test_rows_of_a_load_under_way_are_not_touched(shop: Databases) -> None:
    move(shop)
    lose(shop, FIRST, "k < 20")
    url = sa.make_url(shop.target.url)
    with psycopg2.connect(dbname=url.database, user=url.username, **dict(url.query)) as other:
        other.cursor().execute("INSERT INTO t VALUES (7, 1, 'under way')")
        assert count(shop, repair=True).matches
        other.commit()
    other.close()
    assert bag(shop.target) == bag(shop.source) + Counter({(7, 1, "under way"): 1})


# -- what can't be shown is refused, and nothing is changed ----------------------------------------


def refused(shop: Databases, match: str, run_id: str = FIRST, **options: Any) -> None:
    before = shop.target.fetch("SELECT ctid::text, xmin::text, k, v, s FROM t ORDER BY 1")
    ledger = shop.target.fetch("SELECT chunk_id, state, rows_loaded FROM mapper_dask_chunk")
    with pytest.raises(ConfigurationError, match=match):
        count(shop, run_id, repair=True, **options)
    assert shop.target.fetch("SELECT ctid::text, xmin::text, k, v, s FROM t ORDER BY 1") == before
    after = shop.target.fetch("SELECT chunk_id, state, rows_loaded FROM mapper_dask_chunk")
    assert sorted(after) == sorted(ledger)


@pytest.mark.parametrize("key", ["", "CREATE UNIQUE INDEX ON t (k, v)"])
def test_a_chunk_with_rows_changed_since_is_refused(shop: Databases, key: str) -> None:
    """They may be the run's: loaded anew beside them they would stand there twice."""
    if key:
        shop.target.execute(key)
    move(shop)
    shop.target.execute("UPDATE t SET s = 'better' WHERE k = 7")
    lose(shop, FIRST, "k = 8")

    refused(shop, r"Chunk 0 .*1 of 24\d rows in its range are not as the run loaded them")


def test_a_chunk_with_rows_put_there_while_its_own_are_missing_is_refused(shop: Databases) -> None:
    move(shop)
    lose(shop, FIRST, "k = 8 OR (k IS NULL AND v < 1)")
    shop.target.execute("INSERT INTO t VALUES (8, 1, 'mine'), (NULL, 2, 'mine')")
    shop.source.execute("UPDATE t SET v = v + 1 WHERE k = 8 OR k IS NULL")

    refused(shop, "others', or changed since", checksum=True)
    shop.target.execute("DELETE FROM t WHERE s = 'mine'")
    assert count(shop, repair=True, checksum=True).matches
    assert bag(shop.target) == bag(shop.source)


def test_a_row_merged_by_another_run_is_nobody_s_to_delete(shop: Databases) -> None:
    shop.source.execute("DELETE FROM t WHERE k IS NULL")
    shop.target.execute("ALTER TABLE t ADD PRIMARY KEY (k)")
    move(shop, FIRST)
    shop.source.execute("UPDATE t SET v = v + 1 WHERE k = 7")
    move(shop, SECOND, write_disposition="merge")
    assert count(shop, FIRST).matches, "a merge changes rows, it does not take them away"
    shop.source.execute("INSERT INTO t VALUES (8000, 1, 'late')")
    shop.source.execute("DELETE FROM t WHERE k = 8")

    refused(shop, "not as the run loaded them")


def test_rows_loaded_between_savepoints_are_not_known(shop: Databases) -> None:
    move(shop, reject_limit=10)
    assert count(shop).matches
    shop.target.execute("DELETE FROM t WHERE k = 7")
    refused(shop, "none tells by whom it was loaded")

    shop.target.execute("DELETE FROM t WHERE k < 300")
    shop.target.execute("DELETE FROM t WHERE k = 900")
    refused(shop, "none tells by whom it was loaded")
    shop.target.execute("DELETE FROM t WHERE k > 700")
    shop.target.execute("DELETE FROM t WHERE k > 200 AND k <= 700")
    assert count(shop, repair=True).matches, "an empty range is nobody's"
    assert bag(shop.target) == bag(shop.source)


REWRITES = {
    "altered": "ALTER TABLE t ALTER v TYPE numeric(12,4)",
    "restored": "CREATE TABLE u AS SELECT * FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t",
    "another server": 'UPDATE mapper_dask_run SET table_mark = table_mark || \'{"cluster": "1"}\'',
    "long ago": "UPDATE mapper_dask_chunk SET "
    "loaded_by = jsonb_build_array((loaded_by->>0)::bigint - 4294967296)",
    "earlier version": "UPDATE mapper_dask_chunk SET loaded_by = NULL",
}


@pytest.mark.parametrize("what", REWRITES)
def test_rows_that_lost_their_numbers_are_not_known(shop: Databases, what: str) -> None:
    move(shop)
    for statement in REWRITES[what].split(";"):
        shop.target.execute(statement)
    assert count(shop).matches
    shop.target.execute("DELETE FROM t WHERE k = 7")

    refused(shop, "rows in its range")


# -- what keeps the numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "upkeep",
    ["VACUUM FREEZE t", "VACUUM FULL t", "CREATE INDEX i ON t (v); CLUSTER t USING i", "ANALYZE t"],
)
def test_upkeep_of_the_table_takes_no_proof_away(shop: Databases, upkeep: str) -> None:
    move(shop, FIRST)
    move(shop, SECOND)
    for statement in upkeep.split(";"):
        shop.target.execute(statement)
    lose(shop, FIRST, "k BETWEEN 100 AND 600")

    assert count(shop, FIRST, repair=True).matches
    assert bag(shop.target) == copies(shop, 2)


def test_rows_are_told_in_every_partition(shop: Databases) -> None:
    shop.target.execute("DROP TABLE t")
    shop.target.execute("CREATE TABLE t (k int, v numeric(10,2), s text) PARTITION BY HASH (s)")
    for n in range(3):
        shop.target.execute(
            f"CREATE TABLE t{n} PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER {n})"
        )
    move(shop, FIRST)
    move(shop, SECOND)
    lose(shop, FIRST, "k BETWEEN 100 AND 600 OR k IS NULL")

    assert count(shop, FIRST, repair=True).matches
    assert bag(shop.target) == copies(shop, 2)


def test_a_row_moved_out_of_its_range_is_loaded_anew_and_the_moved_one_stays(
    shop: Databases,
) -> None:
    move(shop)
    shop.target.execute("UPDATE t SET k = 5000 WHERE k = 7")

    assert count(shop, repair=True).repaired == (0,)
    [moved] = [row for row in bag(shop.source) if row[0] == 7]
    assert bag(shop.target) == bag(shop.source) + Counter({(5000, *moved[1:]): 1})


def test_a_chunk_repaired_twice_carries_its_last_load(shop: Databases) -> None:
    move(shop, FIRST)
    move(shop, SECOND)
    for _ in range(2):
        assert lose(shop, FIRST, "k = 7 OR k IS NULL") == 6
        assert count(shop, FIRST, repair=True).matches
    assert bag(shop.target) == copies(shop, 2)


# -- a ledger of an earlier version ----------------------------------------------------------------

LAYOUT_1 = (
    "ALTER TABLE mapper_dask_run DROP COLUMN table_mark, DROP COLUMN published",
    "ALTER TABLE mapper_dask_chunk DROP COLUMN loaded_by",
)


def test_a_ledger_of_an_earlier_version_is_upgraded_by_its_owner(shop: Databases) -> None:
    move(shop, FIRST)
    for statement in LAYOUT_1:
        shop.target.execute(statement)
    assert count(shop, FIRST).matches, "it can be read as it is"
    move(shop, SECOND)
    lose(shop, SECOND, "k = 7")

    refused(shop, "not as the run loaded them", SECOND)  # the first's rows tell nothing
    result = ParallelProcessor(enable_parallel=False).resume(FIRST, target_conn=shop.target.url)
    assert result.succeeded
    assert "was not looked at when the run began" in "".join(result.warnings)


@pytest.fixture
def login(databases: Databases) -> Iterator[str]:
    """A login that may write the ledger, and is nobody's to trust."""
    name = f"planter_{uuid.uuid4().hex[:8]}"
    databases.target.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    databases.target.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_what_others_can_write_into_the_ledger_deletes_nobody_s_rows(
    shop: Databases, login: str
) -> None:
    move(shop)
    move(shop, SECOND)
    lose(shop, FIRST, "k BETWEEN 300 AND 310")
    shop.target.execute(f"GRANT UPDATE ON mapper_dask_chunk TO {login}")
    shop.target.execute(
        "UPDATE mapper_dask_chunk f SET loaded_by = s.loaded_by FROM mapper_dask_chunk s "
        "WHERE f.run_id = %s AND s.run_id = %s AND f.chunk_id = s.chunk_id", FIRST, SECOND,
    )  # fmt: skip
    before = bag(shop.target)
    job = job_of(shop, **MOVED)
    with pytest.raises(LedgerError, match=f"(?s)loaded_by.*{login} .UPDATE on mapper_dask_chunk"):
        count(shop, repair=True, job=job)
    assert bag(shop.target) == before


def test_a_ledger_that_others_write_may_be_trusted(shop: Databases, login: str) -> None:
    move(shop)
    lose(shop, FIRST, "k BETWEEN 300 AND 310")
    shop.target.execute(f"GRANT INSERT ON mapper_dask_chunk TO {login}")
    assert count(shop, repair=True, trust_ledger=True).matches
    assert bag(shop.target) == copies(shop, 1)
