"""What it costs that a query is read once: the same rows from a plain table, in turns.

    python -m benchmarks.read_once --rows 1000000 --rounds 5 --check

One run reads a table in chunks; the other the same rows by a query that no second statement may
read (``random()`` stands in it), through local files. Both have a pandas function and the same
worker processes, on an embedded PostgreSQL that lasts as long as the script. The ratio is taken
within each round. ``--check`` exits with 1 when the median is under 0.7.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from distributed import Client, LocalCluster

from benchmarks.memory import SOURCE, TARGET
from mapper_dask import ParallelProcessor
from mapper_dask.embedded import embedded_postgres
from mapper_dask.settings import resolve

LEAST = 0.7
"""Rate of a query that is read once, against a plain table's."""

PLAIN = "SELECT * FROM readings"
ONCE = "SELECT * FROM readings WHERE random() < 2"


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """What a chunk does: arithmetic and text over every row."""
    return frame.assign(level=frame.level * 2, note=frame.note.str.upper())


def timed(processor: ParallelProcessor, url: str, sql: str, rows: int) -> float:
    """Run once over an empty target; return the seconds."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("TRUNCATE readings_clean")
        connection.exec_driver_sql("CHECKPOINT")
        began = time.perf_counter()
        result = processor.process_mapper_job(
            url, sql, clean, url, target_table="readings_clean"
        ).raise_for_status()
        seconds = time.perf_counter() - began
        counts = connection.exec_driver_sql(
            "SELECT count(*), count(DISTINCT id) FROM readings_clean"
        ).one()
    if tuple(counts) != (rows, rows):
        sys.exit(f"{counts} of {rows} rows arrived")
    print(
        f"  {seconds:6.2f} s  {rows / seconds:12,.0f} rows/s  {result.chunks_total} chunks  {sql}"
    )
    return seconds


def main() -> None:
    """Measure in turns, tell the median ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--chunk-size", type=int, default=50_000)
    options.add_argument("--check", action="store_true")
    asked = options.parse_args()
    with (
        embedded_postgres() as server,
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=asked.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        url = server.create_database("read_once")
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(SOURCE.format(rows=asked.rows))
            connection.exec_driver_sql("ALTER TABLE readings ADD PRIMARY KEY (id)")
            connection.exec_driver_sql("VACUUM ANALYZE readings")
            connection.exec_driver_sql(TARGET)
        settings = resolve(call={"spool-folder": str(Path(folder))})
        processor = ParallelProcessor(
            chunk_size=asked.chunk_size, client=client, progress=False, settings=settings
        )
        timed(processor, url, PLAIN, asked.rows)
        ratios = []
        for number in range(asked.rounds):
            ways = (PLAIN, ONCE) if number % 2 else (ONCE, PLAIN)
            seconds = {sql: timed(processor, url, sql, asked.rows) for sql in ways}
            ratios.append(seconds[PLAIN] / seconds[ONCE])
    middle = statistics.median(ratios)
    print(f"rate of a query that is read once: {middle:.2f} of a plain table's", sorted(ratios))
    if asked.check and middle < LEAST:
        sys.exit(f"under {LEAST}")


if __name__ == "__main__":
    main()
