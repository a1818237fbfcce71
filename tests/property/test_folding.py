"""The result of a run does not depend on the order in which its chunks ended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.ledger.report import fold, with_unbegun
from mapper_dask.parallel_models import Chunk, ChunkKind, ChunkResult, ChunkState

COUNTS = st.integers(0, 1000)
RESULTS = st.lists(
    st.builds(
        ChunkResult,
        chunk_id=st.integers(0, 50),
        state=st.sampled_from(ChunkState),
        rows_read=COUNTS,
        rows_loaded=COUNTS,
        snapshot=st.sampled_from(["1-1", "2-1", None]),
        warnings=st.lists(st.sampled_from("abc"), unique=True).map(tuple),
        error=st.none() | st.text(max_size=5),
    ),
    unique_by=lambda result: result.chunk_id,
    max_size=12,
)


@given(RESULTS, st.randoms(use_true_random=False))
def test_the_result_is_the_same_in_any_order(results, random):
    shuffled = random.sample(results, len(results))

    assert _folded(shuffled) == _folded(results)
    assert str(_folded(shuffled)) == str(_folded(results))


@given(RESULTS)
def test_nothing_is_lost_and_each_warning_is_said_once(results):
    folded = _folded(results)

    assert {r.chunk_id for r in folded.chunk_results} == {r.chunk_id for r in results}
    assert folded.total_rows_processed == sum(r.rows_read for r in results)
    assert len(folded.warnings) == len(set(folded.warnings))


@given(RESULTS, st.integers(0, 50))
def test_a_chunk_that_never_began_is_in_the_result(results, count):
    chunks = [Chunk(i, ChunkKind.NULL_KEY) for i in range(count)]

    complete = with_unbegun(results, chunks)

    known = {r.chunk_id for r in results}
    assert [r.chunk_id for r in complete] == list(range(count))
    assert all(r.state is ChunkState.UNASSIGNED for r in complete if r.chunk_id not in known)


def _folded(results):
    return fold(results, run_id="r", seconds=1.0, rows_this_run=0, warnings=("z", "a"))
