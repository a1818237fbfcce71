"""Displays without a terminal: lines in a log, a bar in a notebook's cell."""

from __future__ import annotations

import html
from typing import Any, TextIO

from mapper_dask.events.run_events import Progress, RunEnded, RunEvent, RunStarted
from mapper_dask.ledger.run_record import RunState

STEPS = 10
"""Lines printed for one run: one for each tenth of the chunks."""


class LineDisplay(Progress):
    """A line for each tenth of the chunks, and one for an end that came before the last."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0
        self._name = ""
        self._last: RunEvent | None = None

    def reading(self, name: str, said: str) -> None:
        """Print how much was read of a query that is read once, before its run begins."""
        self._stream.write(f"{name}: {said}\n")
        self._stream.flush()

    def run_started(self, started: RunStarted) -> None:
        """Prefix the lines of a flow's job with its name, since jobs print to one stream."""
        self._name = f"{started.place.job}: " if started.place else ""

    def chunk_done(self, event: RunEvent) -> None:
        """Print the chunk that completes a tenth."""
        tenth = event.done * STEPS // event.total
        if event.done == 1:
            self._shown = 0  # a run whose query is read again counts from the start
        if tenth > self._shown:
            self._shown = tenth
            self._print(str(event))
        self._last = event

    def run_ended(self, ended: RunEnded) -> None:
        """Print how the run ended, unless it succeeded."""
        if ended.state is not RunState.SUCCEEDED:
            how = f"{ended.state.value}: {ended.error}" if ended.error else ended.state.value
            self._print(f"run {ended.started.run_id} {how}; {self._last or 'no chunk ended'}")

    def _print(self, text: str) -> None:
        # One write a line: the lines of jobs that run at a time must not mix.
        self._stream.write(f"{self._name}{text}\n")
        self._stream.flush()


class Cell(Progress):
    """A bar in a notebook's output, redrawn in place; needs no widgets."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._display: Any = display
        self._shown: Any = None
        self._name = ""

    def reading(self, name: str, said: str) -> None:
        """Draw how much was read of a query that is read once, before its run begins."""
        self._draw(html.escape(f"{name}: {said}"))

    def run_started(self, started: RunStarted) -> None:
        """Draw the empty bar."""
        self._name = f"{started.place.job}: " if started.place else ""
        self._draw(_bar(0, started.chunks, self._name))

    def _draw(self, text: str) -> None:
        if self._shown is None:
            self._shown = self._display(self._html(text), display_id=True)
        else:
            self._shown.update(self._html(text))

    def chunk_done(self, event: RunEvent) -> None:
        """Redraw the bar."""
        if self._shown is not None:
            text = f"{self._name}{event}"
            self._shown.update(self._html(_bar(event.done, event.total, text)))


def _bar(done: int, total: int, text: str) -> str:
    return f"<progress value='{done}' max='{total}'></progress> {html.escape(text)}"
