"""Whatever is killed, cancelled or frozen while Oracle is loaded: every row arrives once."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random

import oracledb
import psutil
import pytest

from mapper_dask import ParallelProcessingResult, ParallelProcessor, retries
from mapper_dask.connections.pool import dispose_engines
from tests.database import Databases
from tests.fault.forked import Coordinator, End
from tests.fault.freezing import FROZEN_ROW, MARK
from tests.fault.moving import Verdict
from tests.fault.oracle_runs import DEATHS, ROWS, Ground, Told, ground, told
from tests.fault.playground import local_cluster
from tests.fault.sabotage import LOADERS, MUTANTS, doomed, order, sabotaged
from tests.fault.test_frozen_workers import stopped
from tests.oracle_standin import Running

LOCK_TIMEOUT = 0.5
APPEND: dict[str, object] = {}
ATOMIC = {"atomic": True}
REPLACE = {"write_disposition": "replace"}
DISPOSITIONS = [
    pytest.param(APPEND, id="append"),
    pytest.param(ATOMIC, id="atomic"),
    pytest.param(REPLACE, id="replace"),
]


@pytest.fixture
def here(
    databases: Databases,
    standin: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.05)
    behind = standin.postgres.replace("postgresql://", "postgresql+psycopg2://")
    with ground(databases, standin.url("target"), behind) as made:
        yield made
        standin.clear_faults()
        dispose_engines()


@pytest.fixture
def run_id() -> str:
    return f"honest-{uuid.uuid4().hex[:12]}"


def resumed(here: Ground, run_id: str, **options: float) -> ParallelProcessingResult:
    """Finish a run in this process."""
    processor = ParallelProcessor(enable_parallel=False, progress=False, **options)
    result = processor.resume(
        run_id, target_conn=here.databases.target.url, source_conn=here.databases.source.url
    )
    assert result.raise_for_status().total_rows_successful == ROWS
    return result


def run_doomed(
    here: Ground, orders: Path, run_id: str, point: str, **options: object
) -> ParallelProcessingResult:
    ordered = order(orders, point)
    with sabotaged(orders):
        processor = ParallelProcessor(max_workers=2, progress=False)
        result = processor.run(here.job(run_id, doomed, **options))
    assert not ordered.exists(), "no worker was killed, so this shows nothing"
    return result


@pytest.mark.parametrize("options", DISPOSITIONS)
@pytest.mark.parametrize("point", LOADERS["honest"].points)
def test_a_worker_killed_around_its_commit_neither_loses_nor_doubles_a_row(
    here: Ground, tmp_path: Path, run_id: str, point: str, options: dict[str, object]
) -> None:
    if options is REPLACE:
        here.target.execute("INSERT INTO d (id, t) VALUES (1, 'of before')")
    result = run_doomed(here, tmp_path, run_id, point, **options)
    assert result.raise_for_status().total_rows_successful == ROWS
    here.assert_every_row_once(run_id)


@pytest.mark.parametrize("loader", MUTANTS)
def test_the_same_kill_breaks_a_loader_whose_ledger_is_not_in_the_transaction(
    here: Ground, tmp_path: Path, run_id: str, loader: str
) -> None:
    [point] = LOADERS[loader].points
    run_id = run_id.replace("honest", loader)
    run_doomed(here, tmp_path, run_id, point)
    verdict = here.verdict(run_id)
    assert (verdict.lost > 0) == (loader == "ledger_before")
    assert (verdict.doubled > 0) == (loader != "ledger_before")


def killed_after(coordinator: Told, chunks: int) -> None:
    with coordinator.start() as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == str(chunks):
                process.kill()
                break
        assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("options", DISPOSITIONS)
def test_a_run_whose_coordinator_was_killed_is_finished_by_resume(
    here: Ground, run_id: str, options: dict[str, object]
) -> None:
    killed_after(told(here, run_id, options=options), 3)
    assert here.state(run_id) == "RUNNING"
    if options is not APPEND:
        assert here.committed(run_id)[0] == 0, "what is staged is in the target"
    resumed(here, run_id)
    here.assert_every_row_once(run_id)


@pytest.mark.parametrize("options", DISPOSITIONS[1:])
@pytest.mark.parametrize("death", DEATHS)
def test_a_coordinator_killed_while_it_publishes_has_published_all_or_nothing(
    here: Ground, run_id: str, death: str, options: dict[str, object]
) -> None:
    here.target.execute("INSERT INTO d (id, t) VALUES (1, 'of before')")
    with told(here, run_id, workers=1, options=options, death=death).start() as process:
        assert process.wait() == -signal.SIGKILL
    published = death in ("undropped", "after")
    before = 0 if published and options is REPLACE else 1
    assert here.committed(run_id) == (published * ROWS + before, ROWS)
    assert here.state(run_id) == ("SUCCEEDED" if published else "RUNNING")
    assert here.staged(run_id) == (death != "after")
    resumed(here, run_id)
    if options is ATOMIC:
        assert here.target.execute("DELETE FROM d WHERE id = 1") == 1
    assert here.verdict(run_id) == Verdict(lost=0, doubled=0, booked=ROWS)
    assert here.state(run_id) == "SUCCEEDED"
    if death != "undropped":  # which a later run sweeps
        assert not here.staged(run_id)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["handle", "another session"])
def test_a_cancelled_run_leaves_what_its_ledger_says_and_goes_on(
    here: Ground, run_id: str, *, parallel: bool, elsewhere: bool
) -> None:
    here.target.execute("ALTER TABLE d ADD PRIMARY KEY (id)")
    url = here.databases.target.url
    processor = ParallelProcessor(max_workers=2, enable_parallel=parallel, progress=False)
    with here.held(26_500, 28_500), processor.start(here.job(run_id)) as run:
        while here.waiting(run_id) < (2 if parallel else 1):
            assert not run.done(), "it ended before it came to the held row"
        if elsewhere:
            ParallelProcessor().cancel(run_id, target_conn=url)
        else:
            run.cancel()
        rows, booked = here.committed(run_id)
        result = run.result()
        assert here.waiting(run_id) == 0
    assert not result.succeeded
    assert here.committed(run_id) == (rows, booked), "something was committed after the cancel"
    assert 0 < rows == booked < ROWS
    assert here.state(run_id) == "CANCELLED"
    resumed(here, run_id)
    here.assert_every_row_once(run_id)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_frozen_session_is_ended_and_its_chunk_done_by_another(
    here: Ground, run_id: str, tmp_path: Path, workers: int
) -> None:
    environment = {**os.environ, MARK: str(tmp_path / "frozen")}
    first = told(here, run_id, function="freezing", workers=workers)
    with first.start(env=environment) as process:
        while (frozen := stopped(psutil.Process(process.pid))) is None:
            assert process.poll() is None, "it ended before it froze"
        try:
            assert here.open_transactions(run_id) >= 1, "it holds nothing"
            resumed(here, run_id, lock_timeout=LOCK_TIMEOUT)
            here.assert_every_row_once(run_id)
        finally:
            frozen.send_signal(signal.SIGCONT)
        assert process.wait() == 0, "it wakes, finds its chunk done, and reports the run"
    assert here.target.query(f"SELECT COUNT(*) FROM d WHERE id = {FROZEN_ROW}") == [(1,)]
    here.assert_every_row_once(run_id)


@pytest.mark.parametrize("options", [DISPOSITIONS[0], pytest.param(ATOMIC, id="atomic")])
def test_two_coordinators_share_one_run(
    here: Ground, run_id: str, options: dict[str, object]
) -> None:
    both = [told(here, run_id, options=options).start() for _ in range(2)]
    for process in both:
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    here.assert_every_row_once(run_id)


LOAD, READ = r"^INSERT INTO .*\bD\b", r"^SELECT state FROM mapper_dask_chunk"
FAULTS = [
    *({"pattern": place, "drop": True} for place in (LOAD, "COMMIT$", "AFTER_COMMIT", READ)),
    *({"pattern": LOAD, "code": code} for code in (28, 60, 3113, 54)),
    {"pattern": "CONNECT", "code": 12514},
]
CHAOS = {"fault": 12, "coordinator": 3, "worker at COMMIT": 4, "session": 3}


def strike(kind: str, chance: Random, here: Ground, standin: Running, orders: Path) -> None:
    match kind:
        case "fault":
            standin.inject(**chance.choice(FAULTS), after=chance.randint(0, 2))
        case "worker at COMMIT":
            order(orders, chance.choice(LOADERS["honest"].points))
        case "session":
            # A fault that waits for a connection may meet this one.
            with contextlib.suppress(oracledb.DatabaseError), here.target.cursor() as cursor:
                cursor.execute(
                    "SELECT s.sid, s.serial# FROM v$session s "
                    "WHERE REGEXP_LIKE(s.client_identifier, ':[0-9]+$')"
                )
                for sid, serial in cursor.fetchall()[:1]:
                    cursor.execute(
                        f"ALTER SYSTEM KILL SESSION '{int(sid)},{int(serial)}' IMMEDIATE"
                    )


def pursue(coordinator: Coordinator, kinds: list[str], chance: Random, *where: object) -> End:
    """Strike after every chunk or so, until the coordinator ends or is killed."""
    after = 1
    while coordinator.alive:
        if kinds and coordinator.chunks >= after:
            if kinds[-1] == "coordinator":
                coordinator.kill()
                kinds.pop()
                break
            strike(kinds.pop(), chance, *where)  # type: ignore[arg-type]
            after = coordinator.chunks + chance.randint(0, 1)
        else:
            coordinator.listen()
    return coordinator.end or End(over=False, why="killed")


@pytest.mark.parametrize("seed", [1])
def test_a_round_of_drops_errors_and_kills_neither_loses_nor_doubles_a_row(
    here: Ground, standin: Running, tmp_path: Path, run_id: str, seed: int
) -> None:
    chance = Random(seed)
    kinds = chance.sample(list(CHAOS), counts=CHAOS.values(), k=sum(CHAOS.values()))
    with sabotaged(tmp_path), local_cluster(2) as cluster:
        for _ in range(30):
            coordinator = Coordinator(run_id, here.databases, 250, cluster.scheduler_address)
            try:
                end = pursue(coordinator, kinds, chance, here, standin, tmp_path)
            finally:
                coordinator.close()
            assert not end.stray, end.why
            if end.over:
                break
        assert end.over, end.why
        assert not kinds, f"the run ended before it was struck by {kinds}"
    standin.clear_faults()  # one that was not met must not meet the count
    here.assert_every_row_once(run_id)
    [(attempts,)] = here.target.query(
        f"SELECT SUM(attempts) - COUNT(*) FROM mapper_dask_chunk WHERE run_id = '{run_id}'"
    )
    assert attempts >= 3, "what was done hit too little work to show anything"
