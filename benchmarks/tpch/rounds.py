"""All ways in turns, so that the machine's noise meets them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from distributed import Client

from benchmarks.tpch import ours
from benchmarks.tpch.bench import Bench, measure, measure_ours
from benchmarks.tpch.progress import Progress, Step, repeated
from benchmarks.tpch.ways import Way

WORKERS = 2

WARMING_CHUNKS = 20
"""So many that every worker gets some: one chunk alone would not leave this process."""


def in_round(way: Way, number: int, peer_rounds: int) -> bool:
    """Return whether a way is measured in a round; peers no claim rests on may have fewer."""
    return way.kind != "peer" or way.required or number < peer_rounds


def steps(ways: Sequence[Way], bench: Bench, rounds: int, peer_rounds: int) -> list[Step]:
    """Return what :func:`run_rounds` will do, for the estimate."""
    return [
        step
        for way in ways
        for step in repeated(
            [Step(way.name, way.kind, bench.sizes[way.size], way.guess)],
            sum(in_round(way, number, peer_rounds) for number in range(rounds)),
        )
    ]


def run_rounds(
    bench: Bench, ways: Sequence[Way], rounds: int, peer_rounds: int, progress: Progress
) -> None:
    """Measure each way once a round; every second round in reverse order."""
    with ours.cluster(WORKERS) as client:
        warm_up(bench, client, ways)
        for number in range(rounds):
            asked = [way for way in ways if in_round(way, number, peer_rounds)]
            bench.results.rounds.append({})
            for way in asked if number % 2 == 0 else reversed(asked):
                _run_once(bench, client, way, f"round {number + 1}/{rounds}", progress)


def _run_once(bench: Bench, client: Client, way: Way, where: str, progress: Progress) -> None:
    progress.start()
    timing = measure(bench, client, way)
    if timing is not None:
        bench.results.rounds[-1][way.name] = timing
        said = f"{timing.seconds:7.2f} s  {timing.rows:>9,} rows"
    else:
        said = f"not run: {bench.results.ways[way.name]['not_run']}"
    bench.save()
    progress.done(where, way.name, said)


def warm_up(bench: Bench, client: Client, ways: Sequence[Way]) -> None:
    """Let new workers import and connect: that is not what is measured."""
    for workload in ("identity", "transform"):
        some = [way for way in ways if way.kind == "ours" and way.workload == workload]
        for way in some[:1]:
            rows = bench.sizes["small"]
            small_chunks = replace(way, chunk_size=max(1, rows // WARMING_CHUNKS))
            measure_ours(bench, client, small_chunks, rows)
