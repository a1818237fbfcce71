"""A query that is read once from Oracle, or whose run stands in a ledger there."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from mapper_dask import MapperJob
from mapper_dask.connections.reference import reference
from mapper_dask.errors import ConfigurationError, RunStoppedError
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.run import once, spooling
from tests.contract import sides
from tests.contract.sides import Side
from tests.fault.reading_once import folders, processor

KINDS = {"id": "key", "v": "text", "at": "fine"}
ROWS = [(n, f"x{n}", None) for n in range(2_500)]
RUN = "once-from-oracle"


@dataclass
class Trouble:
    """From which row on the function raises; None: at none."""

    begins: int | None = None


trouble = Trouble()


def troubled(frame: pd.DataFrame) -> pd.DataFrame:
    if trouble.begins is not None and (frame["id"] >= trouble.begins).any():
        message = "not now"
        raise ValueError(message)
    return frame


@pytest.fixture
def side(oracle_url: Callable[[str], str]) -> Iterator[Side]:
    made = sides.oracle(oracle_url("source"))
    yield made
    trouble.begins = None
    made.clean()


@pytest.fixture
def asked(side: Side) -> Callable[..., MapperJob]:
    filled, one, here = side.table(KINDS), side.table({"n": "key"}), side.table(KINDS)
    side.insert(filled, KINDS, ROWS)
    side.insert(one, {"n": "key"}, [(1,)])

    def job(**options: object) -> MapperJob:
        return MapperJob(
            source_conn=side.url,
            source_sql=f"SELECT a.id, a.v, a.at FROM {filled} a, {one} b",
            transformation_logic=troubled,
            target_conn=side.url,
            target_table=here,
            chunk_size=400,
            run_id=RUN,
            **options,
        )

    return job


@pytest.fixture(autouse=True)
def _forgotten(side: Side, tmp_path: Path) -> Iterator[None]:
    yield
    processor(tmp_path).discard(RUN, target_conn=side.url)


@pytest.mark.parametrize("atomic", [False, True])
def test_its_rows_wait_in_files(side: Side, asked, tmp_path: Path, atomic):
    result = processor(tmp_path, enable_parallel=False).run(asked(atomic=atomic))

    assert result.raise_for_status().total_rows_successful == len(ROWS)
    assert result.chunks_total == 7
    assert result.consistent
    assert side.rows(str(asked().target_table), KINDS) == Counter(ROWS)
    assert folders(tmp_path) == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_staged_run_goes_on_or_begins_anew(side: Side, asked, tmp_path: Path, kept):
    trouble.begins = 1_500
    known = processor(tmp_path, enable_parallel=False)
    assert not known.run(asked(atomic=True)).succeeded
    trouble.begins = None
    [left] = folders(tmp_path)
    if not kept:
        shutil.rmtree(left)

    result = known.run(asked(atomic=True))

    assert result.raise_for_status().total_rows_successful == len(ROWS)
    assert result.consistent
    assert any("read again" in note for note in result.warnings) is not kept
    assert side.rows(str(asked().target_table), KINDS) == Counter(ROWS)
    assert folders(tmp_path) == []


def test_an_append_under_way_is_not_mixed_with_another_reading(asked, tmp_path: Path):
    trouble.begins = 1_500
    known = processor(tmp_path, enable_parallel=False)
    assert not known.run(asked()).succeeded
    trouble.begins = None
    [left] = folders(tmp_path)
    shutil.rmtree(left)

    with pytest.raises(ConfigurationError, match="Another reading"):
        known.run(asked())


def test_rows_that_fit_a_chunk_are_here_already(side: Side, asked, tmp_path: Path):
    result = processor(tmp_path, enable_parallel=False).run(asked().evolve(chunk_size=10_000))

    assert result.raise_for_status().total_rows_successful == len(ROWS)
    assert result.chunks_total == 1
    assert side.rows(str(asked().target_table), KINDS) == Counter(ROWS)


def test_a_run_that_is_cancelled_elsewhere_while_it_is_read_is_read_anew(
    side: Side, asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stored = RunLedger(reference(side.url), RUN)
    end = spooling.Spooler._end

    def end_and_wait(taking: spooling.Spooler) -> None:
        end(taking)
        stored.stop(RunState.CANCELLED)
        assert taking.stop.wait(60), "nobody has asked the ledger"

    known = processor(tmp_path, enable_parallel=False)
    with monkeypatch.context() as patched:
        patched.setattr(spooling.Spooler, "_end", end_and_wait)
        with pytest.raises(RunStoppedError, match="no row of it is loaded"):
            known.run(asked(atomic=True))
    assert stored.state() is RunState.CANCELLED
    assert folders(tmp_path) == []

    result = known.run(asked(atomic=True))

    assert once.AGAIN in result.raise_for_status().warnings
    assert side.rows(str(asked().target_table), KINDS) == Counter(ROWS)


def test_a_disk_that_is_full_leaves_no_run(
    side: Side, asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    known = processor(tmp_path, enable_parallel=False)
    with monkeypatch.context() as patched:
        patched.setattr(spooling._Summed, "write", full)
        with pytest.raises(ConfigurationError, match="spool-folder"):
            known.run(asked(atomic=True))
    assert RunLedger(reference(side.url), RUN).state() is None
    assert folders(tmp_path) == []

    assert known.run(asked(atomic=True)).raise_for_status().total_rows_successful == len(ROWS)
    assert side.rows(str(asked().target_table), KINDS) == Counter(ROWS)
