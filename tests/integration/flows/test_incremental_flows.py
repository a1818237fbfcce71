"""Incremental jobs of a flow: windows, watermarks, and who may be in the way."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from mapper_dask import (
    FlowResult,
    Incremental,
)
from mapper_dask.errors import (
    ConfigurationError,
)
from mapper_dask.flow import JobState
from mapper_dask.flows import watermarks
from mapper_dask.ledger.flow_tables import FlowTables
from tests.database import Databases
from tests.fault.gate import closed_gate
from tests.integration.flows.staged import ROWS, count, engine, flow, job, resume, states

NEW = Incremental(column="t")


def grow(databases: Databases, first: int, last: int) -> None:
    databases.source.execute(
        "INSERT INTO s SELECT g, timestamptz '2024-01-01 00:00Z' + g * interval '1 min', 'x'"
        f" FROM generate_series({first}, {last}) g"
    )


def ids(databases: Databases, table: str = "a") -> list[int]:
    return [row for (row,) in databases.target.fetch(f"SELECT id FROM {table} ORDER BY id")]


def plan_of(databases: Databases, run_id: str) -> dict[str, Any]:
    [(plan,)] = databases.target.fetch("SELECT plan FROM mapper_dask_run WHERE run_id = %s", run_id)
    return plan


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM s ORDER BY id", "SELECT id, t, v FROM s WHERE id > 0 -- all of them"],
)
def test_a_window_is_cut_by_the_keys_of_its_table(staged: Databases, sql: str) -> None:
    result = engine().run(flow(job(staged, "a", source_sql=sql, incremental=NEW)))
    plan = plan_of(staged, str(result.raise_for_status().jobs[0].run_id))
    assert (plan["strategy"], plan["keys"]) == ("KEY_BASED", ["id"])
    assert ids(staged) == list(range(1, ROWS + 1))


def test_a_window_of_a_table_without_a_key_is_cut_by_row_addresses(staged: Databases) -> None:
    staged.source.execute("ALTER TABLE s DROP CONSTRAINT s_pkey")
    result = engine().run(flow(job(staged, "a", incremental=NEW))).raise_for_status()
    assert plan_of(staged, str(result.jobs[0].run_id))["strategy"] == "ROWID_BASED"
    grow(staged, ROWS + 1, ROWS + 700)
    engine().run(flow(job(staged, "a", incremental=NEW))).raise_for_status()
    assert ids(staged) == list(range(1, ROWS + 701))


def test_a_named_key_keeps_its_place(staged: Databases) -> None:
    joined = "SELECT s.id, s.t, o.v FROM s JOIN s o USING (id)"
    made = job(staged, "a", source_sql=joined, key_column="id", incremental=NEW)
    result = engine().run(flow(made)).raise_for_status()
    assert plan_of(staged, str(result.jobs[0].run_id))["keys"] == ["id"]
    assert len(result.jobs[0].result.chunk_results) > 1


def test_values_that_a_join_leaves_out_are_looked_for(staged: Databases) -> None:
    staged.source.execute("ALTER TABLE s ALTER t SET NOT NULL")
    staged.source.execute("CREATE TABLE more AS SELECT 10000 AS id")
    outer = "SELECT id, s.t, s.v FROM more LEFT JOIN s USING (id)"
    result = engine().run(flow(job(staged, "a", source_sql=outer, incremental=NEW)))
    assert "NULL in 1 rows" in str(result.jobs[0].error)


@pytest.mark.parametrize(
    ("kind", "value"), [("timestamptz", "infinity"), ("date", "infinity"), ("numeric", "NaN")]
)
def test_a_value_above_all_others_is_refused(staged: Databases, kind: str, value: str) -> None:
    sql = f"SELECT id, '{value}'::{kind} AS mark FROM s"
    staged.target.execute(f"CREATE TABLE f (id int PRIMARY KEY, mark {kind})")
    merged = {"write_disposition": "merge", "incremental": Incremental(column="mark")}
    made = job(staged, "f", source_sql=sql, **merged)
    result = engine().run(flow(made))
    assert "no row that comes later would be new" in str(result.jobs[0].error)
    assert count(staged.target, "f") == 0


def test_an_unknown_column_is_refused_with_the_known_ones(staged: Databases) -> None:
    result = engine().run(flow(job(staged, "a", incremental=Incremental(column="when"))))
    assert "'when' is no column; it has: id, t, v" in str(result.jobs[0].error)


def test_watermarks_belong_to_a_job_of_a_flow(staged: Databases) -> None:
    for made in (
        flow(job(staged, "a", incremental=NEW)),
        flow(job(staged, "b", incremental=NEW)),
        flow(job(staged, "c", incremental=NEW), name="weekly"),
    ):
        assert engine().run(made).raise_for_status().jobs[0].rows == ROWS


def test_a_refused_job_leaves_no_window_in_the_way(staged: Databases) -> None:
    made = flow(job(staged, "nowhere", incremental=NEW))
    assert states(engine().run(made)) == {"nowhere": "FAILED"}
    staged.target.execute("CREATE TABLE nowhere (LIKE a)")
    assert engine().run(made).raise_for_status().jobs[0].rows == ROWS


def test_what_is_in_the_target_counts_as_read_whatever_was_noted(staged: Databases) -> None:
    made = flow(job(staged, "a", incremental=NEW), run_id="monday")
    engine().run(made).raise_for_status()
    staged.target.execute("UPDATE mapper_dask_flow_job SET state = 'RUNNING', ended_at = NULL")
    grow(staged, ROWS + 1, ROWS + 5)
    later = engine().run(made.evolve(run_id="tuesday")).raise_for_status()
    assert later.jobs[0].rows == 5
    assert ids(staged) == list(range(1, ROWS + 6))
    kept = engine().status("monday", ledger_conn=staged.target.url)
    assert states(kept) == {"a": "SUCCEEDED"}


def test_a_run_that_may_be_alive_is_in_the_way_before_anything_moves(staged: Databases) -> None:
    new = job(staged, "b", "a", incremental=NEW)
    made = flow(job(staged, "a"), new)
    running = threading.Thread(target=lambda: engine().run(made.evolve(run_id="monday")))
    with closed_gate(staged.target, "b") as gate:
        running.start()
        gate.crowd(1, lambda: not running.is_alive())
        with pytest.raises(ConfigurationError, match="is being run, or was killed") as raised:
            engine().run(made)
    running.join()
    assert raised.value.details["run_id"] == "monday"
    assert count(staged.target, "a") == ROWS, "the second run moved rows before it was refused"
    assert ids(staged, "b") == list(range(1, ROWS + 1))


WAITING_FOR_A_LOCK = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted
"""


def test_two_coordinators_that_open_at_once_read_each_row_once(
    staged: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have found no window open; the one notes its own when the other is about to."""
    both = threading.Barrier(2, timeout=60)
    opening: set[int] = set()
    ends, enter = watermarks._ends, FlowTables.open_window

    def look(*args: Any) -> Any:
        found = ends(*args)
        if not opening:
            both.wait()
        return found

    def wait_for_the_other(self: FlowTables, *args: Any, **options: Any) -> None:
        opening.add(threading.get_ident())
        while len(opening) < 2 and staged.target.fetch(WAITING_FOR_A_LOCK) == [(0,)]:
            pass
        enter(self, *args, **options)

    monkeypatch.setattr(watermarks, "_ends", look)
    monkeypatch.setattr(FlowTables, "open_window", wait_for_the_other)
    made = flow(job(staged, "a", incremental=NEW))
    results: list[FlowResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(engine().run(made))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids(staged) == list(range(1, ROWS + 1))
    assert sum(made.jobs[0].rows or 0 for made in results) == ROWS


def test_a_run_that_was_given_up_is_in_nobodys_way_and_cannot_go_on(staged: Databases) -> None:
    first = flow(job(staged, "b", incremental=NEW), job(staged, "a", incremental=NEW))
    engine().run(first).raise_for_status()
    grow(staged, ROWS + 1, ROWS + 5)
    staged.target.execute("ALTER TABLE a ADD CHECK (id <> 905)")
    stuck = engine().run(first.evolve(run_id="tuesday"))
    assert states(stuck) == {"b": "SUCCEEDED", "a": "FAILED"}
    with pytest.raises(ConfigurationError, match=r"discard\('tuesday'\)"):
        engine().run(first)
    engine().discard("tuesday", ledger_conn=staged.target.url)
    staged.target.execute("ALTER TABLE a DROP CONSTRAINT a_id_check")
    with pytest.raises(ConfigurationError, match="was given up"):
        resume(staged, first, "tuesday")
    later = engine().run(first).raise_for_status()
    assert [made.rows for made in later.jobs] == [0, 5], "what was done before stays done"
    assert ids(staged) == ids(staged, "b") == list(range(1, ROWS + 6))


def test_a_done_incremental_job_does_not_ask_its_source_again(staged: Databases) -> None:
    made = flow(job(staged, "a", incremental=NEW), job(staged, "nowhere"), run_id="monday")
    engine().run(made)
    staged.source.execute("ALTER TABLE s RENAME TO gone")
    again = resume(staged, made, "monday")
    assert states(again) == {"a": "SUCCEEDED", "nowhere": "FAILED"}
    changed = replace(made.jobs[0], job=made.jobs[0].job.evolve(source_sql="SELECT * FROM gone"))
    other = resume(staged, made.evolve(jobs=(changed, made.jobs[1])), "monday")
    assert "belongs to another job" in str(other.jobs[0].error)
    assert other.jobs[0].state is JobState.FAILED
