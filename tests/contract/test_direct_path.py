"""Oracle's direct path load: it commits, and yet a chunk is loaded once or not at all."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.chunk import load as chunk_load
from mapper_dask.errors import ConfigurationError, TargetError
from tests.builders import job_between
from tests.contract import sides

ROOT = Path(__file__).parents[2]

KINDS = {
    "id": "key",
    "i": "integer",
    "w": "wide",
    "n": "number",
    "m": "money",
    "t": "text",
    "c": "long",
    "b": "bytes",
    "d": "second",
    "s": "time",
    "z": "instant",
    "f": "float",
}


def row(n):
    if n % 7 == 0:
        return (Decimal(n), *[None] * 11)
    return (
        Decimal(n),
        Decimal(10**17 + n),
        Decimal(10**37 + n),
        Decimal(9007199254740993 + n) + Decimal("0.1"),
        Decimal(n) / 4,
        f"grün {n}",
        f"lang {n} " * 500,
        bytes([n % 256, 0, 255]),
        dt.datetime(2024, 2, 29, 23, 59, n % 60),  # noqa: DTZ001
        dt.datetime(2024, 2, 29, 23, 59, n % 60, 123456),  # noqa: DTZ001
        dt.datetime(2024, 2, 29, 23, 59, n % 60, 654321, tzinfo=dt.UTC),
        n / 3,
    )


ROWS = [row(n) for n in range(300)]
PLAIN = Counter(tuple(map(sides._plain, one)) for one in ROWS)


@pytest.fixture
def filled(source):
    name = source.table(KINDS)
    source.insert(name, KINDS, ROWS)
    return name


@pytest.fixture
def oracle(oracle_url):
    made = sides.oracle(oracle_url("target"))
    yield made
    made.clean()


def job(source, filled, target, here, **options):
    usual = {"key_column": "id", "direct_path": True, "chunk_size": 50}
    return job_between(source, filled, target, here, **{**usual, **options})


def run(*args, **options):
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    return processor.run(job(*args, **options))


def left_over(oracle):
    found = oracle.query("SELECT table_name FROM user_tables WHERE table_name LIKE 'MAPPER%'")
    return [name for (name,) in found if "LOAD" in name]


@pytest.mark.parametrize(
    "options", [{}, {"atomic": True}, {"write_disposition": "replace"}], ids=str
)
def test_every_type_arrives_as_by_the_usual_load(source, filled, oracle, options):
    here = oracle.table(KINDS)
    result = run(source, filled, oracle, here, **options)
    result.raise_for_status()
    assert result.total_rows_successful == len(ROWS)
    assert oracle.rows(here, KINDS) == PLAIN
    assert left_over(oracle) == []


def test_what_a_function_returns_is_loaded_as_well(source, filled, oracle):
    here = oracle.table({"id": "key", "t": "text"})
    result = run(
        source, filled, oracle, here,
        transformation_logic=lambda frame: frame[["id", "t"]].assign(t=frame["t"].fillna("none")),
    )  # fmt: skip
    result.raise_for_status()
    assert oracle.rows(here, ["t"])[("none",)] == len(range(0, 300, 7))


def test_worker_processes_load_every_row_once(source, filled, oracle):
    here = oracle.table(KINDS)
    processor = ParallelProcessor(max_workers=2, progress=False)
    processor.run(job(source, filled, oracle, here)).raise_for_status()
    assert oracle.rows(here, KINDS) == PLAIN
    assert left_over(oracle) == []


def test_a_row_that_does_not_fit_leaves_nothing_of_its_chunk(source, filled, oracle):
    here = oracle.table({**KINDS, "t": "text NOT NULL"})
    result = run(source, filled, oracle, here, on_error="continue")
    assert result.total_rows_successful == 0
    assert result.chunks_failed == 6
    assert oracle.rows(here, KINDS) == Counter()
    assert left_over(oracle) == []


def test_a_failure_between_the_two_loads_is_done_again_and_counted_once(
    source, filled, oracle, monkeypatch
):
    """Its rows are committed aside: the next attempt must not see them."""
    cut = iter([None, None, "cut"])
    entered = chunk_load.target_session

    def sometimes(task, chunk_id):
        if next(cut, None):
            message = "the link is gone"
            raise chunk_load.DatabaseError(message, transient=True)
        return entered(task, chunk_id)

    monkeypatch.setattr("mapper_dask.chunk.chunk_processor.target_session", sometimes)
    here = oracle.table(KINDS)
    result = run(source, filled, oracle, here)
    result.raise_for_status()
    assert max(chunk.attempts for chunk in result.chunk_results) == 2
    assert oracle.rows(here, KINDS) == PLAIN
    assert left_over(oracle) == []


KILLED = """
import os, sys
from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.dialects.oracle.target import OracleTarget
source, sql, target, table, run_id = sys.argv[1:]
loaded = OracleTarget.load_aside
def load_aside(self, *args):
    part = loaded(self, *args)
    load_aside.done += 1
    if load_aside.done == 3:
        os.kill(os.getpid(), 9)
    return part
load_aside.done = 0
OracleTarget.load_aside = load_aside
job = MapperJob(source_conn=source, source_sql=sql, target_conn=target, target_table=table,
                key_column="id", chunk_size=50, run_id=run_id, direct_path=True)
ParallelProcessor(enable_parallel=False, progress=False).run(job)
"""


def test_a_process_that_dies_after_the_direct_load_leaves_nothing_in_the_end(
    source, filled, oracle, tmp_path
):
    here = oracle.table(KINDS)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    run_id = f"killed-{here}"
    arguments = [source.url, f"SELECT * FROM {filled}", oracle.url, here, run_id]
    ended = subprocess.run(
        [sys.executable, script, *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -9, ended.stderr.decode()[-2000:]
    assert len(left_over(oracle)) == 1
    result = ParallelProcessor(enable_parallel=False, progress=False).resume(
        run_id, source_conn=source.url, target_conn=oracle.url
    )
    result.raise_for_status()
    assert oracle.rows(here, KINDS) == PLAIN
    assert left_over(oracle) == []


def test_a_target_without_a_direct_path_is_told_before_a_row_moves(source, filled, databases):
    target = sides.postgresql(databases.target)
    here = target.table(KINDS)
    with pytest.raises(TargetError, match="direct_path"):
        run(source, filled, target, here)
    assert target.rows(here, KINDS) == Counter()
    target.clean()


def test_rejects_and_the_direct_path_do_not_go_together(source, filled, oracle):
    with pytest.raises(ConfigurationError, match="reject_limit"):
        run(source, filled, oracle, "t", reject_limit=1)
