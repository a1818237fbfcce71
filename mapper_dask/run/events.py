"""What a run tells while it works: one event a chunk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from mapper_dask.parallel_models import ChunkResult, ChunkState

logger = logging.getLogger("mapper_dask")


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One chunk ended."""

    run_id: str | None
    chunk: ChunkResult
    """What became of it."""
    done: int
    """Chunks of this run that have ended, this one included."""
    total: int
    """Chunks this process set out to do."""
    failed: int
    """Those of them that failed."""
    rows: int
    """Rows read by them."""
    seconds: float
    """Since the first chunk began."""

    @property
    def rows_per_second(self) -> float:
        """Rows read a second so far."""
        return self.rows / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return (
            f"{self.done}/{self.total} chunks{failed}, {self.rows:,} rows, "
            f"{self.rows_per_second:,.0f} rows/s"
        )


Hook = Callable[[RunEvent], None]


def log_event(event: RunEvent) -> None:
    """Write an event to the library's logger."""
    chunk = event.chunk
    logger.log(
        logging.WARNING if chunk.error else logging.INFO,
        "run=%s chunk=%s state=%s rows_read=%d rows_loaded=%d attempts=%d worker=%s seconds=%.3f",
        event.run_id,
        chunk.chunk_id,
        chunk.state.value,
        chunk.rows_read,
        chunk.rows_loaded,
        chunk.attempts,
        chunk.worker,
        chunk.processing_time,
    )


class Counter:
    """Turns results into events, counting as they come."""

    def __init__(self, run_id: str | None, total: int) -> None:
        self._last = RunEvent(run_id, _NO_CHUNK, 0, total, 0, 0, 0.0)

    def event(self, chunk: ChunkResult, seconds: float) -> RunEvent:
        """Return the event of the next chunk that ended."""
        last = self._last
        self._last = replace(
            last,
            chunk=chunk,
            done=last.done + 1,
            failed=last.failed + bool(chunk.error),
            rows=last.rows + chunk.rows_read,
            seconds=seconds,
        )
        return self._last

    @property
    def rows(self) -> int:
        """Rows read so far."""
        return self._last.rows


_NO_CHUNK = ChunkResult(-1, ChunkState.UNASSIGNED)
"""Stands until the first chunk ends."""
