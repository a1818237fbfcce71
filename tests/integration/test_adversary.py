"""What an adversary found to be lost, changed or refused, with success: each once more."""

from __future__ import annotations

from typing import Any

import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.errors import ConfigurationError
from mapper_dask.events.run_events import RunEvent
from tests.builders import job_of, make_shop
from tests.database import Databases

ROWS = 30
TRIGGER = "RETURNS trigger LANGUAGE plpgsql AS"


@pytest.fixture
def shop(databases: Databases) -> Databases:
    return make_shop(databases, ROWS, "'v' || g AS v")


def as_it_came(frame: Any) -> Any:
    return frame


def move(shop: Databases, progress: Any = None, **options: Any) -> Any:
    processor = ParallelProcessor(enable_parallel=False, progress=progress or False)
    return processor.run(job_of(shop, **{"chunk_size": 10, "target_table": "t", **options}))


def held(shop: Databases) -> int:
    [(rows,)] = shop.target.fetch("SELECT count(*) FROM t")
    return int(rows)


DEFERRED_AGAIN = f"""
CREATE TABLE t (id int, v text);
CREATE TABLE noted (x int);
CREATE FUNCTION f1() {TRIGGER} 'BEGIN SET CONSTRAINTS b DEFERRED; INSERT INTO noted VALUES (new.id);
RETURN NULL; END';
CREATE CONSTRAINT TRIGGER a AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION f1();
CREATE FUNCTION f2() {TRIGGER} 'BEGIN DELETE FROM t WHERE id = new.x; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER b AFTER INSERT ON noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION f2()
"""


@pytest.mark.parametrize(
    "options",
    [{}, {"transformation_logic": as_it_came}, {"atomic": True}, {"write_disposition": "replace"},
     {"reject_limit": 5}],
    ids=["relay", "function", "atomic", "replace", "rejects"],
)  # fmt: skip
def test_a_trigger_that_defers_another_again_takes_nothing_away(
    shop: Databases, options: dict[str, Any]
) -> None:
    shop.target.execute(DEFERRED_AGAIN)
    result = move(shop, **options)
    assert not result.succeeded
    assert held(shop) == 0


def test_a_row_that_is_taken_for_another_is_no_replacement(shop: Databases) -> None:
    shop.target.execute(
        f"CREATE TABLE t (id int PRIMARY KEY, v text); CREATE FUNCTION swap() {TRIGGER} "
        "'BEGIN DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (1005, ''fake''); RETURN NULL; "
        "END'; CREATE TRIGGER swap AFTER INSERT ON t FOR EACH STATEMENT "
        "WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION swap()"
    )
    result = move(shop, write_disposition="replace")
    assert "swap" in str(result.error)
    assert held(shop) == 0


def test_a_trigger_that_is_made_on_a_partition_under_a_run_stops_it(shop: Databases) -> None:
    shop.target.execute(
        "CREATE TABLE t (id int, v text) PARTITION BY RANGE (id); "
        "CREATE TABLE t1 PARTITION OF t DEFAULT"
    )

    def between(event: RunEvent) -> None:
        if event.done == 1:
            shop.target.execute(
                f"CREATE FUNCTION steal() {TRIGGER} 'BEGIN DELETE FROM t WHERE id = new.id; "
                "RETURN NULL; END'; CREATE TRIGGER steal AFTER INSERT ON t1 FOR EACH ROW "
                "EXECUTE FUNCTION steal()"
            )

    result = move(shop, between, transformation_logic=as_it_came)
    assert "trigger steal of partition t1" in str(result.errors)
    assert held(shop) == 10


def test_a_repair_is_refused_where_triggers_put_rows_back(shop: Databases) -> None:
    shop.target.execute("CREATE TABLE t (id int, v text)")
    move(shop, run_id="r", key_column="id").raise_for_status()
    shop.target.execute(
        f"DELETE FROM t WHERE id = 5; CREATE FUNCTION back() {TRIGGER} 'BEGIN INSERT INTO t VALUES "
        "(old.id, old.v); RETURN NULL; END'; CREATE TRIGGER back AFTER DELETE ON t FOR EACH ROW "
        "EXECUTE FUNCTION back()"
    )
    processor = ParallelProcessor(enable_parallel=False)
    with pytest.raises(ConfigurationError, match="back"):
        processor.reconcile("r", target_conn=shop.target.url, repair=True)
    assert held(shop) == ROWS - 1


def test_a_variable_leads_where_it_leads_now(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for database in shop:
        database.execute("CREATE TABLE t (id int, v text)")
    for database in shop:
        monkeypatch.setenv("WHERE_TO", database.url)
        move(shop, target_conn="env:WHERE_TO").raise_for_status()
    assert [d.fetch("SELECT count(*) FROM t") for d in shop] == [[(ROWS,)]] * 2


@pytest.mark.parametrize("function", [None, as_it_came], ids=["relay", "function"])
def test_no_null_in_an_array_becomes_a_word(shop: Databases, function: Any) -> None:
    name = shop.target.url.partition("?")[0].rpartition("/")[2]
    shop.target.execute(
        f"CREATE TABLE t (id int, a text[]); ALTER DATABASE {name} SET array_nulls = off"
    )
    sql = "SELECT id, ARRAY[NULL, v, 'NULL'] AS a FROM s"
    move(shop, source_sql=sql, transformation_logic=function).raise_for_status()
    assert shop.target.fetch("SELECT DISTINCT a[1], a[3] FROM t") == [(None, "NULL")]


def test_a_function_that_reads_a_table_alters_nothing(shop: Databases) -> None:
    shop.source.execute(
        "CREATE FUNCTION all_s() RETURNS SETOF s LANGUAGE plpgsql STABLE AS "
        "'BEGIN RETURN QUERY SELECT * FROM s; END'; CREATE VIEW seen AS SELECT * FROM all_s()"
    )
    shop.target.execute("CREATE TABLE t (id int, v text)")
    move(shop, source_sql="SELECT * FROM seen", key_column="id").raise_for_status()
    assert held(shop) == ROWS
