"""From the results of chunks to the result of a run. Pure: the order of chunks never matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState, ParallelProcessingResult


def fold(
    results: Iterable[ChunkResult],
    *,
    run_id: str | None,
    seconds: float,
    rows_this_run: int,
    warnings: Sequence[str] = (),
) -> ParallelProcessingResult:
    """Return the sum of chunk results, given in any order."""
    ordered = tuple(sorted(results, key=lambda result: result.chunk_id))
    notes = dict.fromkeys([*warnings, *(note for result in ordered for note in result.warnings)])
    return ParallelProcessingResult(
        chunk_results=ordered,
        run_id=run_id,
        processing_time=seconds,
        consistent=one_snapshot(ordered),
        warnings=tuple(notes),
        rows_this_run=rows_this_run,
    )


def one_snapshot(results: Sequence[ChunkResult]) -> bool:
    """Return whether every committed chunk was read in the same snapshot."""
    snapshots = {result.snapshot for result in results if result.succeeded}
    return len(snapshots) == 1 and None not in snapshots


def with_unbegun(results: Iterable[ChunkResult], chunks: Sequence[Chunk]) -> list[ChunkResult]:
    """Return results with an UNASSIGNED one for each chunk that has none."""
    known = {result.chunk_id: result for result in results}
    return [
        known.get(
            chunk.chunk_id, ChunkResult(chunk.chunk_id, ChunkState.UNASSIGNED, chunk.describe())
        )
        for chunk in chunks
    ]
