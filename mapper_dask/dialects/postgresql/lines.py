"""The compiled, fast reader of text COPY lines into Arrow, for the values that it knows.

It is optional: without a compiler at installation Arrow reads every block, with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

try:
    from mapper_dask.dialects.postgresql import _lines
except ImportError:  # there was no compiler
    _lines = None  # type: ignore[assignment]

compiled: Any = _lines
"""The compiled module; None where it was not built."""

KINDS: dict[pa.DataType, str] = {
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.date32(): "d",
    pa.time64("us"): "m",
    pa.timestamp("us"): "t",
    pa.timestamp("us", tz="UTC"): "z",
    pa.string(): "s",
}
"""Arrow type → how it is read. Decimals are ``n``; all others are read as texts, and cast."""

CAST = (pa.float32(), pa.float64())
"""Types that Arrow casts from text exactly as it reads them from a file."""

TRUTHS = pa.array(["t", "f"])
"""How the database writes a boolean."""


class Lines:
    """Reads blocks of lines into arrays of a schema.

    Parameters
    ----------
    schema
        A column's name and Arrow type, in order.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._kinds = "".join(_kind(arrow) for arrow in schema.types).encode()
        decimals = [t if pa.types.is_decimal128(t) else None for t in schema.types]
        self._precisions = bytes(t.precision if t else 0 for t in decimals)
        self._scales = bytes(t.scale if t else 0 for t in decimals)
        self.known = compiled is not None and len(schema) > 0 and all(map(_is_known, schema.types))

    def decode(self, block: bytes | memoryview) -> pa.Table | None:
        """Return the rows of a block that ends with a line's end; None for Arrow's reader to do."""
        if not self.known:
            return None
        made = compiled.decode(block, self._kinds, self._precisions, self._scales)
        if made is None:
            return None
        rows, buffers = made
        try:
            arrays = [
                _array(arrow, rows, parts)
                for arrow, parts in zip(self._schema.types, buffers, strict=True)
            ]
        except pa.ArrowInvalid:  # a text that is none of its type: let the reader say which
            return None
        return pa.Table.from_arrays(arrays, schema=self._schema)


def _is_known(arrow: pa.DataType) -> bool:
    known = arrow in KINDS or arrow in CAST or pa.types.is_boolean(arrow)
    return known or pa.types.is_decimal128(arrow)


def _kind(arrow: pa.DataType) -> str:
    return "n" if pa.types.is_decimal128(arrow) else KINDS.get(arrow, "s")


def _array(arrow: pa.DataType, rows: int, parts: Sequence[bytes | None]) -> pa.Array:
    buffers = [None if part is None else pa.py_buffer(part) for part in parts]
    if pa.types.is_boolean(arrow):
        return _truths(pa.Array.from_buffers(pa.string(), rows, buffers))
    if arrow in CAST:
        return pa.Array.from_buffers(pa.string(), rows, buffers).cast(arrow)
    return pa.Array.from_buffers(arrow, rows, buffers)


def _truths(texts: pa.Array) -> pa.Array:
    places = pc.index_in(texts, TRUTHS)
    if places.null_count != texts.null_count:
        message = "a boolean is neither t nor f"
        raise pa.ArrowInvalid(message)
    return pc.equal(places, 0)
