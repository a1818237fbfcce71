"""COPY's bytes: what each value looks like on its way in and out, and which way is exact."""

# ruff: noqa: DTZ001 - timestamps without a zone are the values here

from __future__ import annotations

import datetime as dt
import math
import random
import struct
from collections.abc import Callable, Iterator
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import pytest

from mapper_dask.dialects.postgresql import rows as compiled_rows
from mapper_dask.dialects.postgresql import transfer, wire
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import EncodeError
from mapper_dask.schema.batches import regrouped
from mapper_dask.schema.facts import Column

NOON = dt.datetime(2020, 1, 1, 12)
EXACT = Context(prec=99)
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
UNTYPED = ["json", "uuid", "interval", "integer[]", "numeric", "numeric(50,2)", "xml"]
"""Types that have no Arrow type of their own and pass as the database's text."""


def pg(name: str, type_name: str, **flags: bool) -> Column:
    base = type_name.partition("(")[0]
    category = "S" if base in ("text", "name", "citext", "character varying") else "X"
    return column(name, type_name, base, category, **{"native": True, **flags})


BINARY = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "character varying": pa.string(),
    "bpchar": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time without time zone": pa.time64("us"),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "numeric(5,2)": pa.decimal128(5, 2),
}


def empty(**types: pa.DataType) -> pa.Table:
    return pa.schema(list(types.items())).empty_table()


@pytest.mark.parametrize("type_name", BINARY)
def test_each_binary_type_goes_binary_from_its_own_arrow_type_only(type_name):
    kind = pg("c", type_name)
    fitting = [name for name, arrow in BINARY.items() if wire.is_binary([kind], empty(c=arrow))]

    assert {BINARY[name] for name in fitting} == {BINARY[type_name]}
    assert set(BINARY) - {"numeric(5,2)"} == wire.BINARY_TYPES


@pytest.mark.parametrize("type_name", [*UNTYPED, "name", "citext", "jsonb", "tsvector"])
def test_a_type_whose_binary_form_is_its_own_goes_as_text(type_name):
    assert not wire.is_binary([pg("c", type_name)], empty(c=pa.string()))


@pytest.mark.parametrize(
    ("type_name", "arrow"),
    [
        ("numeric(5,2)", pa.int64()),
        ("numeric(5,2)", pa.decimal128(5, 1)),
        ("numeric(5,2)", pa.decimal128(6, 2)),
        ("integer", pa.int64()),
        ("text", pa.large_string()),
        ("timestamp without time zone", pa.timestamp("ns")),
        ("timestamp with time zone", pa.timestamp("us")),
        ("timestamp with time zone", pa.timestamp("us", "Asia/Tokyo")),
        ("date", pa.date64()),
    ],
)
def test_a_near_miss_of_a_type_goes_as_text(type_name, arrow):
    assert not wire.is_binary([pg("c", type_name)], empty(c=arrow))


def test_one_text_column_makes_the_whole_stream_text():
    rows = empty(a=pa.int32(), b=pa.string())

    assert wire.is_binary([pg("a", "integer"), pg("b", "text")], rows)
    assert not wire.is_binary([pg("a", "integer"), pg("b", "uuid")], rows)


def test_fewer_columns_than_the_rows_have_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        wire.is_binary([pg("a", "integer")], empty(a=pa.int32(), b=pa.int32()))


def field(data: bytes | None) -> bytes:
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


WRITTEN = [
    (pa.int16(), -2, struct.pack(">h", -2)),
    (pa.int64(), 2**53 + 1, struct.pack(">q", 2**53 + 1)),
    (pa.float32(), 0.5, struct.pack(">f", 0.5)),
    (pa.float64(), -0.0, struct.pack(">d", -0.0)),
    (pa.bool_(), True, b"\1"),
    (pa.string(), "", b""),
    (pa.string(), "é", "é".encode()),
    (pa.binary(), b"\0\xff", b"\0\xff"),
    (pa.date32(), dt.date(2000, 1, 2), struct.pack(">i", 1)),
    (pa.date32(), dt.date(1999, 12, 31), struct.pack(">i", -1)),
    (pa.time64("us"), dt.time(0, 0, 1), struct.pack(">q", 1_000_000)),
    (pa.timestamp("us"), dt.datetime(2000, 1, 1, 0, 0, 1), struct.pack(">q", 1_000_000)),
    (pa.timestamp("us", "UTC"), dt.datetime(1999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
     struct.pack(">q", -1_000_000)),
    (pa.decimal128(9, 2), Decimal("-12345.60"), struct.pack(">7H", 3, 1, 0x4000, 2, 1, 2345, 6000)),
]  # fmt: skip


@pytest.fixture(params=["compiled", "pgpq"])
def writer(request, monkeypatch):
    """Write everything twice: by the compiled writer where it can, and without it."""
    if request.param == "pgpq":
        monkeypatch.setattr(compiled_rows, "compiled", None)
    elif compiled_rows.compiled is None:
        pytest.skip("NO COMPILED ROWS: there was no C compiler when the library was installed")
    return request.param


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(("arrow", "value", "expected"), WRITTEN)
def test_binary_rows_are_the_databases_own_bytes(arrow, value, expected):
    rows = pa.table({"c": pa.array([value, None], arrow)})

    count = struct.pack(">h", 1)
    assert wire.to_binary(rows).read() == (
        HEADER + count + field(expected) + count + field(None) + TRAILER
    )


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("pieces", [[], [0], [0, 3, 0], [3, 0, 2]])
def test_empty_pieces_add_nothing_to_either_stream(pieces):
    schema = pa.schema([("c", pa.int32())])
    parts = [pa.array(range(count), pa.int32()) for count in pieces]
    rows = pa.table({"c": pa.chunked_array(parts, pa.int32())}, schema=schema)
    numbers = [number for count in pieces for number in range(count)]

    assert wire.to_csv(rows).read() == b"".join(b"%d\n" % number for number in numbers)
    assert wire.to_binary(rows).read() == (
        HEADER + b"".join(struct.pack(">hii", 1, 4, number) for number in numbers) + TRAILER
    )


@pytest.mark.usefixtures("writer")
def test_more_rows_than_the_encoder_takes_at_once_stay_in_order(monkeypatch):
    monkeypatch.setattr(wire, "PIECE", 4)
    rows = pa.table({"c": pa.array(range(5), pa.int16())})

    body = wire.to_binary(rows).read().removeprefix(HEADER).removesuffix(TRAILER)

    assert [row[2] for row in struct.iter_unpack(">hih", body)] == list(range(5))


FIRST = dt.datetime(1970, 1, 1) - dt.datetime(2000, 1, 1)


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("days", [-(2**31), -(2**31) + 10_956])
def test_a_date_out_of_the_databases_range_never_wraps_around(days):
    with pytest.raises(ValueError, match="Underflow"):
        wire.to_binary(pa.table({"c": pa.array([1, days], pa.date32())})).read()


def test_a_time_out_of_the_databases_range_never_wraps_around():
    if compiled_rows.compiled is None:
        pytest.skip("NO COMPILED ROWS: there was no C compiler when the library was installed")
    first = -(2**63) + FIRST // dt.timedelta(microseconds=-1)

    for micros in (first - 1, -(2**63)):
        rows = pa.table({"c": pa.array([0, micros], pa.int64()).cast(pa.timestamp("us"))})
        with pytest.raises(ValueError, match="row 1"):
            wire.to_binary(rows).read()


def many_kinds(rng: random.Random, rows: int) -> pa.Table:
    """Return rows of every type, with NULLs, and numbers of every length."""

    def number(bits: int) -> int:
        return rng.randrange(-(2 ** (bits - 1)), 2 ** (bits - 1)) >> rng.randrange(bits)

    def text() -> str:
        return "".join(
            rng.choice("aé漢😀\t\n") for _ in range(rng.choice([0, 1, 3, 8, 12, 16, 99]))
        )

    def some(make: Callable[[], Any], arrow: pa.DataType) -> pa.Array:
        values = [None if rng.random() < 0.2 else make() for _ in range(rows)]
        return pa.array(values, arrow)

    def decimal(precision: int, scale: int) -> Decimal:
        digits = rng.randrange(10 ** rng.randrange(precision + 1))
        return Decimal(rng.choice([digits, -digits])).scaleb(-scale, EXACT)

    sizes = [(38, 0), (38, 38), (38, 37), (38, 10), (20, 19), (19, 3), (18, 2), (9, 4), (1, 1)]
    made = {
        **{f"i{bits}": some(lambda bits=bits: number(bits), pa.type_for_alias(f"int{bits}"))
           for bits in (16, 32, 64)},
        **{f"f{bits}": some(lambda: rng.choice([math.nan, -0.0, math.inf, 0.1]), arrow)
           for bits, arrow in ((32, pa.float32()), (64, pa.float64()))},
        **{f"n{p}_{s}": some(lambda p=p, s=s: decimal(p, s), pa.decimal128(p, s))
           for p, s in sizes},
        "b": some(lambda: rng.random() < 0.5, pa.bool_()),
        "s": some(text, pa.string()),
        "y": some(lambda: text().encode(), pa.binary()),
        "d": some(lambda: number(22), pa.int32()).cast(pa.date32()),
        "m": some(lambda: rng.randrange(86_400_000_000), pa.int64()).cast(pa.time64("us")),
        "t": some(lambda: number(56), pa.int64()).cast(pa.timestamp("us")),
        "z": some(lambda: number(56), pa.int64()).cast(pa.timestamp("us", "UTC")),
    }  # fmt: skip
    return pa.table(made)


@pytest.mark.parametrize("seed", range(20))
def test_both_writers_write_the_same_bytes(monkeypatch, seed):
    if compiled_rows.compiled is None:
        pytest.skip("NO COMPILED ROWS: there was no C compiler when the library was installed")
    rng = random.Random(seed)
    monkeypatch.setattr(wire, "PIECE", rng.choice([1, 200, 5_000, 1 << 20]))
    rows = many_kinds(rng, 60)
    rows = pa.concat_tables([rows.slice(rng.randrange(9), rng.randrange(50)), rows.slice(31, 7)])

    compiled = wire.to_binary(rows).read()

    monkeypatch.setattr(compiled_rows, "compiled", None)
    assert compiled == wire.to_binary(rows).read()


def test_an_array_that_is_not_of_its_kind_is_never_looked_into():
    if compiled_rows.compiled is None:
        pytest.skip("NO COMPILED ROWS: there was no C compiler when the library was installed")
    encode = compiled_rows.compiled.encode

    def array(values: pa.Array) -> object:
        return pa.record_batch({"c": values}).__arrow_c_array__()[1]

    numbers, texts = array(pa.array([1])), array(pa.array(["x"]))
    for values, kinds, scales in [
        (numbers, b"s", b"\0"), (texts, b"q", b"\0"), (numbers, b"?", b"\0"),
        (numbers, b"qq", b"\0\0"), (numbers, b"q", b""),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="kind"):
            encode(values, kinds, scales, 0, 100)
    with pytest.raises(ValueError, match="kind"):
        encode(numbers, b"q", b"\0", 2, 100)
    assert encode(numbers, b"q", b"\0", 1, 100) == (b"", 1)


CSV = [
    (pa.string(), ["", None, "a"], b'""\n\n"a"\n'),
    (pa.string(), ['q"', "a,b", "a\r\nb", "\\.", "\\N"],
     b'"q"""\n"a,b"\n"a\r\nb"\n"\\."\n"\\N"\n'),
    (pa.string(), ["é漢😀"], '"é漢😀"\n'.encode()),
    (pa.large_string(), ["x", None], b'"x"\n\n'),
    (pa.binary(), [b"", b"\0\xff", None], b'"\\x"\n"\\x00ff"\n\n'),
    (pa.large_binary(), [b"\1"], b'"\\x01"\n'),
    (pa.bool_(), [True, False, None], b"true\nfalse\n\n"),
    (pa.int64(), [2**63 - 1, None], b"9223372036854775807\n\n"),
    (pa.float64(), [0.1, 1e300, math.inf, -math.inf, math.nan], b"0.1\n1e+300\ninf\n-inf\nnan\n"),
    (pa.decimal128(38, 2), [Decimal("-0.01")], b"-0.01\n"),
    (pa.date32(), [dt.date(1, 1, 1)], b"0001-01-01\n"),
    (pa.time64("us"), [dt.time(1, 2, 3, 4)], b"01:02:03.000004\n"),
    (pa.timestamp("us"), [NOON], b"2020-01-01 12:00:00.000000\n"),
    (pa.timestamp("us", "Asia/Tokyo"), [NOON.replace(tzinfo=dt.UTC)],
     b"2020-01-01 21:00:00.000000+0900\n"),
    (pa.null(), [None, None], b"\n\n"),
]  # fmt: skip


@pytest.mark.parametrize(("arrow", "values", "expected"), CSV)
def test_csv_quotes_texts_and_leaves_null_empty(arrow, values, expected):
    assert wire.to_csv(pa.table({"c": pa.array(values, arrow)})).read() == expected


def test_csv_writes_no_header_and_keeps_columns_in_order():
    rows = pa.table({"b": ["x", None], "a": [1, None]})

    assert wire.to_csv(rows).read() == b'"x",1\n,\n'


@pytest.mark.parametrize("rows", [0, 3])
def test_rows_without_columns_are_counted_in_lines(rows):
    table = pa.table({"c": range(rows)}).select([])

    assert wire.to_csv(table).read() == b"\n" * rows


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array(["a"]).dictionary_encode(),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
    ],
    ids=lambda array: str(array.type.id),
)
def test_what_has_no_text_form_is_refused_by_column(array):
    with pytest.raises(EncodeError, match=r"column 'c' holds .* return text from the function"):
        wire.to_csv(pa.table({"c": array}))


def pieces(*counts: int) -> Iterator[pa.Table]:
    start = 0
    for count in counts:
        yield pa.table({"n": pa.array(range(start, start + count), pa.int64())})
        start += count


@pytest.mark.parametrize(
    ("counts", "at_most", "expected"),
    [
        ([], 3, []),
        ([0], 3, [0]),
        ([0, 0], 3, [0]),
        ([3], 3, [3]),
        ([0, 3, 0], 3, [3]),
        ([3, 3], 3, [3, 3]),
        ([4], 3, [3, 1]),
        ([2, 2, 2], 3, [3, 3]),
        ([1, 0, 0, 1], 3, [2]),
        ([10], 3, [3, 3, 3, 1]),
        ([1, 9], 1, [1] * 10),
    ],
)
def test_tables_are_regrouped_and_every_row_kept_in_order(counts, at_most, expected):
    tables = list(regrouped(pieces(*counts), at_most))

    assert [table.num_rows for table in tables] == expected
    assert [n for table in tables for n in table["n"].to_pylist()] == list(range(sum(counts)))


def test_regrouping_takes_no_more_than_it_needs():
    source = pieces(4, 4, 4)

    next(regrouped(source, 3))

    assert [table.num_rows for table in source] == [4, 4]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (["integer", "uuid"], ["integer", "uuid"], "binary"),
        (["integer"], ["bigint"], None),
        (["numeric(5,2)"], ["numeric(5,3)"], None),
        (["integer", "text"], ["text", "integer"], None),
        (["integer"], ["integer", "text"], None),
        ([], [], "binary"),
    ],
)
def test_bytes_pass_undecoded_between_equal_types_only(source, target, expected):
    columns = ([pg("c", name) for name in names] for names in (source, target))

    assert transfer.relay_format(*columns) == expected


@pytest.mark.parametrize("side", [0, 1])
def test_a_type_without_a_binary_form_of_its_own_is_relayed_as_text(side):
    columns = [[pg("c", "mood", native=place != side)] for place in (0, 1)]

    assert transfer.relay_format(*columns) == "csv"
