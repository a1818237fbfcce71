"""A run's report as one self-contained HTML page. Pure: builds text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from mapper_dask.parallel_models import ChunkResult, ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.rendering import lasted, seconds

WIDTH, LANE, LEFT = 960, 22, 210
"""Pixels: the picture's width, the height of a worker's row, the width of its name."""

MOST_ROWS = 2000
"""Chunks listed; the picture has all of them."""

COLOURS = {
    ChunkState.PROCESSED: "#2b7a78",
    ChunkState.PROCESSED_WITH_ERROR: "#c0392b",
    ChunkState.ASSIGNED: "#d9a441",
    ChunkState.UNASSIGNED: "#999999",
}

STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1000px; padding: 0 1em;
       color: CanvasText; background: Canvas } :root { color-scheme: light dark }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse } td, th { padding: .2em .8em .2em 0; text-align: left;
       vertical-align: top } th { font-weight: 600 } td.n { text-align: right }
pre { white-space: pre-wrap; margin: 0; font-size: 12px } .bad { color: #c0392b }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: currentColor }
.chunks td { border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent) }
"""


@dataclass(frozen=True, slots=True)
class RunPage:
    """The facts of one run on a page."""

    title: str
    state: str
    target: str
    result: ParallelProcessingResult
    times: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    """Seconds since the first chunk began at which each began and ended."""
    rejects: Sequence[tuple[int, str, str]] = ()
    """Rows, stage and reason."""
    sql: str = ""
    error: str = ""


def page(title: str, runs: Sequence[RunPage]) -> str:
    """Return the page of some runs: one, or those of a flow's jobs."""
    body = "".join(_run(run) for run in runs)
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def _run(run: RunPage) -> str:
    result = run.result
    facts = [
        ("state", run.state),
        ("into", run.target),
        ("chunks", f"{result.chunks_succeeded:,} of {result.chunks_total:,} committed"),
        ("rows read", f"{result.total_rows_processed:,}"),
        ("rows loaded", f"{sum(c.rows_loaded for c in result.chunk_results):,}"),
        ("rows rejected", f"{result.total_rows_rejected:,}"),
        ("one snapshot", "yes" if result.consistent else "no"),
        ("time", lasted(max((end for _, end in run.times.values()), default=0.0))),
    ]
    notes = [("warning", text) for text in result.warnings]
    errors = [*([run.error] if run.error else []), *result.errors]
    parts = [
        f"<h2>{escape(run.title)}</h2>",
        _table([*facts, *notes]),
        "<h2>Chunks over time</h2>" + picture(result.chunk_results, run.times),
        _errors(errors),
        _rejects(run.rejects),
        "<h2>Query</h2><pre>" + escape(run.sql) + "</pre>" if run.sql else "",
        _chunks(result.chunk_results),
    ]
    return "".join(parts)


def _table(lines: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in lines
    )
    return f"<table>{rows}</table>"


def picture(chunks: Sequence[ChunkResult], times: Mapping[int, tuple[float, float]]) -> str:
    """Return a row for each worker with its chunks over time, as SVG."""
    shown = [chunk for chunk in chunks if chunk.chunk_id in times]
    if not shown:
        return "<p>No chunk has ended.</p>"
    workers = sorted({chunk.worker for chunk in shown})
    end = max(stop for _, stop in times.values()) or 1.0
    scale = (WIDTH - LEFT - 10) / end
    height = LANE * len(workers) + 24
    parts = [f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='chunks over time'>"]
    for lane, worker in enumerate(workers):
        y = lane * LANE
        parts.append(f"<text x='0' y='{y + 15}'>{escape(worker or 'unknown')}</text>")
        parts += [
            _bar(chunk, *times[chunk.chunk_id], scale=scale, y=y)
            for chunk in shown
            if chunk.worker == worker
        ]
    parts += [_tick(end * part / 4, scale, height) for part in range(5)]
    return "".join([*parts, "</svg>"])


def _bar(chunk: ChunkResult, start: float, stop: float, *, scale: float, y: int) -> str:
    x, width = LEFT + start * scale, max(1.0, (stop - start) * scale - 0.5)
    said = (
        f"chunk {chunk.chunk_id} {chunk.bounds}: {chunk.state.value}, {chunk.rows_loaded:,} rows "
        f"in {seconds(stop - start)}, attempt {chunk.attempts}"
    )
    return (
        f"<rect x='{x:.1f}' y='{y + 3}' width='{width:.1f}' height='{LANE - 6}' "
        f"fill='{COLOURS[chunk.state]}'><title>{escape(said)}</title></rect>"
    )


def _tick(time: float, scale: float, height: int) -> str:
    x = LEFT + time * scale
    anchor = "end" if x > WIDTH - 40 else "middle"
    return f"<text x='{x:.1f}' y='{height - 6}' text-anchor='{anchor}'>{seconds(time)}</text>"


def _errors(errors: Sequence[str]) -> str:
    if not errors:
        return ""
    texts = "".join(f"<pre class='bad'>{escape(text)}</pre>" for text in errors)
    return f"<h2>Errors</h2>{texts}"


def _rejects(rejects: Sequence[tuple[int, str, str]]) -> str:
    if not rejects:
        return ""
    rows = "".join(
        f"<tr><td class='n'>{rows:,}</td><td>{escape(stage)}</td><td>{escape(reason)}</td></tr>"
        for rows, stage, reason in rejects
    )
    heads = "<tr><th>rows</th><th>stage</th><th>reason</th></tr>"
    return f"<h2>Rejected rows</h2><table>{heads}{rows}</table>"


def _chunks(chunks: Sequence[ChunkResult]) -> str:
    names = ("chunk", "rows", "state", "read", "loaded", "rejected", "attempts", "seconds")
    heads = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(_chunk(chunk) for chunk in chunks[:MOST_ROWS])
    more = len(chunks) - MOST_ROWS
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    return f"<h2>Chunks</h2><table class='chunks'><tr>{heads}</tr>{rows}</table>{rest}"


def _chunk(chunk: ChunkResult) -> str:
    counts = (chunk.rows_read, chunk.rows_loaded, chunk.rows_rejected, chunk.attempts)
    cells = "".join(f"<td class='n'>{count:,}</td>" for count in counts)
    bad = " class='bad'" if chunk.error else ""
    return (
        f"<tr><td class='n'>{chunk.chunk_id}</td><td>{escape(chunk.bounds)}</td>"
        f"<td{bad}>{chunk.state.value}</td>{cells}"
        f"<td class='n'>{chunk.processing_time:.2f}</td></tr>"
    )
