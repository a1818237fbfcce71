"""What goes wrong between here and Oracle, each at its place: retried, read anew, or told.

The stand-in makes the faults; the driver that meets them is the real one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from decimal import Decimal

import pytest
from distributed import Client, LocalCluster

from mapper_dask import ParallelProcessor, retries
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.oracle import session, transfer
from mapper_dask.errors import MapperError
from tests.builders import job_between
from tests.contract import sides
from tests.long_form import seeds

KINDS = {"id": "key", "v": "text"}
ROWS = [(Decimal(n), f"x{n}") for n in range(600)]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)


@pytest.fixture
def tables(standin):
    source, target = (sides.oracle(standin.url(role)) for role in ("source", "target"))
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, ROWS)
    yield source, there, target, here
    standin.clear_faults()
    dispose_engines()
    source.clean()
    target.clean()


def move(tables, lock_timeout=30.0, client=None, **options):
    source, there, target, here = tables
    usual = {"key_column": "id", "chunk_size": 100}
    job = job_between(source, there, target, here, **{**usual, **options})
    processor = ParallelProcessor(
        enable_parallel=client is not None,
        client=client,
        progress=False,
        lock_timeout=lock_timeout,
    )
    return processor.run(job)


@contextlib.contextmanager
def _two_workers():
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def assert_every_row_once(tables):
    *_, target, here = tables
    assert target.rows(here, KINDS) == Counter(ROWS)


LOAD = {"pattern": r"^INSERT INTO .*MDT_", "after": 3}
READ = {"pattern": r"^SELECT q\.\"ID\".*MDT_", "after": 3}
FETCH = r"^FETCH SELECT q\.\"ID\".*MDT_"
PASSING = [
    pytest.param({"code": code}, id=f"ORA-{code:05d}")
    for code in (60, 8177, 54, 3113, 28, 1033, 1089)
]


@pytest.mark.parametrize("fault", [*PASSING, pytest.param({"drop": True}, id="dropped")])
def test_a_load_that_meets_what_passes_is_done_again(standin, tables, fault):
    standin.inject(**LOAD, **fault)
    result = move(tables)
    result.raise_for_status()
    assert max(chunk.attempts for chunk in result.chunk_results) == 2
    assert_every_row_once(tables)


@pytest.mark.parametrize("fault", [{"code": 3113}, {"code": 1089}, {"drop": True}], ids=str)
@pytest.mark.parametrize("place", [READ["pattern"], FETCH], ids=["query", "fetch"])
def test_a_read_that_is_cut_is_done_again(standin, tables, monkeypatch, fault, place):
    monkeypatch.setattr(transfer, "FETCH_ROWS", 50)  # several messages a chunk
    standin.inject(place, **fault)
    result = move(tables, chunk_size=200)
    result.raise_for_status()
    assert max(chunk.attempts for chunk in result.chunk_results) == 2
    assert result.consistent
    assert_every_row_once(tables)


@pytest.mark.parametrize("place", ["COMMIT$", "AFTER_COMMIT"])
@pytest.mark.parametrize("after", range(1, 16, 3))
def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled(standin, tables, place, after):
    standin.inject(place, after=after, drop=True)
    move(tables).raise_for_status()
    assert_every_row_once(tables)


@pytest.mark.parametrize("code", [1555, 8181, 1466])
def test_a_state_that_is_gone_is_said_and_its_chunk_read_as_it_is_now(standin, tables, code):
    standin.inject(READ["pattern"], after=3, code=code)
    result = move(tables)
    result.raise_for_status()
    assert not result.consistent
    assert_every_row_once(tables)


STAGED = [{"atomic": True}, {"write_disposition": "replace"}]


@pytest.mark.parametrize("code", [1555, 8181, 1466])
@pytest.mark.parametrize("options", STAGED, ids=str)
def test_a_staged_run_whose_state_is_gone_is_read_anew_in_another(standin, tables, options, code):
    """What the first reading staged is thrown away: the rows are those of one state, the later."""
    source, there, target, here = tables
    standin.inject(READ["pattern"], after=3, code=code)
    result = move(
        tables,
        transformation_logic=lambda frame: _changed(frame, source, there),
        **options,
    )
    result.raise_for_status()
    assert result.consistent
    assert len({chunk.snapshot for chunk in result.chunk_results}) == 1
    assert any("read again" in warning for warning in result.warnings)
    assert {chunk.attempts for chunk in result.chunk_results} == {1, 2}
    assert target.rows(here, ["v"]) == Counter({("late",): 600})


def _changed(frame, source, there):
    """Let the source change for good while the first chunks are read."""
    if "late" not in set(frame["v"]):
        source.execute(f"UPDATE {there} SET v = 'late'")
    return frame


def test_windows_that_are_staged_are_read_anew_as_well(standin, tables):
    standin.inject(READ["pattern"], after=3, code=1555)
    result = move(tables, strategy="OFFSET_LIMIT", atomic=True)
    result.raise_for_status()
    assert result.consistent
    assert_every_row_once(tables)


def test_a_state_that_is_lost_while_worker_processes_read_it_is_read_anew(standin, tables):
    standin.inject(READ["pattern"], after=3, times=2, code=1555)
    with _two_workers() as client:
        result = move(tables, client=client, atomic=True, chunk_size=50)
    result.raise_for_status()
    assert result.consistent
    assert_every_row_once(tables)


def test_a_run_staged_in_postgresql_is_read_anew_too(standin, databases):
    source, target = sides.oracle(standin.url("source")), sides.postgresql(databases.target)
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, ROWS)
    tables = (source, there, target, here)
    standin.inject(READ["pattern"], after=3, code=1555)
    result = move(
        tables, atomic=True, transformation_logic=lambda frame: _changed(frame, source, there)
    )
    result.raise_for_status()
    assert result.consistent
    assert any("read again" in warning for warning in result.warnings)
    assert target.rows(here, ["v"]) == Counter({("late",): 600})
    dispose_engines()
    source.clean()
    target.clean()


@pytest.mark.parametrize("place", ["COMMIT$", "AFTER_COMMIT"])
@pytest.mark.parametrize("after", range(9, 19, 2))
def test_a_restart_whose_answer_is_lost_is_done_once(standin, tables, place, after):
    standin.inject(READ["pattern"], after=3, code=1555)
    standin.inject(place, after=after, drop=True)
    result = move(tables, atomic=True)
    result.raise_for_status()
    assert_every_row_once(tables)


def test_rejects_of_the_first_reading_do_not_stand_beside_the_second_s(standin, tables):
    *_, target, here = tables
    target.execute(f'ALTER TABLE "{here.upper()}" ADD CHECK ("ID" <> 5 AND "ID" <> 305)')
    standin.inject(READ["pattern"], after=3, code=1555)
    result = move(tables, atomic=True, reject_limit=10)
    result.raise_for_status()
    assert (result.total_rows_successful, result.total_rows_rejected) == (598, 2)
    rejects = ParallelProcessor().rejects(result.run_id, target_conn=target.url)
    assert len(rejects) == 2


def test_a_source_that_forgets_again_and_again_fails_the_run_and_leaves_the_target(standin, tables):
    standin.inject(READ["pattern"], after=2, times=100, code=1555)
    result = move(tables, atomic=True)
    assert "UNDO_RETENTION" in str(result.errors)
    *_, target, here = tables
    assert target.rows(here, KINDS) == Counter()
    standin.clear_faults()
    resumed = ParallelProcessor(enable_parallel=False, progress=False).resume(
        result.run_id, source_conn=tables[0].url, target_conn=target.url
    )
    resumed.raise_for_status()
    assert_every_row_once(tables)


def test_windows_are_not_read_without_their_state(standin, tables):
    standin.inject(READ["pattern"], after=3, times=100, code=1555)
    result = move(tables, strategy="OFFSET_LIMIT")
    assert result.chunks_succeeded < result.chunks_total
    assert "ORA-01555" in str(result.errors)


@pytest.mark.parametrize("code", [12514, 12541])
def test_a_listener_that_does_not_know_the_service_is_told_at_once(standin, tables, code):
    dispose_engines()
    standin.inject("CONNECT", code=code, times=5)
    with pytest.raises(MapperError, match=r"source_conn|target_conn") as raised:
        move(tables)
    standin.clear_faults()
    assert "tiger" not in str(raised.value)
    *_, target, here = tables
    assert target.rows(here, KINDS) == Counter()


@pytest.mark.parametrize("fault", [{"code": 12514}, {"drop": True}], ids=str)
def test_a_listener_that_is_away_for_a_moment_is_waited_for(standin, tables, fault):
    standin.inject(**LOAD, drop=True)
    standin.inject("CONNECT", after=3, **fault)
    move(tables).raise_for_status()
    assert_every_row_once(tables)


def test_a_call_that_takes_too_long_is_broken_off_and_done_again(standin, tables, monkeypatch):
    monkeypatch.setattr(session, "BATCH_SECONDS", 0.0)  # the wait for a lock alone is left
    standin.inject(**LOAD, delay=4.0)
    result = move(tables, lock_timeout=1.0)
    result.raise_for_status()
    assert max(chunk.attempts for chunk in result.chunk_results) == 2
    assert_every_row_once(tables)


@pytest.mark.parametrize("code", [942, 1031, 1017, 904])
def test_what_does_not_pass_fails_its_chunk_at_the_first_attempt(standin, tables, code):
    standin.inject(**LOAD, code=code, times=100)
    result = move(tables, on_error="continue")
    assert result.chunks_succeeded < result.chunks_total
    assert f"ORA-{code:05d}" in str(result.errors)
    assert max(chunk.attempts for chunk in result.chunk_results) == 1


def test_no_room_stops_the_run_which_is_then_resumed(standin, tables):
    source, _, target, _ = tables
    standin.inject(**LOAD, code=1653, times=100)
    result = move(tables, on_error="continue")
    assert result.chunks_succeeded < result.chunks_total
    standin.clear_faults()
    ParallelProcessor(enable_parallel=False, progress=False).resume(
        result.run_id, source_conn=source.url, target_conn=target.url
    ).raise_for_status()
    assert_every_row_once(tables)


@pytest.mark.parametrize("round_number", seeds(8))
def test_one_state_is_read_while_others_write(standin, round_number):
    del round_number
    source, target = (sides.oracle(standin.url(role)) for role in ("source", "target"))
    kinds = {"id": "key", "v": "money"}
    totals = {}
    for consistent in (True, False):
        there, here = source.table(kinds), target.table(kinds)
        source.insert(there, kinds, [(n, 100) for n in range(600)])

        def writing(frame, there=there):
            source.execute(f"UPDATE {there} SET v = v + 5 WHERE id = 599")
            source.execute(f"UPDATE {there} SET v = v - 5 WHERE id = 0")
            return frame

        result = ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
            source.url,
            f"SELECT * FROM {there}",
            writing,
            target.url,
            None,
            here,
            key_column="id",
            chunk_size=100,
            consistent=consistent,
        )
        result.raise_for_status()
        [(totals[consistent],)] = target.query(f"SELECT SUM(v) FROM {here}")
    assert totals[True] == 60_000
    assert totals[False] != 60_000
    source.clean()
    target.clean()


def test_a_run_is_counted_after_its_state_is_gone(standin, tables):
    source, _, target, _ = tables
    result = move(tables)
    standin.lose_snapshots()
    found = ParallelProcessor().reconcile(
        result.run_id, source_conn=source.url, target_conn=target.url, checksum=True
    )
    assert found.matches
    assert not found.same_snapshot
