"""A connection that breaks at COMMIT: before the server saw it, or before its answer came."""

from __future__ import annotations

import re

import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.chunk import chunk_processor
from tests.database import Databases
from tests.fault.moving import ROWS, assert_every_row_once, compare, job, shout, stage
from tests.fault.proxy import Cut, Scissors, proxied
from tests.fault.sabotage import as_named

LOADING = re.compile(rb"COPY ")

WRITING = {
    "entering the run": re.compile(rb"INSERT INTO mapper_dask_run"),
    "beginning a chunk": re.compile(rb"SET state = 'ASSIGNED'"),
    "ending the run": re.compile(rb"UPDATE mapper_dask_run\b"),
}
"""What the ledger's own transactions do."""


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("function", [shout, None], ids=["transformed", "relayed"])
def test_a_chunk_whose_commit_is_cut_arrives_once(
    databases: Databases, cut: Cut, function: object
) -> None:
    stage(databases)
    scissors = Scissors(cut, LOADING, every=5)
    with proxied(databases.target.url, scissors) as target:
        result = ParallelProcessor(max_workers=2).run(job(databases.source.url, target, function))
    assert scissors.cuts > 3
    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.consistent
    if function is None:  # rows as they were: make them what the others are
        databases.target.execute("UPDATE d SET v = v * 2, t = upper(t)")
    assert_every_row_once(databases)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("writing", WRITING)
def test_a_commit_of_the_ledger_that_is_cut_is_made_once(
    databases: Databases, cut: Cut, writing: str
) -> None:
    stage(databases)
    scissors = Scissors(cut, WRITING[writing], most=2)
    with proxied(databases.target.url, scissors) as target:
        processor = ParallelProcessor(enable_parallel=False)
        result = processor.run(job(databases.source.url, target))
    assert scissors.cuts > 0
    assert result.raise_for_status().total_rows_successful == ROWS
    [(runs, state)] = databases.target.fetch("SELECT count(*), min(state) FROM mapper_dask_run")
    assert (runs, state) == (1, "SUCCEEDED")
    assert_every_row_once(databases)


@pytest.mark.parametrize(
    ("loader", "cut"),
    [("no_ledger", Cut.AFTER), ("ledger_after", Cut.AFTER), ("ledger_before", Cut.BEFORE)],
)
def test_the_same_cut_breaks_a_loader_whose_ledger_is_not_in_the_transaction(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, loader: str, cut: Cut
) -> None:
    stage(databases)
    monkeypatch.setattr(chunk_processor, "target_session", as_named)
    scissors = Scissors(cut, LOADING, every=5)
    with proxied(databases.target.url, scissors) as target:
        processor = ParallelProcessor(enable_parallel=False)
        processor.run(job(databases.source.url, target, run_id=f"{loader}-cut"))
    assert scissors.cuts > 3
    verdict = compare(databases)
    assert (verdict.lost > 0) == (loader == "ledger_before")
    assert (verdict.doubled > 0) == (loader != "ledger_before")
