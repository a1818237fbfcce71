"""Flows on a server: what runs beside what, and what stops what."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mapper_dask.errors import (
    DatabaseError,
    MainGuardError,
)
from mapper_dask.flows import flow_run as flow_course
from mapper_dask.flows import shared_workers
from mapper_dask.ledger.flow_tables import FlowTables
from tests.database import Databases
from tests.fault.gate import closed_gate
from tests.integration.flows.staged import (
    CHUNK_SIZE,
    ROWS,
    TABLES,
    count,
    engine,
    flow,
    job,
    resume,
    states,
)


def broken(frame: pd.DataFrame) -> pd.DataFrame:
    """Raise at the last rows."""
    if (frame["id"] > ROWS - 10).any():
        message = "broken"
        raise ValueError(message)
    return frame


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
