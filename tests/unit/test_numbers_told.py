"""What a result says of times and counts is what its reader takes it for."""

from __future__ import annotations

import pytest

from mapper_dask import ChunkResult, ParallelProcessingResult
from mapper_dask.errors import RunFailedError
from mapper_dask.flow import FlowJobResult, FlowResult, JobState
from mapper_dask.parallel_models import ChunkState
from mapper_dask.rendering import chunks, seconds, taken

DONE = ChunkState.PROCESSED
FAILED = ChunkState.PROCESSED_WITH_ERROR


def made(*parts: ChunkResult, **known: object) -> ParallelProcessingResult:
    return ParallelProcessingResult(parts, run_id="r", **known)  # type: ignore[arg-type]


def loaded(chunk_id: int, rejected: int = 0) -> ChunkResult:
    rows = 100 - rejected
    return ChunkResult(
        chunk_id, DONE, rows_read=100, rows_out=100, rows_loaded=rows, rows_rejected=rejected,
        snapshot="s",
    )  # fmt: skip


def failed(chunk_id: int, read: int = 0) -> ChunkResult:
    return ChunkResult(chunk_id, FAILED, rows_read=read, error="no")


def test_both_times_are_told_each_with_its_rate() -> None:
    result = made(loaded(0), processing_time=1.0, total_time=5.0, rows_this_run=200_000)

    assert (
        "moved in 1.00 s (200,000 rows/s); 5.00 s (40,000 rows/s) with start-up, planning and "
        "publication" in str(result)
    )


@pytest.mark.parametrize(
    ("moving", "whole", "rows", "said"),
    [
        (0.0423, 0.0, 100, "moved in 42 ms (2,364 rows/s)"),
        (0.0, 0.0, 0, "nothing was moved by this call"),
        (0.0, 0.042, 0, "nothing was moved by this call, which took 42 ms"),
        (0.5, 0.9, 0, "moved in 500 ms; 900 ms with start-up, planning and publication"),
    ],
)
def test_short_times_are_told_in_ms(moving: float, whole: float, rows: int, said: str) -> None:
    assert taken(moving, whole, rows) == said


def test_a_dry_run_publishes_nothing() -> None:
    dry = ParallelProcessingResult(
        (loaded(0),), processing_time=1.0, total_time=5.0, rows_this_run=200_000
    )

    assert "5.00 s (40,000 rows/s) with start-up and planning" in str(dry)
    assert "publication" not in str(dry)


def test_one_is_singular() -> None:
    assert [chunks(n) for n in (0, 1, 2, 1000)] == ["0 chunks", "1 chunk", "2 chunks",
                                                    "1,000 chunks"]  # fmt: skip
    assert [seconds(n) for n in (0.0004, 0.9, 1.0, 61)] == ["0 ms", "900 ms", "1.00 s", "61.00 s"]


def test_a_run_that_committed_nothing_claims_no_snapshot_and_no_count() -> None:
    result = made(failed(0), ChunkResult(1, ChunkState.UNASSIGNED))

    text = str(result)
    assert "one snapshot     not known: no chunk is committed" in text
    assert "rows failed      0, and those of 2 chunks that were not read to their end" in text
    assert "0 of 2 committed, 1 failed, 1 not done" in text


def test_what_a_failed_chunk_has_read_is_counted() -> None:
    text = str(made(loaded(0), failed(1, 100)))

    assert "rows failed      100\n" in text
    assert "1 of 2 committed, 1 failed" in text


@pytest.mark.parametrize(
    ("rows", "said"), [(0, ""), (1, ", 1 row rejected"), (3, ", 3 rows rejected")]
)
def test_success_with_rows_set_aside_says_so(rows: int, said: str) -> None:
    result = made(loaded(0, rows))
    flow = FlowResult("f", "r", (FlowJobResult("j", JobState.SUCCEEDED, "r.j", result, rows=9),))

    assert result.succeeded
    assert str(result).splitlines()[0] == f"run succeeded{said}"
    assert result._repr_html_().startswith(f"<b>run succeeded{said}</b>")
    assert str(flow).startswith(f"flow f succeeded{said} in ")
    assert f"SUCCEEDED, 9 rows{said}" in str(flow)


def test_no_resume_is_advised_where_the_job_must_be_changed() -> None:
    refused = ChunkResult(1, FAILED, error="newest_by: give it", of_the_job=True)
    with pytest.raises(RunFailedError, match="mend the job and run it again") as caught:
        made(refused).raise_for_status()
    assert "resume(" not in str(caught.value)
    with pytest.raises(RunFailedError, match="take out the 100 rows it has left there"):
        made(loaded(0), refused).raise_for_status()
    with pytest.raises(RunFailedError, match=r"finish with resume\('r'\)"):
        made(loaded(0), failed(1)).raise_for_status()
    job = FlowJobResult("j", JobState.FAILED, "f.j", made(refused), "newest_by: give it")
    with pytest.raises(RunFailedError, match="run the flow under a new run_id"):
        FlowResult("f", "f", (job,)).raise_for_status()
