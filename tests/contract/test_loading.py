"""What a target of either kind promises: rejects, dispositions, resuming, kills."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from mapper_dask import ParallelProcessor, reject
from mapper_dask.connections.reference import reference
from mapper_dask.errors import MapperError
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from tests.builders import job_between, run_here

ROOT = Path(__file__).parents[2]
KINDS = {"id": "integer NOT NULL", "v": "money"}
ROWS = [(Decimal(n), Decimal(n)) for n in range(1, 1001)]


def run(source, there, target, here, function=None, **options):
    usual = {"transformation_logic": function, "key_column": "id", "chunk_size": 100}
    return run_here(job_between(source, there, target, here, **{**usual, **options}))


@pytest.fixture
def filled(source):
    there = source.table(KINDS)
    source.insert(there, KINDS, ROWS)
    return there


def spoil(frame):
    marked = reject(frame, frame["id"].isin(range(1, 1001, 100)), "one too many")
    return marked.assign(v=marked["v"].where(~marked["id"].isin(range(2, 1001, 100))))


def test_rows_that_are_marked_or_break_a_constraint_are_set_aside(source, filled, target):
    here = target.table({"id": "integer NOT NULL", "v": "money NOT NULL CHECK (v <> 50)"})
    result = run(source, filled, target, here, spoil, reject_limit=100)
    result.raise_for_status()
    bad = {n for n in range(1, 1001) if n % 100 in (1, 2)} | {50}
    assert {int(row[0]) for row in target.query(f"SELECT id FROM {here}")} == (
        set(range(1, 1001)) - bad
    )
    rejects = ParallelProcessor().rejects(result.run_id, target_conn=target.url)
    assert len(rejects) == len(bad) == result.total_rows_rejected
    assert set(rejects["stage"]) == {"transform", "load"}


def test_more_rejects_than_the_limit_end_the_run(source, filled, target):
    here = target.table(KINDS)
    result = run(source, filled, target, here, spoil, reject_limit=5)
    assert result.chunks_succeeded < result.chunks_total
    assert "reject_limit" in str(result.errors)
    assert 0 < len(target.query(f"SELECT id FROM {here}")) < 1000


def test_replace_puts_the_new_rows_in_the_place_of_the_old(source, filled, target):
    here = target.table(KINDS)
    target.insert(here, KINDS, [(9_999, 1)])
    result = run(source, filled, target, here, write_disposition="replace")
    result.raise_for_status()
    assert target.rows(here, KINDS) == Counter(ROWS)


def test_merge_changes_known_rows_and_adds_others(source, filled, target):
    here = target.table(KINDS, "PRIMARY KEY (id)")
    target.insert(here, KINDS, [(5, 500), (9_999, 1)])
    run(source, filled, target, here, write_disposition="merge").raise_for_status()
    assert target.rows(here, KINDS) == Counter([*ROWS, (Decimal(9_999), Decimal(1))])


def test_merge_by_the_newest_row_keeps_one_row_a_key(source, target):
    kinds = {"id": "key", "v": "money", "at": "integer"}
    there, here = source.table(kinds), target.table({**kinds, "id": "key NOT NULL"}, "UNIQUE (id)")
    source.insert(there, kinds, [(n % 50, n, n) for n in range(500)])
    options = {"write_disposition": "merge", "primary_key": "id", "newest_by": "at"}
    run(source, there, target, here, **options).raise_for_status()
    expected = Counter((Decimal(n % 50), Decimal(n), Decimal(n)) for n in range(450, 500))
    assert target.rows(here, kinds) == expected


def test_a_failed_append_that_is_atomic_changes_nothing(source, filled, target):
    here = target.table({"id": "integer", "v": "money CHECK (v <> 950)"})
    result = run(source, filled, target, here, atomic=True)
    assert result.chunks_succeeded < result.chunks_total
    assert target.rows(here, ["id"]) == Counter()


class Once:
    """Fails at one chunk until it is mended."""

    broken = True

    def __call__(self, frame):
        if self.broken and (frame["id"] == 555).any():
            message = "not this one"
            raise ValueError(message)
        return frame


@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_a_run_that_failed_is_resumed_where_it_stood(source, filled, target, disposition):
    here = target.table(KINDS)
    function = Once()
    first = run(
        source, filled, target, here, function, on_error="continue", write_disposition=disposition
    )
    assert first.chunks_succeeded == first.chunks_total - 1
    function.broken = False
    done = ParallelProcessor(enable_parallel=False, progress=False).resume(
        first.run_id,
        source_conn=source.url,
        target_conn=target.url,
        transformation_logic=function,
    )
    done.raise_for_status()
    assert target.rows(here, KINDS) == Counter(ROWS)


def test_the_same_run_twice_loads_once(source, filled, target):
    here = target.table(KINDS)
    for _ in range(2):
        run(source, filled, target, here, run_id=f"twice-{here}").raise_for_status()
    assert target.rows(here, KINDS) == Counter(ROWS)


def test_a_right_that_is_missing_is_told_before_a_row_moves(source, filled, target):
    here = target.table({"id": "key", "other": "text NOT NULL"})
    with pytest.raises(MapperError, match="other"):
        run(source, filled, target, here)


KILLED = """
import os, sys
from mapper_dask import MapperJob, ParallelProcessor
source, sql, target, table, run_id = sys.argv[1:]
def hook(event):
    if event.done == 4:
        os.kill(os.getpid(), 9)
job = MapperJob(source_conn=source, source_sql=sql, target_conn=target, target_table=table,
                key_column="id", chunk_size=100, run_id=run_id)
if __name__ == "__main__":
    ParallelProcessor(max_workers=2, progress=hook).run(job)
"""


def test_a_killed_coordinator_is_finished_by_resume(source, filled, target, tmp_path):
    here = target.table(KINDS)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    run_id = f"killed-{here}"
    ended = subprocess.run(
        [sys.executable, script, source.url, f"SELECT * FROM {filled}", target.url, here, run_id],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr.decode()[-2000:]
    assert 0 < len(target.query(f"SELECT id FROM {here}")) < 1000
    result = ParallelProcessor(enable_parallel=False, progress=False).resume(
        run_id, source_conn=source.url, target_conn=target.url
    )
    result.raise_for_status()
    assert target.rows(here, KINDS) == Counter(ROWS)


def test_workers_in_processes_load_every_row_once(source, filled, target):
    here = target.table(KINDS)
    job = job_between(
        source, filled, target, here, key_column="id", chunk_size=100,
        transformation_logic=lambda frame: frame,
    )  # fmt: skip
    ParallelProcessor(max_workers=2, progress=False).run(job).raise_for_status()
    assert target.rows(here, KINDS) == Counter(ROWS)


def test_reconcile_finds_a_row_that_went(source, filled, target):
    here = target.table(KINDS)
    result = run(source, filled, target, here)
    assert (
        ParallelProcessor()
        .reconcile(result.run_id, source_conn=source.url, target_conn=target.url)
        .matches
    )
    target.execute(f"DELETE FROM {here} WHERE id = 77")
    found = ParallelProcessor().reconcile(
        result.run_id, source_conn=source.url, target_conn=target.url
    )
    assert not found.matches


def test_a_run_that_succeeded_is_not_opened_again_by_a_coordinator_that_comes_late(
    source, filled, target
):
    """Its staging table is gone: it could only fail to publish, and say the run had failed."""
    here = target.table(KINDS)
    result = run(source, filled, target, here, atomic=True)
    result.raise_for_status()
    ledger = RunLedger(reference(target.url), result.run_id)
    ledger.reopen(None)
    assert ledger.find().state is RunState.SUCCEEDED
