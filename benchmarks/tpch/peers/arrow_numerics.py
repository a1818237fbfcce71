"""Numerics of ADBC as Arrow decimals: it hands them out as text, and takes decimals in."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from benchmarks.tpch.lineitem import COLUMNS, NUMERICS
from benchmarks.tpch.transform import transform

DECIMAL = pa.decimal128(15, 2)


def select(table: str, *, floats: bool) -> str:
    """Return the query; for floats the server converts, which is the cheapest place."""
    names = [f"{name}::float8 AS {name}" if floats and name in NUMERICS else name
             for name in COLUMNS]  # fmt: skip
    return f"SELECT {', '.join(names)} FROM {table}"


def with_decimals(batch: pa.RecordBatch) -> pa.Table:
    """Return a batch whose numerics, handed out as text, are decimals."""
    table = pa.Table.from_batches([batch])
    for name in NUMERICS:
        position = table.schema.get_field_index(name)
        column = table.column(position)
        if pa.types.is_floating(column.type):
            continue
        text = pa.chunked_array([_storage(chunk) for chunk in column.chunks], pa.string())
        table = table.set_column(position, name, text.cast(DECIMAL))
    return table


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def transformed(table: pa.Table) -> pa.Table:
    """Return a table after the function, which sees pandas on Arrow dtypes."""
    frame = transform(table.to_pandas(types_mapper=pd.ArrowDtype))
    return pa.Table.from_pandas(frame, preserve_index=False)


def batches(reader: pa.RecordBatchReader, *, transforms: bool) -> Iterator[pa.RecordBatch]:
    """Yield what is to be written, a batch after another."""
    for batch in reader:
        table = with_decimals(batch)
        yield from (transformed(table) if transforms else table).to_batches()
