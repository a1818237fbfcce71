"""Replace, merge, atomic append: for every reader the target is as it was or as it should be."""

from __future__ import annotations

import threading
from typing import Any, Self

import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessingResult, ParallelProcessor
from mapper_dask.errors import ConfigurationError, FingerprintError, TargetError
from tests.builders import job_of, make_shop
from tests.database import Database, Databases

ROWS = 2_000
CREATE = "CREATE TABLE d (id int PRIMARY KEY, name text NOT NULL, v int DEFAULT 5)"


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """2,000 rows ``new`` to move; as many rows ``old`` are there, half of them with their keys."""
    make_shop(databases, ROWS, "'new' AS name, g AS v")
    databases.target.execute(CREATE)
    databases.target.execute(
        "INSERT INTO d SELECT g, 'old', -g FROM generate_series(%s + 1, %s) g",
        ROWS // 2,
        ROWS * 3 // 2,
    )
    return databases


def move(databases: Databases, *, sql: str = "SELECT * FROM s", **options: Any) -> Any:
    parallel = options.pop("parallel", False)
    processor = ParallelProcessor(enable_parallel=parallel, max_workers=2)
    return processor.run(job_of(databases, source_sql=sql, **{"chunk_size": 300, **options}))


def names(target: Database) -> dict[str, int]:
    return dict(target.fetch("SELECT name, count(*) FROM d GROUP BY name"))


def leftovers(target: Database) -> list[tuple[Any, ...]]:
    return target.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'mapper_dask_stage_%%'")


def fails_late(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["id"] > ROWS - 100).any():
        message = "not these"
        raise ValueError(message)
    return frame


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


unchanged_again = unchanged
unchanged_again.__qualname__ = fails_late.__qualname__

# -- what the table holds afterwards -----------------------------------------------------------


@pytest.mark.parametrize("parallel", [False, True])
def test_replace_leaves_the_new_rows_only(shop: Databases, *, parallel: bool) -> None:
    result = move(shop, write_disposition="replace", parallel=parallel).raise_for_status()
    assert result.total_rows_successful == ROWS
    assert shop.target.fetch("SELECT * FROM d ORDER BY id") == shop.source.fetch(
        "SELECT * FROM s ORDER BY id"
    )
    assert leftovers(shop.target) == []


def test_replace_by_nothing_empties_the_table(shop: Databases) -> None:
    move(shop, sql="SELECT * FROM s WHERE false", write_disposition="replace").raise_for_status()
    assert names(shop.target) == {}


def test_merge_changes_known_rows_and_adds_the_others(shop: Databases) -> None:
    move(shop, write_disposition="merge").raise_for_status()
    assert names(shop.target) == {"new": ROWS, "old": ROWS // 2}
    move(shop, write_disposition="merge").raise_for_status()
    assert names(shop.target) == {"new": ROWS, "old": ROWS // 2}, "a merge twice is a merge"


def test_merge_leaves_columns_alone_that_the_rows_do_not_bring(shop: Databases) -> None:
    move(shop, sql="SELECT id, name FROM s", write_disposition="merge").raise_for_status()
    assert shop.target.fetch("SELECT min(v), max(v) FROM d WHERE id > %s", ROWS // 2) == [
        (-ROWS * 3 // 2, -ROWS // 2 - 1)
    ]
    assert shop.target.fetch("SELECT DISTINCT v FROM d WHERE id <= %s", ROWS // 2) == [(5,)]


def test_merge_by_another_unique_key(shop: Databases) -> None:
    shop.target.execute("ALTER TABLE d ADD code int")
    shop.target.execute("UPDATE d SET code = id + 10000")
    shop.target.execute("ALTER TABLE d ALTER code SET NOT NULL, ADD UNIQUE (code)")
    sql = "SELECT id + 5000 AS id, name, id + 10000 AS code FROM s"
    result = move(shop, sql=sql, write_disposition="merge", primary_key="code", key_column="id")
    result.raise_for_status()
    assert names(shop.target) == {"new": ROWS, "old": ROWS // 2}


def test_atomic_append_adds_all_rows_or_none(shop: Databases) -> None:
    failed = move(shop, atomic=True, run_id="r")
    assert not failed.succeeded
    assert failed.total_rows_successful == 0
    assert "duplicate key" in failed.errors[0]
    assert names(shop.target) == {"old": ROWS}
    shop.target.execute("DELETE FROM d")
    resumed = ParallelProcessor().resume("r", target_conn=shop.target.url).raise_for_status()
    assert resumed.total_rows_successful == ROWS
    assert names(shop.target) == {"new": ROWS}
    assert leftovers(shop.target) == []


def test_a_failed_chunk_leaves_the_table_as_it_was_until_it_is_mended(shop: Databases) -> None:
    job = {"write_disposition": "replace", "on_error": "continue", "run_id": "r"}
    failed = move(shop, transformation_logic=fails_late, **job)
    assert (failed.chunks_succeeded, failed.chunks_total) == (6, 7)
    assert failed.total_rows_successful == 0
    assert names(shop.target) == {"old": ROWS}
    result = move(shop, transformation_logic=unchanged_again, **job)
    assert result.raise_for_status().total_rows_successful == ROWS
    assert names(shop.target) == {"new": ROWS}


def test_publishing_happens_once_whoever_does_it(shop: Databases) -> None:
    """The coordinator died between the last chunk and the end: a resume publishes, the next not."""
    move(shop, atomic=True, run_id="r", sql="SELECT id + 9000 AS id, name FROM s", key_column="id")
    assert names(shop.target) == {"new": ROWS, "old": ROWS}
    for _ in range(2):
        ParallelProcessor().resume("r", target_conn=shop.target.url).raise_for_status()
    assert names(shop.target) == {"new": ROWS, "old": ROWS}


# -- several rows with one key -----------------------------------------------------------------


TWICE = "SELECT id / 2 AS id, name, v FROM s"


def test_two_rows_with_one_key_are_an_error(shop: Databases) -> None:
    result = move(shop, sql=TWICE, write_disposition="merge", key_column="v")
    assert "several rows of the query have the same id" in result.errors[0]
    assert names(shop.target) == {"old": ROWS}


def test_the_newest_of_several_rows_with_one_key_is_merged(shop: Databases) -> None:
    result = move(shop, sql=TWICE, write_disposition="merge", key_column="v", newest_by="v")
    result.raise_for_status()
    assert shop.target.fetch("SELECT count(*), min(v - 2 * id) FROM d WHERE name = 'new'") == [
        (ROWS // 2 + 1, 0)
    ]
    assert shop.target.fetch("SELECT count(*) FROM d WHERE name = 'new' AND v = 2 * id") == [(1,)]
    assert any("999 had a newer row" in note for note in result.warnings), result.warnings


def test_a_tie_of_the_newest_is_an_error_that_says_how_many(shop: Databases) -> None:
    sql = "SELECT id / 2 AS id, name, 1 AS v, id AS n FROM s"
    shop.target.execute("ALTER TABLE d ADD n int")
    result = move(shop, sql=sql, write_disposition="merge", key_column="n", newest_by="v")
    assert "999 keys (id)" in result.errors[0]
    assert names(shop.target) == {"old": ROWS}


# -- what stands on the table ------------------------------------------------------------------


def test_everything_on_the_table_survives_a_replace(shop: Databases) -> None:
    for statement in (
        "CREATE INDEX d_name ON d (name)", "ALTER TABLE d ADD CHECK (id > 0)",
        "CREATE VIEW seen AS SELECT name FROM d", "COMMENT ON TABLE d IS 'kept'",
        "CREATE TABLE kind (name text PRIMARY KEY)", "INSERT INTO kind VALUES ('old'), ('new')",
        "ALTER TABLE d ADD FOREIGN KEY (name) REFERENCES kind", "GRANT SELECT ON d TO PUBLIC",
        "ALTER TABLE d ENABLE ROW LEVEL SECURITY",
    ):  # fmt: skip
        shop.target.execute(statement)
    catalogue = """
        SELECT c.oid, c.relacl::text, c.relrowsecurity, obj_description(c.oid),
               (SELECT array_agg(indexrelid ORDER BY 1) FROM pg_index WHERE indrelid = c.oid),
               (SELECT array_agg(oid ORDER BY 1) FROM pg_constraint WHERE conrelid = c.oid)
        FROM pg_class c WHERE relname = 'd'"""
    before = shop.target.fetch(catalogue)
    move(shop, write_disposition="replace").raise_for_status()
    assert shop.target.fetch(catalogue) == before
    assert shop.target.fetch("SELECT DISTINCT name FROM seen") == [("new",)]


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE"])
def test_rows_that_refer_to_a_replaced_table_stay(shop: Databases, action: str) -> None:
    """Rows that are there again keep their children; a DELETE of all of them would not."""
    shop.target.execute(f"CREATE TABLE child (id int REFERENCES d ON DELETE {action}, n int)")
    shop.target.execute("INSERT INTO child SELECT id, 1 FROM d WHERE id <= %s", ROWS)
    result = move(shop, write_disposition="replace", sql="SELECT id, name FROM s")
    assert result.raise_for_status().total_rows_successful == ROWS
    assert names(shop.target) == {"new": ROWS}
    assert shop.target.fetch("SELECT count(*) FROM child") == [(ROWS // 2,)]
    assert shop.target.fetch("SELECT DISTINCT v FROM d") == [(5,)], "a replaced row is a new row"


def test_a_row_that_must_not_vanish_stops_the_replace(shop: Databases) -> None:
    shop.target.execute("CREATE TABLE child (id int REFERENCES d)")
    shop.target.execute("INSERT INTO child VALUES (%s)", ROWS + 1)
    result = move(shop, write_disposition="replace")
    assert "foreign key" in result.errors[0]
    assert names(shop.target) == {"old": ROWS}


def test_identity_and_generated_columns_fill_themselves(shop: Databases) -> None:
    shop.target.execute("DROP TABLE d")
    shop.target.execute(
        "CREATE TABLE d (nr int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id int, name text, "
        "double int GENERATED ALWAYS AS (id * 2) STORED)"
    )
    sql = "SELECT id, name FROM s"
    for _ in range(2):
        move(shop, write_disposition="replace", sql=sql, key_column="id").raise_for_status()
    counted = "SELECT count(*), count(DISTINCT nr), bool_and(double = 2 * id) FROM d"
    assert shop.target.fetch(counted) == [(ROWS, ROWS, True)]


# -- what readers see --------------------------------------------------------------------------


class Poll:
    """Counts the table again and again until it is told to end; keeps every count it saw."""

    def __init__(self, url: str, *, one_snapshot: bool) -> None:
        self.seen: set[int] = set()
        self._ended = threading.Event()
        self._connection = psycopg2.connect(
            sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        if one_snapshot:
            self._connection.set_session(isolation_level="REPEATABLE READ")
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        else:
            self._connection.autocommit = True
        self._thread = threading.Thread(target=self._poll)

    def _poll(self) -> None:
        with self._connection.cursor() as cursor:
            while not self._ended.is_set():
                cursor.execute("SELECT count(*) FROM d")
                self.seen.add(cursor.fetchone()[0])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM d")
            self.seen.add(cursor.fetchone()[0])
        self._connection.close()


def test_a_reader_sees_the_old_count_or_the_new_one(shop: Databases) -> None:
    sql = f"SELECT * FROM s WHERE id <= {ROWS // 4}"
    with Poll(shop.target.url, one_snapshot=False) as reader:
        move(shop, sql=sql, write_disposition="replace", chunk_size=50).raise_for_status()
    assert reader.seen == {ROWS, ROWS // 4}


def test_a_reader_in_an_older_snapshot_still_sees_the_old_rows(shop: Databases) -> None:
    """It would see none after a TRUNCATE or a swap of tables."""
    with Poll(shop.target.url, one_snapshot=True) as reader:
        move(shop, write_disposition="replace").raise_for_status()
    assert reader.seen == {ROWS}
    assert names(shop.target) == {"new": ROWS}


# -- leftovers ---------------------------------------------------------------------------------


def age(target: Database, run_id: str) -> None:
    """Let a run have stood still for eight days."""
    for table in ("mapper_dask_run", "mapper_dask_chunk"):
        target.execute(
            f"UPDATE {table} SET started_at = started_at - interval '8 days', "
            "ended_at = ended_at - interval '8 days' WHERE run_id = %s",
            run_id,
        )


def dead_run(shop: Databases, run_id: str) -> ParallelProcessingResult:
    result = move(
        shop, write_disposition="replace", on_error="continue", run_id=run_id,
        transformation_logic=fails_late,
    )  # fmt: skip
    assert not result.succeeded
    return result


def test_staged_rows_of_a_dead_run_are_removed_by_the_next(shop: Databases) -> None:
    dead_run(shop, "dead")
    dead_run(shop, "young")
    age(shop.target, "dead")
    assert len(leftovers(shop.target)) == 4, "two tables, each with its primary key's index"
    move(shop, write_disposition="replace").raise_for_status()
    assert len(leftovers(shop.target)) == 2, "what may yet be resumed stays"
    with pytest.raises(ConfigurationError, match="staged rows were removed"):
        dead_run(shop, "dead")
    dead_run(shop, "young")


def test_the_staging_table_of_another_ledger_is_left_alone(shop: Databases) -> None:
    shop.target.execute("CREATE TABLE mapper_dask_stage_0123456789abcdef (i int)")
    shop.target.execute(
        "COMMENT ON TABLE mapper_dask_stage_0123456789abcdef IS 'mapper_dask ledger 1'"
    )
    move(shop, write_disposition="replace").raise_for_status()
    assert leftovers(shop.target) == [("mapper_dask_stage_0123456789abcdef",)]


def test_discard_removes_a_run_and_what_it_staged(shop: Databases) -> None:
    dead_run(shop, "dead")
    ParallelProcessor().discard("dead", target_conn=shop.target.url)
    assert leftovers(shop.target) == []
    assert shop.target.fetch("SELECT count(*) FROM mapper_dask_chunk") == [(0,)]
    assert names(shop.target) == {"old": ROWS}


# -- refused before a row moves ----------------------------------------------------------------


def test_a_merge_needs_a_unique_key(shop: Databases) -> None:
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_pkey")
    with pytest.raises(TargetError, match=r"primary_key.*CREATE UNIQUE INDEX"):
        move(shop, write_disposition="merge")
    with pytest.raises(TargetError, match=r"primary_key \(name\)"):
        move(shop, write_disposition="merge", primary_key="name")


def test_a_merge_needs_its_key_among_the_rows(shop: Databases) -> None:
    shop.target.execute("ALTER TABLE d ALTER id SET DEFAULT 0")
    with pytest.raises(TargetError, match="the rows do not bring id"):
        move(shop, sql="SELECT 'x' AS name, v FROM s", write_disposition="merge", key_column="v")


def test_newest_by_must_be_a_column(shop: Databases) -> None:
    with pytest.raises(TargetError, match="newest_by 'w'"):
        move(shop, write_disposition="merge", newest_by="w")


def test_a_replace_of_a_table_others_refer_to_needs_its_key(shop: Databases) -> None:
    shop.target.execute("CREATE TABLE child (id int REFERENCES d)")
    shop.target.execute("ALTER TABLE d ALTER id SET DEFAULT 0")
    with pytest.raises(TargetError, match="child refer"):
        move(shop, sql="SELECT name, v FROM s", write_disposition="replace", primary_key="name",
             key_column="v")  # fmt: skip


def test_a_mended_function_with_other_columns_is_refused(shop: Databases) -> None:
    job = {"write_disposition": "replace", "on_error": "continue", "run_id": "r"}
    move(shop, transformation_logic=fails_late, **job)

    def fewer(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[["id", "name"]]

    fewer.__qualname__, fewer.__module__ = fails_late.__qualname__, fails_late.__module__
    with pytest.raises(FingerprintError, match="columns"):
        move(shop, transformation_logic=fewer, **job)
