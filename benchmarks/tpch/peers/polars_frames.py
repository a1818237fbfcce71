"""polars: ``read_database_uri``, expressions, ``write_database`` by ADBC. Whole tables in memory.

Read by connectorx in two partitions, or by ADBC; written by ADBC either way.
"""

from __future__ import annotations

import sys

import polars as pl

from benchmarks.tpch.lineitem import NUMERICS
from benchmarks.tpch.peers.arrow_numerics import select
from benchmarks.tpch.peers.protocol import Move, main

PARTITIONS = 2


def read(move: Move) -> pl.DataFrame:
    query = select(move.table, floats=False)
    if "adbc" in sys.argv:
        frame = pl.read_database_uri(query, move.source, engine="adbc")
        return frame.with_columns(pl.col(NUMERICS).ext.storage())  # ADBC's numerics are texts
    return pl.read_database_uri(
        query, move.source_tcp, engine="connectorx",
        partition_on="l_orderkey", partition_num=PARTITIONS, protocol="binary",
    )  # fmt: skip


def move_rows(move: Move) -> None:
    frame = read(move).with_columns(pl.col(NUMERICS).cast(pl.Decimal(15, 2)))
    if move.transforms:
        price = pl.col("l_extendedprice").cast(pl.Float64)
        discount = pl.col("l_discount").cast(pl.Float64)
        frame = frame.filter(pl.col("l_linenumber") < 7).with_columns(
            revenue=price * (1 - discount), l_comment=pl.col("l_comment").str.to_uppercase()
        )
    frame.write_database(move.target, move.sink, engine="adbc", if_table_exists="append")


if __name__ == "__main__":
    reader = "adbc-driver-postgresql" if "adbc" in sys.argv else "connectorx"
    main(move_rows, ["polars", reader])
