"""What is asked of a ledger afterwards, of each database: its runs, their rejects, what may go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessingResult, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.errors import TargetError
from mapper_dask.ledger import cleanup as housekeeping
from mapper_dask.ledger.flow_tables import FlowTables
from mapper_dask.ledger.flows import FlowLedger
from tests.builders import job_between, make_shop, run_here
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Databases

ROWS = 60
KINDS = {"id": "key NOT NULL", "amount": "money", "stock": "integer", "note": "text", "at": "time"}


@pytest.fixture(params=["postgresql", "oracle"])
def target(
    request: pytest.FixtureRequest, databases: Databases, oracle_url: Callable[[str], str]
) -> Iterator[Side]:
    made = (
        sides.oracle(oracle_url("target"))
        if request.param == "oracle"
        else sides.postgresql(databases.target)
    )
    yield made
    made.clean()


@pytest.fixture
def table(databases: Databases, target: Side) -> str:
    make_shop(
        databases,
        ROWS,
        "(g * 1.25)::numeric(12,2) AS amount, "
        "CASE WHEN g IN (10, 40) THEN -1 ELSE g END::bigint AS stock, 'n' || g AS note, "
        "timestamp '2024-01-01 00:00:00.5' + g * interval '1 s' AS at",
    )
    return target.table(KINDS, "PRIMARY KEY (id)", "CHECK (stock >= 0)")


def refused_at_fives(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["id"] == 25).any():
        message = "no fives"
        raise ValueError(message)
    return frame.assign(note=frame["note"] + "!")


def as_it_came(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(note=frame["note"] + "!")


def moved(
    databases: Databases, target: Side, table: str, run_id: str, **options: object
) -> ParallelProcessingResult:
    job = job_between(
        databases.source, "s", target, table, chunk_size=20, reject_limit=50, run_id=run_id,
        transformation_logic=refused_at_fives, **options,
    )  # fmt: skip
    return run_here(job).raise_for_status()


def ledger_of(target: Side) -> ConnectionRef:
    return reference(target.url, "ledger")


@pytest.mark.parametrize("disposition", ["append", "merge"])
def test_rejects_go_to_the_target_again(
    databases: Databases, target: Side, table: str, disposition: str
) -> None:
    run_id = f"retry-{disposition}-{table}"
    result = moved(databases, target, table, run_id, write_disposition=disposition)
    assert result.total_rows_rejected == 3
    done = ParallelProcessor().retry_rejects(
        run_id, target_conn=target.url, source_conn=databases.source.url,
        transformation_logic=as_it_came,
    )  # fmt: skip
    assert (done.before, done.loaded, done.rejected) == (3, 1, 2), "the check still stands"
    rows = target.rows(table, ["id", "amount", "stock", "note", "at"])
    assert len(rows) == ROWS - 2
    source = sides.postgresql(databases.source).query(
        "SELECT id, amount, stock, note || '!', at FROM s WHERE stock >= 0"
    )
    assert rows == sides.Counter(source)
    run = next(r for r in housekeeping.every_run(ledger_of(target)) if r.run_id == run_id)
    assert (run.rows_read, run.rows_loaded, run.rows_rejected) == (ROWS, ROWS - 2, 2)
    assert (run.state, run.write_disposition) == ("SUCCEEDED", disposition)
    assert ParallelProcessor().rejects(run_id, target_conn=target.url).shape[0] == 2


def test_runs_and_times_are_told(databases: Databases, target: Side, table: str) -> None:
    run_id = f"told-{table}"
    moved(databases, target, table, run_id)
    run = next(r for r in housekeeping.every_run(ledger_of(target)) if r.run_id == run_id)
    assert (run.chunks, run.chunks_done, run.chunks_failed) == (3, 3, 0)
    assert run.target is not None
    assert table in run.target.lower()
    assert 0 <= run.quiet_seconds < 3600
    times = housekeeping.chunk_times(ledger_of(target), run_id)
    assert sorted(times) == [0, 1, 2]
    assert min(begun for begun, _ in times.values()) == 0
    assert all(begun <= ended for begun, ended in times.values())


def test_old_runs_go_and_the_last_window_stays(
    databases: Databases, target: Side, table: str
) -> None:
    run_id = f"clean-{table}"
    moved(databases, target, table, run_id)
    conn = ledger_of(target)
    flows = {name: FlowLedger(conn, f"{name}-{table}") for name in ("older", "newer")}
    for opening, ledger in enumerate(flows.values(), 1):
        ledger.prepare()
        _enter(ledger, f"flow-{table}", opening)
    mine = {run_id}
    others = {r.run_id for r in housekeeping.every_run(conn)} - mine
    young = housekeeping.clean(conn, older_than=3600, keep=others)
    assert not {run.run_id for run in young.runs} & mine
    dry = housekeeping.clean(conn, older_than=0, keep=others, dry_run=True)
    assert {run.run_id for run in dry.runs} == mine
    assert flows["older"].run_id in dry.flows
    assert flows["newer"].run_id not in dry.flows, "the next run begins where it ended"
    housekeeping.clean(conn, older_than=0, keep=others)
    assert run_id not in {run.run_id for run in housekeeping.every_run(conn)}
    assert len(target.rows(table, ["id"])) == ROWS - 3
    assert flows["newer"].find().state.value == "SUCCEEDED"
    with pytest.raises(LookupError):
        flows["older"].find()


def _enter(ledger: FlowLedger, name: str, opening: int) -> None:
    """Note a run of a flow whose one job has read a window."""
    from mapper_dask.flow import JobState
    from mapper_dask.ledger.flow_tables import FlowState

    def enter(tables: FlowTables) -> None:
        tables.open(ledger.run_id, name, None, None)
        tables.resume(ledger.run_id, ["j"])
        tables.begin_job(ledger.run_id, "j", f"{ledger.run_id}.j")
        tables.open_window(ledger.run_id, "j", (None, str(opening)), opening)
        tables.end_job(ledger.run_id, "j", state=JobState.SUCCEEDED)
        tables.set_state(ledger.run_id, FlowState.SUCCEEDED)

    ledger.call(enter)


def test_asking_whether_a_ledger_can_be_made_makes_none(databases: Databases) -> None:
    conn = reference(databases.target.url, "ledger")
    housekeeping.require_ledger(conn)
    assert housekeeping.every_run(conn) == []
    assert databases.target.fetch("SELECT to_regclass('mapper_dask_run')::text") == [(None,)]
    databases.target.execute("CREATE SCHEMA locked")
    databases.target.execute("CREATE ROLE mdt_reader LOGIN")
    try:
        databases.target.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        url = sa.make_url(databases.target.url).set(username="mdt_reader")
        with pytest.raises(TargetError, match="GRANT CREATE ON SCHEMA"):
            housekeeping.require_ledger(reference(url, "ledger"))
    finally:
        dispose_engines()
        databases.target.execute("DROP ROLE mdt_reader")
