"""Measure, and write the document.

python -m benchmarks.tpch --scale 0.1 --rounds 5
python -m benchmarks.tpch --scale 1 --rounds 5 --check      the record
python -m benchmarks.tpch --render                          the document again, from the results
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tpch import data, rounds, scaling, ways
from benchmarks.tpch.bench import Bench
from benchmarks.tpch.checks import checks
from benchmarks.tpch.lineitem import ROWS_AT_SCALE_1, source_table
from benchmarks.tpch.machine import facts
from benchmarks.tpch.progress import Progress
from benchmarks.tpch.render import render
from benchmarks.tpch.results import FILE, Results, load
from benchmarks.tpch.server import Server, running
from benchmarks.tpch.verify import WrongRowsError

SCALED_ROWS = (1_000_000, 3_000_000)
"""Sizes of the scaling section at scale 1, beside the whole table."""

PARTS = ("rounds", "scaling")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if not options.render:
        status = measured(options, sys.argv[1:] if arguments is None else list(arguments))
        if status:
            return status
    results = load(options.out)
    render(results, options.out)
    return verdict(results) if options.check else 0


def measured(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Measure all that is asked for; return 0, or the exit code after what was measured."""
    try:
        some = ways.chosen(options.only, options.peers, options.chunk_rows)
    except ValueError as error:
        parser().error(str(error))
    file = data.generated(options.scale, options.cache)
    with running() as server:
        bench = prepared(server, options, file, arguments)
        if any(way.peer == "pgcopydb" for way in some):
            data.cut_halves(server, source_table(bench.sizes["all"]))
        try:
            measure_parts(bench, some, options)
        except KeyboardInterrupt:
            print("interrupted: the document holds what was measured", file=sys.stderr)
            render(bench.results, options.out)
            return 130
        except WrongRowsError as error:
            print(f"wrong rows: {error}", file=sys.stderr)
            return 1
    return 0


def prepared(
    server: Server, options: argparse.Namespace, file: Path, arguments: Sequence[str]
) -> Bench:
    """Load the data and write down what it runs on."""
    rows = data.load(server, file)
    sizes: dict[ways.Size, int] = {
        "all": rows,
        "large": min(rows, options.large_rows),
        "middle": min(rows, options.middle_rows),
        "small": min(rows, options.small_rows),
    }
    scaled = sorted({rows, *(round(size * rows / ROWS_AT_SCALE_1) for size in SCALED_ROWS)})
    if rows > SCALED_ROWS[-1]:
        scaled = [*SCALED_ROWS, rows]
    data.cut_prefixes(server, rows, {*sizes.values(), *scaled})
    said = {
        "command": command(arguments),
        "rows": rows,
        "scaling_rows": scaled,
        "chunk_rows": options.chunk_rows,
    }
    results = begun(Results({**facts(server), **said}), options)
    bench = Bench(server, sizes, results, options.out)
    bench.save()
    return bench


def begun(results: Results, options: argparse.Namespace) -> Results:
    """Return the results to add to: with one part measured anew, those of the other stay."""
    if set(options.parts) == set(PARTS) or not (options.out / FILE).exists():
        return results
    before = load(options.out)
    if before.facts["rows"] != results.facts["rows"]:
        return results
    both = f"{before.facts['command']}, then {results.facts['command']}"
    kept = Results({**results.facts, "command": both}, before.ways)
    if "rounds" not in options.parts:
        kept.rounds = before.rounds
    if "scaling" not in options.parts:
        kept.cells = before.cells
    return kept


def measure_parts(bench: Bench, some: Sequence[ways.Way], options: argparse.Namespace) -> None:
    """Run the rounds and the scaling section."""
    groups = scaling.groups(
        bench.results.facts["scaling_rows"], options.scaling_rounds, options.workers
    )
    left = []
    if "rounds" in options.parts:
        left += rounds.steps(some, bench, options.rounds, options.peer_rounds)
    if "scaling" in options.parts:
        left += scaling.steps(groups)
    progress = Progress(left)
    progress.announce()
    if "rounds" in options.parts:
        rounds.run_rounds(bench, some, options.rounds, options.peer_rounds, progress)
    if "scaling" in options.parts:
        scaling.run_scaling(bench, groups, progress)
    bench.results.complete = True
    bench.save()


def command(arguments: Sequence[str]) -> str:
    """Return the call as the document shows it: without folders, which are nobody's business."""
    kept = list(arguments)
    for option in {"--out", "--cache"} & set(kept):
        place = kept.index(option)
        del kept[place : place + 2]
    return f'make bench ARGS="{" ".join(kept)}"' if kept else "make bench"


def verdict(results: Results) -> int:
    """Print what does not show, and return 1 when there is such a thing."""
    missed = [check for check in checks(results) if not check.met]
    for check in missed:
        print(f"{check.verdict.strip('*')}: {check.claim}: {check.measured} against {check.bound}")
    return int(bool(missed))


def parser() -> argparse.ArgumentParser:
    names = ", ".join(peer.name for peer in ways.PEERS)
    found = argparse.ArgumentParser(prog="benchmarks.tpch", description="TPC-H lineitem, moved.")
    add = found.add_argument
    add("--scale", type=float, default=0.1, help="TPC-H scale factor; 1 is 6 million rows")
    add("--rounds", type=int, default=5, help="rounds in which all ways take turns")
    add("--peer-rounds", type=int, default=3, help="rounds of the peers that no claim rests on")
    add("--scaling-rounds", type=int, default=3)
    add(
        "--workers", type=int, nargs="*", default=list(scaling.OTHER_WORKERS),
        help=f"numbers of workers beside {scaling.USUAL_WORKERS}, in the scaling section",
    )  # fmt: skip
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--only", nargs="+", default=[], metavar="WAY", help="ways beside the limit; default: all")
    add("--peers", nargs="+", default=["all"], metavar="PEER", help=f"all, none, or of: {names}")
    add("--chunk-rows", type=int, default=ways.FIXED_ROWS, help="rows a chunk, beside 'auto'")
    add("--large-rows", type=int, default=1_000_000, help="rows at most, for most peers")
    add("--middle-rows", type=int, default=500_000, help="for dlt and sling")
    add("--small-rows", type=int, default=100_000, help="for Dask and pandas")
    add("--out", type=Path, default=Path("docs"), help="folder of the document and the results")
    add("--cache", type=Path, default=Path(".bench-cache"), help="folder of the generated data")
    add("--render", action="store_true", help="measure nothing: the document from the results")
    add("--check", action="store_true", help="exit 1 when something that must show does not")
    return found
