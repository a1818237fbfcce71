"""Arrow's extension types by what they mean, never by the bytes they are stored as. Pure.

Arrow makes ``arrow.uuid`` of Python's UUIDs by itself: 16 bytes, which read as a text would be
letters. What is not known here has no column type, and is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from mapper_dask.errors import EncodeError
from mapper_dask.schema.conversions import Incoming, incoming_from_arrow
from mapper_dask.schema.facts import TypeFamily

NESTED = frozenset({"arrow.uuid", "arrow.bool8", "arrow.json"})
"""Types whose values, as Python's own, are what they mean: so those of a list of them are, too."""


def meant(array: pa.ChunkedArray, name: str) -> tuple[pa.ChunkedArray, Incoming]:
    """Return a column's values as plain Arrow, and what they are.

    Raises
    ------
    EncodeError
        Names the column, and the type of which nobody knows what it means.
    """
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if not isinstance(array.type, pa.BaseExtensionType):
        unknown = next((t for t in _held(array.type) if t.extension_name not in NESTED), None)
        if unknown is not None:
            raise _unknown(name, unknown)
        return array, incoming_from_arrow(array.type)
    if (plain := _PLAIN.get(array.type.extension_name)) is None:
        raise _unknown(name, array.type)
    return plain(array)


def _unknown(name: str, kind: pa.BaseExtensionType) -> EncodeError:
    return EncodeError(
        f"column {name!r}: {kind.extension_name} ({kind}) has no column type; make it text, or a "
        "type that says what it means, in the function"
    )


def _held(kind: pa.DataType) -> Iterator[pa.BaseExtensionType]:
    """Yield the extension types within a type."""
    if isinstance(kind, pa.BaseExtensionType):
        yield kind
    elif pa.types.is_dictionary(kind):
        yield from _held(kind.value_type)
    elif pa.types.is_nested(kind):
        for place in range(kind.num_fields):
            yield from _held(kind.field(place).type)


def _uuids(array: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Incoming]:
    texts = [_written(value) for value in _stored(array).to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())]), Incoming(TypeFamily.OTHER, "uuid")


def _written(value: bytes | None) -> str | None:
    if value is None:
        return None
    digits = value.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _booleans(array: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Incoming]:
    return array.cast(pa.bool_()), incoming_from_arrow(pa.bool_())


def _json(array: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Incoming]:
    return _stored(array).cast(pa.string()), Incoming(TypeFamily.OTHER, "json")


def _tensors(array: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Incoming]:
    """Return arrays of arrays, in the order in which the axes are meant."""
    kind = array.type.value_type
    for _ in array.type.shape:
        kind = pa.list_(kind)
    lists = [None if not one.is_valid else one.to_numpy().tolist() for one in array]
    return pa.chunked_array([pa.array(lists, kind)]), incoming_from_arrow(kind)


def _stored(array: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.storage for chunk in array.chunks], array.type.storage_type)


_Plain = Callable[[Any], tuple[pa.ChunkedArray, Incoming]]

_PLAIN: dict[str, _Plain] = {
    "arrow.uuid": _uuids,
    "arrow.bool8": _booleans,
    "arrow.json": _json,
    "arrow.fixed_shape_tensor": _tensors,
}
