"""A flow whose coordinator dies, wherever: resumed, it leaves what an undisturbed one leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mapper_dask import ExecutionEngine, FlowResult
from mapper_dask.flow import JobState
from tests.database import Database, Databases
from tests.fault.flow_of_flights import TABLES, flow, stage
from tests.fault.gate import closed_gate

RUN = "monday"
ROOT = Path(__file__).parents[2]

INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from tests.fault.flow_of_flights import main
main(*sys.argv[1:])
"""

DIFFERENCE = """
SELECT (SELECT count(*) FROM (TABLE calm.{table} EXCEPT ALL TABLE killed.{table}) a),
       (SELECT count(*) FROM (TABLE killed.{table} EXCEPT ALL TABLE calm.{table}) b),
       (SELECT count(*) FROM killed.{table}) > 0
"""


@contextmanager
def coordinator(databases: Databases, *program: str) -> Iterator[subprocess.Popen[bytes]]:
    """Lend a coordinator that works on the flow into the schema ``killed``."""
    urls = [database.url for database in databases]
    command = [sys.executable, *(program or ("-m", "tests.fault.flow_of_flights"))]
    with subprocess.Popen([*command, *urls, "killed", RUN], cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped_at(databases: Databases, table: str, sign: signal.Signals, *program: str) -> None:
    """Stop a coordinator while rows of a table are being loaded."""
    with (
        closed_gate(databases.target, f"killed.{table}") as gate,
        coordinator(databases, *program) as process,
    ):
        gate.crowd(1, lambda: process.poll() is not None)
        process.send_signal(sign)
        process.wait()


def states(target: Database) -> dict[str, str]:
    rows = target.fetch("SELECT job, state FROM mapper_dask_flow_job WHERE flow_run_id = %s", RUN)
    return dict(rows)


def resume(databases: Databases) -> FlowResult:
    urls = [database.url for database in databases]
    return ExecutionEngine(2, progress=False).resume(
        RUN, ledger_conn=databases.target.url, flow=flow(*urls, "killed")
    )


def assert_as_undisturbed(databases: Databases) -> None:
    """Compare each table with that of a run nobody disturbed: as bags, both ways."""
    urls = [database.url for database in databases]
    ExecutionEngine(1, progress=False).run(flow(*urls, "calm")).raise_for_status()
    for table in TABLES:
        assert databases.target.fetch(DIFFERENCE.format(table=table)) == [(0, 0, True)], table
    # The ledger knows of each row once.
    [(booked,)] = databases.target.fetch(
        "SELECT sum(rows_loaded)::int FROM mapper_dask_chunk WHERE run_id LIKE %s", f"{RUN}.%"
    )
    counts = " + ".join(f"(SELECT count(*) FROM killed.{table})" for table in TABLES)
    assert databases.target.fetch(f"SELECT {counts}") == [(booked,)]


KILLED_AT = {
    "weather": {"flights": "WAITING", "departures": "WAITING", "weather": "RUNNING"},
    "flights": {"weather": "SUCCEEDED", "flights": "RUNNING", "departures": "WAITING"},
    "departures": {"flights": "SUCCEEDED", "departures": "RUNNING"},
}


@pytest.mark.parametrize("table", KILLED_AT)
def test_a_flow_whose_coordinator_was_killed_is_finished_by_resume(
    databases: Databases, table: str
) -> None:
    stage(databases, "killed", "calm")
    stopped_at(databases, table, signal.SIGKILL)
    assert states(databases.target).items() >= KILLED_AT[table].items()
    result = resume(databases).raise_for_status()
    assert [job.state for job in result.jobs] == [JobState.SUCCEEDED] * len(TABLES)
    again = resume(databases).raise_for_status()
    assert [job.rows for job in again.jobs] == [job.rows for job in result.jobs]
    assert_as_undisturbed(databases)


def test_a_flow_that_was_interrupted_is_cancelled_and_goes_on(databases: Databases) -> None:
    stage(databases, "killed", "calm")
    stopped_at(databases, "flights", signal.SIGINT, "-c", INTERRUPTIBLE)
    assert states(databases.target) == {
        **dict.fromkeys(("airports", "airlines", "weather"), "SUCCEEDED"),
        **dict.fromkeys(("flights", "departures"), "CANCELLED"),
    }
    assert databases.target.fetch(
        "SELECT f.state, r.state FROM mapper_dask_flow f, mapper_dask_run r WHERE r.run_id = %s",
        f"{RUN}.flights",
    ) == [("CANCELLED", "CANCELLED")]
    resume(databases).raise_for_status()
    assert_as_undisturbed(databases)


def test_a_window_that_was_opened_stays_what_it_was(databases: Databases) -> None:
    stage(databases, "killed", "calm")
    stopped_at(databases, "departures", signal.SIGKILL)
    target = databases.target
    target.execute(
        "INSERT INTO killed.flights SELECT id, time_hour + interval '1 year', flight, airline, "
        "destination, temp, dep_delay FROM killed.flights WHERE id <= 500 AND dep_delay IS NOT NULL"
    )
    [(late,)] = target.fetch("SELECT count(*) FROM killed.flights WHERE time_hour > '2013-12-31'")
    result = resume(databases).raise_for_status()
    *_, departures = result.jobs
    assert target.fetch("SELECT count(*) FROM killed.departures") == [(departures.rows,)]
    assert target.fetch("SELECT max(time_hour) < '2013-12-31' FROM killed.departures") == [(True,)]

    urls = [database.url for database in databases]
    whole = flow(*urls, "killed")
    alone = replace(whole.jobs[-1], depends_on=())
    later = whole.evolve(jobs=(alone,))
    again = ExecutionEngine(1, progress=False).run(later).raise_for_status()
    assert again.jobs[0].rows == late > 0
    assert again.jobs[0].low == departures.high
