"""Sums the results of chunks to the result of a run. Pure: the order never matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult


def fold(
    results: Iterable[ChunkResult],
    *,
    run_id: str | None,
    seconds: float,
    rows_this_run: int,
    warnings: Sequence[str] = (),
    error: str | None = None,
    published: bool = True,
) -> ParallelProcessingResult:
    """Return the sum of chunk results, given in any order."""
    ordered = tuple(sorted(results, key=lambda result: result.chunk_id))
    of_chunks = (note for result in ordered for note in result.warnings)
    notes = dict.fromkeys([*warnings, *of_chunks, *snapshot_notes(ordered)])
    return ParallelProcessingResult(
        chunk_results=ordered,
        run_id=run_id,
        processing_time=seconds,
        consistent=one_snapshot(ordered),
        warnings=tuple(notes),
        rows_this_run=rows_this_run,
        error=error,
        published=published,
    )


def snapshot_notes(results: Sequence[ChunkResult]) -> list[str]:
    """Return notes on a run whose chunks should have read one snapshot, and did not."""
    done = [result.snapshot for result in results if result.succeeded]
    if one_snapshot(results) or not any(done):
        return []
    states = len(set(done) - {None})
    later = sum(snapshot is None for snapshot in done)
    parts = [f"{states} snapshots" if states > 1 else "a snapshot"]
    parts += [f"what was committed when each of {later:,} chunks was read"] if later else []
    note = (
        f"the source was not read in one state but in {' and '.join(parts)}: its keeper was lost, "
        "or the run was resumed"
    )
    return [note]


def one_snapshot(results: Sequence[ChunkResult]) -> bool:
    """Return whether every committed chunk was read in the same snapshot."""
    snapshots = {result.snapshot for result in results if result.succeeded}
    return len(snapshots) == 1 and None not in snapshots


def with_unbegun(results: Iterable[ChunkResult], chunks: Sequence[Chunk]) -> list[ChunkResult]:
    """Return results, with an UNASSIGNED one for each chunk without."""
    known = {result.chunk_id: result for result in results}
    return [
        known.get(
            chunk.chunk_id, ChunkResult(chunk.chunk_id, ChunkState.UNASSIGNED, chunk.describe())
        )
        for chunk in chunks
    ]


def with_errors(known: Iterable[ChunkResult], seen: Iterable[ChunkResult]) -> list[ChunkResult]:
    """Return results from the ledger, completed by those of this process.

    These have errors that no worker could enter there, and exceptions of the user's function.
    """
    reported = {result.chunk_id: result for result in seen if result.error}
    return [_with_error(result, reported.get(result.chunk_id)) for result in known]


def unsaid(known: Sequence[ChunkResult], seen: Iterable[ChunkResult]) -> str | None:
    """Return why a run has not finished, if no unfinished chunk has an error that explains it.

    The chunk that reported the error may have been committed nevertheless.
    """
    if all(result.succeeded for result in known) or any(
        result.error for result in known if not result.succeeded
    ):
        return None
    stopped = "some chunks were not begun: somebody else has stopped this run, or goes on with it"
    return next((result.error for result in seen if result.error), stopped)


def _with_error(result: ChunkResult, reported: ChunkResult | None) -> ChunkResult:
    if result.succeeded or reported is None:
        return result
    if not result.error:
        return reported
    return replace(result, raised=reported.raised, of_the_job=reported.of_the_job)
