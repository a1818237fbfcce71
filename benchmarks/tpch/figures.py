"""Medians and ratios from the results. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.tpch.results import Cell, Results
from benchmarks.tpch.timing import Timing
from benchmarks.tpch.ways import LIMIT, PEERS, Way, ours


def timings(results: Results, name: str) -> list[Timing]:
    """Return a way's timings, one a round it was in."""
    return [one[name] for one in results.rounds if name in one]


def paired(results: Results, slow: str, fast: str) -> list[float]:
    """Return how many times as long one way takes a row as another, within each round."""
    return [
        one[slow].per_row / one[fast].per_row
        for one in results.rounds
        if slow in one and fast in one
    ]


def median(values: Iterable[float]) -> float | None:
    """Return the median, or None where there is nothing."""
    found = list(values)
    return statistics.median(found) if found else None


def to_limit(results: Results, name: str) -> float | None:
    """Return a way's time per row, where the limit's is 1."""
    return median(paired(results, name, "limit"))


def best(results: Results, names: Sequence[str]) -> str | None:
    """Return the way that is nearest to the limit."""
    ratios = {name: ratio for name in names if (ratio := to_limit(results, name)) is not None}
    return min(ratios, key=lambda name: ratios[name]) if ratios else None


def shown(results: Results, workload: str) -> list[Way]:
    """Return the ways of a workload's table: the limit stands in both."""
    every = [
        LIMIT,
        *ours(results.facts["chunk_rows"]),
        *(way for peer in PEERS for way in peer.ways()),
    ]
    wanted = [way for way in every if way.kind == "limit" or way.workload == workload]
    measured = [way for way in wanted if timings(results, way.name)]
    return sorted(measured, key=lambda way: to_limit(results, way.name) or 0.0)


def cells(results: Results, *, strategy: str, rows: int, workers: int | None = None) -> list[Cell]:
    """Return the runs of one field of the scaling table; of any number of workers without one."""
    return [
        cell
        for cell in results.cells
        if (cell.strategy, cell.timing.rows) == (strategy, rows) and workers in (None, cell.workers)
    ]


def rate(some: Sequence[Cell]) -> float | None:
    """Return the median rows a second."""
    return median(1 / cell.timing.per_row for cell in some)


def planning_share(some: Iterable[Timing]) -> float | None:
    """Return what share of the run planning is."""
    return median(one.planning / one.seconds for one in some if one.planning is not None)


def growth(results: Results, strategy: str, workers: int, sizes: Sequence[int]) -> float | None:
    """Return the rate at the largest size, where that at the smallest is 1, paired by round."""
    small, large = (
        {c.round: c for c in cells(results, strategy=strategy, workers=workers, rows=rows)}
        for rows in (sizes[0], sizes[-1])
    )
    return median(
        small[number].timing.per_row / large[number].timing.per_row
        for number in small.keys() & large.keys()
    )
