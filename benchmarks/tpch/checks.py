"""What must show, each with its figure: met, missed or not measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.tpch import figures
from benchmarks.tpch.results import Results
from benchmarks.tpch.scaling import USUAL_WORKERS
from benchmarks.tpch.ways import LIMIT, PEERS, STRATEGIES, Way, ours

IDENTITY_SHARE, TRANSFORM_SHARE = 0.95, 0.85
"""Of the limit's rate."""

TIMES_DASK, TIMES_OTHERS = 35, 1.5

GROWTH_ALLOWED = 0.10
PLANNING_ALLOWED = 0.03
CHUNKS_HELD, BASE_BYTES = 4, 150e6


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must show."""

    claim: str
    measured: float | None
    """None: not measured."""
    bound: float
    at_least: bool = True
    unit: str = ""
    by: str = ""
    """Which of this library's ways it is the figure of."""

    @property
    def met(self) -> bool:
        """Whether it shows; what was not measured does not."""
        if self.measured is None:
            return False
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    @property
    def verdict(self) -> str:
        """Return a word for the table."""
        if self.measured is None:
            return "not measured"
        return "met" if self.met else "**missed**"


def checks(results: Results) -> list[Check]:
    """Return all of them, in the order of the document."""
    return [*_rates(results), *_peers(results), *_scaling(results)]


def fastest(results: Results, workload: str) -> str | None:
    """Return this library's quickest way of a workload."""
    return figures.best(results, [way.name for way in ours() if way.workload == workload])


def _rates(results: Results) -> Iterator[Check]:
    for workload, bound in (("identity", IDENTITY_SHARE), ("transform", TRANSFORM_SHARE)):
        name = fastest(results, workload)
        ratio = figures.median(figures.paired(results, LIMIT.name, name)) if name else None
        yield Check(f"{workload}: share of the limit's rate", ratio, bound, by=name or "")


def _peers(results: Results) -> Iterator[Check]:
    for way in (way for peer in PEERS for way in peer.ways()):
        if not (bound := _bound(way)):
            continue
        mine = fastest(results, "transform" if way.peer == "pgcopydb" else way.workload)
        ratio = figures.median(figures.paired(results, way.name, mine)) if mine else None
        yield Check(
            f"{'transform' if way.peer == 'pgcopydb' else way.workload}: times as fast as"
            f" {way.label}", ratio, bound, by=mine or "",
        )  # fmt: skip


def _bound(way: Way) -> float:
    """Return how many times as fast this library must be; 0 where nothing is claimed."""
    if way.peer == "dask":
        return TIMES_DASK
    if way.peer == "pgcopydb":
        return 1.0
    return TIMES_OTHERS if way.function and not way.lossy else 0.0


def _scaling(results: Results) -> Iterator[Check]:
    sizes = results.facts["scaling_rows"]
    smallest, largest = sizes[0], sizes[-1]
    for strategy in STRATEGIES:
        grown = figures.growth(results, strategy, USUAL_WORKERS, sizes)
        yield Check(
            f"{strategy}: rows/s at {largest:,} rows, of those at {smallest:,}",
            grown, 1 - GROWTH_ALLOWED,
        )  # fmt: skip
        some = figures.cells(results, strategy=strategy, workers=USUAL_WORKERS, rows=largest)
        share = figures.planning_share(cell.timing for cell in some)
        yield Check(
            f"{strategy}: planning's share of the run, {largest:,} rows",
            share, PLANNING_ALLOWED, at_least=False,
        )  # fmt: skip
        for rows in sizes:
            some = figures.cells(results, strategy=strategy, rows=rows)
            peak = max((cell.peak for cell in some), default=None)
            chunk = max((cell.chunk_bytes for cell in some), default=0)
            yield Check(
                f"{strategy}: peak memory of a worker, {rows:,} rows",
                None if peak is None else peak / 1e6,
                (CHUNKS_HELD * chunk + BASE_BYTES) / 1e6, at_least=False, unit="MB",
            )  # fmt: skip
