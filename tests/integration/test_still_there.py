"""A run that goes on, or is asked again, claims no rows that its target does not hold any more."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.errors import RowsGoneError, TargetError
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.evidence import RowsState, Verdict, still_there
from tests.builders import job_of
from tests.database import Database, Databases

ROWS = 1_000
RUN, OTHER = "kept", "other"


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """1,000 rows, and a target like their table."""
    for database in databases:
        database.execute("CREATE TABLE t (k int PRIMARY KEY, v numeric(10,2))")
    databases.source.execute(f"INSERT INTO t SELECT g, g FROM generate_series(1, {ROWS}) g")
    return databases


class Fails:
    """A function that fails at some keys until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        assert self.mended or (frame.k < 600).all(), "not known here"
        return frame


def job(shop: Databases, run_id: str = RUN, **options: Any) -> MapperJob:
    usual = {"target_table": "t", "key_column": "k", "chunk_size": 250}
    return job_of(shop, source_sql="SELECT * FROM t", run_id=run_id, **{**usual, **options})


def run(shop: Databases, run_id: str = RUN, **options: Any) -> Any:
    return ParallelProcessor(enable_parallel=False).run(job(shop, run_id, **options))


def resume(shop: Databases, function: Any = None) -> Any:
    processor = ParallelProcessor(enable_parallel=False)
    return processor.resume(RUN, target_conn=shop.target.url, transformation_logic=function)


def half_done(shop: Databases, **options: Any) -> Fails:
    """Run the half of it, and mend what stopped it."""
    function = Fails()
    assert not run(shop, transformation_logic=function, **options).succeeded
    function.mended = True
    return function


def bag(database: Database) -> Counter[Any]:
    return Counter(database.fetch("SELECT k, v FROM t"))


def look(shop: Databases) -> Verdict:
    target = reference(shop.target.url, "target_conn")
    return still_there(target, stored_runs.found(target, RUN))


def told(shop: Databases, statements: str) -> None:
    for statement in statements.split(";"):
        shop.target.execute(statement)


GONE = {
    "truncated": "TRUNCATE t",
    "made anew": "DROP TABLE t; CREATE TABLE t (k int PRIMARY KEY, v numeric(10,2))",
    "dropped": "DROP TABLE t",
    "restored from an older state": "CREATE TABLE u AS SELECT * FROM t WHERE k < 100; "
    "DROP TABLE t; ALTER TABLE u RENAME TO t; ALTER TABLE t ADD PRIMARY KEY (k)",
    "truncated and filled by hand": "CREATE TABLE u AS SELECT * FROM t WHERE k < 200; TRUNCATE t; "
    "INSERT INTO t SELECT * FROM u",
}


@pytest.mark.parametrize("what", GONE)
def test_a_finished_run_is_not_claimed_when_its_rows_are_gone(shop: Databases, what: str) -> None:
    run(shop).raise_for_status()
    told(shop, GONE[what])

    for ask in (run, resume):
        with pytest.raises(RowsGoneError, match=r"run 'kept' is not claimed.*1,000 rows") as raised:
            ask(shop)
        assert "new run_id" in str(raised.value)
    assert look(shop).state is RowsState.GONE


@pytest.mark.parametrize("what", GONE)
def test_a_run_does_not_go_on_where_its_rows_are_gone(shop: Databases, what: str) -> None:
    function = half_done(shop)
    held = sum(bag(shop.target).values())
    assert 0 < held < ROWS
    told(shop, GONE[what])
    before = [] if what == "dropped" else shop.target.fetch("SELECT count(*) FROM t")

    with pytest.raises(RowsGoneError, match=f"{held:,} rows were loaded"):
        resume(shop, function)
    if before:
        assert shop.target.fetch("SELECT count(*) FROM t") == before, "it loaded nothing"


def test_the_truncated_rows_are_not_made_up_for_by_another_run_s(shop: Databases) -> None:
    run(shop).raise_for_status()
    shop.target.execute("TRUNCATE t")
    run(shop, OTHER).raise_for_status()

    with pytest.raises(RowsGoneError, match="0 are there"):
        resume(shop)
    assert run(shop, OTHER).succeeded, "the other's are there"


KEPT = {
    "vacuumed": "VACUUM FULL t",
    "clustered": "CLUSTER t USING t_pkey",
    "frozen": "VACUUM FREEZE t",
    "moved": "ALTER TABLE t SET TABLESPACE pg_default",
    "nothing": "SELECT 1",
}


@pytest.mark.parametrize("what", KEPT)
def test_upkeep_is_passed_over_in_silence(shop: Databases, what: str) -> None:
    function = half_done(shop)
    told(shop, KEPT[what])

    assert look(shop).state in (RowsState.PROVED, RowsState.UNTOUCHED)
    result = resume(shop, function).raise_for_status()
    assert not [note for note in result.warnings if "can be this run's" in note]
    told(shop, KEPT[what])
    assert run(shop, transformation_logic=function).succeeded
    assert bag(shop.target) == bag(shop.source)


REWRITTEN = {
    "altered": "ALTER TABLE t ALTER v TYPE numeric(12,4)",
    "restored": "CREATE TABLE u AS SELECT * FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t; "
    "ALTER TABLE t ADD PRIMARY KEY (k)",
    "reloaded": "CREATE TABLE u AS SELECT * FROM t; TRUNCATE t; INSERT INTO t SELECT * FROM u",
    "another server": 'UPDATE mapper_dask_run SET table_mark = table_mark || \'{"cluster": "1"}\'',
}


@pytest.mark.parametrize("what", REWRITTEN)
def test_as_many_rows_that_tell_nothing_go_on_with_a_note(shop: Databases, what: str) -> None:
    function = half_done(shop)
    told(shop, REWRITTEN[what])

    assert look(shop).state is RowsState.PLAUSIBLE
    result = resume(shop, function).raise_for_status()
    assert [note for note in result.warnings if "no row tells by whom it was loaded" in note]
    assert bag(shop.target) == bag(shop.source)
    again = run(shop, transformation_logic=function).raise_for_status()
    assert len([note for note in again.warnings if "no row tells" in note]) == 1


def test_a_target_truncated_in_mid_run_is_no_success(shop: Databases) -> None:
    def truncate(event: Any) -> None:
        if event.done == 2:
            shop.target.execute("TRUNCATE t")

    processor = ParallelProcessor(enable_parallel=False, progress=truncate)
    result = processor.run(job(shop))

    assert not result.succeeded
    assert "was truncated, rewritten, restored or recreated" in str(result.error)
    [(state,)] = shop.target.fetch("SELECT state FROM mapper_dask_run")
    assert state == "FAILED"


def test_a_truncated_run_is_repaired_whole(shop: Databases) -> None:
    run(shop).raise_for_status()
    shop.target.execute("TRUNCATE t")

    processor = ParallelProcessor(enable_parallel=False)
    found = processor.reconcile(RUN, target_conn=shop.target.url, repair=True)

    assert found.matches
    assert bag(shop.target) == bag(shop.source)
    assert run(shop).succeeded


@pytest.mark.parametrize("disposition", ["replace", "merge", "append"])
def test_published_rows_are_looked_for_too(shop: Databases, disposition: str) -> None:
    run(shop, write_disposition=disposition, atomic=disposition == "append").raise_for_status()
    assert look(shop).state is RowsState.UNTOUCHED
    shop.target.execute("VACUUM FULL t")
    assert look(shop).state is RowsState.PROVED
    assert resume(shop).succeeded
    shop.target.execute("TRUNCATE t")
    with pytest.raises(RowsGoneError, match="1,000 rows were loaded"):
        resume(shop)


@pytest.mark.parametrize("disposition", ["replace", "merge", "append"])
def test_rows_that_wait_are_looked_for_where_they_wait(shop: Databases, disposition: str) -> None:
    options = {"write_disposition": disposition, "atomic": disposition == "append"}
    function = half_done(shop, **options)
    shop.target.execute("TRUNCATE t")  # they are not there yet
    [(staging,)] = shop.target.fetch("SELECT staging FROM mapper_dask_run")
    assert look(shop).state is RowsState.UNTOUCHED
    shop.target.execute(f"TRUNCATE {staging}")

    with pytest.raises(RowsGoneError, match=r"\d rows were loaded, 0 are there"):
        resume(shop, function)


def test_partitions_are_looked_at_one_by_one(shop: Databases) -> None:
    told(
        shop,
        "DROP TABLE t; CREATE TABLE t (k int, v numeric(10,2)) PARTITION BY RANGE (k);"
        "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (500);"
        "CREATE TABLE high PARTITION OF t FOR VALUES FROM (500) TO (5000)",
    )
    run(shop).raise_for_status()
    shop.target.execute("CREATE TABLE later PARTITION OF t FOR VALUES FROM (5000) TO (6000)")
    assert look(shop).state is RowsState.PROVED
    assert run(shop).succeeded
    shop.target.execute("TRUNCATE low")

    with pytest.raises(RowsGoneError, match="501 are there"):
        run(shop)


def test_a_login_that_may_not_count_does_not_claim(shop: Databases) -> None:
    run(shop).raise_for_status()
    shop.target.execute("VACUUM FULL t")
    shop.target.execute("CREATE ROLE mapper_dask_test_blind LOGIN")
    try:
        shop.target.execute(
            "GRANT SELECT, INSERT, UPDATE ON mapper_dask_run, mapper_dask_chunk "
            "TO mapper_dask_test_blind"
        )
        blind = shop.target.url.replace("postgres@", "mapper_dask_test_blind@")
        with pytest.raises(RowsGoneError, match=r"may not count.*GRANT it SELECT"):
            ParallelProcessor(enable_parallel=False).run(job(shop).evolve(target_conn=blind))
        shop.target.execute("GRANT SELECT ON t TO mapper_dask_test_blind")
        assert ParallelProcessor(enable_parallel=False).run(job(shop).evolve(target_conn=blind))
    finally:
        dispose_engines()
        shop.target.execute("DROP OWNED BY mapper_dask_test_blind")
        shop.target.execute("DROP ROLE mapper_dask_test_blind")


def test_a_loader_that_does_not_own_an_old_ledger_is_told_what_its_owner_must_run(
    shop: Databases,
) -> None:
    run(shop).raise_for_status()
    shop.target.execute("ALTER TABLE mapper_dask_chunk DROP COLUMN loaded_by")
    shop.target.execute("CREATE ROLE mapper_dask_test_guest LOGIN")
    try:
        shop.target.execute(
            "GRANT SELECT, INSERT, UPDATE ON t, mapper_dask_run, mapper_dask_chunk "
            "TO mapper_dask_test_guest"
        )
        guest = shop.target.url.replace("postgres@", "mapper_dask_test_guest@")
        with pytest.raises(TargetError, match=r"mapper_dask_chunk\.loaded_by.*ledger_upgrade\.sql"):
            ParallelProcessor(enable_parallel=False).run(job(shop, "b").evolve(target_conn=guest))
    finally:
        dispose_engines()
        shop.target.execute("DROP OWNED BY mapper_dask_test_guest")
        shop.target.execute("DROP ROLE mapper_dask_test_guest")
