"""Formats (label, value) lines, counts and times for a terminal and a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

MINUTE, HOUR, DAY = 60, 3_600, 86_400
"""Seconds."""

SPANS = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"))

BESIDE = "start-up, planning and publication"
"""What a run does besides moving rows."""

Line = tuple[str, str]
"""A label and a value."""


def as_text(headline: str, lines: Sequence[Line], *, notes: Iterable[str] = ()) -> str:
    """Return a headline, aligned lines, and notes below them."""
    width = max(len(label) for label, _ in lines)
    aligned = (f"  {label:<{width}}  {value}" for label, value in lines)
    return "\n".join([headline, *aligned, *(f"  {note}" for note in notes)])


def as_html(headline: str, lines: Iterable[Line]) -> str:
    """Return a headline over a table; both are escaped."""
    cells = (
        f"<tr><th style='text-align:left'>{html.escape(label)}</th><td style='text-align:left'>"
        f"<pre style='margin:0;color:inherit;background:none'>{html.escape(value)}</pre></td></tr>"
        for label, value in lines
    )
    return f"<b>{html.escape(headline)}</b><table style='color:inherit'>{''.join(cells)}</table>"


def counted(number: int, thing: str) -> str:
    """Return a number of things, in the plural unless it is one."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def chunks(number: int) -> str:
    """Return a number of chunks, in the plural unless it is one."""
    return counted(number, "chunk")


def rejected(rows: int) -> str:
    """Return the words after "succeeded" where rows were rejected; empty where none were."""
    return f", {counted(rows, 'row')} rejected" if rows else ""


def seconds(number: float) -> str:
    """Return a time in seconds, or a short one in milliseconds."""
    return f"{number:.2f} s" if round(number, 3) >= 1 else f"{number * 1000:,.0f} ms"


def lasted(number: float) -> str:
    """Return how long something took, in two units if a minute or longer."""
    if number < MINUTE:
        return seconds(number)
    whole = int(number)
    for size, unit, part, smaller in SPANS:
        if whole >= size:
            return f"{whole // size:,} {unit} {whole % size // part} {smaller}"
    raise AssertionError  # pragma: no cover - a minute is the last of them


def taken(moving: float, whole: float, rows: int, *, beside: str = BESIDE) -> str:
    """Return how long a run took, with the rate for each time.

    Parameters
    ----------
    moving
        Seconds while chunks ran.
    whole
        Seconds with all that comes before and after; 0.0 if not known.
    beside
        What comes before and after.
    """
    if not moving and not rows:
        return f"nothing was moved by this call{f', which took {seconds(whole)}' if whole else ''}"
    text = f"moved in {seconds(moving)}{_rate(rows, moving)}"
    if not whole:
        return text
    return f"{text}; {seconds(whole)}{_rate(rows, whole)} with {beside}"


def _rate(rows: int, time: float) -> str:
    return f" ({rows / time:,.0f} rows/s)" if time and rows else ""
