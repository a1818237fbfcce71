"""Jobs, chunks and results as values: refusals, round trips, totals, what they show."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mapper_dask.errors import ConfigurationError, RunFailedError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import Chunk, ChunkingStrategy, ChunkKind, ChunkResult, ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult

CHUNKS = [
    Chunk(0, ChunkKind.WHOLE),
    Chunk(1, ChunkKind.KEY_RANGE, lower=None, upper=("a", "é\n"), estimated_rows=5),
    Chunk(2, ChunkKind.KEY_RANGE, lower=("",), upper=None),
    Chunk(3, ChunkKind.NULL_KEY),
    Chunk(4, ChunkKind.WINDOW, offset=10, limit=5),
    Chunk(5, ChunkKind.WINDOW, offset=15),
    Chunk(6, ChunkKind.ROWID_RANGE, lower=("(0,0)",), upper=("(9,0)",)),
]


def job(**changes) -> MapperJob:
    return MapperJob(**{"source_conn": "env:SOURCE", "source_sql": "SELECT 1 AS a", **changes})


def outcome(*results: ChunkResult, **more) -> ParallelProcessingResult:
    return ParallelProcessingResult(results, **{"run_id": "r1", **more})


DONE = ChunkResult(
    0, ChunkState.PROCESSED, "[1, 5)", rows_read=10, rows_out=9, rows_loaded=7, rows_rejected=2
)
FAILED = ChunkResult(1, ChunkState.PROCESSED_WITH_ERROR, "[5, 9)", rows_read=4, error="<b>boom</b>")
UNBEGUN = ChunkResult(2, ChunkState.UNASSIGNED, "[9, +∞)")


@pytest.mark.parametrize("chunk", CHUNKS)
def test_a_chunk_comes_back_equal_from_json(chunk):
    assert Chunk.from_json(json.loads(json.dumps(chunk.to_json()))) == chunk


@pytest.mark.parametrize("chunk", CHUNKS)
def test_a_chunk_says_in_one_line_which_rows_it_is(chunk):
    shown = {0: "all rows", 3: "key IS NULL", 4: "rows 10 to 15", 5: "rows 15 to end"}

    assert chunk.describe() == shown.get(chunk.chunk_id, chunk.describe())
    assert chunk.describe()


def test_open_ends_are_shown_as_infinite():
    assert CHUNKS[1].describe().startswith("[-∞, ")
    assert CHUNKS[2].describe().endswith(", +∞)")


REFUSED = {
    "source_sql": ["", "  \n"],
    "chunk_size": [0, -1, True, 1.5, "10", None],
    "on_error": ["ignore", None],
    "dtype_backend": ["numpy", None],
    "transformation_logic": ["upper", 3],
    "write_disposition": ["upsert", None],
    "reject_limit": [-1, True, 1.5, "1", None],
    "newest_by": ["a"],
    "primary_key": [[], 3, ["a", "a"]],
    "columns": ["id", [], ()],
    "strategy": ["BY_HAND", 3],
    "target_table": ["t"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in REFUSED.items() for value in values]
)
def test_a_bad_field_is_refused_by_name(field, value):
    with pytest.raises(ConfigurationError, match=rf"^{field} ") as refused:
        job(**{field: value}).validated()

    assert refused.value.details["field"] == field


def test_a_target_connection_without_a_table_is_refused():
    with pytest.raises(ConfigurationError, match="target_table"):
        job(target_conn="env:TARGET").validated()


@pytest.mark.parametrize(
    ("field", "value"),
    [("columns", 5), ("strategy", ["KEY_BASED"]), ("key_column", 5), ("source_sql", None)],
)
def test_a_field_of_a_wrong_type_is_refused_by_name(field, value):
    with pytest.raises(ConfigurationError, match=rf"^{field} "):
        job(**{field: value}).validated()


def test_a_column_named_twice_is_refused():
    with pytest.raises(ConfigurationError, match="columns"):
        job(columns=["a", "a"]).validated()


def test_a_chunk_size_may_be_any_integer():
    assert job(chunk_size=np.int64(5)).validated().chunk_size == 5


@pytest.mark.parametrize("given", ["key_based", "KEY_BASED", ChunkingStrategy.KEY_BASED])
def test_a_strategy_may_be_named(given):
    assert job(strategy=given).validated().strategy is ChunkingStrategy.KEY_BASED


@pytest.mark.parametrize(
    ("given", "columns"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b"))]
)
def test_key_columns_are_a_tuple(given, columns):
    assert job(key_column=given).key_columns == columns


def test_a_job_does_not_show_its_connections():
    assert "s3cret" not in repr(job(source_conn="postgresql://u:s3cret@h/d"))


def test_a_job_is_changed_by_evolving_a_copy():
    first = job()

    assert first.evolve(chunk_size=7).chunk_size == 7
    assert first.chunk_size == 50_000
    with pytest.raises(AttributeError):
        first.chunk_size = 7


def test_totals_add_up_what_committed_and_what_failed():
    result = outcome(DONE, FAILED, UNBEGUN, processing_time=2.0, rows_this_run=14)

    assert result.total_rows_processed == 14
    assert result.total_rows_successful == 7
    assert result.total_rows_failed == 2 + 4
    assert (result.chunks_total, result.chunks_succeeded, result.chunks_failed) == (3, 1, 1)
    assert result.rows_per_second == 7
    assert not result.succeeded


def test_a_dry_run_counts_what_the_function_returned():
    assert outcome(DONE, run_id=None).total_rows_successful == 9


def test_no_time_is_no_speed():
    assert outcome(DONE).rows_per_second == 0


def test_raise_for_status_returns_a_result_that_succeeded():
    result = outcome(DONE)

    assert result.raise_for_status() is result


def test_raise_for_status_names_the_first_failure_and_how_to_finish():
    with pytest.raises(RunFailedError, match=r"2 of 3 chunks.*resume\('r1'\).*chunk 1 \[5, 9\)"):
        outcome(DONE, FAILED, UNBEGUN).raise_for_status()


def test_raise_for_status_tells_of_chunks_that_never_began():
    with pytest.raises(RunFailedError, match="not begun"):
        outcome(UNBEGUN).raise_for_status()


def test_the_frame_has_a_row_a_chunk_and_plain_states():
    frame = outcome(DONE, FAILED).to_frame()

    assert list(frame["chunk_id"]) == [0, 1]
    assert list(frame["state"]) == ["PROCESSED", "PROCESSED_WITH_ERROR"]
    assert list(outcome().to_frame().columns) == list(frame.columns)


def test_the_text_tells_totals_warnings_and_errors():
    text = str(outcome(DONE, FAILED, warnings=("price: rounded",)))

    assert text.startswith("run FAILED")
    assert "1 of 2 committed" in text
    assert "warning: price: rounded" in text
    assert "error: chunk 1 [5, 9): <b>boom</b>" in text


def test_many_errors_are_counted_after_the_first():
    failures = [ChunkResult(i, ChunkState.PROCESSED_WITH_ERROR, error="no") for i in range(10)]

    assert "and 7 more" in str(outcome(*failures))


def test_the_html_is_escaped():
    shown = outcome(FAILED, run_id="<i>", warnings=("<script>",))._repr_html_()

    assert not [tag for tag in ("<i>", "<script>", "<b>boom") if tag in shown]
    assert "&lt;b&gt;boom" in shown
