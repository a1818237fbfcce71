"""An append that doubles rows says so: before it runs, and when it has been there before."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mapper_dask import (
    ChunkManager,
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessor,
)
from tests.builders import job_of, make_shop
from tests.database import Databases

ROWS = 30


@pytest.fixture
def shop(databases: Databases) -> Databases:
    return make_shop(databases, ROWS, target="d (id int)")


def notes(made: MapperJob) -> list[str]:
    result = ParallelProcessor(enable_parallel=False).run(made).raise_for_status()
    return [note for note in result.warnings if "twice" in note or "runs before" in note]


def test_the_plan_says_what_a_second_run_does(shop: Databases) -> None:
    assert "again" in str(ChunkManager().plan(job_of(shop)))
    for other in (
        {"run_id": "r"},
        {"write_disposition": "replace"},
        {"write_disposition": "merge", "primary_key": ["id"]},
        {"target_conn": None, "target_table": None},
    ):
        assert "second run" not in str(ChunkManager().plan(job_of(shop, **other))), other


@pytest.mark.parametrize("options", [{}, {"atomic": True}], ids=["append", "atomic"])
def test_the_second_append_warns(
    shop: Databases, caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    assert notes(job_of(shop, run_id="first", **options)) == []
    with caplog.at_level(logging.WARNING, logger="mapper_dask"):
        [note] = notes(job_of(shop, **options))

    assert note.startswith('run \'first\' has loaded the same query into "public"."d"')
    assert "run_id" in note
    assert "appended_before" in [record.mapper["event"] for record in caplog.records]
    assert shop.target.fetch("SELECT count(*) FROM d") == [(2 * ROWS,)]


@pytest.mark.parametrize(
    "other",
    [
        {"run_id": "first"},
        {"source_sql": "SELECT * FROM s WHERE id > 3"},
        {"target_table": "e"},
        {"write_disposition": "replace"},
        {"write_disposition": "merge", "primary_key": ["id"]},
    ],
    ids=["the same run", "another query", "another target", "replace", "merge"],
)
def test_no_other_run_is_warned_of(shop: Databases, other: dict[str, Any]) -> None:
    shop.target.execute("CREATE TABLE e (id int)")
    if "primary_key" in other:
        shop.target.execute("ALTER TABLE d ADD PRIMARY KEY (id)")
    notes(job_of(shop, run_id="first"))

    assert notes(job_of(shop, **other)) == []


def test_a_failed_run_of_no_rows_and_an_emptied_table_are_no_reason(shop: Databases) -> None:
    def bad(_frame: Any) -> Any:
        raise ValueError

    failing = job_of(shop, transformation_logic=bad)
    ParallelProcessor(enable_parallel=False, on_failure="return").run(failing)
    assert notes(job_of(shop)) == []
    shop.target.execute("TRUNCATE d")
    assert notes(job_of(shop)) == []


def late(frame: Any) -> Any:
    if (frame.id == ROWS).any():
        raise ValueError
    return frame


def test_a_run_that_has_not_ended_well_and_left_rows_is_to_be_finished(shop: Databases) -> None:
    failing = job_of(shop, transformation_logic=late, chunk_size=10, run_id="half")
    ParallelProcessor(enable_parallel=False, on_failure="return").run(failing)
    [(left,)] = shop.target.fetch("SELECT sum(rows_loaded) FROM mapper_dask_chunk")
    assert left == 20
    for state, again in (
        ("RUNNING", {"key_column": "id"}),
        ("CANCELLED", {"chunk_size": 7}),
        ("FAILED", {}),
    ):
        shop.target.execute(f"UPDATE mapper_dask_run SET state = '{state}' WHERE run_id = 'half'")
        [note] = notes(job_of(shop, **again))

        assert "with 20 rows of its committed chunks" in note
        assert state in note
        assert note.endswith("Finish it in place of this run: resume('half')")
        shop.target.execute("DELETE FROM mapper_dask_run WHERE run_id <> 'half'")


def test_a_run_that_failed_before_its_rows_were_published_has_left_none(shop: Databases) -> None:
    failing = job_of(shop, transformation_logic=late, chunk_size=10, atomic=True)
    ParallelProcessor(enable_parallel=False, on_failure="return").run(failing)

    assert notes(job_of(shop)) == []


def test_the_same_rows_are_known_however_they_are_cut(shop: Databases) -> None:
    notes(job_of(shop, run_id="first"))
    shop.source.execute(f"DELETE FROM s WHERE id = {ROWS}")
    for other in (
        {"chunk_size": 7},
        {"transformation_logic": late},
        {"source_sql": " SELECT * FROM s ;\n"},
        {"target_schema": "public"},
        {"atomic": True},
    ):
        [note] = notes(job_of(shop, **other))
        assert note.startswith("run 'first' has loaded the same query"), other
        shop.target.execute("DELETE FROM mapper_dask_run WHERE run_id <> 'first'")


def test_a_query_of_a_variable_or_of_the_time_is_another_each_time(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sql, params in (
        ("SELECT * FROM s WHERE id > :low::int", {"low": "env:LOWEST"}),
        ("SELECT * FROM s WHERE current_date > '2024-01-01'", None),
        ("SELECT * FROM s WHERE now() > '2024-01-01'", None),
        ("WITH w AS (SELECT localtimestamp AS t) SELECT s.id FROM s, w", None),
    ):
        monkeypatch.setenv("LOWEST", "3")
        assert notes(job_of(shop, source_sql=sql, params=params)) == []
        monkeypatch.setenv("LOWEST", "4")
        assert notes(job_of(shop, source_sql=sql, params=params)) == [], sql


def test_a_value_that_is_written_is_the_same_query_again(shop: Databases) -> None:
    sql = "SELECT * FROM s WHERE id > :low"
    assert notes(job_of(shop, source_sql=sql, params={"low": 3})) == []
    assert notes(job_of(shop, source_sql=sql, params={"low": 4})) == []
    assert len(notes(job_of(shop, source_sql=sql, params={"low": 4}))) == 1


def test_a_table_that_was_truncated_and_filled_again_is_said_to_be(shop: Databases) -> None:
    notes(job_of(shop, run_id="first"))
    shop.target.execute(f"TRUNCATE d; INSERT INTO d SELECT g FROM generate_series(1, {ROWS}) g")

    [note] = notes(job_of(shop))
    assert "was truncated, rewritten, restored or recreated since it was loaded" in note
    assert "that are there still" in note


def test_an_incremental_job_is_not_warned_of(shop: Databases) -> None:
    one = FlowJob(name="j", job=job_of(shop), incremental=Incremental(column="id"), parallel=False)
    for first in (0, ROWS):
        shop.source.execute("INSERT INTO s SELECT g + 100 + %s FROM generate_series(1, 5) g", first)
        [done] = ExecutionEngine().run(Flow(name="f", jobs=(one,))).raise_for_status().jobs
        assert done.result is not None
        assert not [note for note in done.result.warnings if "twice" in note]


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT id FROM d", True),
        ("SELECT id + 1 AS id FROM public.d", True),
        ("SELECT * FROM through", True),
        ("SELECT * FROM twice_through", True),
        ("SELECT s.id FROM s JOIN d ON s.id = d.id", True),
        ("SELECT * FROM s", False),
        ("SELECT id FROM other.d", False),
    ],
)
def test_a_query_that_reads_its_target_is_told(shop: Databases, sql: str, reads: bool) -> None:  # noqa: FBT001
    shop.source.execute("CREATE TABLE d (id int)")
    shop.source.execute("CREATE SCHEMA other CREATE TABLE d (id int)")
    shop.source.execute("CREATE VIEW through AS SELECT id FROM d WHERE id > 0")
    shop.source.execute("CREATE VIEW twice_through AS SELECT id FROM through")
    here = {"source_sql": sql, "target_conn": shop.source.url, "target_schema": "public"}

    told = notes(job_of(shop, **here))
    assert bool(told) is reads
    assert all(note.startswith('the query reads "public"."d"') for note in told)
    assert notes(job_of(shop, **here, write_disposition="replace")) == []


def test_a_table_of_the_same_name_elsewhere_is_another(shop: Databases) -> None:
    shop.source.execute("CREATE TABLE d (id int)")

    assert notes(job_of(shop, source_sql="SELECT * FROM d")) == []
