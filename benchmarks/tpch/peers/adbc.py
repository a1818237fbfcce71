"""ADBC's PostgreSQL driver at both ends, Arrow between: its documented bulk ways, streaming.

``fetch_record_batch`` reads by COPY, ``adbc_ingest`` writes by COPY; the function sees pandas on
Arrow dtypes. With ``floats`` the numerics travel as doubles, into columns of doubles.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from benchmarks.tpch.peers.arrow_numerics import batches, select
from benchmarks.tpch.peers.protocol import Move, main


def move_rows(move: Move) -> None:
    query = select(move.table, floats="floats" in sys.argv)
    with adbc.connect(move.source) as source, adbc.connect(move.sink) as sink:
        with source.cursor() as reading, sink.cursor() as writing:
            reading.execute(query)
            ready = batches(reading.fetch_record_batch(), transforms=move.transforms)
            first = next(ready)
            stream = pa.RecordBatchReader.from_batches(first.schema, _chain(first, ready))
            writing.adbc_ingest(move.target, stream, mode="append")
        sink.commit()


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


if __name__ == "__main__":
    main(move_rows, ["adbc-driver-postgresql", "pyarrow", "pandas"])
