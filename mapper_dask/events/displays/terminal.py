"""The display on a terminal: a bar for each run and a line for each worker.

Jobs of a flow run in threads of one process, and only one live display can draw on a terminal.
So all runs of a process share it: the first that begins opens it, the last that ends closes it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleRenderable, Group, RichCast
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from mapper_dask.events.run_events import (
    Progress,
    RunEnded,
    RunEvent,
    RunRefused,
    RunStarted,
    to_go,
)
from mapper_dask.ledger.run_record import RunState
from mapper_dask.rendering import chunks, counted, seconds

WORKERS_SHOWN = 8
"""Workers shown at most, those that ended a chunk last: a cluster may have more than fit."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker has processed so far."""

    name: str
    """Host and process."""
    chunks: int = 0
    rows: int = 0
    """Rows it read."""
    seconds: float = 0.0
    """Seconds it spent on its chunks."""
    last: str = ""
    """Its last chunk, as shown."""

    def after(self, event: RunEvent, run: str) -> Worker:
        """Return the counts after one more chunk."""
        chunk = event.chunk
        how = "failed" if chunk.error else f"{chunk.rows_read:,} rows"
        return replace(
            self,
            chunks=self.chunks + 1,
            rows=self.rows + chunk.rows_read,
            seconds=self.seconds + chunk.processing_time,
            last=f"{run} chunk {chunk.chunk_id}: {how} in {seconds(chunk.processing_time)}",
        )

    def __str__(self) -> str:
        speed = self.rows / self.seconds if self.seconds else 0.0
        return f"{self.name}  {chunks(self.chunks)}, {speed:,.0f} rows/s  {self.last}"


class Said(ProgressColumn):
    """The column after the number of chunks."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        return Text(f"{'chunk ' if task.total == 1 else 'chunks'}  {task.fields['said']}")


class Elapsed(TimeElapsedColumn):
    """The elapsed time; in milliseconds for a run that took less than a second."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        ended = task.finished_time if task.finished else task.stop_time and task.elapsed
        return super().render(task) if ended is None or ended >= 1 else Text(seconds(ended))


class Display:
    """The live display of all runs of this process; thread-safe."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.RLock()  # Live draws in the thread that starts or stops it
        self._live: Live | None = None
        self._bars = self._empty()
        self._workers: dict[str, Worker] = {}
        self._running: set[TaskID] = set()

    def begin(self, name: str, chunks: int) -> TaskID:
        """Add a run's bar, opening the display for the first; return its handle."""
        with self._lock:
            if self._live is None:
                self._open()
            task = self._bars.add_task(name, total=chunks, said="")
            self._running.add(task)
            return task

    def annotate(self, task: TaskID, said: str) -> None:
        """Show what a run does before its bar moves."""
        with self._lock:
            self._bars.update(task, said=said)

    def renew(self, task: TaskID, name: str, chunks: int) -> None:
        """Restart a bar to count a run's chunks."""
        with self._lock:
            self._bars.update(task, description=name, total=chunks, said="")

    def show(self, task: TaskID, name: str, event: RunEvent) -> None:
        """Update a run's bar, and the line of the worker that ended the chunk."""
        with self._lock:
            self._bars.update(task, completed=event.done, total=event.total, said=said(event))
            worker = event.chunk.worker
            if worker:
                known = self._workers.pop(worker, Worker(worker))
                self._workers[worker] = known.after(event, name)  # moved to the end: the latest

    def end(self, task: TaskID, said: str) -> None:
        """Stop a run's bar; close the display with the last one."""
        with self._lock:
            if said:
                self._bars.update(task, said=said)
            self._bars.stop_task(task)
            self._running.discard(task)
            if not self._running and self._live is not None:
                self._workers.clear()  # only the bars stay on the screen
                self._live.stop()
                self._live = None

    def _open(self) -> None:
        self._bars = self._empty()
        self._live = Live(console=self._console, get_renderable=self._drawn, refresh_per_second=4)
        self._live.start()

    def _drawn(self) -> Group:
        with self._lock:
            return Group(self._bars, *self._worker_lines())

    def _worker_lines(self) -> Iterable[ConsoleRenderable | RichCast | str]:
        latest = sorted(list(self._workers.values())[-WORKERS_SHOWN:], key=lambda w: w.name)
        lines = [Text(f"  {worker}", no_wrap=True, overflow="ellipsis") for worker in latest]
        more = len(self._workers) - len(latest)
        return [*lines, Text(f"  and {counted(more, 'worker')} more")] if more else lines

    def _empty(self) -> Bars:
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            Said(),
            Elapsed(),
        ]
        # Never started: rich allows one live display, and `_live` draws this inside it.
        return Bars(*columns, console=self._console)


def said(event: RunEvent) -> str:
    """Return the text beside the bar: counts, speed, time to go."""
    parts = [f"{event.rows:,} rows", f"{event.rows_per_second:,.0f} rows/s"]
    parts += [f"{event.rejected:,} rejected"] if event.rejected else []
    parts += [f"{event.failed:,} failed"] if event.failed else []
    parts += [f"ETA {to_go(event.eta)}"] if event.eta else []
    return ", ".join(parts)


class Bar(Progress):
    """One run's bar in the display."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._task: TaskID | None = None
        self._name = ""

    def reading(self, name: str, said: str) -> None:
        """Show how much was read of a query that is read once, before its run begins."""
        if self._task is None:
            self._task = self._display.begin(name, 1)
        self._display.annotate(self._task, said)

    def run_refused(self, refused: RunRefused) -> None:
        """Leave the bar of a run that does not begin, with the error."""
        if self._task is not None:
            self._display.end(self._task, refused.error)

    def run_started(self, started: RunStarted) -> None:
        """Show the empty bar."""
        self._name = started.name
        if self._task is None:
            self._task = self._display.begin(started.name, started.chunks)
        else:
            self._display.renew(self._task, started.name, started.chunks)

    def chunk_done(self, event: RunEvent) -> None:
        """Move the bar."""
        if self._task is not None:
            self._display.show(self._task, self._name, event)

    def run_ended(self, ended: RunEnded) -> None:
        """Leave the bar, with the error if the run did not succeed."""
        if self._task is not None:
            bad = ended.state is not RunState.SUCCEEDED
            self._display.end(self._task, _ending(ended) if bad else "")


def _ending(ended: RunEnded) -> str:
    return f"{ended.state.value} {ended.error or ''}".strip()


@functools.cache
def shared_display() -> Display:
    """Return this process's display, on the terminal of its standard error."""
    return Display(Console(stderr=True))
