"""The document's plots: on no background, in greys and blues that a light and a dark page show."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.tpch import figures
from benchmarks.tpch.results import Cell, Results
from benchmarks.tpch.scaling import USUAL_WORKERS
from benchmarks.tpch.ways import STRATEGIES, Way

INK = "#808080"
COLOURS = {"limit": "#8c8c8c", "ours": "#2f81f7", "peer": "#d29922"}
LINES = {"ROWID_BASED": "#2f81f7", "KEY_BASED": "#d29922", "OFFSET_LIMIT": "#8c8c8c"}

mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same results give the same file


def ways(results: Results, file: Path) -> None:
    """Draw the time per row of each way, where the limit's is 1."""
    tables = {workload: figures.shown(results, workload) for workload in ("identity", "transform")}
    heights = [max(1, len(some)) for some in tables.values()]
    figure = Figure(figsize=(8, 1.6 + 0.27 * sum(heights)), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for axis, (workload, some) in zip(axes, tables.items(), strict=True):
        _bars(axis, results, workload, some)
    axes[-1].set_xlabel("time per row, limit = 1 (log scale; shorter is faster)", color=INK)
    _save(figure, file)


def _bars(axis: Axes, results: Results, workload: str, some: list[Way]) -> None:
    ratios = [figures.to_limit(results, way.name) or 1.0 for way in some]
    labels = [way.label.replace("`", "") + (" (lossy)" if way.lossy else "") for way in some]
    bars = axis.barh(range(len(some)), ratios, color=[COLOURS[way.kind] for way in some])
    axis.bar_label(bars, [f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}" for ratio in ratios],
                   padding=3, color=INK, fontsize=8)  # fmt: skip
    axis.set_yticks(range(len(some)), labels, fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.axvline(1, color=INK, linewidth=0.8)
    axis.margins(x=0.12)
    _style(axis, workload)


def scaling(results: Results, file: Path) -> None:
    """Draw the rate and the peak memory by rows, and the rate by workers."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    by_rows, memory, by_workers = figure.subplots(1, 3)
    sizes = results.facts["scaling_rows"]
    middle = sizes[len(sizes) // 2]
    counts = sorted({cell.workers for cell in results.cells})
    for strategy in (*STRATEGIES, "OFFSET_LIMIT"):
        grown = [(rows, _cells(results, strategy, USUAL_WORKERS, rows)) for rows in sizes]
        _line(by_rows, strategy, [(x, figures.rate(some)) for x, some in grown if some])
        _line(memory, strategy, [(x, max(c.peak for c in some) / 1e6) for x, some in grown if some])
        if strategy in STRATEGIES:
            added = [(n, _cells(results, strategy, n, middle)) for n in counts]
            _line(by_workers, strategy, [(n, figures.rate(some)) for n, some in added if some])
    for axis, title, below in (
        (by_rows, "rows/s", "rows"),
        (memory, "peak of a worker, MB", "rows"),
        (by_workers, f"rows/s, {middle:,} rows", "workers"),
    ):
        axis.margins(y=0.1)
        axis.set_ylim(bottom=0)
        axis.set_xlabel(below, color=INK)
        _style(axis, title)
    by_workers.set_xticks(counts)
    by_rows.legend(labelcolor=INK, frameon=False, fontsize=8)
    _save(figure, file)


def _cells(results: Results, strategy: str, workers: int, rows: int) -> list[Cell]:
    return figures.cells(results, strategy=strategy, workers=workers, rows=rows)


def _line(axis: Axes, strategy: str, points: list[tuple[int, float | None]]) -> None:
    if points:
        xs, ys = zip(*points, strict=True)
        axis.plot(xs, ys, marker="o", color=LINES[strategy], label=strategy)


def _style(axis: Axes, title: str) -> None:
    axis.set_title(title, color=INK, fontsize=10)
    axis.tick_params(colors=INK, labelsize=8)
    axis.set_facecolor("none")
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(INK)
    axis.xaxis.get_offset_text().set_color(INK)
    axis.yaxis.get_offset_text().set_color(INK)


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, transparent=True, metadata={"Date": None})
