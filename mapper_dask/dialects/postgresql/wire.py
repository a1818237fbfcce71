"""Arrow as COPY takes it: binary where that is exact, else CSV. Pure: opens no connection.

Which types survive each way is measured, case by case, in ``tests/integration/fidelity``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder

from mapper_dask.dialects.postgresql import rows as compiled_rows
from mapper_dask.errors import EncodeError
from mapper_dask.schema.facts import Column, TypeFamily

PIECE = 96 << 10
"""Bytes encoded at a time, about: few enough to stay in a processor's cache until they are sent,
and to be taken from memory the process has already: the C library asks the system for more."""

BINARY_TYPES = frozenset(
    {
        *("smallint", "integer", "bigint", "real", "double precision", "boolean", "text", "bytea"),
        *("character varying", "bpchar", "date", "time without time zone"),
        *("timestamp without time zone", "timestamp with time zone"),
    }
)
"""Target types whose binary form is what the encoder writes for their own Arrow type."""


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


class Stream:
    """A file to read from, filled piece by piece as it is read.

    Parameters
    ----------
    pieces
        Bytes in order. An error of theirs is raised by ``read``, and kept for ``raise_error``:
        the driver reports it as an error of the database.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next piece, of any length, or without a size all; raise what making it did."""
        try:
            if size < 0:
                return b"".join(self._pieces)
            return next((piece for piece in self._pieces if piece), b"")
        except Exception as error:
            self._error = error
            raise

    def raise_error(self) -> None:
        """Raise what making a piece raised, if it did."""
        if self._error is not None:
            raise self._error


def to_binary(rows: pa.Table) -> Stream:
    """Return rows as a binary COPY stream."""
    return Stream(_binary(rows))


def _binary(rows: pa.Table) -> Iterator[bytes]:
    if compiled_rows.is_known(rows.schema):
        yield from compiled_rows.encoded(rows, PIECE)
        return
    encoder = ArrowToPostgresBinaryEncoder(rows.schema)
    yield encoder.write_header()
    for batch in rows.to_batches(max_chunksize=_rows_a_piece(rows)):
        yield encoder.write_batch(batch)
    yield encoder.finish()


def _rows_a_piece(rows: pa.Table) -> int:
    return max(1, PIECE * int(rows.num_rows) // max(1, int(rows.nbytes)))


def to_csv(rows: pa.Table) -> Stream:
    """Return rows as a CSV COPY stream. An empty text is quoted, NULL is not.

    Raises
    ------
    EncodeError
        When a column's Arrow type has no text form here.
    """
    for field in rows.schema:
        _require_text_form(field)
    if rows.num_columns == 0:
        return Stream(iter([b"\n" * rows.num_rows]))
    return Stream(_csv(rows))


def _csv(rows: pa.Table) -> Iterator[bytes]:
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in rows.to_batches(max_chunksize=_rows_a_piece(rows)):
        plain = pa.RecordBatch.from_arrays(
            [_as_text(values) for values in batch.columns], batch.schema.names
        )
        sink = pa.BufferOutputStream()
        if plain.num_rows:  # over none the writer of pyarrow 26 fills the stream with zeros
            pyarrow.csv.write_csv(plain, sink, options)
        yield sink.getvalue().to_pybytes()


def _require_text_form(field: pa.Field) -> None:
    if pa.types.is_nested(field.type) or pa.types.is_dictionary(field.type):
        message = (
            f"column {field.name!r} holds {field.type}, which has no text form; return text "
            "from the function"
        )
        raise EncodeError(message)


def _as_text(values: pa.Array) -> pa.Array:
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        texts = (None if v is None else "\\x" + v.hex() for v in values.to_pylist())
        return pa.array(texts, pa.string())
    return values
