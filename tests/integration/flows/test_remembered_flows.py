"""What is remembered of a flow, and how it is resumed."""

from __future__ import annotations

import uuid
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import (
    Flow,
    ParallelProcessor,
)
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.errors import (
    ConfigurationError,
    FingerprintError,
    RunNotFoundError,
    TargetError,
)
from mapper_dask.flows.execution_engine import stored_flow
from tests.database import Databases
from tests.integration.flows.staged import (
    ROWS,
    count,
    engine,
    flow,
    job,
    resume,
    states,
)


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
