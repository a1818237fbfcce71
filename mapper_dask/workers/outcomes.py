"""Results of chunk tasks, and what follows from a failed one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mapper_dask.chunk.task import ChunkTask
from mapper_dask.log import log
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState


class OneRaised:
    """Keeps the first exception among chunk results and drops the others, of up to 64 KB each."""

    def __init__(self) -> None:
        self._has_one = False

    def kept(self, result: ChunkResult) -> ChunkResult:
        """Return a result, without its exception if another has one; its text stays."""
        if result.raised is None:
            return result
        if self._has_one:
            return replace(result, raised=None)
        self._has_one = True
        return result


def emptied(results: list[ChunkResult]) -> Iterator[ChunkResult]:
    """Yield results and remove them from the list."""
    while results:
        yield results.pop(0)


def shipping(task: ChunkTask, unread: ChunkResult) -> ChunkTask:
    """Return the task that sends files along: a worker that joined does not see their folder."""
    if not task.read.ships:
        run_id = None if task.load is None else task.load.run_id
        fields = {"run": run_id, "worker": unread.worker, "why": unread.error}
        note = "each chunk's rows are sent with its task from now on"
        log("spool_shipped", logging.WARNING, **fields, note=note)
    return replace(task, read=replace(task.read, ships=True))


_DIED = (
    "each worker process that ran this chunk died. Most often its memory ran out (give it more, or "
    "take a smaller chunk_size), or transformation_logic ended it (os._exit, or a crash in C code)"
)
"""Why a chunk failed that Dask gave up: its own text advises to read logs that runs do not keep."""


def lost(chunk: Chunk, outcome: Any) -> ChunkResult:
    """Return the failed result of a chunk whose task did not return one."""
    error = outcome[1] if isinstance(outcome, tuple) else outcome
    kind = type(error).__name__
    text = f"{kind}: {_DIED if kind == 'KilledWorker' else error}"
    return ChunkResult(
        chunk.chunk_id, ChunkState.PROCESSED_WITH_ERROR, chunk.describe(), error=text
    )
