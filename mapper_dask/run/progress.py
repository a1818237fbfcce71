"""How the events of a run are shown: a bar on a terminal or in a notebook, lines elsewhere."""

from __future__ import annotations

import contextlib
import html
import sys
from collections.abc import Iterator
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

from mapper_dask.run.events import Hook, RunEvent

STEPS = 10
"""Lines a log gets of one run: a tenth of the chunks each."""


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
    elif console.is_jupyter:
        yield _Cell(total)
    elif console.is_terminal:
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


class _Cell:
    """A bar in a notebook's output, drawn again in its place; needs no widgets."""

    def __init__(self, total: int) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._shown: Any = display(HTML(_cell_bar(0, total, "")), display_id=True)

    def __call__(self, event: RunEvent) -> None:
        self._shown.update(self._html(_cell_bar(event.done, event.total, str(event))))


def _cell_bar(done: int, total: int, text: str) -> str:
    return f"<progress value='{done}' max='{total}'></progress> {html.escape(text)}"


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
