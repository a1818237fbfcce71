"""From the results to the document. It measures nothing, so it can be done again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.tpch import figures
from benchmarks.tpch.checks import Check, checks
from benchmarks.tpch.results import Results
from benchmarks.tpch.ways import STRATEGIES, Way

DOCUMENT = "benchmarks.md"
FONTS = Path(".bench-cache", "matplotlib")
"""Where Matplotlib keeps what it knows of fonts, if nobody says otherwise; not in the home."""
WAYS_PLOT, SCALING_PLOT = "benchmarks-ways.svg", "benchmarks-scaling.svg"

INTRODUCTION = """# Benchmarks

TPC-H `lineitem` from one PostgreSQL database into another, by this library and by others. Written
by `{command}` on {date}; `benchmarks/README.md` says what is compared and how.

- {cores} cores ({cpu}), {memory_gb} GB, {system}; server and clients share them
- PostgreSQL {postgresql}, its defaults but for {settings}
- Python {python}, {libraries}
- {rows:,} rows
"""

WAYS_NOTE = """
All ways took turns, {rounds} rounds; figures are medians. *Time per row* is taken within each round
against that round's limit (two streams of `COPY`, by {limit_client}), which is 1; lower is faster.
After each timing the target was compared with what SQL makes of the source: count, and a digest of
every row. Ways that are slow moved the first rows only.
"""

SCALING_NOTE = """
The transform, chunks of automatic size. *Peak* is the largest resident memory of a worker process
(VmHWM) over its life, sizes ascending; *idle* is what it was before, after the imports and a first
small run; *chunk* is the largest chunk's bytes as binary COPY.
"""


def render(results: Results, folder: Path) -> None:
    """Write the document and its plots."""
    os.environ.setdefault("MPLCONFIGDIR", str(FONTS.absolute()))
    from benchmarks.tpch import plots  # matplotlib is not for the worker processes

    folder.mkdir(parents=True, exist_ok=True)
    plots.ways(results, folder / WAYS_PLOT)
    if results.cells:
        plots.scaling(results, folder / SCALING_PLOT)
    (folder / DOCUMENT).write_text(document(results), encoding="utf-8")


def document(results: Results) -> str:
    """Return the document as Markdown."""
    parts = [_introduction(results)]
    if not results.complete:
        parts.append("**This run was interrupted; what is missing was not measured.**\n")
    parts += ["## Claims\n", _checks_table(checks(results))]
    for workload in ("identity", "transform"):
        parts += [f"## {workload.capitalize()}\n", _ways_table(results, workload)]
    parts += [f"![time per row]({WAYS_PLOT})\n", WAYS_NOTE.strip().format(**_facts(results)) + "\n"]
    if missing := _not_run(results):
        parts += ["Not run:\n", missing]
    if results.cells:
        parts += ["## Scaling\n", SCALING_NOTE.strip() + "\n", _scaling_table(results)]
        parts += [f"![scaling]({SCALING_PLOT})\n"]
    return "\n".join(parts)


def _facts(results: Results) -> dict[str, object]:
    facts = results.facts
    settings = ", ".join(f"`{name}={value}`" for name, value in facts["settings"].items())
    libraries = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    done = len([one for one in results.rounds if one])
    return {**facts, "settings": settings, "libraries": libraries, "rounds": done}


def _introduction(results: Results) -> str:
    return INTRODUCTION.format(**_facts(results))


def table(header: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; ``align`` has an l or an r for each column."""
    marks = ["--:" if letter == "r" else "---" for letter in align]
    lines = [header, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _checks_table(some: Sequence[Check]) -> str:
    def line(check: Check) -> list[str]:
        sign = "≥" if check.at_least else "≤"
        by = f" (`{check.by}`)" if check.by else ""
        return [
            check.claim + by,
            _number(check.measured, check),
            f"{sign} {_number(check.bound, check)}",
            check.verdict,
        ]

    return table(("claim", "measured", "bound", ""), "lrrl", map(line, some))


def _number(value: float | None, check: Check) -> str:
    if value is None:
        return "-"
    digits = 0 if check.unit == "MB" else 3 if check.bound < 0.1 else 2 if value < 10 else 1
    return f"{value:.{digits}f} {check.unit}".strip()


def _ways_table(results: Results, workload: str) -> str:
    header = ("way", "rows", "seconds", "rows/s", "time per row", "rounds", "planning", "remarks")
    lines = (_way_line(results, way, workload) for way in figures.shown(results, workload))
    return table(header, "lrrrrrrl", lines)


def _way_line(results: Results, way: Way, workload: str) -> list[str]:
    some = figures.timings(results, way.name)
    seconds = figures.median(one.seconds for one in some)
    speed = figures.median(1 / one.per_row for one in some)
    ratio, planning = figures.to_limit(results, way.name), figures.planning_share(some)
    return [
        f"**{way.label}**" if way.kind == "ours" else way.label,
        f"{some[0].rows:,}",
        f"{seconds:.2f}",
        f"{speed:,.0f}",
        "-" if ratio is None else f"{ratio:.2f}",
        str(len(some)),
        "" if planning is None else f"{planning:.1%}",
        "; ".join(_remarks(results, way, workload)),
    ]


def _remarks(results: Results, way: Way, workload: str) -> Iterator[str]:
    if way.kind == "limit" and workload == "transform":
        yield "without the transform"
    if way.function:
        yield f"function: {way.function}"
    if way.lossy:
        yield "**lossy**"
    if way.note:
        yield way.note
    versions = results.ways.get(way.name, {}).get("versions", {})
    if versions:
        yield ", ".join(f"{name} {version}" for name, version in versions.items())


def _not_run(results: Results) -> str:
    lines = [
        f"- `{name}`: {said['not_run']}" for name, said in results.ways.items() if "not_run" in said
    ]
    return "\n".join(lines) + "\n" if lines else ""


def _scaling_table(results: Results) -> str:
    header = ("strategy", "workers", "rows", "seconds", "rows/s", "planning", "chunks",
              "chunk, MB", "idle, MB", "peak, MB")  # fmt: skip
    keys = dict.fromkeys((c.strategy, c.workers, c.timing.rows) for c in results.cells)
    return table(
        header, "lrrrrrrrrr", (_scaling_line(results, *key) for key in sorted(keys, key=_place))
    )


def _place(key: tuple[str, int, int]) -> tuple[int, int, int]:
    strategies = (*STRATEGIES, "OFFSET_LIMIT")
    return strategies.index(key[0]), key[2], key[1]


def _scaling_line(results: Results, strategy: str, workers: int, rows: int) -> list[str]:
    some = figures.cells(results, strategy=strategy, workers=workers, rows=rows)
    seconds = figures.median(cell.timing.seconds for cell in some)
    planning = figures.planning_share(cell.timing for cell in some)
    return [
        strategy,
        str(workers),
        f"{rows:,}",
        f"{seconds:.2f}",
        f"{figures.rate(some):,.0f}",
        f"{planning:.1%}",
        str(some[0].timing.chunks),
        f"{max(cell.chunk_bytes for cell in some) / 1e6:.0f}",
        f"{max(cell.idle for cell in some) / 1e6:.0f}",
        f"{max(cell.peak for cell in some) / 1e6:.0f}",
    ]
