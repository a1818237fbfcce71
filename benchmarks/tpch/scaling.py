"""Does the rate hold as the table grows and workers are added, and does the memory?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from distributed import Client

from benchmarks.memory import peak_memory
from benchmarks.tpch import ours
from benchmarks.tpch.bench import Bench, measure_ours, row_bytes
from benchmarks.tpch.lineitem import source_table
from benchmarks.tpch.progress import Progress, Step
from benchmarks.tpch.results import Cell
from benchmarks.tpch.rounds import warm_up
from benchmarks.tpch.ways import STRATEGIES, Way

USUAL_WORKERS = 2
OTHER_WORKERS = (1, 4)
"""Numbers of workers beside the usual one, unless the call names others."""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that share worker processes: their peak memory is that of all runs so far."""

    strategy: str
    workers: int
    sizes: tuple[int, ...]
    """Rows, ascending, so that a peak that grows is one of the size that shows it."""
    rounds: int

    @property
    def way(self) -> Way:
        """Return the way whose runs these are: with the function, as that takes the memory."""
        return Way(
            f"scaling-{self.strategy.partition('_')[0].lower()}-{self.workers}-workers",
            "", "ours", "transform", "revenues", guess=1.8, strategy=self.strategy,
        )  # fmt: skip

    def name(self, rows: int) -> str:
        """Return the name of one of its runs."""
        return f"{self.way.name.removeprefix('scaling-')}-{rows}"


def groups(sizes: Sequence[int], rounds: int, workers: Sequence[int]) -> list[Group]:
    """Return the groups of runs: all sizes at two workers, the middle one at the others.

    OFFSET_LIMIT comes once and without the largest size: it shows why it is not the choice.
    """
    middle = sizes[len(sizes) // 2]
    found = [
        Group(strategy, count, tuple(sizes) if count == USUAL_WORKERS else (middle,), rounds)
        for strategy in STRATEGIES
        for count in (USUAL_WORKERS, *workers)
    ]
    return [*found, Group("OFFSET_LIMIT", USUAL_WORKERS, tuple(sizes[:-1]), 1)]


def steps(some: Sequence[Group]) -> list[Step]:
    """Return what :func:`run_scaling` will do, for the estimate."""
    return [
        Step(group.name(rows), "ours", rows, group.way.guess)
        for group in some
        for rows in group.sizes
        for _ in range(group.rounds)
    ]


def run_scaling(bench: Bench, some: Sequence[Group], progress: Progress) -> None:
    """Run every group once a round, each time with new workers."""
    width = row_bytes(bench.server, source_table(bench.sizes["all"]))
    rounds = max(group.rounds for group in some)
    for number in range(rounds):
        for group in some:
            if number < group.rounds:
                _run_group(bench, group, number, width, f"scaling {number + 1}/{rounds}", progress)


def _run_group(
    bench: Bench, group: Group, number: int, width: float, where: str, progress: Progress
) -> None:
    with ours.cluster(group.workers) as client:
        warm_up(bench, client, [group.way])
        idle = max(map(peak_memory, client.run(os.getpid).values()))
        for rows in group.sizes:
            progress.start()
            cell = _cell(bench, client, group, rows, number, width, idle)
            bench.results.cells.append(cell)
            bench.save()
            said = f"{cell.timing.seconds:7.2f} s  {rows:>9,} rows  {cell.peak / 1e6:.0f} MB"
            progress.done(where, group.name(rows), said)


def _cell(
    bench: Bench, client: Client, group: Group, rows: int, number: int, width: float, idle: int
) -> Cell:
    timing = measure_ours(bench, client, group.way, rows)
    peak = max(peak_memory(process) for process in timing.workers)
    chunk = round(timing.chunk_rows * width)
    return Cell(group.strategy, group.workers, number, timing, peak, idle, chunk)
