"""Plain Dask: ``read_sql_query`` and ``to_sql``, on two worker processes that are up."""

from __future__ import annotations

import sys
from functools import partial

import dask.dataframe as dd
import sqlalchemy as sa
from distributed import Client, LocalCluster

from benchmarks.tpch.peers.copy_method import psql_insert_copy
from benchmarks.tpch.peers.protocol import Move, main, sqlalchemy_url
from benchmarks.tpch.transform import NUMPY_DOUBLE, transform

WORKERS = 2
PARTITION = 25_000
"""Rows: small enough that a few times ten thousand rows keep both workers busy."""


def move_rows(client: Client, move: Move) -> None:
    method = psql_insert_copy if "copy" in sys.argv else None
    source, sink = sqlalchemy_url(move.source), sqlalchemy_url(move.sink)
    engine = sa.create_engine(source)
    table = sa.Table(move.table, sa.MetaData(), autoload_with=engine)
    parts = max(WORKERS, move.rows // PARTITION // WORKERS * WORKERS)
    frame = dd.read_sql_query(sa.select(table), source, index_col="l_orderkey", npartitions=parts)
    if move.transforms:
        frame = frame.map_partitions(transform, NUMPY_DOUBLE)
    written = frame.to_sql(
        move.target, sink, if_exists="append", index=True, method=method, compute=False
    )
    client.compute(written).result()
    engine.dispose()


def on_workers() -> None:
    with (
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(_import)
        main(partial(move_rows, client), ["dask", "pandas", "sqlalchemy"])


def _import() -> None:
    """Import in the workers what they need, so that it is not counted."""
    import pandas as pd  # noqa: F401
    import psycopg2  # noqa: F401


if __name__ == "__main__":
    on_workers()
