"""Rows as COPY carries them: CSV and binary, to and from Arrow. Pure: opens no connection.

Read settings and the list of types that survive each way are measured, case by case, in
``tests/integration/test_types.py``.
"""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder

from mapper_dask.dialects.facts import Column, TypeFamily
from mapper_dask.errors import EncodeError

BLOCK = 1 << 20
"""Bytes parsed at a time, to begin with: what Arrow itself takes."""

BINARY_ROWS = 16_384
"""Rows encoded at a time: keeps the encoder's buffer small."""

BYTE_ORDER_MARK = "\ufeff".encode()
"""What Arrow takes away from the beginning of a CSV; to the database it is a value's own."""

_REFUSED = re.compile(r"In CSV column #(\d+)")

BINARY_TYPES = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "boolean",
        "text",
        "character varying",
        "bpchar",
        "bytea",
        "date",
        "time without time zone",
        "timestamp without time zone",
        "timestamp with time zone",
    }
)
"""Target types whose binary form is what the encoder writes for their own Arrow type."""


def parse_csv(
    source: Any, columns: Sequence[Column], *, typed: Sequence[bool], block: int = BLOCK
) -> Iterator[pa.Table]:
    """Yield the rows of a CSV COPY, block by block.

    Parameters
    ----------
    source
        What COPY wrote, at its beginning; any file Arrow reads.
    columns
        The query's columns, in order.
    typed
        Which of them are parsed into their Arrow type; the others stay the database's text.
    block
        Bytes parsed at a time; no row may be longer.

    Raises
    ------
    pyarrow.ArrowInvalid
        When a typed column holds a value its Arrow type has no room for, such as infinity; when
        a row is longer than the block.
    """
    plan = list(zip(columns, typed, strict=True))
    schema = pa.schema(
        [(column.name, column.arrow if keep else pa.string()) for column, keep in plan]
    )
    yield schema.empty_table()
    for batch in _batches(
        source, [_csv_type(column) if keep else pa.string() for column, keep in plan], block
    ):
        arrays = [
            _decoded(a, c) if keep else a for a, (c, keep) in zip(batch.columns, plan, strict=True)
        ]
        yield pa.Table.from_arrays(arrays, schema=schema)


def _batches(source: Any, types: list[pa.DataType], block: int) -> Iterator[pa.RecordBatch]:
    names = [str(number) for number in range(len(types))]
    try:
        yield from pyarrow.csv.open_csv(
            pa.PythonFile(_Feed(source), "r"),
            read_options=pyarrow.csv.ReadOptions(
                column_names=names, block_size=block, use_threads=False
            ),
            # A row of one NULL is an empty line; leaving those out would lose it.
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise


class _Feed:
    """A file as Arrow's CSV reader takes it without loss.

    The reader drops a byte order mark that comes first, and a line feed that begins a block when
    the one before ended in a carriage return, even where they are a value's own. So a mark is put
    first for it to drop, and a block never ends between those two (apache/arrow issue 51368).
    """

    closed = False

    def __init__(self, source: Any) -> None:
        self._source = source
        self._held = BYTE_ORDER_MARK

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        more = self._source.read(size - len(self._held))
        data: bytes = self._held + more
        self._held = b"\r" if more and data.endswith(b"\r") else b""
        return data.removesuffix(self._held)

    def close(self) -> None:
        """Leave the source to its owner."""


def _csv_type(column: Column) -> pa.DataType:
    return pa.string() if column.family is TypeFamily.BINARY else column.arrow


def _decoded(array: pa.Array, column: Column) -> pa.Array:
    if column.family is not TypeFamily.BINARY:
        return array
    values = (None if v is None else binascii.unhexlify(v[2:]) for v in array.to_pylist())
    return pa.array(values, pa.binary())


def refused_column(error: pa.ArrowInvalid) -> int | None:
    """Return which column a parse error speaks of, None when it names none."""
    match = _REFUSED.search(str(error))
    return int(match.group(1)) if match else None


def block_too_small(error: pa.ArrowInvalid) -> bool:
    """Return whether a parse failed because a row is longer than a block."""
    return "straddling" in str(error)


def is_binary(columns: Sequence[Column], rows: pa.Table) -> bool:
    """Return whether the binary form of these rows is exactly what the columns expect.

    The encoder never looks at the target: int64 sent to a numeric column stores 1 as 0.00 without
    an error. So every Arrow type must be the very one of its column.
    """
    return all(
        field.type == column.arrow and is_binary_type(column)
        for column, field in zip(columns, rows.schema, strict=True)
    )


def is_binary_type(column: Column) -> bool:
    """Return whether the encoder writes what a target type expects of its own Arrow type."""
    if column.family is TypeFamily.DECIMAL:
        return column.typed
    return column.key_type in BINARY_TYPES


def to_binary(rows: pa.Table) -> io.BytesIO:
    """Return rows as a binary COPY stream."""
    encoder = ArrowToPostgresBinaryEncoder(rows.schema)
    stream = io.BytesIO()
    stream.write(encoder.write_header())
    for batch in rows.to_batches(max_chunksize=BINARY_ROWS):
        stream.write(encoder.write_batch(batch))
    stream.write(encoder.finish())
    stream.seek(0)
    return stream


def to_csv(rows: pa.Table) -> Any:
    """Return rows as a CSV COPY stream. An empty text is quoted, NULL is not.

    Raises
    ------
    EncodeError
        When a column's Arrow type has no text form here.
    """
    if rows.num_columns == 0:
        return io.BytesIO(b"\n" * rows.num_rows)
    plain = pa.Table.from_arrays(
        [_as_text(rows[name], name) for name in rows.column_names], rows.column_names
    )
    sink = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    # Combined first: over an empty chunk the writer of pyarrow 26 fills the stream with zeros.
    pyarrow.csv.write_csv(plain.combine_chunks(), sink, options)
    return pa.BufferReader(sink.getvalue())


def _as_text(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        texts = (None if v is None else "\\x" + v.hex() for v in values.to_pylist())
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_nested(values.type) or pa.types.is_dictionary(values.type):
        message = (
            f"column {name!r} holds {values.type}, which has no text form; return text "
            "from the function"
        )
        raise EncodeError(message)
    return values


def regrouped(tables: Iterator[pa.Table], at_most: int) -> Iterator[pa.Table]:
    """Regroup tables into tables of ``at_most`` rows; the last may have fewer, a lone one none."""
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held = [*held, table] if count else [table]
        count += table.num_rows
        while count > at_most:
            whole = pa.concat_tables(held)
            yield whole.slice(0, at_most)
            held = [whole.slice(at_most)]
            count -= at_most
    if held:
        yield pa.concat_tables(held)
