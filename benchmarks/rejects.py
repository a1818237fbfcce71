"""What bad rows cost: the same rows clean and with one in a hundred bad, in turns.

    python benchmarks/rejects.py --rows 300000 --rounds 3

A bad row is refused by one of four: the function marks it, the function raises at it, its value
does not fit its column, a constraint of the target refuses it. ``mixed`` has a third each of the
first, the third and the fourth. Each kind takes turns with clean rows within a round; the ratio is
taken within the round, and its median is shown. After each run the rejects must be exactly the bad
rows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from mapper_dask import MapperJob, ParallelProcessor, reject
from mapper_dask.embedded import embedded_postgres

KINDS = ("marked", "unfit", "constraint", "mixed", "raised")

CREATE = """
CREATE TABLE s AS
SELECT g AS id, g::text AS code, g * 1.5 AS price, md5(g::text) AS name,
       CASE WHEN {bad} THEN (ARRAY{kinds})[1 + g / 100 % {many}] ELSE '' END AS bad
FROM generate_series(1, {rows}) g
"""
CREATE_TARGET = """
CREATE TABLE d (id int PRIMARY KEY, code int, price numeric, name text,
                bad text CHECK (bad <> 'constraint'))
"""


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """Make a number of a text, as the rows mean it; mark, spoil and choke on the bad ones."""
    if (frame["bad"] == "raised").any():
        message = "a bad row"
        raise ValueError(message)
    code = frame["code"].astype("int64[pyarrow]")
    frame = frame.assign(code=code.mask(frame["bad"] == "unfit", 10**12))
    return reject(frame, frame["bad"] == "marked", "marked as bad")


def seconds(source: str, target: str, chunk_size: int, bad: int) -> float:
    """Move the rows and hold the rejects against them; return the time from first chunk to last."""
    with sa.create_engine(target).begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS d")
        connection.exec_driver_sql(CREATE_TARGET)
    processor = ParallelProcessor(enable_parallel=False)
    job = MapperJob(
        source_conn=source, source_sql="SELECT * FROM s", transformation_logic=clean,
        target_conn=target, target_table="d", chunk_size=chunk_size, reject_limit=10**6,
    )  # fmt: skip
    result = processor.run(job).raise_for_status()
    rejects = processor.rejects(str(result.run_id), target_conn=target)
    ids = {row["id"] for row in rejects.row}
    wanted = set() if bad == 0 else set(range(100, result.total_rows_processed + 1, 100))
    if ids != wanted or len(rejects) != len(wanted):
        sys.exit(f"{len(rejects)} rejects, {len(wanted)} bad rows")
    return result.processing_time


def fill(url: str, rows: int, kinds: Sequence[str]) -> None:
    """Make the source's rows, one in a hundred of them bad in one of the ways."""
    sql = CREATE.format(
        rows=rows, bad="g % 100 = 0" if kinds else "false", kinds=list(kinds) or [""],
        many=len(kinds) or 1,
    )  # fmt: skip
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text(sql.replace(":", "\\:")))
        connection.exec_driver_sql("ALTER TABLE s ADD PRIMARY KEY (id)")
        connection.exec_driver_sql("ANALYZE s")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunk-size", type=int, default=50_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--check", action="store_true", help="fail when mixed is under a third")
    options = parser.parse_args(arguments)
    ratios: dict[str, list[float]] = {kind: [] for kind in options.kinds}
    mixed = ("marked", "unfit", "constraint")
    with embedded_postgres(settings={"max_wal_size": "8GB"}) as server:
        target = server.create_database("target")
        sources = {"": server.create_database("clean")}
        fill(sources[""], options.rows, ())
        for kind in options.kinds:
            sources[kind] = server.create_database(kind)
            fill(sources[kind], options.rows, mixed if kind == "mixed" else (kind,))
        for _ in range(options.rounds):
            untouched = seconds(sources[""], target, options.chunk_size, 0)
            for kind in options.kinds:
                ratios[kind].append(
                    untouched / seconds(sources[kind], target, options.chunk_size, 1)
                )
    print(f"{options.rows:,} rows, 1% bad, chunks of {options.chunk_size:,}, one process\n")
    print("| bad rows | speed beside clean rows |\n|---|--:|")
    for kind, found in ratios.items():
        print(f"| {kind} | {statistics.median(found):.2f} |")
    return int(options.check and statistics.median(ratios["mixed"]) < 1 / 3)


if __name__ == "__main__":
    sys.exit(main())
