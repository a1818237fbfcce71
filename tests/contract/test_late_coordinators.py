"""Whichever database it is: one that comes while another publishes its run finds it done."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from mapper_dask.connections.reference import reference
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.evidence import RowsState, still_there
from mapper_dask.ledger.evidence_tables import EvidenceTables
from mapper_dask.ledger.runs import RunLedger
from tests.builders import job_between, run_here
from tests.contract.sides import Side

KINDS = {"id": "integer"}
ROWS = 40


@dataclass(frozen=True)
class HalfDone:
    """A run that waits in its staging table, and failed in one of its chunks."""

    run_id: str
    table: str
    go: Callable[[], Any]
    """Brings it to its end."""


@pytest.fixture(
    params=[{"write_disposition": "replace"}, {"atomic": True}], ids=["replace", "atomic"]
)
def half_done(source: Side, target: Side, request: pytest.FixtureRequest) -> HalfDone:
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, [(n,) for n in range(ROWS)])
    run_id, spoiled = f"late-{uuid.uuid4().hex}", {25}

    def passed(frame: pd.DataFrame) -> pd.DataFrame:
        if spoiled & set(frame.iloc[:, 0]):
            raise ValueError(frame)
        return frame

    def go() -> Any:
        job = job_between(
            source, there, target, here, transformation_logic=passed, key_column="id",
            chunk_size=10, run_id=run_id, **request.param,
        )  # fmt: skip
        return run_here(job)

    assert not go().succeeded
    spoiled.clear()
    return HalfDone(run_id, here, go)


def test_one_that_comes_when_its_rows_are_published_has_nothing_to_do(
    target: Side, half_done: HalfDone, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen, left = RunLedger.reopen, [half_done.go]

    def reopened(self: RunLedger, *args: Any) -> None:
        if left:
            left.pop()().raise_for_status()
        reopen(self, *args)

    monkeypatch.setattr(RunLedger, "reopen", reopened)

    result = half_done.go().raise_for_status()

    assert result.total_rows_successful == ROWS
    rows = target.rows(half_done.table, KINDS)
    assert rows.total() == ROWS == len(rows)


def test_rows_that_are_published_meanwhile_are_not_taken_for_gone(
    target: Side, half_done: HalfDone, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stored_runs.found(reference(target.url), half_done.run_id)
    of, left = EvidenceTables.of, [half_done.go]

    def read(self: EvidenceTables, run_id: str) -> Any:
        noted = of(self, run_id)
        if left:
            left.pop()().raise_for_status()
        return noted

    monkeypatch.setattr(EvidenceTables, "of", read)

    assert still_there(reference(target.url), found).state is RowsState.UNTOUCHED
