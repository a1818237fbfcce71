"""What a run tells while it works: one event a chunk, to a log, a screen, or a user's function."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mapper_dask.parallel_models import ChunkResult, ChunkState

logger = logging.getLogger("mapper_dask")

STEPS = 10
"""Lines a log gets of one run: a tenth of the chunks each."""


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


@contextlib.contextmanager
def progress_hook(progress: Hook | bool | None, total: int) -> Iterator[Hook]:  # noqa: FBT001
    """Lend the function that shows events.

    Parameters
    ----------
    progress
        A function of the user's; True to show; False not to; None to show on a terminal or in a
        notebook only.
    total
        Chunks to come.
    """
    if callable(progress):
        yield progress
        return
    console = Console(stderr=True)
    interactive = console.is_terminal or console.is_jupyter
    if progress is False or (progress is None and not interactive):
        yield _silent
    elif interactive:
        with _bar(console, total) as hook:
            yield hook
    else:
        yield _Lines(sys.stderr)


@contextlib.contextmanager
def _bar(console: Console, total: int) -> Iterator[Hook]:
    columns: list[Any] = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("chunks  {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("mapper_dask", total=total, rate="")

        def show(event: RunEvent) -> None:
            failed = f", {event.failed} failed" if event.failed else ""
            rate = f"{event.rows:,} rows, {event.rows_per_second:,.0f} rows/s{failed}"
            bar.update(task, completed=event.done, rate=rate)

        yield show


class _Lines:
    """A line for each tenth of the chunks, for a log or a CI job."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0

    def __call__(self, event: RunEvent) -> None:
        tenth = event.done * STEPS // event.total
        if tenth > self._shown:
            self._shown = tenth
            print(event, file=self._stream, flush=True)


def _silent(_: RunEvent) -> None:
    return None


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
