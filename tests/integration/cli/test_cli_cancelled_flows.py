"""``cancel`` of a flow: whether its coordinator is at work, has not come to a job, or is gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fault.gate import closed_gate
from tests.fault.watch import connected
from tests.integration.cli.workshop import JOB_FILE, Workshop

LEDGER = ("--ledger", "env:TARGET")

TWO = JOB_FILE.replace("target\n      table: goods", "target\n      table: d") + (
    "  names:\n"
    "    source: {connection: source, sql: 'SELECT id, name FROM goods'}\n"
    "    target: {connection: target, table: names}\n"
)
"""Neither waits for the other."""


@pytest.fixture
def flow(shop: Workshop) -> Workshop:
    """A flow whose first job meets the gate."""
    shop.write("shop.yaml", TWO)
    shop.target.execute("ALTER TABLE goods RENAME TO d")
    shop.target.execute("CREATE TABLE names (id int PRIMARY KEY, name text)")
    return shop


def started(flow: Workshop, *more: str) -> Any:
    return flow.start("run", "shop.yaml", "--run-id", "r", "-q", "--sequential", *more)


def states(flow: Workshop) -> tuple[str, dict[str, str]]:
    """Return the states of the flow and of its jobs, as ``status`` tells them."""
    answer = flow.run("status", "r", *LEDGER, "--json")
    assert answer.code == 130, answer.err
    jobs = {job["name"]: job["state"] for job in answer.data["jobs"]}
    return answer.data["flow"]["state"], jobs


def resumed_exactly(flow: Workshop) -> None:
    answer = flow.run("resume", "r", *LEDGER, "--sequential", "-q")
    assert answer.code == 0, answer.err
    for table, sql in (
        ("d", "SELECT id, name, price * 3 AS price, changed FROM goods"),
        ("names", "SELECT id, name FROM goods"),
    ):
        there = flow.target.fetch(f"SELECT * FROM {table} ORDER BY id")
        assert there == flow.source.fetch(f"{sql} ORDER BY id"), table


def test_one_whose_coordinator_was_killed(flow: Workshop) -> None:
    """Nobody but this says that it does not run any more."""
    with closed_gate(flow.target) as gate:
        running = started(flow)
        gate.crowd(1, lambda: running.poll() is not None)
        running.kill()
        running.communicate()
    assert flow.target.fetch("SELECT state FROM mapper_dask_flow") == [("RUNNING",)]
    answer = flow.run("cancel", "r", *LEDGER, "--json")
    assert (answer.data["cancelled"], answer.data["state"]) == (["r.goods"], "CANCELLED")
    state, jobs = states(flow)
    assert (state, jobs["goods"]) == ("CANCELLED", "CANCELLED")
    resumed_exactly(flow)


def test_no_job_begins_once_it_is_cancelled(flow: Workshop) -> None:
    """Of a coordinator that is at work, and was about to begin another."""
    flow.write("shop.yaml", TWO.replace("max-workers: 2", "max-workers: 2\n  max-parallel-jobs: 1"))
    with closed_gate(flow.target) as gate:
        running = started(flow)
        gate.crowd(1, lambda: running.poll() is not None)
        answer = flow.run("cancel", "r", *LEDGER, "--json")
        out, err = running.communicate(timeout=120)
    assert answer.data["cancelled"] == ["r.goods"]
    assert running.returncode == 130, err
    assert out.startswith("flow shop CANCELLED")
    assert out.rstrip().endswith("resume it: mapper-dask resume r shop.yaml")
    assert flow.target.fetch("SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM names)") == [
        (0, 0)
    ]
    assert states(flow) == ("CANCELLED", {"goods": "CANCELLED", "names": "CANCELLED"})
    resumed_exactly(flow)


@pytest.mark.parametrize("ledger", ["there", "not there yet"])
def test_a_job_that_is_planned_meanwhile_loads_nothing(flow: Workshop, ledger: str) -> None:
    """It enters its run when the cancel has returned, and looks then whether it is wanted."""
    if ledger == "there":
        assert flow.run("run", "shop.yaml", "--run-id", "before", "-q", "--sequential").code == 0
        flow.target.execute("TRUNCATE d, names")
    with connected(flow.source) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE goods IN ACCESS EXCLUSIVE MODE")
        running = started(flow)
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while flow.source.fetch(waits) == [(0,)]:
            assert running.poll() is None, "it ended before it was planned"
        answer = flow.run("cancel", "r", *LEDGER, "--json")
        assert answer.data["state"] == "CANCELLED", answer.err
        cursor.execute("ROLLBACK")
        _, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert flow.target.fetch("SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM names)") == [
        (0, 0)
    ]
    assert states(flow) == ("CANCELLED", {"goods": "CANCELLED", "names": "CANCELLED"})
    resumed_exactly(flow)


def test_one_that_has_ended_stays_as_it_is(flow: Workshop) -> None:
    assert flow.run("run", "shop.yaml", "--run-id", "r", "-q", "--sequential").code == 0
    answer = flow.run("cancel", "r", *LEDGER, "--json")
    assert (answer.code, answer.data["cancelled"]) == (0, [])
    assert answer.data["state"] == "SUCCEEDED"
