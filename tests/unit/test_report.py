"""From chunk results to a run's result."""

from __future__ import annotations

import pytest

from mapper_dask.ledger.report import fold, one_snapshot, unsaid
from mapper_dask.parallel_models import ChunkResult, ChunkState


def done(chunk_id: int, snapshot: str | None, **more) -> ChunkResult:
    return ChunkResult(chunk_id, ChunkState.PROCESSED, snapshot=snapshot, **more)


FAILED = ChunkResult(9, ChunkState.PROCESSED_WITH_ERROR, snapshot="other", error="no")


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([done(0, "a"), done(1, "a")], True),
        ([done(0, "a"), done(1, "b")], False),
        ([done(0, "a"), done(1, None)], False),
        ([done(0, None)], False),
        ([done(0, "a"), FAILED], True),
        ([FAILED], False),
        ([], False),
    ],
)
def test_a_run_is_consistent_when_all_that_committed_was_read_in_one_snapshot(results, expected):
    assert one_snapshot(results) is expected


def test_warnings_of_the_plan_come_first_and_repeat_nowhere():
    results = [done(1, "a", warnings=("x", "plan")), done(0, "a", warnings=("x", "y"))]

    folded = fold(results, run_id="r", seconds=1.0, rows_this_run=0, warnings=["plan"])

    assert folded.warnings == ("plan", "x", "y")


def test_results_are_in_the_plans_order():
    folded = fold(
        [done(2, "a"), done(0, "a"), done(1, "a")], run_id=None, seconds=0, rows_this_run=0
    )

    assert [result.chunk_id for result in folded.chunk_results] == [0, 1, 2]


def unbegun(number: int) -> ChunkResult:
    return ChunkResult(number, ChunkState.UNASSIGNED, "")


def failed(number: int, error: str) -> ChunkResult:
    return ChunkResult(number, ChunkState.PROCESSED_WITH_ERROR, "", error=error)


def test_what_ended_a_run_is_told_though_its_chunk_was_committed_nevertheless() -> None:
    """The scheduler was gone before the worker's answer, and the worker had committed."""
    known, seen = [done(0, "a"), unbegun(1)], [failed(0, "the scheduler is gone")]

    assert unsaid(known, seen) == "the scheduler is gone"


def test_a_run_that_somebody_else_has_stopped_says_so() -> None:
    assert "somebody else" in str(unsaid([done(0, "a"), unbegun(1)], []))


def test_what_a_chunk_says_is_enough() -> None:
    assert unsaid([failed(0, "150 is not wanted"), unbegun(1)], []) is None
    assert unsaid([done(0, "a"), done(1, "a")], []) is None
