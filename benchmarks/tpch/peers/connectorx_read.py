"""connectorx, which only reads: two partitions into Arrow; pandas; written by ADBC."""

from __future__ import annotations

import adbc_driver_postgresql.dbapi as adbc
import connectorx as cx
import pyarrow as pa

from benchmarks.tpch.lineitem import NUMERICS
from benchmarks.tpch.peers.arrow_numerics import DECIMAL, select, transformed
from benchmarks.tpch.peers.protocol import Move, main

PARTITIONS = 2


def move_rows(move: Move) -> None:
    table = cx.read_sql(
        move.source_tcp, select(move.table, floats=False), return_type="arrow",
        partition_on="l_orderkey", partition_num=PARTITIONS, protocol="binary",
    )  # fmt: skip
    for name in NUMERICS:
        position = table.schema.get_field_index(name)
        table = table.set_column(position, name, table.column(position).cast(DECIMAL))
    ready: pa.Table = transformed(table) if move.transforms else table
    with adbc.connect(move.sink) as sink:
        with sink.cursor() as writing:
            writing.adbc_ingest(move.target, ready, mode="append")
        sink.commit()


if __name__ == "__main__":
    main(move_rows, ["connectorx", "adbc-driver-postgresql", "pandas"])
