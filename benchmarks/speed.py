"""How fast rows move: this library, one COPY stream, and Dask's own SQL functions, in turns.

    python benchmarks/speed.py --rows 336776 --rounds 3

The rows are the demo's flights, repeated until there are as many as asked. Two workloads: identity
(no function) and transform (drop the cancelled flights, add a speed, lower-case a text). All ways
run once a round, one after the other, so that noise of the machine meets them alike; a ratio is
taken within its round, per row, and its median is shown. After each the target is compared with
what SQL makes of the source: count and an order-free digest of every row.

COPY moves the rows as they are, in both workloads: the limit of one stream, not a peer for the
transform. Dask's functions are slow, so they get the first rows only; their time is per row too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import dask.dataframe as dd
import pandas as pd
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import ParallelProcessor
from mapper_dask.demo import load_flights
from mapper_dask.embedded import embedded_postgres

REPEAT = """
INSERT INTO source
SELECT row_number() OVER (ORDER BY time, id), year, month, day, dep_time, sched_dep_time, dep_delay,
       arr_time, sched_arr_time, arr_delay, carrier, flight, tailnum, origin, dest, air_time,
       distance, hour, minute, time_hour
FROM generate_series(1, {times}) AS time CROSS JOIN flights ORDER BY time, id LIMIT {rows}
"""

EXPECTED = {
    "identity": "SELECT *, NULL::double precision AS speed FROM source WHERE id <= {rows}",
    "transform": "SELECT id, year, month, day, dep_time, sched_dep_time, dep_delay, arr_time,"
    " sched_arr_time, arr_delay, lower(carrier) AS carrier, flight, tailnum, origin, dest,"
    " air_time, distance, hour, minute, time_hour,"
    " distance::double precision / air_time * 60 AS speed"
    " FROM source WHERE id <= {rows} AND dep_time IS NOT NULL",
}

DIGEST = "SELECT count(*), sum(hashtextextended(r::text, 0)::numeric) FROM ({query}) AS r"


def transform(flights: pd.DataFrame) -> pd.DataFrame:
    """Drop the cancelled flights, add a speed in miles an hour, lower-case a text."""
    left = flights[flights.dep_time.notna()]
    return left.assign(carrier=left.carrier.str.lower(), speed=left.distance / left.air_time * 60)


FUNCTIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame] | None] = {
    "identity": None,
    "transform": transform,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all ways share."""

    url: str
    client: Client
    rows: int
    dask_rows: int
    chunk_size: int


@dataclass(frozen=True, slots=True)
class Timing:
    """One way, once."""

    way: str
    rows: int
    seconds: float

    @property
    def per_row(self) -> float:
        return self.seconds / self.rows


def by_mapper(setting: Setting, workload: str) -> int:
    """Plan, move and account, with the ledger and one snapshot."""
    ParallelProcessor(
        chunk_size=setting.chunk_size, client=setting.client, progress=False
    ).process_mapper_job(
        setting.url,
        "SELECT * FROM source",
        FUNCTIONS[workload],
        setting.url,
        "public",
        "target",
        key_column="id",
    ).raise_for_status()
    return setting.rows


def by_copy(setting: Setting, _: str) -> int:
    """COPY binary out into a pipe, COPY binary in from it: one stream, nothing decoded."""
    names = "id, year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time"
    names += ", arr_delay, carrier, flight, tailnum, origin, dest, air_time, distance, hour"
    names += ", minute, time_hour"
    engine = sa.create_engine(setting.url, poolclass=sa.NullPool)
    out, into = os.pipe()

    def read() -> None:
        with closing(engine.raw_connection()) as source, os.fdopen(into, "wb") as pipe:
            cursor = source.cursor()
            cursor.copy_expert(f"COPY source ({names}) TO STDOUT (FORMAT binary)", pipe)

    reader = threading.Thread(target=read)
    reader.start()
    with closing(engine.raw_connection()) as target, os.fdopen(out, "rb") as pipe:
        cursor = target.cursor()
        cursor.copy_expert(f"COPY target ({names}) FROM STDIN (FORMAT binary)", pipe)
        reader.join()
        target.commit()
    return setting.rows


def by_dask(setting: Setting, workload: str) -> int:
    """Dask's read_sql_query and to_sql; told which integers may be NULL, which it cannot know."""
    engine = sa.create_engine(setting.url, poolclass=sa.NullPool)
    flights = sa.Table("source", sa.MetaData(), autoload_with=engine)
    query = sa.select(flights).where(flights.c.id <= setting.dask_rows)
    head = pd.read_sql_query(query.order_by("id").limit(SEEN), engine, index_col="id")
    parts = max(2, -(-setting.dask_rows // setting.chunk_size))
    frame = dd.read_sql_query(
        query, setting.url, index_col="id", npartitions=parts, meta=head.iloc[:0]
    )
    if workload == "transform":
        frame = frame.map_partitions(transform)
    write = frame.to_sql("target", setting.url, if_exists="append", index=True, compute=False)
    setting.client.compute(write).result()
    return setting.dask_rows


SEEN = 1_000
"""Rows that show Dask its dtypes. The first NULLs stand in row 472; from the 5 rows it looks at by
itself it takes those columns for plain integers, and fails at the first NULL."""

WAYS = {"mapper_dask": by_mapper, "COPY, one stream": by_copy, "Dask SQL": by_dask}
LIMIT = "COPY, one stream"


def timed(way: str, setting: Setting, workload: str) -> Timing:
    """Run one way into an empty target, and stop when its rows are not right."""
    _execute(setting.url, "TRUNCATE target", "CHECKPOINT")
    started = time.perf_counter()
    rows = WAYS[way](setting, workload)
    seconds = time.perf_counter() - started
    verify(way, setting.url, "identity" if way == LIMIT else workload, rows)
    return Timing(way, rows, seconds)


def verify(way: str, url: str, workload: str, rows: int) -> None:
    """Stop unless the target holds exactly the rows that SQL computes."""
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        expected, loaded = (
            tuple(connection.exec_driver_sql(DIGEST.format(query=query)).one())
            for query in (EXPECTED[workload].format(rows=rows), "SELECT * FROM target")
        )
    if expected != loaded:
        sys.exit(f"{way}, {workload}: expected (rows, digest) {expected}, the target has {loaded}")


def load_source(url: str, rows: int) -> None:
    """Fill ``source`` with flights, as often as it takes, and create ``target``."""
    flights = load_flights(url)
    _execute(
        url,
        "CREATE TABLE source (LIKE flights)",
        REPEAT.format(times=-(-rows // flights), rows=rows),
        "ALTER TABLE source ADD PRIMARY KEY (id)",
        "VACUUM ANALYZE source",
        "CREATE TABLE target (LIKE source)",
        "ALTER TABLE target ADD COLUMN speed double precision",
    )


def _execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def cluster(workers: int) -> Iterator[Client]:
    """Worker processes for all rounds: their start is not what is measured."""
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def table(workload: str, rounds: Sequence[Sequence[Timing]]) -> list[str]:
    """Return the lines of a workload's Markdown table body: one a way."""
    lines = []
    for way in WAYS:
        mine = [next(t for t in one if t.way == way) for one in rounds]
        limits = [next(t for t in one if t.way == LIMIT) for one in rounds]
        ratio = statistics.median(a.per_row / b.per_row for a, b in zip(mine, limits, strict=True))
        seconds = statistics.median(t.seconds for t in mine)
        rows = mine[0].rows
        speed = statistics.median(1 / t.per_row for t in mine)
        lines.append(
            f"| {workload} | {way} | {rows:,} | {seconds:.2f} | {speed:,.0f} | {ratio:.2f} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with embedded_postgres() as server, cluster(options.workers) as client:
        url = server.create_database("speed")
        load_source(url, options.rows)
        setting = Setting(
            url, client, options.rows, min(options.rows, options.dask_rows), options.chunk_size
        )
        print(f"{options.workers} workers, chunks of {options.chunk_size:,} rows, ", end="")
        print(f"median of {options.rounds} rounds; every target verified\n")
        print("| workload | way | rows | seconds | rows/s | time per row, COPY = 1 |")
        print("|---|---|--:|--:|--:|--:|", flush=True)
        for workload in FUNCTIONS:
            timed("mapper_dask", setting, workload)  # connections and imports of a new worker
            rounds = [
                [timed(way, setting, workload) for way in WAYS] for _ in range(options.rounds)
            ]
            print("\n".join(table(workload, rounds)), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Rows a second, against COPY and Dask's own.")
    parser.add_argument("--rows", type=int, default=336_776)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunk-size", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dask-rows", type=int, default=20_000, help="rows for Dask's functions")
    return parser


if __name__ == "__main__":
    sys.exit(main())
