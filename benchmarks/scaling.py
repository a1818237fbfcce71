"""What a cluster that changes in mid-run costs, against one that does not, in turns.

    python -m benchmarks.scaling --rounds 3 --check

Each chunk sleeps, so that neither the machine's cores nor its databases matter, but only how soon
a chunk comes to a worker that is free. A round has one run with three workers all along, one that
begins with one worker and is scaled to three when its first chunk has ended, and one on an adaptive
cluster of one to three; new workers take their seconds to start, which count. The ratios are taken
within each round.

Then, of two workers, one cannot reach the target, by a port that refuses, one that never answers,
or a connection that is cut in mid-run; the other does all chunks.

After each run the rows in the target are counted. ``--check`` exits with 1 when scaling takes more
than 1.3 times as long as three workers all along (the median), when the adaptive cluster did not
come to three, or when a run with a worker that is cut off takes 30 s or more.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import MapperJob, ParallelProcessor, RunEvent
from mapper_dask.embedded import embedded_postgres
from tests.fault.joining import Cable, closed_port, joining, silence, wait_for_workers

MOST_RATIO, MOST_SECONDS = 1.3, 30.0
FEW, MANY = 1, 3
ROWS = 100
"""Rows of a chunk."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One run."""

    seconds: float
    workers: int
    """Which did a chunk."""


@dataclass(frozen=True, slots=True)
class Pit:
    """Where the runs take place."""

    url: str
    chunks: int
    seconds: float
    """How long a chunk lasts."""

    def run(
        self, client: Client, hook: Callable[[RunEvent], object] | None = None, target: str = ""
    ) -> Timing:
        """Move all rows into the empty target, and count them."""
        self.execute("TRUNCATE d")
        job = MapperJob(
            source_conn=self.url, source_sql="SELECT * FROM s", target_conn=target or self.url,
            target_table="d", chunk_size=ROWS,
            transformation_logic=functools.partial(lasting, seconds=self.seconds),
        )  # fmt: skip
        processor = ParallelProcessor(client=client, progress=hook or False)
        began = time.perf_counter()
        result = processor.run(job).raise_for_status()
        seconds = time.perf_counter() - began
        counts = self.execute("SELECT count(*), count(DISTINCT id), sum(id) FROM d")
        rows = self.chunks * ROWS
        if counts != (rows, rows, rows * (rows + 1) // 2):
            sys.exit(f"{counts} rows, of {rows}")
        return Timing(seconds, len({chunk.worker for chunk in result.chunk_results}))

    def execute(self, sql: str) -> tuple[object, ...] | None:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            done = connection.exec_driver_sql(sql)
            return tuple(done.one()) if done.returns_rows else None


def lasting(frame: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """What a chunk does: nothing, for so long."""
    time.sleep(seconds)
    return frame


def at_first(do: Callable[[], object]) -> Callable[[RunEvent], None]:
    """Return a hook that does something when the first chunk has ended."""

    def hook(event: RunEvent) -> None:
        if event.done == 1:
            do()

    return hook


# -- workers that join ----------------------------------------------------------------------------


def fixed(pit: Pit, client: Client) -> Timing:
    client.cluster.scale(MANY)
    wait_for_workers(client, MANY)
    return pit.run(client)


def scaled(pit: Pit, client: Client) -> Timing:
    client.cluster.scale(FEW)
    wait_for_workers(client, FEW)
    return pit.run(client, at_first(lambda: client.cluster.scale(MANY)))


def adaptive(pit: Pit, client: Client) -> Timing:
    client.cluster.scale(FEW)
    wait_for_workers(client, FEW)
    adapting = client.cluster.adapt(minimum=FEW, maximum=MANY)
    try:
        return pit.run(client)
    finally:
        adapting.stop()


WAYS = {"3 all along": fixed, "1, scaled to 3": scaled, "adaptive, 1 to 3": adaptive}


def rounds(pit: Pit, number: int) -> dict[str, list[Timing]]:
    """Return the timings of each way, taken in turns."""
    found: dict[str, list[Timing]] = {name: [] for name in WAYS}
    with local_cluster(FEW) as cluster, Client(cluster, set_as_default=False) as client:
        pit.run(client)  # connections and imports
        for turn in range(number):
            for name in list(WAYS)[:: -1 if turn % 2 else 1]:
                found[name].append(WAYS[name](pit, client))
    return found


def local_cluster(workers: int) -> LocalCluster:
    return LocalCluster(
        n_workers=workers, threads_per_worker=1, host="127.0.0.1",
        dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
    )  # fmt: skip


# -- workers cut off ------------------------------------------------------------------------------


@contextlib.contextmanager
def cut(how: str, server: str) -> Iterator[tuple[int, Callable[[], object]]]:
    """Lend a port that leads nowhere, or will not, and what is to be done in mid-run."""
    if how == "refuses":
        yield closed_port(), lambda: None
    elif how == "never answers":
        with silence() as port:
            yield port, lambda: None
    else:
        cable = Cable(server)
        try:
            yield cable.port, cable.cut
        finally:
            cable.cut()


CUTS = ("refuses", "never answers", "is cut in mid-run")


def cut_off(pit: Pit, how: str, folder: Path) -> Timing:
    """Run with two workers of which one does not reach the target."""
    url = sa.make_url(pit.url)
    os.environ["SCALING_TARGET"] = pit.url
    with (
        local_cluster(0) as cluster,
        Client(cluster, set_as_default=False) as client,
        cut(how, f"{url.query['host']}/.s.PGSQL.5432") as (port, in_mid_run),
    ):
        wrong = url.set(host="127.0.0.1", port=port, query={"sslmode": "disable"})
        own = {"SCALING_TARGET": wrong.render_as_string(hide_password=False)}
        with (
            joining(client, f"well {how}", folder=folder),
            joining(client, f"cut {how}", folder=folder, environment=own),
        ):
            return pit.run(client, at_first(in_mid_run), "env:SCALING_TARGET")


# -- what is told ---------------------------------------------------------------------------------


def told(found: dict[str, list[Timing]]) -> tuple[float, int]:
    """Print a table of workers that join; return the ratio of those scaled, and the adaptive's."""
    print("| workers | median, s | of 3 all along | did chunks |\n|---|--:|--:|--:|")
    base = [timing.seconds for timing in found["3 all along"]]
    ratios: dict[str, float] = {}
    for name, timings in found.items():
        seconds = [timing.seconds for timing in timings]
        ratios[name] = statistics.median(s / b for s, b in zip(seconds, base, strict=True))
        workers = min(timing.workers for timing in timings)
        print(f"| {name} | {statistics.median(seconds):.1f} | {ratios[name]:.2f} | {workers} |")
    return ratios["1, scaled to 3"], min(timing.workers for timing in found["adaptive, 1 to 3"])


def longest(pit: Pit, folder: Path) -> float:
    """Print a table of workers that are cut off; return the longest run's seconds."""
    short = Pit(pit.url, pit.chunks, pit.seconds / 5)
    alone = pit.chunks * short.seconds
    print(f"\n| a worker's target | s, where one worker alone works {alone:.0f} |\n|---|--:|")
    found = []
    for how in CUTS:
        found.append(cut_off(short, how, folder).seconds)
        print(f"| {how} | {found[-1]:.1f} |", flush=True)
    return max(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a chunk lasts")
    parser.add_argument("--only", choices=["joining", "cut"])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    with embedded_postgres() as server, tempfile.TemporaryDirectory() as folder:
        pit = Pit(server.create_database("pit"), options.chunks, options.seconds)
        rows = options.chunks * ROWS
        pit.execute(f"CREATE TABLE s AS SELECT g AS id FROM generate_series(1, {rows}) g")
        pit.execute("ALTER TABLE s ADD PRIMARY KEY (id); ANALYZE s; CREATE TABLE d (id int)")
        good = True
        if options.only != "cut":
            ratio, reached = told(rounds(pit, options.rounds))
            good = ratio <= MOST_RATIO and reached == MANY
        if options.only != "joining":
            good = longest(pit, Path(folder)) < MOST_SECONDS and good
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\n{os.cpu_count()} cores, load at the end {load}")
    if options.check and not good:
        sys.exit(f"more than {MOST_RATIO} of 3 all along, under {MANY}, or {MOST_SECONDS:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
