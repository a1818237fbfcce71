"""Flows on a server: what runs beside what, what stops what, what is remembered, what goes on."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    FlowResult,
    Incremental,
    MapperJob,
    ParallelProcessor,
)
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.errors import (
    ConfigurationError,
    DatabaseError,
    FingerprintError,
    MainGuardError,
    RunNotFoundError,
    TargetError,
)
from mapper_dask.flow import JobState
from mapper_dask.flows import flow_run as flow_course
from mapper_dask.flows import shared_workers, watermarks
from mapper_dask.flows.execution_engine import stored_flow
from mapper_dask.ledger.flow_tables import FlowTables
from tests.database import Database, Databases
from tests.fault.gate import closed_gate

ROWS = 900
CHUNK_SIZE = 300
TABLES = ("a", "b", "c", "d", "e")


@pytest.fixture
def staged(databases: Databases) -> Databases:
    """A source table ``s`` with a key and a growing time, and empty target tables."""
    databases.source.execute(
        "CREATE TABLE s AS SELECT g AS id, timestamptz '2024-01-01 00:00Z' + g * interval '1 min'"
        f" AS t, 'x' AS v FROM generate_series(1, {ROWS}) g"
    )
    databases.source.execute("ALTER TABLE s ADD PRIMARY KEY (id)")
    for table in TABLES:
        databases.target.execute(f"CREATE TABLE {table} (id int, t timestamptz, v text)")
    return databases


def job(databases: Databases, table: str, *after: str, **options: Any) -> FlowJob:
    of_flow = {"incremental", "max_workers", "parallel", "retries", "lock_timeout"}
    moved = MapperJob(
        **{
            "source_conn": databases.source.url,
            "source_sql": "SELECT * FROM s",
            "target_conn": databases.target.url,
            "target_table": table,
            "chunk_size": CHUNK_SIZE,
            **{name: value for name, value in options.items() if name not in of_flow},
        }
    )
    own = {name: value for name, value in options.items() if name in of_flow}
    return FlowJob(name=table, job=moved, depends_on=after, **own)


def flow(*jobs: FlowJob, **options: Any) -> Flow:
    return Flow(name=options.pop("name", "nightly"), jobs=jobs, **options)


def engine(workers: int = 1, **options: Any) -> ExecutionEngine:
    return ExecutionEngine(workers, progress=False, **options)


def states(result: FlowResult) -> dict[str, str]:
    return {made.name: made.state.value for made in result.jobs}


def count(database: Database, table: str) -> int:
    [(rows,)] = database.fetch(f"SELECT count(*) FROM {table}")
    return rows


def resume(databases: Databases, made: Flow, run_id: str) -> FlowResult:
    return engine().resume(run_id, ledger_conn=databases.target.url, flow=made)


def broken(frame: pd.DataFrame) -> pd.DataFrame:
    """Raise at the last rows."""
    if (frame["id"] > ROWS - 10).any():
        message = "broken"
        raise ValueError(message)
    return frame


# -- what runs beside what -------------------------------------------------------------------------

TOGETHER = threading.Barrier(2, timeout=60)


def meet(frame: pd.DataFrame) -> pd.DataFrame:
    """Wait until another job is here too."""
    TOGETHER.wait()
    return frame


def test_independent_jobs_run_at_a_time(staged: Databases) -> None:
    pair = (
        job(staged, table, transformation_logic=meet, parallel=False, chunk_size=ROWS)
        for table in "ab"
    )
    engine(max_parallel_jobs=2).run(flow(*pair)).raise_for_status()


def test_one_at_a_time_where_that_is_wanted(staged: Databases) -> None:
    inside: list[str] = []
    most: list[int] = []

    def watched(name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
        def watch(frame: pd.DataFrame) -> pd.DataFrame:
            inside.append(name)
            most.append(len(set(inside)))
            time.sleep(0.01)
            inside.remove(name)
            return frame

        return watch

    jobs = [job(staged, t, transformation_logic=watched(t), parallel=False) for t in "abc"]
    made = flow(*jobs, max_parallel_jobs=1)
    engine(max_parallel_jobs=9).run(made).raise_for_status()
    assert max(most) == 1


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The clusters that were started, by their sizes."""
    started: list[int] = []
    begin = shared_workers.own_cluster

    def noted(workers: int, *more: Any) -> Any:
        started.append(workers)
        return begin(workers, *more)

    monkeypatch.setattr(shared_workers, "own_cluster", noted)
    return started


def test_jobs_that_fit_one_chunk_start_no_cluster(staged: Databases, clusters: list[int]) -> None:
    small = (job(staged, table, chunk_size=ROWS) for table in "abc")
    engine(2).run(flow(*small)).raise_for_status()
    assert clusters == []


def test_larger_jobs_share_one_cluster(staged: Databases, clusters: list[int]) -> None:
    jobs = [job(staged, "a"), job(staged, "b"), job(staged, "c", "a", "b")]
    result = engine(2).run(flow(*jobs)).raise_for_status()
    assert clusters == [2]
    assert [made.rows for made in result.jobs] == [ROWS] * 3
    workers = "SELECT count(DISTINCT worker) FROM mapper_dask_chunk"
    assert staged.target.fetch(workers)[0][0] <= 2


def test_a_script_without_a_guard_is_told_before_a_cluster_is_started(
    staged: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        message = "no guard"
        raise MainGuardError(message)

    monkeypatch.setattr(shared_workers, "require_main_guard", refuse)
    engine(2).run(flow(job(staged, "a", chunk_size=ROWS))).raise_for_status()
    with pytest.raises(MainGuardError):
        engine(2).run(flow(job(staged, "b")))
    assert count(staged.target, "b") == 0


# -- what stops what -------------------------------------------------------------------------------


def test_a_failed_job_stops_its_dependants_only(staged: Databases) -> None:
    made = flow(
        job(staged, "a", transformation_logic=broken),
        job(staged, "b"),
        job(staged, "c", "a", "b"),
        job(staged, "d", "c"),
        job(staged, "e", "b"),
    )
    result = engine().run(made)
    assert states(result) == {
        "a": "FAILED", "b": "SUCCEEDED", "c": "SKIPPED", "d": "SKIPPED", "e": "SUCCEEDED",
    }  # fmt: skip
    assert [made.error for made in result.jobs[2:4]] == [
        "it depends on a FAILED",
        "it depends on c SKIPPED",
    ]
    assert "broken" in str(result.jobs[0].error)
    assert [count(staged.target, table) for table in "cd"] == [0, 0]
    kept = engine().status(result.run_id, ledger_conn=staged.target.url)
    assert states(kept) == states(result)
    assert kept.jobs[0].result is not None
    assert kept.jobs[0].result.chunks_failed == 1

    mended = flow(
        job(staged, "a", transformation_logic=mend), *made.jobs[1:]
    )  # the function counts by its name
    ended = resume(staged, mended, result.run_id).raise_for_status()
    assert states(ended) == dict.fromkeys(TABLES, "SUCCEEDED")
    assert [count(staged.target, table) for table in TABLES] == [ROWS] * 5


def mend(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


mend.__qualname__ = "broken"  # the same function, mended meanwhile


def test_a_job_with_chunks_passed_over_is_partial_and_stops_its_dependants(
    staged: Databases,
) -> None:
    made = flow(
        job(staged, "a", transformation_logic=broken, on_error="continue"), job(staged, "b", "a")
    )
    result = engine().run(made)
    assert states(result) == {"a": "PARTIAL", "b": "SKIPPED"}
    assert result.jobs[0].rows == ROWS - CHUNK_SIZE
    again = flow(
        job(staged, "a", transformation_logic=mend, on_error="continue"), job(staged, "b", "a")
    )
    resume(staged, again, result.run_id).raise_for_status()
    assert [count(staged.target, table) for table in "ab"] == [ROWS] * 2


def test_a_refused_job_is_failed_and_the_others_go_on(staged: Databases) -> None:
    made = flow(job(staged, "a"), job(staged, "nowhere"), job(staged, "b"))
    result = engine().run(made)
    assert states(result) == {"a": "SUCCEEDED", "nowhere": "FAILED", "b": "SUCCEEDED"}
    assert "CREATE TABLE" in str(result.jobs[1].error)


def test_an_exception_in_the_coordinator_cancels_all_jobs(
    staged: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = flow(job(staged, "a"), job(staged, "b"), job(staged, "c", "b"), run_id="monday")
    with closed_gate(staged.target, "b") as gate:

        def hear(_course: Any, _report: Any) -> None:
            gate.crowd(1, lambda: False)
            message = "a bug"
            raise RuntimeError(message)

        with monkeypatch.context() as patched:
            patched.setattr(flow_course.Course, "_hear", hear)
            with pytest.raises(RuntimeError, match="a bug"):
                engine(max_parallel_jobs=2).run(made)
        assert gate.waiting() == []
    kept = engine().status("monday", ledger_conn=staged.target.url)
    assert states(kept) == {"a": "SUCCEEDED", "b": "CANCELLED", "c": "CANCELLED"}
    [run] = engine().flows(staged.target.url)
    assert (run.run_id, run.name, run.state.value) == ("monday", "nightly", "CANCELLED")
    engine().run(made).raise_for_status()
    assert [count(staged.target, table) for table in "abc"] == [ROWS] * 3


def test_a_job_whose_end_cannot_be_noted_has_failed_and_tells_its_own_error(
    staged: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody cancelled it, and it does not run."""
    staged.target.execute("ALTER TABLE a ADD CHECK (id <> 5)")
    noted = FlowTables.end_job

    def end_job(ledger: Any, *given: Any, **values: Any) -> None:
        if "violates" in str(values.get("error")):
            message = "the ledger does not take it"
            raise DatabaseError(message)
        noted(ledger, *given, **values)

    monkeypatch.setattr(FlowTables, "end_job", end_job)
    with pytest.raises(DatabaseError, match=r"(?s)check constraint.*does not take it"):
        engine().run(flow(job(staged, "a"), run_id="monday"))

    kept = engine().status("monday", ledger_conn=staged.target.url)
    assert states(kept) == {"a": "FAILED"}
    assert "does not take it" in str(kept.jobs[0].error)
    [run] = engine().flows(staged.target.url)
    assert run.state.value == "FAILED"


# -- what is remembered ----------------------------------------------------------------------------


def test_a_flow_that_is_done_is_only_reported(staged: Databases) -> None:
    made = flow(job(staged, "a"), job(staged, "b", "a"), run_id="monday")
    first = engine().run(made).raise_for_status()
    again = engine().run(made).raise_for_status()
    assert [(j.name, j.rows, j.run_id) for j in again.jobs] == [
        ("a", ROWS, "monday.a"),
        ("b", ROWS, "monday.b"),
    ]
    assert [j.seconds for j in again.jobs] == [j.seconds for j in first.jobs]
    assert count(staged.target, "a") == ROWS


def test_a_job_that_is_done_is_not_run_again_because_its_run_was_removed(
    staged: Databases,
) -> None:
    made = flow(job(staged, "a"), run_id="monday")
    engine().run(made).raise_for_status()
    ParallelProcessor().discard("monday.a", target_conn=staged.target.url)
    again = engine().run(made).raise_for_status()
    assert again.jobs[0].rows == ROWS
    assert count(staged.target, "a") == ROWS


SEEN: list[int] = []


def look(frame: pd.DataFrame) -> pd.DataFrame:
    SEEN.append(len(frame))
    return frame


def test_a_dry_run_that_is_done_is_skipped(staged: Databases) -> None:
    SEEN.clear()
    dry = job(
        staged, "a", target_conn=None, target_table=None, transformation_logic=look, parallel=False
    )
    made = flow(dry, ledger_conn=staged.target.url, run_id="monday")
    first = engine().run(made).raise_for_status()
    assert (first.jobs[0].run_id, first.jobs[0].rows, sum(SEEN)) == (None, ROWS, ROWS)
    again = engine().run(made).raise_for_status()
    assert (again.jobs[0].rows, sum(SEEN)) == (ROWS, ROWS)


def test_a_changed_job_is_refused(staged: Databases) -> None:
    made = flow(job(staged, "a"), job(staged, "b"), run_id="monday")
    engine().run(made).raise_for_status()
    changed = made.evolve(jobs=(made.jobs[0], job(staged, "b", source_sql="SELECT * FROM s x")))
    result = resume(staged, changed, "monday")
    assert states(result) == {"a": "SUCCEEDED", "b": "FAILED"}
    assert "belongs to another job" in str(result.jobs[1].error)


def test_a_run_belongs_to_one_flow(staged: Databases) -> None:
    made = flow(job(staged, "a"), run_id="monday")
    engine().run(made).raise_for_status()
    with pytest.raises(FingerprintError, match="belongs to the flow 'nightly'"):
        engine().run(made.evolve(name="weekly"))


def test_the_document_is_kept_and_makes_the_flow_again(staged: Databases) -> None:
    text = "version: 1\njobs: {a: {source: {connection: '${SOURCE}'}}}\n" + "# é漢\n" * 5_000
    made = flow(job(staged, "a"), document=text, directory="/jobs", run_id="monday")
    engine().run(made).raise_for_status()
    kept = stored_flow("monday", ledger_conn=staged.target.url)
    assert (kept.name, kept.document, kept.directory) == ("nightly", text, "/jobs")
    assert kept.ended_at is not None
    assert kept.ended_at >= kept.started_at

    def rebuilt(stored: Any) -> Flow:
        assert stored == kept
        return made

    engine().resume("monday", ledger_conn=staged.target.url, flow=rebuilt).raise_for_status()
    with pytest.raises(ConfigurationError, match="give the flow 'nightly' again"):
        engine().resume("monday", ledger_conn=staged.target.url)


def test_runs_that_nobody_knows(staged: Databases) -> None:
    assert engine().flows(staged.target.url) == ()
    for ask in (engine().status, engine().discard, engine().resume):
        with pytest.raises(RunNotFoundError):
            ask("nobody", ledger_conn=staged.target.url)


def test_a_ledger_that_stands_gets_the_tables_of_flows(staged: Databases) -> None:
    ParallelProcessor(enable_parallel=False, progress=False).run(job(staged, "a").job)
    there = "SELECT to_regclass('mapper_dask_flow') IS NULL"
    assert staged.target.fetch(there) == [(True,)]
    engine().run(flow(job(staged, "b"))).raise_for_status()
    assert staged.target.fetch(there) == [(False,)]


def test_who_may_make_no_tables_is_told_what_to_grant(staged: Databases) -> None:
    role = f"mapper_dask_test_{uuid.uuid4().hex[:12]}"
    staged.target.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    staged.target.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = sa.make_url(staged.target.url).set(username=role, password="x")
    try:
        with pytest.raises(TargetError, match="GRANT CREATE ON SCHEMA public TO") as raised:
            engine().run(flow(job(staged, "a"), ledger_conn=url))
        assert raised.value.details["field"] == "ledger_conn"
        assert count(staged.target, "a") == 0
    finally:
        dispose_engines()
        staged.target.execute(f"DROP ROLE {role}")


def test_a_ledger_of_another_layout_is_left_alone(staged: Databases) -> None:
    made = flow(job(staged, "a"), run_id="monday")
    engine().run(made).raise_for_status()
    staged.target.execute("UPDATE mapper_dask_flow SET version = '99'")
    with pytest.raises(ConfigurationError, match="layout 99"):
        engine().run(made)


def test_no_password_is_kept(staged: Databases, caplog: pytest.LogCaptureFixture) -> None:
    urls = [sa.make_url(database.url).set(password="s3cret") for database in staged]
    hidden = {"source_conn": urls[0], "target_conn": urls[1]}
    made = flow(job(staged, "a", **hidden), job(staged, "nowhere", **hidden))
    with caplog.at_level("DEBUG", "mapper_dask"):
        result = engine().run(made)
    assert states(result) == {"a": "SUCCEEDED", "nowhere": "FAILED"}
    kept = [
        staged.target.fetch(f"SELECT x::text FROM {table} x")
        for table in ("mapper_dask_flow", "mapper_dask_flow_job")
    ]
    for seen in (kept, result, made, caplog.text, result.to_frame().to_dict()):
        assert "s3cret" not in f"{seen!r} {seen}"


# -- incremental jobs ------------------------------------------------------------------------------

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
