"""Peak memory of a worker, as the table grows and the chunk size stays.

    python benchmarks/memory.py --rows 1000000 6000000 --check

Each size is one run with worker processes of its own, on an embedded PostgreSQL that lasts as
long as the script. Peak memory is VmHWM, the kernel's own high-water mark of a process, so no
peak falls between two samples. Which processes are workers, the ledger says: those that committed
a chunk. Linux only.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from mapper_dask.embedded import embedded_postgres

SAMPLE_SECONDS = 0.05
"""A worker lives for seconds after its peak; the mark only has to be read once before it ends."""

SHARE_ALLOWED, MB_ALLOWED = 0.15, 20
"""What two runs of one size differ by: allocators keep what chunks of other sizes left."""

SOURCE = """
CREATE TABLE readings AS
SELECT g AS id, mod(g, 5000)::int AS sensor, (mod(g, 977) * 1.01)::numeric(12, 2) AS amount,
       sqrt(g) AS level, CASE WHEN mod(g, 7) = 0 THEN NULL ELSE md5(g::text) END AS note,
       timestamptz '2024-01-01' + g * interval '1 second' AS at
FROM generate_series(1::bigint, {rows}) AS g
"""

TARGET = """
CREATE TABLE readings_clean
(id bigint, sensor int, amount numeric, level double precision, note text, at timestamptz)
"""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run."""

    rows: int
    seconds: float
    peaks: tuple[int, ...]
    """Peak resident memory of each worker, in bytes."""

    @property
    def peak_mb(self) -> float:
        """The largest worker's peak, in MB."""
        return max(self.peaks) / 1e6

    def line(self) -> str:
        speed = self.rows / self.seconds
        each = ", ".join(f"{peak / 1e6:.0f}" for peak in self.peaks)
        return f"| {self.rows:,} | {self.seconds:.1f} | {speed:,.0f} | {each} |"


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """What a chunk does: arithmetic and text over every row."""
    return frame.assign(level=frame.level * 2, note=frame.note.str.upper())


def peak_memory(process: int) -> int:
    """Return a process's VmHWM in bytes."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


@contextmanager
def sampled_peaks() -> Iterator[dict[int, int]]:
    """Keep the last known peak of every process below this one, by its id."""
    peaks: dict[int, int] = {}
    done = threading.Event()

    def sample() -> None:
        me = psutil.Process()
        while not done.wait(SAMPLE_SECONDS):
            for child in me.children(recursive=True):
                with suppress(OSError):
                    peaks[child.pid] = max(peaks.get(child.pid, 0), peak_memory(child.pid))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peaks
    finally:
        done.set()
        sampler.join()


def load_readings(url: str, rows: int) -> None:
    """Make the source and the empty target."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(SOURCE.format(rows=rows))
        connection.exec_driver_sql("ALTER TABLE readings ADD PRIMARY KEY (id)")
        connection.exec_driver_sql("ANALYZE readings")
        connection.exec_driver_sql(TARGET)


def verify(url: str, rows: int) -> None:
    """Stop when the target does not hold every id once."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        counts = connection.exec_driver_sql(
            "SELECT count(*), count(DISTINCT id) FROM readings_clean"
        ).one()
    if tuple(counts) != (rows, rows):
        sys.exit(f"{rows:,} rows read, but (rows, distinct ids) loaded are {tuple(counts)}")


def measure(
    url: str,
    rows: int,
    *,
    chunk_size: int,
    workers: int,
    function: Callable[[pd.DataFrame], pd.DataFrame] = clean,
) -> Measurement:
    """Load a database with so many rows, run over them, and verify the result."""
    load_readings(url, rows)
    processor = ParallelProcessor(max_workers=workers, chunk_size=chunk_size, progress=False)
    with sampled_peaks() as peaks:
        result = processor.process_mapper_job(
            url, "SELECT * FROM readings ORDER BY id", function, url, "public", "readings_clean"
        ).raise_for_status()
    verify(url, rows)
    used = {int(chunk.worker.rpartition(":")[2]) for chunk in result.chunk_results}
    if not used <= peaks.keys():
        sys.exit("no worker process: more rows than one chunk, and two workers, are needed")
    return Measurement(rows, result.processing_time, tuple(sorted(peaks[pid] for pid in used)))


def growth(measurements: Sequence[Measurement]) -> tuple[float, float]:
    """Return the largest run's peak and the most it may be, both in MB."""
    ordered = sorted(measurements, key=lambda one: one.rows)
    return ordered[-1].peak_mb, ordered[0].peak_mb * (1 + SHARE_ALLOWED) + MB_ALLOWED


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    print(f"{options.workers} workers, chunks of {options.chunk_size:,} rows\n")
    print(
        "| rows | seconds | rows/s | peak RSS of each worker, MB |\n|--:|--:|--:|--:|", flush=True
    )
    measurements = []
    with embedded_postgres() as server:
        for number, rows in enumerate(options.rows):
            url = server.create_database(f"memory_{number}")
            one = measure(url, rows, chunk_size=options.chunk_size, workers=options.workers)
            measurements.append(one)
            print(one.line(), flush=True)
    peak, allowed = growth(measurements)
    if not options.check:
        return 0
    grew = peak > allowed
    print(f"\n{'GREW' if grew else 'bounded'}: {peak:.0f} MB at the largest, {allowed:.0f} allowed")
    return int(grew)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Peak memory of a worker, as the table grows.")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 6_000_000])
    parser.add_argument("--chunk-size", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2, help="worker processes, 2 or more")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit 1 when the largest run peaks over 115%% of the smallest run plus 20 MB",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
