"""Results and plans as text and HTML: what a terminal and a notebook show."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mapper_dask.parallel_models import ParallelProcessingResult

ERRORS_SHOWN = 3
"""More failures than this are counted: the first ones say what is wrong."""


def result_lines(result: ParallelProcessingResult) -> list[tuple[str, str]]:
    """Return a result's figures as (label, value) pairs."""
    return [
        ("run", result.run_id or "dry run"),
        ("chunks", f"{result.chunks_succeeded:,} of {result.chunks_total:,} committed"),
        ("rows read", f"{result.total_rows_processed:,}"),
        ("rows successful", f"{result.total_rows_successful:,}"),
        ("rows failed", f"{result.total_rows_failed:,}"),
        ("time", f"{result.processing_time:.2f} s, {result.rows_per_second:,.0f} rows/s"),
        ("one snapshot", "yes" if result.consistent else "no"),
    ]


def result_text(result: ParallelProcessingResult) -> str:
    """Return a result as the lines a terminal shows."""
    notes = [f"  warning: {text}" for text in result.warnings]
    notes += [f"  error: {text}" for text in _shortened(result.errors)]
    return "\n".join([_headline(result), *_aligned(result_lines(result)), *notes])


def result_html(result: ParallelProcessingResult) -> str:
    """Return a result as the table a notebook shows."""
    rows = result_lines(result)
    rows += [("warning", text) for text in result.warnings]
    rows += [("error", text) for text in _shortened(result.errors)]
    return f"<b>{html.escape(_headline(result))}</b>{html_table(rows)}"


def html_table(rows: Iterable[tuple[str, str]]) -> str:
    """Return (label, value) pairs as an HTML table; both are escaped."""
    cells = (
        f"<tr><th style='text-align:left'>{html.escape(label)}</th>"
        f"<td style='text-align:left'><pre style='margin:0'>{html.escape(value)}</pre></td></tr>"
        for label, value in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _headline(result: ParallelProcessingResult) -> str:
    return "run succeeded" if result.succeeded else "run FAILED"


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(label) for label, _ in rows)
    return [f"  {label:<{width}}  {value}" for label, value in rows]


def _shortened(errors: Sequence[str]) -> list[str]:
    more = len(errors) - ERRORS_SHOWN
    return [*errors[:ERRORS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
