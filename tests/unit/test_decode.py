"""COPY's lines as they come in: what each value becomes, by Arrow's reader and by the quick one."""

# ruff: noqa: DTZ001 - timestamps without a zone are the values here

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal

import pyarrow as pa
import pytest

from mapper_dask.dialects.postgresql import decode, lines, spool
from mapper_dask.dialects.postgresql.decode import Decoder
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.schema.facts import Column

NOON = dt.datetime(2020, 1, 1, 12)
UNTYPED = ["json", "uuid", "interval", "integer[]", "numeric", "numeric(50,2)", "xml"]
"""Types that have no Arrow type of their own and pass as the database's text."""


def pg(name: str, type_name: str) -> Column:
    base = type_name.partition("(")[0]
    category = "S" if base in ("text", "name", "citext", "character varying") else "X"
    return column(name, type_name, base, category, native=True)


def pgs(*types: str) -> list[Column]:
    return [pg(f"c{place}", name) for place, name in enumerate(types)]


@pytest.fixture(params=["quick", "arrow"], autouse=True)
def _reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read everything twice: by the compiled reader where it can, and without it."""
    if request.param == "arrow":
        monkeypatch.setattr(lines, "compiled", None)
    elif lines.compiled is None:
        pytest.skip("NO COMPILED READER: there was no C compiler when the library was installed")


def parsed(data: bytes, *types: str, typed: bool | None = None) -> list[tuple]:
    columns = pgs(*types)
    keep = [column.typed if typed is None else typed for column in columns]
    rows = Decoder(columns, keep).decode(data)
    assert rows.schema.types == [
        column.arrow if kept else pa.string() for column, kept in zip(columns, keep, strict=True)
    ]
    rows.validate(full=True)
    return list(zip(*(values.to_pylist() for values in rows.columns), strict=True))


PARSED = [
    ("smallint", b"-32768", -32768),
    ("integer", b"2147483647", 2**31 - 1),
    ("integer", b"-2147483648", -(2**31)),
    ("bigint", b"9007199254740993", 2**53 + 1),
    ("bigint", b"9223372036854775807", 2**63 - 1),
    ("bigint", b"-9223372036854775808", -(2**63)),
    ("real", b"3.4028235e+38", struct.unpack("f", struct.pack("f", 3.4028235e38))[0]),
    ("double precision", b"5e-324", 5e-324),
    ("double precision", b"Infinity", math.inf),
    ("double precision", b"-Infinity", -math.inf),
    ("boolean", b"t", True),
    ("boolean", b"f", False),
    ("numeric(38,2)", b"-999999999999999999999999999999999999.99", Decimal("-" + "9" * 36 + ".99")),
    ("numeric(38,38)", b"0." + b"9" * 38, Decimal("0." + "9" * 38)),
    ("numeric(38,0)", b"9" * 38, Decimal("9" * 38)),
    ("numeric(5,2)", b"0.00", Decimal("0.00")),
    ("numeric(5,2)", b"-0.01", Decimal("-0.01")),
    ("numeric(5,2)", b"1.5", Decimal("1.50")),
    ("numeric(5,2)", b"7", Decimal("7.00")),
    ("date", b"0001-01-01", dt.date(1, 1, 1)),
    ("date", b"1900-02-28", dt.date(1900, 2, 28)),
    ("date", b"2000-02-29", dt.date(2000, 2, 29)),
    ("date", b"9999-12-31", dt.date(9999, 12, 31)),
    ("time without time zone", b"23:59:59.999999", dt.time(23, 59, 59, 999999)),
    ("time without time zone", b"12:00:00", dt.time(12)),
    ("timestamp without time zone", b"2020-01-01 12:00:00", NOON),
    ("timestamp without time zone", b"2020-01-01 12:00:00.5", NOON.replace(microsecond=500000)),
    ("timestamp without time zone", b"0001-01-01 00:00:00.000001",
     dt.datetime(1, 1, 1, microsecond=1)),
    ("timestamp with time zone", b"2020-01-01 12:00:00+00", NOON.replace(tzinfo=dt.UTC)),
    ("timestamp with time zone", b"2020-01-01 12:00:00.000001-03:30",
     NOON.replace(hour=15, minute=30, microsecond=1, tzinfo=dt.UTC)),
    ("bytea", b"\\\\x00ff", b"\0\xff"),
    ("bytea", b"\\\\x", b""),
    ("text", b"plain", "plain"),
    ("text", b"", ""),
    ("text", b'a "word", and\\r\\na line', 'a "word", and\r\na line'),
    ("text", b"\\\\.", "\\."),
    ("text", b"\\\\N", "\\N"),
    ("text", b"\\\\n", "\\n"),
    ("text", b"\\\\\\n", "\\\n"),
    ("text", b"\\\\\\\\", "\\\\"),
    ("text", b"\\b\\f\\n\\r\\t\\v", "\b\f\n\r\t\v"),
    ("text", b"\x01\x7f", "\x01\x7f"),
    ("text", b"NULL", "NULL"),
    ("text", b"NaN", "NaN"),
    ("text", b"  ", "  "),
    ("text", "\ufeff".encode(), "\ufeff"),
    ("text", "\ufeff\ufeffa".encode(), "\ufeff\ufeffa"),
    ("text", "é漢😀".encode(), "é漢😀"),
    ("character varying(5)", b"t", "t"),
    *((name, b"text", "text") for name in UNTYPED),
]  # fmt: skip


@pytest.mark.parametrize(("type_name", "text", "value"), PARSED)
def test_a_value_of_the_database_is_read_exactly_and_null_beside_it(type_name, text, value):
    read = parsed(b"1\t" + text + b"\n2\t\\N\n", "integer", type_name)

    assert read == [(1, value), (2, None)]
    assert parsed(text + b"\n", type_name) == [(value,)]
    assert parsed(b"\\N\n" * 9 + text + b"\n", type_name) == [(None,)] * 9 + [(value,)]


def test_nan_is_a_number_and_not_null():
    ((value,),) = parsed(b"NaN\n", "double precision")

    assert math.isnan(value)


def test_an_empty_text_is_not_null():
    assert parsed(b"\n\\N\n\n", "text") == [("",), (None,), ("",)]


@pytest.mark.parametrize("types", [["integer"], ["text", "date", "bytea"]])
def test_a_decoders_tables_have_the_columns_own_types(types):
    columns = pgs(*types)

    schema = Decoder(columns, [True] * len(types)).schema

    assert schema.types == [column.arrow for column in columns]


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("date", b"infinity"),
        ("date", b"0044-03-15 BC"),
        ("date", b"5874897-12-31"),
        ("timestamp without time zone", b"-infinity"),
        ("timestamp with time zone", b"4000-01-01 00:00:00+00 BC"),
        ("numeric(5,2)", b"NaN"),
        ("numeric(5,2)", b"1.234"),
        ("numeric(5,2)", b"1234.5"),
        ("time without time zone", b"24:00:00"),
        ("integer", b"2147483648"),
        ("smallint", b"-32769"),
        ("bigint", b"9223372036854775808"),
        ("bigint", b"18446744073709551617"),
        ("boolean", b"true"),
    ],
)
def test_a_value_without_room_in_arrow_names_its_column_and_is_text_when_asked(type_name, text):
    data = b"1\t" + text + b"\n"

    with pytest.raises(pa.ArrowInvalid) as caught:
        parsed(data, "integer", type_name)

    assert decode.refused_column(caught.value) == 1
    assert parsed(data, "text", type_name, typed=False) == [("1", text.decode())]


@pytest.mark.parametrize("words", ["Empty CSV file", "CSV parse error: Expected 2 columns, got 3"])
def test_an_error_that_names_no_column_is_laid_to_none(words):
    assert decode.refused_column(pa.ArrowInvalid(words)) is None


@pytest.mark.parametrize("data", [b"1\n", b"1\t2\t3\n", b"1\t2\t\n", b"\n"])
def test_a_row_of_other_width_is_never_padded_or_cut(data):
    with pytest.raises(pa.ArrowInvalid):
        parsed(b"1\t2\n" + data, "integer", "integer")


def test_bytes_that_are_no_utf_8_are_refused():
    with pytest.raises(pa.ArrowInvalid, match="UTF8"):
        parsed(b"\xff\n", "text")


def test_what_is_compiled_stops_at_the_end_of_its_bytes():
    """Whatever is cut off, nothing behind the block is read: a line's end is asked for first."""
    kinds = b"qhindmtzs"
    line = b"1\t2\t3\t4.5\t2020-01-01\t12:00:00\t2020-01-01 00:00:00\t2020-01-01 00:00:00+00\tx\n"
    sizes = bytes([9] * 9), bytes([2] * 9)
    if lines.compiled is None:
        pytest.skip("it is not compiled")

    for end in range(len(line) - 1):
        cut = line[:end]
        assert lines.compiled.decode(cut, kinds, *sizes) is None
        assert end == 0 or lines.compiled.decode(cut[:-1] + b"\n", kinds, *sizes) is None
    with pytest.raises(ValueError, match="kind"):
        lines.compiled.decode(line, b"?", b"\0", b"\0")
    with pytest.raises(ValueError, match="scale"):
        lines.compiled.decode(line, kinds, b"\0", b"\0")


@pytest.fixture(params=[1 << 20, 4], ids=["in memory", "in a file"])
def in_memory(request, monkeypatch) -> int:
    monkeypatch.setattr(spool, "IN_MEMORY", request.param)
    return request.param


def spooled(data: bytes, *types: str, size: int) -> tuple[list[tuple], list[int]]:
    """Return the rows of what a COPY writes in pieces of some size, and the refused columns."""
    columns = pgs(*types)
    typed = [column.typed for column in columns]
    with spool.CopySpool(Decoder(columns, typed).schema) as held:
        into = spool.Filling(columns, typed, held)
        for start in range(0, len(data), size):
            into.write(data[start : start + size])
        assert held.in_memory == (spool.IN_MEMORY > 4 or held.rows == 0)
        tables = list(held.tables())
    rows = pa.concat_tables(tables)
    assert rows.num_rows == held.rows
    return list(zip(*(c.to_pylist() for c in rows.columns), strict=True)), into.refused


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_blocks_lose_no_row_at_their_edges(size):
    texts = ["x" * (place % 17) + ("\\n" if place % 5 == 0 else "") for place in range(200)]
    data = "".join(f"{place}\t{text}\n" for place, text in enumerate(texts)).encode()

    rows, refused = spooled(data, "integer", "text", size=size)

    assert rows == [(place, text.replace("\\n", "\n")) for place, text in enumerate(texts)]
    assert refused == []


@pytest.mark.usefixtures("in_memory")
def test_a_byte_order_mark_before_any_block_is_a_values_own():
    texts = ["\ufeffx"] * 50

    rows, _ = spooled("".join(f"{t}\n" for t in texts).encode(), "text", size=5)

    assert [text for (text,) in rows] == texts


@pytest.mark.usefixtures("in_memory")
def test_a_row_longer_than_a_block_is_read():
    texts = ["a", "b" * 5000, "c"]

    rows, _ = spooled("".join(f"{t}\n" for t in texts).encode(), "text", size=64)

    assert [text for (text,) in rows] == texts


@pytest.mark.parametrize("size", [3, 1 << 20])
def test_every_column_a_value_does_not_fit_is_found_in_one_reading(size):
    data = b"1\t2020-01-01\tNaN\n2\tinfinity\t1.50\n3\t2020-01-01\t1.00\n"

    _, refused = spooled(data, "integer", "date", "numeric(5,2)", size=size)

    assert sorted(refused) == [1, 2]


def test_no_rows_are_a_table_with_the_columns():
    columns = pgs("integer", "text")
    with spool.CopySpool(Decoder(columns, [True, False]).schema) as held:
        (table,) = held.tables()

    assert table.num_rows == 0
    assert table.schema.names == ["c0", "c1"]
