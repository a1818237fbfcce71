"""A flow's run is named where one of its jobs' is wanted: its jobs' runs are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mapper_dask import ExecutionEngine, Flow, FlowJob, ParallelProcessor
from mapper_dask.cli import main
from mapper_dask.connections.reference import reference
from mapper_dask.errors import RunNotFoundError
from mapper_dask.ledger.unknown_runs import unknown
from tests.builders import job_of
from tests.database import Databases


@pytest.fixture
def shop(databases: Databases) -> Databases:
    databases.source.execute("CREATE TABLE s AS SELECT g AS id FROM generate_series(1, 9) g")
    databases.target.execute("CREATE TABLE a (id int); CREATE TABLE b (id int CHECK (id > 9))")
    jobs = [FlowJob(name=table, job=job_of(databases, target_table=table)) for table in "ab"]
    ExecutionEngine(1, progress=False).run(Flow(name="nightly", run_id="g1", jobs=jobs))
    return databases


ASKED: dict[str, Callable[[ParallelProcessor, str, str], object]] = {
    "rejects": lambda p, run_id, url: p.rejects(run_id, target_conn=url),
    "reconcile": lambda p, run_id, url: p.reconcile(run_id, target_conn=url),
    "retry_rejects": lambda p, run_id, url: p.retry_rejects(run_id, target_conn=url),
    "resume": lambda p, run_id, url: p.resume(run_id, target_conn=url),
    "cancel": lambda p, run_id, url: p.cancel(run_id, target_conn=url),
    "discard": lambda p, run_id, url: p.discard(run_id, target_conn=url),
}


@pytest.mark.parametrize("what", ASKED)
def test_its_jobs_runs_are_named(shop: Databases, what: str) -> None:
    processor = ParallelProcessor(enable_parallel=False)

    with pytest.raises(RunNotFoundError, match="a run of the flow 'nightly'") as found:
        ASKED[what](processor, "g1", shop.target.url)

    assert "'g1.a' (a, SUCCEEDED), 'g1.b' (b, FAILED)" in str(found.value)


def test_the_command_line_takes_it_for_its_jobs(
    shop: Databases, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TARGET", shop.target.url)
    for command in (["rejects", "show"], ["rejects", "retry"]):
        assert main([*command, "g1", "--ledger", "env:TARGET"]) in (0, 2)
        assert "is a run of the flow" not in capfd.readouterr().err
    shop.target.execute("UPDATE mapper_dask_flow_job SET run_id = NULL")
    assert main(["rejects", "show", "g1", "--ledger", "env:TARGET"]) == 2
    said = capfd.readouterr().err
    assert "run_id 'g1' is a run of the flow 'nightly'" in said
    assert "none of these has begun one" in said


@pytest.mark.parametrize("run_id", ["g2", "", "g1.c"])
def test_a_name_of_nothing_is_told_as_that(shop: Databases, run_id: str) -> None:
    assert "has no run" in str(unknown(reference(shop.target.url), run_id))


def test_a_flow_none_of_whose_jobs_has_begun(shop: Databases) -> None:
    shop.target.execute("UPDATE mapper_dask_flow_job SET run_id = NULL")

    assert "none of these has begun one" in str(unknown(reference(shop.target.url), "g1"))
