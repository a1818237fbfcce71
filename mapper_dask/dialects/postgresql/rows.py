"""The compiled, fast writer of Arrow into binary COPY rows, for the types that it knows.

It is optional: without a compiler at installation pgpq writes them, the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

try:
    from mapper_dask.dialects.postgresql import _rows
except ImportError:  # there was no compiler
    _rows = None  # type: ignore[assignment]

compiled: Any = _rows
"""The compiled module; None where it was not built."""

KINDS: dict[pa.DataType, str] = {
    pa.bool_(): "b",
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.float32(): "f",
    pa.float64(): "g",
    pa.date32(): "d",
    pa.time64("us"): "m",
    pa.timestamp("us"): "t",
    pa.timestamp("us", tz="UTC"): "t",
    pa.string(): "s",
    pa.binary(): "s",
}
"""Arrow type → how it is written. Decimals are ``n``."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""How a binary COPY begins: a signature, no flags, no extension."""

TRAILER = b"\xff\xff"
"""How it ends: a row of -1 fields."""


def is_known(schema: pa.Schema) -> bool:
    """Return whether rows of a schema are written by compiled code."""
    return compiled is not None and all(_kind(arrow) for arrow in schema.types)


def _kind(arrow: pa.DataType) -> str:
    if pa.types.is_decimal128(arrow):
        return "n" if arrow.scale >= 0 else ""
    return KINDS.get(arrow, "")


def encoded(rows: pa.Table, piece: int) -> Iterator[bytes]:
    """Yield rows of a known schema as a binary COPY, in pieces of about so many bytes.

    Raises
    ------
    ValueError
        When a date or a time is before the first one the database has.
    """
    kinds = "".join(map(_kind, rows.schema.types)).encode()
    scales = bytes(t.scale if pa.types.is_decimal128(t) else 0 for t in rows.schema.types)
    yield HEADER
    for batch in rows.to_batches():
        _, array = batch.__arrow_c_array__()
        row = 0
        while row < batch.num_rows:
            data, row = compiled.encode(array, kinds, scales, row, piece)
            yield data
    yield TRAILER
