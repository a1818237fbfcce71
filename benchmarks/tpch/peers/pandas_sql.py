"""pandas alone: ``read_sql`` in chunks from a server-side cursor, ``to_sql``. One process."""

from __future__ import annotations

import sys

import pandas as pd
import sqlalchemy as sa

from benchmarks.tpch.peers.copy_method import psql_insert_copy
from benchmarks.tpch.peers.protocol import Move, main, sqlalchemy_url
from benchmarks.tpch.transform import NUMPY_DOUBLE, transform

CHUNK = 50_000


def move_rows(move: Move) -> None:
    method = psql_insert_copy if "copy" in sys.argv else None
    source = sa.create_engine(sqlalchemy_url(move.source))
    sink = sa.create_engine(sqlalchemy_url(move.sink))
    query = sa.text(f"SELECT * FROM {move.table}")
    streaming = source.connect().execution_options(stream_results=True, max_row_buffer=10_000)
    with streaming as reading, sink.begin() as writing:
        for frame in pd.read_sql(query, reading, chunksize=CHUNK):
            ready = transform(frame, NUMPY_DOUBLE) if move.transforms else frame
            ready.to_sql(move.target, writing, if_exists="append", index=False, method=method)


if __name__ == "__main__":
    main(move_rows, ["pandas", "sqlalchemy", "psycopg2-binary"])
