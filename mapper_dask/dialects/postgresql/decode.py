"""The text format of COPY, to Arrow. Pure: opens no connection.

It is the format of COPY that a server writes with the least work, and it can be cut between any two
lines: a line break within a value is written as an escape.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from mapper_dask.dialects.postgresql import zones
from mapper_dask.dialects.postgresql.lines import Lines
from mapper_dask.schema.facts import Column, TypeFamily

BYTE_ORDER_MARK = "\ufeff".encode()
"""Arrow removes it from the beginning of a file; to the database it is part of a value."""

ESCAPES = (
    ("\\\\", "\0"),
    ("\\b", "\b"),
    ("\\f", "\f"),
    ("\\n", "\n"),
    ("\\r", "\r"),
    ("\\t", "\t"),
    ("\\v", "\v"),
    ("\0", "\\"),
)
"""Each escape that COPY writes, and what it means. No text of the database holds a NUL, so a NUL
replaces an escaped backslash while the other escapes are looked for."""

SPANS = {
    "interval": (r"^(-[0-9]+) ([0-9])", r"\1 -\2"),
    "interval[]": ('"(-[0-9]+) ([0-9])', r'"\1 -\2'),
}
"""Replacements in texts of intervals. Only in the style sql_standard, a day's sign applies to the
hours too; with a sign for each field, all styles read the same."""

_NUMBERED = re.compile(rb"\\(?:([0-7]{3})|\\)")
"""In the text of a bytea: a byte written as a number, or a backslash."""

_REFUSED = re.compile(r"(?:In CSV column #|^Column )(\d+)")


class Decoder:
    """Makes tables of one schema of blocks of whole lines.

    Parameters
    ----------
    columns
        The query's columns, in order.
    typed
        Which of them are parsed into their Arrow type; the others stay the database's text.
    """

    def __init__(self, columns: Sequence[Column], typed: Sequence[bool]) -> None:
        self._columns = list(zip(columns, typed, strict=True))
        self.schema = pa.schema(
            [(c.name, c.arrow if keep else pa.string()) for c, keep in self._columns]
        )
        self._has_bytes = any(pa.types.is_binary(arrow) for arrow in self.schema.types)
        self._rewritten = [n for n, (c, keep) in enumerate(self._columns) if _is_rewritten(c, keep)]
        self._moments = [n for n, (c, keep) in enumerate(self._columns) if keep and _has_zone(c)]
        self._lines = Lines(self.schema)
        self._names = [str(number) for number in range(len(self._columns))]
        types = [_parsed_as(c) if keep else pa.string() for c, keep in self._columns]
        self._convert = pyarrow.csv.ConvertOptions(
            column_types=dict(zip(self._names, types, strict=True)),
            strings_can_be_null=True,
            null_values=["\\N"],
            true_values=["t"],
            false_values=["f"],
        )
        self._parse = pyarrow.csv.ParseOptions(
            delimiter="\t",
            quote_char=False,
            escape_char=False,
            newlines_in_values=False,
            ignore_empty_lines=False,  # a line of one empty text is empty
        )

    def decode(self, block: bytes | memoryview) -> pa.Table:
        """Return the rows of a block.

        Raises
        ------
        pyarrow.ArrowInvalid
            When a typed column holds a value its Arrow type cannot hold, such as infinity.
        """
        rows = self._lines.decode(block)
        rows = self._read(bytes(block)) if rows is None else rows
        for number in self._rewritten:
            column, _ = self._columns[number]
            texts = _rewritten(rows.column(number).combine_chunks(), column)
            rows = rows.set_column(number, self.schema.field(number), texts)
        return rows

    def _read(self, block: bytes) -> pa.Table:
        source = BYTE_ORDER_MARK + block if block.startswith(BYTE_ORDER_MARK) else block
        options = pyarrow.csv.ReadOptions(
            column_names=self._names, block_size=len(source) + 1, use_threads=False
        )
        rows = pyarrow.csv.read_csv(
            pa.BufferReader(source),
            read_options=options,
            parse_options=self._parse,
            convert_options=self._convert,
        )
        if not (self._has_bytes or self._moments or has_escapes(block)):
            return rows.rename_columns(self.schema.names)
        arrays = [
            _unescaped(array.combine_chunks(), column, typed=typed)
            for array, (column, typed) in zip(rows.columns, self._columns, strict=True)
        ]
        for number in self._moments:
            arrays[number] = _moments(number, arrays[number], self.schema.types[number])
        return pa.Table.from_arrays(arrays, schema=self.schema)


def has_escapes(block: bytes) -> bool:
    """Return whether a block has a backslash that is not of a NULL."""
    return b"\\" in block and block.count(b"\\") != block.count(b"\\N")


def _parsed_as(column: Column) -> pa.DataType:
    as_text = column.family is TypeFamily.BINARY or _has_zone(column)
    return pa.string() if as_text else column.arrow


def _has_zone(column: Column) -> bool:
    return pa.types.is_timestamp(column.arrow) and column.arrow.tz is not None


def _moments(number: int, texts: pa.Array, arrow: pa.DataType) -> pa.Array:
    """Return moments of texts with offsets, of which Arrow's reader knows no seconds."""
    try:
        return zones.moments(texts, arrow)
    except pa.ArrowInvalid as error:
        message = f"Column {number}: {error}"
        raise pa.ArrowInvalid(message) from None


def _is_rewritten(column: Column, typed: bool) -> bool:  # noqa: FBT001
    """Return whether a column's texts depend on the session, and need not."""
    return (not typed and _has_zone(column)) or column.key_type in SPANS


def _rewritten(texts: pa.Array, column: Column) -> pa.Array:
    """Return texts that mean the same in every session."""
    if column.key_type not in SPANS:
        return zones.in_utc(texts)
    return pc.replace_substring_regex(texts, *SPANS[column.key_type])


def _unescaped(values: pa.Array, column: Column, *, typed: bool) -> pa.Array:
    if not pa.types.is_string(values.type):
        return values
    if typed and column.family is TypeFamily.BINARY:
        return _bytes(values)
    escaped = pc.fill_null(pc.match_substring(values, "\\"), fill_value=False)
    if not pc.any(escaped).as_py():
        return values
    texts = values.filter(escaped)
    for written, meant in ESCAPES:
        texts = pc.replace_substring(texts, written, meant)
    return pc.replace_with_mask(values, escaped, texts)


def _bytes(values: pa.Array) -> pa.Array:
    """Return bytes of their texts, whichever of the two forms the session writes."""
    return pa.array((None if v is None else _one_bytes(v) for v in values.to_pylist()), pa.binary())


def _one_bytes(text: str) -> bytes:
    """Return bytes that are written in hex, or as characters and numbers behind backslashes.

    COPY doubles each backslash; a value that begins with one has two, and so looks like no hex.
    """
    if text.startswith("\\\\x"):
        return binascii.unhexlify(text[3:])
    return _NUMBERED.sub(_numbered, text.replace("\\\\", "\\").encode())


def _numbered(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8)]) if found[1] else b"\\"


def refused_column(error: pa.ArrowInvalid) -> int | None:
    """Return which column a parse error speaks of, None when it names none."""
    match = _REFUSED.search(str(error))
    return int(match.group(1)) if match else None
