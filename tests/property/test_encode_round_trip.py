"""Every value of every type arrives as it left: read, shown to a function, encoded, written.

The database's side is written here a second time, from its documentation: a reader of its CSV and
of its binary COPY format, and a writer of its CSV. Nothing here opens a connection.
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.chunk.encode import encode_frame, encode_table
from mapper_dask.chunk.transform import apply, in_expected_order, to_frame
from mapper_dask.dialects.postgresql import wire
from mapper_dask.dialects.postgresql.decode import Decoder
from mapper_dask.dialects.postgresql.spool import CopySpool, Filling
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.schema.batches import regrouped
from mapper_dask.schema.facts import Column, TargetTable

BACKENDS = ["pyarrow", "numpy_nullable"]
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
"""Where the database's binary dates and timestamps begin."""
MICROSECOND = dt.timedelta(microseconds=1)
MIDNIGHT = dt.time(0)


@dataclass(frozen=True)
class Kind:
    """A type of the database: its values, and how it reads and writes them."""

    type_name: str
    examples: st.SearchStrategy[Any]
    to_text: Callable[[Any], str] = str
    """As the database prints a value."""
    from_text: Callable[[str], Any] = str
    """As the database reads a text."""
    from_binary: Callable[[bytes], Any] | None = None
    """As the database reads binary; None where the type never goes binary."""

    @property
    def column(self) -> Column:
        base = self.type_name.partition("(")[0]
        category = "S" if base in TEXTS else "X"
        return column("c", self.type_name, base, category, native=True)


TEXTS = ("text", "character varying", "bpchar", "character", "name", "citext")


def unpack(layout: str) -> Callable[[bytes], Any]:
    return lambda data: struct.unpack(f">{layout}", data)[0]


def whole(bits: int) -> st.SearchStrategy[int]:
    edges = [0, 1, -1, 2**24 + 1, 2**53 + 1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))]
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) | st.sampled_from(
        [edge for edge in edges if -(2 ** (bits - 1)) <= edge < 2 ** (bits - 1)]
    )


def print_float(value: float) -> str:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), repr(value))


def print_real(value: float) -> str:
    with np.errstate(over="ignore"):
        return print_float(value) if value - value != 0 else str(np.float32(value))


def read_real(text: str) -> float:
    return float(np.float32(text))


def read_boolean(text: str) -> bool:
    return {"t": True, "true": True, "f": False, "false": False}[text]


def unhex(text: str) -> bytes:
    assert text.startswith("\\x")
    return bytes.fromhex(text[2:])


def read_numeric(data: bytes) -> Decimal:
    """Base-10000 digits after their count, the first one's weight, a sign and a scale."""
    count, weight, sign, scale = struct.unpack(">hhHh", data[:8])
    digits = struct.unpack(f">{count}H", data[8:])
    with localcontext() as context:
        context.prec = 100
        value = sum(
            (Decimal(digit).scaleb(4 * (weight - i)) for i, digit in enumerate(digits)), Decimal(0)
        )
        assert all(digit < 10_000 for digit in digits)
        assert sign in (0, 0x4000)
        return (-value if sign else value).quantize(Decimal(1).scaleb(-scale))


def print_numeric(value: Decimal) -> str:
    return format(value, "f") if value.is_finite() else str(value)


def digits(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    largest = 10**precision - 1
    edges = st.sampled_from([0, 1, -1, largest, -largest, 10_000, 99_999_999 % (largest + 1)])
    numbers = st.integers(-largest, largest) | edges.filter(lambda n: abs(n) <= largest)
    return numbers.map(lambda n: Decimal((n < 0, tuple(map(int, str(abs(n)))), -scale)))


def print_stamp(value: dt.datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(" ")
    text = text.rstrip("0") if value.microsecond else text
    return text + ("+00" if value.tzinfo else "")


def read_stamp(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def stamp_of_micros(data: bytes) -> dt.datetime:
    return (EPOCH + MICROSECOND * unpack("q")(data)).replace(tzinfo=None)


def stamp_of_micros_utc(data: bytes) -> dt.datetime:
    return EPOCH + MICROSECOND * unpack("q")(data)


def time_of_micros(data: bytes) -> dt.time:
    return (EPOCH + MICROSECOND * unpack("q")(data)).time()


def date_of_days(data: bytes) -> dt.date:
    return EPOCH.date() + dt.timedelta(days=unpack("i")(data))


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
AWKWARD = ["", " ", ",", '"', '""', "\n", "\r", "\r\n", "\\.", "\\N", "NULL", "null", "NaN", "nan",
           "t", "\\x00", "'", ";", "\ufeff", "é漢😀", "{}", "1", "#", "\t", "\\"]  # fmt: skip
WORDS = st.text(LETTERS, max_size=8) | st.lists(st.sampled_from(AWKWARD), max_size=4).map("".join)
BYTES = st.binary(max_size=6) | st.sampled_from([b"", b"\0", b'"', b"\\x", b"\n", b","])
UUIDS = st.uuids().map(str)

KINDS = [
    Kind("smallint", whole(16), str, int, unpack("h")),
    Kind("integer", whole(32), str, int, unpack("i")),
    Kind("bigint", whole(64), str, int, unpack("q")),
    Kind("real", st.floats(width=32), print_real, read_real, unpack("f")),
    Kind("double precision", st.floats(), print_float, float, unpack("d")),
    Kind("boolean", st.booleans(), lambda value: "ft"[value], read_boolean, unpack("?")),
    *(Kind(name, WORDS, from_binary=bytes.decode) for name in ("text", "bpchar")),
    Kind("character varying(40)", WORDS, from_binary=bytes.decode),
    *(Kind(name, WORDS) for name in ("character(40)", "name", "citext", "json", "mood", "xml")),
    Kind("uuid", UUIDS),
    Kind("bytea", BYTES, lambda value: "\\x" + value.hex(), unhex, bytes),
    Kind("date", st.dates(), str, dt.date.fromisoformat, date_of_days),
    Kind("time without time zone", st.times(), str, dt.time.fromisoformat, time_of_micros),
    Kind("timestamp without time zone", st.datetimes(), print_stamp, read_stamp, stamp_of_micros),
    Kind("timestamp with time zone", st.datetimes(timezones=st.just(dt.UTC)), print_stamp,
         read_stamp, stamp_of_micros_utc),
    *(Kind(f"numeric({precision},{scale})", digits(precision, scale), print_numeric, Decimal,
           read_numeric) for precision, scale in [(1, 0), (5, 2), (9, 9), (19, 4), (38, 10)]),
    Kind("numeric(50,2)", digits(50, 2), print_numeric, Decimal),
    Kind("numeric", digits(45, 12) | st.sampled_from(
        [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")]), print_numeric, Decimal),
]  # fmt: skip

by_type = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type_name)


def same(value: Any) -> Any:
    """Return a value by which two are equal only when nothing tells them apart."""
    if isinstance(value, float):
        return "NaN" if value != value else struct.pack(">d", value)  # noqa: PLR0124
    if isinstance(value, Decimal):
        return value.as_tuple()
    return type(value), value


def require_equal(arrived: Sequence[Any], left: Sequence[Any]) -> None:
    assert [same(value) for value in arrived] == [same(value) for value in left]


def read_csv(data: bytes) -> Iterator[list[str | None]]:
    """Read as the database reads CSV: empty and unquoted is NULL, quoted never is."""
    fields: list[str | None] = []
    stream = iter(itertools.chain(data.decode(), [""]))
    text, quoted, inside = "", False, False
    for letter in stream:
        if letter == "":
            break
        if inside:
            inside = letter != '"'
            text += letter if inside else ""
        elif letter == '"':
            text += '"' if quoted else ""  # a second one follows a first: it was doubled
            quoted = inside = True
        elif letter in ",\n":
            fields.append(text if text or quoted else None)
            text, quoted = "", False
            if letter == "\n":
                yield fields
                fields = []
        else:
            assert not quoted, f"{letter!r} follows a closing quote"
            assert letter != "\r", "a bare carriage return ends a line"
            text += letter
    assert [inside, text, fields] == [False, "", []], "the last line is not ended"


def write_csv(rows: Sequence[Sequence[str | None]]) -> bytes:
    """Write as the database writes CSV: quoted only where it must be."""
    return "".join(",".join(map(_field, row)) + "\n" for row in rows).encode()


def _field(text: str | None) -> str:
    if text is None:
        return ""
    must = text in ("", "\\.") or any(letter in text for letter in ',"\r\n')
    return '"' + text.replace('"', '""') + '"' if must else text


COPY_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
                "\v": "\\v"}  # fmt: skip


def write_text(rows: Sequence[Sequence[str | None]]) -> bytes:
    """Write as the database writes a text COPY."""
    escapes = str.maketrans(COPY_ESCAPES)
    lines = (
        "\t".join("\\N" if text is None else text.translate(escapes) for text in row) + "\n"
        for row in rows
    )
    return "".join(lines).encode()


def read_binary(data: bytes) -> Iterator[list[bytes | None]]:
    """Read as the database reads binary COPY."""
    stream = io.BytesIO(data)
    assert stream.read(11) == b"PGCOPY\n\xff\r\n\0"
    flags, extension = struct.unpack(">ii", stream.read(8))
    assert (flags, extension) == (0, 0)
    while (count := struct.unpack(">h", stream.read(2))[0]) != -1:
        sizes = (struct.unpack(">i", stream.read(4))[0] for _ in range(count))
        yield [None if size == -1 else stream.read(size) for size in sizes]
    assert stream.read() == b""


def arrived(kinds: Sequence[Kind], rows: pa.Table) -> list[list[Any]]:
    """Return what the database reads from the wire that a load chooses, column by column."""
    fields: list[list[Any]] = []
    if wire.is_binary([kind.column for kind in kinds], rows):
        readers = [kind.from_binary for kind in kinds]
        fields = list(read_binary(wire.to_binary(rows).read()))
    else:
        readers = [kind.from_text for kind in kinds]
        fields = list(read_csv(wire.to_csv(rows).read()))
    assert all(len(row) == len(kinds) for row in fields)
    return [
        [None if row[place] is None else read(row[place]) for row in fields]
        for place, read in enumerate(readers)
    ]


def named(kinds: Sequence[Kind]) -> list[Column]:
    """Return a column of each kind, with names that are awkward too."""
    made = []
    for place, kind in enumerate(kinds):
        base = kind.column
        made.append(
            column(f'{place}"é', base.type_name, base.key_type,
                   "S" if base.key_type in TEXTS else "X", native=True)
        )  # fmt: skip
    return made


def table_of(columns: Sequence[Column]) -> TargetTable:
    return TargetTable("public", "t", '"public"."t"', tuple(columns))


def extracted(
    kinds: Sequence[Kind], columns: Sequence[Column], rows: Sequence[Sequence[Any]]
) -> pa.Table:
    """Return rows as they come from the database: printed by it, parsed by the library."""
    texts = [
        [None if value is None else kinds[place].to_text(value) for place, value in enumerate(row)]
        for row in rows
    ]
    return decoded(write_text(texts), columns)


def decoded(lines: bytes, columns: Sequence[Column]) -> pa.Table:
    """Return the rows of some lines; the compiled reader and Arrow's must agree on them."""
    decoder = Decoder(columns, [column.typed for column in columns])
    if not lines:
        return decoder.schema.empty_table()
    rows = decoder.decode(lines)
    assert equal_to_the_bit(rows, decoder._read(lines))
    return rows


def equal_to_the_bit(one: pa.Table, other: pa.Table) -> bool:
    """Return whether tables are equal, NaN to NaN too; what Arrow may read its way is valid."""
    one.validate(full=True)
    return one.schema == other.schema and all(
        pa.array([str(value) for value in a.to_pylist()]).equals(
            pa.array([str(value) for value in b.to_pylist()])
        )
        for a, b in zip(one.columns, other.columns, strict=True)
    )


def through_a_function(rows: pa.Table, columns: Sequence[Column], backend: Any) -> pa.Table:
    """Return rows as they leave a function that changes nothing."""
    frame = apply(lambda shown: shown, to_frame(rows, columns, backend))
    frame = in_expected_order(frame, rows.column_names)
    return encode_frame(frame, table_of(columns)).rows


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, max_size=6)


@by_type
def test_a_value_that_a_function_passes_on_arrives_as_it_left(kind):
    columns = named([kind])

    @given(some(kind.examples), st.sampled_from(BACKENDS))
    def arrives(values, backend):
        rows = extracted([kind], columns, [[value] for value in values])
        loaded = through_a_function(rows, columns, backend)

        require_equal(arrived([kind], loaded)[0], values)

    arrives()


@by_type
def test_a_value_without_a_function_arrives_as_it_left(kind):
    columns = named([kind])

    @given(some(kind.examples))
    def arrives(values):
        rows = extracted([kind], columns, [[value] for value in values])
        made = encode_table(rows, table_of(columns), columns)

        assert made.losses == ()
        require_equal(arrived([kind], made.rows)[0], values)

    arrives()


@by_type
def test_a_value_that_a_function_made_arrives_as_it_is(kind):
    """Python's own values in an object column, as a function written with apply returns them."""

    # A float NaN among objects is a missing value.
    @given(some(kind.examples.filter(lambda value: same(value) != "NaN")))
    def arrives(values):
        frame = pd.DataFrame({"c": pd.Series(values, dtype=object)})
        loaded = encode_frame(frame, table_of([kind.column])).rows

        require_equal(arrived([kind], loaded)[0], values)

    arrives()


@by_type
def test_both_formats_carry_the_same_values(kind):
    if kind.from_binary is None:
        rows = pa.schema([("c", kind.column.arrow)]).empty_table()
        assert not wire.is_binary([kind.column], rows)
        return

    @given(some(kind.examples))
    def agree(values):
        rows = pa.table({"c": pa.array(values, kind.column.arrow)})
        text = [fields[0] for fields in read_csv(wire.to_csv(rows).read())]
        binary = [fields[0] for fields in read_binary(wire.to_binary(rows).read())]

        assert wire.is_binary([kind.column], rows)
        require_equal([None if t is None else kind.from_text(t) for t in text], values)
        require_equal([None if b is None else kind.from_binary(b) for b in binary], values)

    agree()


BINARY_KINDS = [kind for kind in KINDS if kind.from_binary is not None]


@pytest.mark.parametrize("kinds", [KINDS, BINARY_KINDS], ids=["as text", "in binary"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_of_every_type_side_by_side_keep_their_places(kinds, backend):
    columns = named(kinds)

    @given(st.lists(st.tuples(*(st.none() | kind.examples for kind in kinds)), max_size=3))
    def keep(rows):
        loaded = through_a_function(extracted(kinds, columns, rows), columns, backend)

        assert wire.is_binary(columns, loaded) is (
            kinds is BINARY_KINDS and backend == "pyarrow"  # pandas has no decimals of its own
        )
        for place, values in enumerate(arrived(kinds, loaded)):
            require_equal(values, [row[place] for row in rows])

    keep()


@given(
    st.lists(st.tuples(st.none() | WORDS, st.none() | WORDS), max_size=20),
    st.integers(1, 9),
    st.integers(1, 50),
)
def test_blocks_and_groups_of_any_size_keep_every_row(rows, at_most, size):
    columns = [column(name, "text", "text", "S", native=True) for name in ("a", "b")]
    lines, typed = write_text(rows), [True, True]
    with CopySpool(Decoder(columns, typed).schema) as spool:
        into = Filling(columns, typed, spool)
        for start in range(0, len(lines), size):
            into.write(lines[start : start + size])
        groups = list(regrouped(spool.tables(), at_most))

    assert [tuple(row.values()) for group in groups for row in group.to_pylist()] == rows
    assert all(group.num_rows == at_most for group in groups[:-1])
    assert groups[-1].num_rows <= at_most


@given(st.lists(st.tuples(st.none() | WORDS, st.none() | WORDS), max_size=6))
def test_the_reader_and_the_writer_of_this_file_agree(rows):
    assert list(map(tuple, read_csv(write_csv(rows)))) == rows
