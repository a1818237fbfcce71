"""Lines of (label, value) as a terminal and as a notebook show them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

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
        f"<tr><th style='text-align:left'>{html.escape(label)}</th>"
        f"<td style='text-align:left'><pre style='margin:0'>{html.escape(value)}</pre></td></tr>"
        for label, value in lines
    )
    return f"<b>{html.escape(headline)}</b><table>{''.join(cells)}</table>"
