"""A frame's values for a target: exactly as they are, or an error that names the column."""

# ruff: noqa: DTZ001, FBT003 - timestamps without a zone and bare booleans are the values here

from __future__ import annotations

import contextlib
import datetime as dt
import pickle
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mapper_dask.chunk.encode import encode_frame, encode_table
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import EncodeError
from mapper_dask.schema.facts import TargetTable

PARIS = dt.timezone(dt.timedelta(hours=2))
NAN = float("nan")
NOON = dt.datetime(2020, 1, 1, 12)
TIMESTAMP, TIMESTAMPTZ = "timestamp without time zone", "timestamp with time zone"
TIME = "time without time zone"


def pg(name: str, type_name: str):
    base = type_name.partition("(")[0]
    category = "S" if base in ("text", "character varying", "character", "name") else "X"
    return column(name, type_name, base, category, native=True)


def target(type_name: str) -> TargetTable:
    return TargetTable("public", "t", '"public"."t"', (pg("c", type_name),))


def encoded(values: pd.Series, type_name: str) -> pa.ChunkedArray:
    return encode_frame(pd.DataFrame({"c": values}), target(type_name)).rows["c"]


def arrow(kind: pa.DataType, *values) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, kind)])))


def numpy(*values, dtype=None) -> pd.Series:
    return pd.Series(list(values), dtype=dtype)


EXACT = [
    (arrow(pa.int64(), 32767, None), "smallint", [32767, None]),
    (numpy(1, 2), "bigint", [1, 2]),
    (numpy(1.0, NAN), "integer", [1, None]),
    (numpy(1, None, dtype="Int64"), "integer", [1, None]),
    (arrow(pa.bool_(), True, None), "integer", [1, None]),
    (arrow(pa.decimal128(5, 2), Decimal("7.00")), "integer", [7]),
    (arrow(pa.uint64(), 2**64 - 1), "numeric", ["18446744073709551615"]),
    (arrow(pa.int64(), 2**53 + 1), "numeric(20,0)", ["9007199254740993"]),
    (arrow(pa.decimal128(5, 2), Decimal("1.50")), "numeric(10,4)", [Decimal("1.5000")]),
    (arrow(pa.decimal256(60, 2), Decimal("1.50")), "numeric", ["1.50"]),
    (arrow(pa.float64(), 0.1, NAN, None), "numeric", ["0.1", "nan", None]),
    (arrow(pa.int64(), 2**53), "double precision", [2.0**53]),
    (arrow(pa.float32(), 0.5), "double precision", [0.5]),
    (arrow(pa.bool_(), True, False, None), "boolean", [True, False, None]),
    (arrow(pa.binary(), b"\0\xff", b"", None), "bytea", [b"\0\xff", b"", None]),
    (arrow(pa.date32(), dt.date(2020, 1, 1), None), "date", [dt.date(2020, 1, 1), None]),
    (arrow(pa.timestamp("us"), dt.datetime(2020, 1, 1), None), "date", [dt.date(2020, 1, 1), None]),
    (arrow(pa.date32(), dt.date(2020, 1, 1)), TIMESTAMP, [dt.datetime(2020, 1, 1)]),
    (pd.Series(pd.to_datetime([NOON, None])), TIMESTAMP, [NOON, None]),
    (arrow(pa.timestamp("ns"), NOON), TIMESTAMP, [NOON]),
    (arrow(pa.timestamp("us", "+02:00"), NOON.replace(tzinfo=PARIS)), TIMESTAMPTZ,
     [NOON.replace(hour=10, tzinfo=dt.UTC)]),
    (pd.Series([pd.Timestamp(NOON, tz="Asia/Tokyo")]), TIMESTAMPTZ,
     [NOON.replace(hour=3, tzinfo=dt.UTC)]),
    (arrow(pa.time64("ns"), dt.time(1, 2, 3)), TIME, [dt.time(1, 2, 3)]),
    (arrow(pa.large_string(), "é", "", None), "text", ["é", "", None]),
    (numpy("a", "b", None, dtype="category"), "text", ["a", "b", None]),
    (numpy(7, 8, dtype="category"), "bigint", [7, 8]),
    (numpy("a", None, dtype="string"), "character varying(5)", ["a", None]),
    (arrow(pa.int64(), 2**53 + 1), "text", ["9007199254740993"]),
    (arrow(pa.string(), '{"a": 1.10}', None), "jsonb", ['{"a": 1.10}', None]),
    (pd.Series(pd.to_timedelta(["1D", "-1s", None])), "interval",
     ["86400000000 microseconds", "-1000000 microseconds", None]),
    (arrow(pa.null(), None, None), "date", [None, None]),
    (arrow(pa.binary(2), b"\0\xff", None), "bytea", [b"\0\xff", None]),
    (arrow(pa.binary_view(), b"\0", b"", None), "bytea", [b"\0", b"", None]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "type_name", "expected"), EXACT)
def test_a_value_that_fits_arrives_as_it_is(values, type_name, expected):
    assert encoded(values, type_name).to_pylist() == expected


LOSSY = [
    (arrow(pa.float64(), 0.1), "real", ["0.1"]),
    (arrow(pa.float64(), 1.005), "numeric(5,2)", ["1.005"]),
    (arrow(pa.decimal128(6, 3), Decimal("1.005")), "numeric(5,2)", ["1.005"]),
    (arrow(pa.decimal128(6, 3), Decimal("1.500")), "double precision", [1.5]),
    (arrow(pa.timestamp("us"), NOON), TIMESTAMPTZ, [NOON.replace(tzinfo=dt.UTC)]),
    (arrow(pa.timestamp("us", "+02:00"), NOON.replace(tzinfo=PARIS)), TIMESTAMP,
     [NOON.replace(hour=10)]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "type_name", "expected"), LOSSY)
def test_a_loss_is_said_and_left_to_the_database_where_it_rounds(values, type_name, expected):
    made = encode_frame(pd.DataFrame({"c": values}), target(type_name))

    assert made.rows["c"].to_pylist() == expected
    assert [loss.column for loss in made.losses] == ["c"]
    assert made.losses[0].note


REFUSED = [
    (numpy(40000), "smallint"),
    (numpy(2**31), "integer"),
    (arrow(pa.uint64(), 2**63), "bigint"),
    (numpy(1.5), "integer"),
    (arrow(pa.float64(), NAN), "integer"),
    (arrow(pa.float64(), float("inf")), "bigint"),
    (arrow(pa.float64(), 2.0**63), "bigint"),
    (arrow(pa.decimal128(3, 1), Decimal("1.5")), "integer"),
    (arrow(pa.int64(), 2**53 + 1), "double precision"),
    (arrow(pa.int64(), 2**24 + 1), "real"),
    (arrow(pa.decimal128(5, 1), Decimal("1234.5")), "numeric(4,2)"),
    (arrow(pa.timestamp("us"), NOON), "date"),
    (pd.Series([pd.Timestamp("2020-01-01 00:00:00.000000001")]), TIMESTAMP),
    (pd.Series([pd.Timestamp("2020-01-01 00:00:00.000000001", tz="UTC")]), TIMESTAMPTZ),
    (arrow(pa.time64("ns"), 1), TIME),
    (pd.Series(pd.to_timedelta([1], unit="ns")), "interval"),
    (arrow(pa.string(), "1"), "integer"),
    (arrow(pa.string(), "2020-01-01"), "date"),
    (arrow(pa.timestamp("us", "UTC"), NOON.replace(tzinfo=dt.UTC)), "date"),
    (arrow(pa.binary(), b"a"), "text"),
    (arrow(pa.string(), "a"), "bytea"),
    (arrow(pa.int64(), 1), "boolean"),
    (arrow(pa.int64(), 1), TIMESTAMP),
    (arrow(pa.int64(), 1), "uuid"),
    (numpy(1 + 2j), "text"),
    (pd.Series(pd.interval_range(0, 1)), "text"),
]


@pytest.mark.parametrize(("values", "type_name"), REFUSED)
def test_a_value_that_does_not_fit_is_refused_by_column(values, type_name):
    with pytest.raises(EncodeError, match="column 'c'"):
        encoded(values, type_name)


def test_nan_is_null_in_numpy_and_a_number_in_arrow():
    assert encoded(numpy(NAN), "double precision").to_pylist() == [None]
    assert np.isnan(encoded(arrow(pa.float64(), NAN), "double precision").to_pylist()[0])


def test_nan_is_a_number_in_a_nullable_column_too():
    values = pd.Series(pd.arrays.FloatingArray(np.array([NAN, 0.0]), np.array([False, True])))

    first, second = encoded(values, "double precision").to_pylist()

    assert np.isnan(first)
    assert second is None


def test_a_period_is_its_text_or_refused():
    periods = pd.Series(pd.period_range("2020", periods=1, freq="D"))

    with contextlib.suppress(EncodeError):
        assert encoded(periods, "text").to_pylist() == ["2020-01-01"]


def test_nan_in_an_array_is_a_number():
    values = arrow(pa.list_(pa.float64()), [1.5, NAN, None])

    assert encoded(values, "double precision[]").to_pylist() == ["{1.5,NaN,NULL}"]


def test_a_whole_number_of_a_free_numeric_fits_an_integer():
    source = pg("c", "numeric")

    made = encode_table(pa.table({"c": ["2.0"]}), target("integer"), [source])

    assert made.rows["c"].to_pylist() == [2]


@pytest.mark.parametrize("text", ["2.5", "NaN", "1e30", str(2**130), "-" + str(2**128)])
def test_another_number_of_a_free_numeric_does_not_fit_an_integer(text):
    with pytest.raises(EncodeError, match="does not fit integer"):
        encode_table(pa.table({"c": [text]}), target("integer"), [pg("c", "numeric")])


def test_columns_go_by_name_and_each_gets_its_own_type():
    table = TargetTable("s", "t", '"s"."t"', (pg("a", "smallint"), pg("b", "text")))

    made = encode_frame(pd.DataFrame({"b": ["x"], "a": [1]}), table).rows

    assert made.column_names == ["b", "a"]
    assert made.schema.types == [pa.string(), pa.int16()]


def test_a_column_the_table_lacks_is_named_with_those_it_has():
    with pytest.raises(EncodeError, match=r"no column 'x'; it has: c"):
        encode_frame(pd.DataFrame({"x": [1]}), target("integer"))


def test_a_frame_without_rows_keeps_the_targets_types():
    made = encode_frame(pd.DataFrame({"c": pd.Series(dtype=object)}), target("date")).rows

    assert (made.num_rows, made.schema.types) == (0, [pa.date32()])


def test_rows_without_columns_are_not_lost_silently():
    with pytest.raises(EncodeError, match="3 rows became 0"):
        encode_frame(pd.DataFrame(index=range(3)), target("date"))


def test_extracted_rows_go_without_pandas():
    rows = pa.table({"c": pa.array([1, None], pa.int64())})

    made = encode_table(rows, target("smallint"), [pg("c", "bigint")])

    assert made.rows["c"].to_pylist() == [1, None]
    assert made.rows["c"].type == pa.int16()


def test_the_databases_own_text_is_passed_on():
    rows = pa.table({"c": ["infinity", "2020-01-01"]})

    made = encode_table(rows, target("date"), [pg("c", "date")], as_text={"c": pg("c", "date")})

    assert made.rows["c"].to_pylist() == ["infinity", "2020-01-01"]


INFINITE = ["2024-01-01 12:00:00.123456", "infinity", None]
"""Times of which one has no Arrow type: all come as the database's own text."""


def losses(values: pd.Series, type_name: str, **options) -> list[str]:
    made = encode_frame(pd.DataFrame({"c": values}), target(type_name), **options)
    return [str(loss) for loss in made.losses]


@pytest.mark.parametrize(
    ("texts", "type_name"),
    [
        (INFINITE, "timestamp(3) without time zone"),
        (["24:00:00", "00:00:00.5"], "time(0) without time zone"),
        (["infinity", "2024-01-01 12:00:00.5+00"], "timestamp(0) with time zone"),
        (["NaN", "1.125"], "numeric(5,2)"),
    ],
)
def test_what_became_text_is_not_rounded_in_silence(texts, type_name):
    values = pd.Series(texts, dtype="string")

    [frames] = losses(values, type_name, as_text={"c": pg("c", type_name)})
    rows = pa.table({"c": texts})
    [tables] = encode_table(
        rows, target(type_name), [pg("c", type_name)], as_text={"c": pg("c", type_name)}
    ).losses

    assert "rounded" in frames
    assert "rounded" in str(tables)


@pytest.mark.parametrize(
    ("texts", "type_name"),
    [
        (INFINITE, TIMESTAMP),
        (["2024-01-01 12:00:00.123000", "infinity"], "timestamp(3) without time zone"),
        (["24:00:00", "0044-03-15 12:00:00 BC"], "time(0) without time zone"),
        (["NaN", "1.120"], "numeric(5,2)"),
    ],
)
def test_what_became_text_and_fits_is_not_called_lossy(texts, type_name):
    assert (
        losses(pd.Series(texts, dtype="string"), type_name, as_text={"c": pg("c", type_name)}) == []
    )


TIMES = [
    (arrow(pa.timestamp("us"), NOON.replace(microsecond=123000)), "timestamp(3) {}"),
    (arrow(pa.timestamp("ns"), NOON, None), "timestamp(0) {}"),
    (pd.Series([pd.Timestamp("1960-01-01 00:00:00.5")]), "timestamp(1) {}"),
    (arrow(pa.time64("us"), dt.time(1, 2, 3), None), "time(0) {}"),
    (arrow(pa.time32("s"), dt.time(1, 2, 3)), "time(0) {}"),
]


@pytest.mark.parametrize(("values", "type_name"), TIMES)
def test_times_that_have_no_more_digits_are_not_called_lossy(values, type_name):
    assert losses(values, type_name.format("without time zone")) == []


def test_a_time_with_more_digits_is_named():
    values = arrow(pa.time64("us"), dt.time(1, 2, 3), dt.time(1, 2, 3, 1000))

    assert losses(values, "time(2) without time zone") == [
        "c: time64[us] → time(2) without time zone: rounded to 2 digits of a second"
    ]
    assert losses(values, "time(3) without time zone") == []


def test_a_numeric_without_a_precision_is_judged_by_its_values():
    def lost(text: str) -> int:
        rows = pa.table({"c": [text, None]})
        return len(encode_table(rows, target("numeric(5,2)"), [pg("c", "numeric")]).losses)

    assert [lost(text) for text in ("1.50", "1.500", "1.501", "NaN", "150")] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("text", "type_name", "note"),
    [
        ("ab ", "character(5)", "blanks"),
        ("ab     ", "character(5)", "blanks"),
        (" ", "character(5)", "blanks"),
        ("ab   ", "character(5)", None),
        ("é ", "character(2)", None),
        ("é ", "character(3)", "blanks"),
        ("", "character(5)", None),
        (" ab", "character(5)", None),
        ("abc", "character(5)", None),
        ("abc  ", "character varying(3)", "blanks"),
        ("ab ", "character varying(3)", None),
        ("éé ", "character varying(3)", None),
        ("éé ", "character varying(4)", None),
        ("abcdef", "character varying(3)", None),
        ("ab ", "text", None),
        ("x" * 64, "name", "63 bytes"),
        ("x" * 63, "name", None),
    ],
)
def test_what_a_type_of_text_cuts_or_pads_is_named(text, type_name, note):
    values = arrow(pa.string(), None, text)
    rows = pa.table({"c": [text]})
    found = losses(values, type_name)

    assert found == [
        str(loss).replace("text →", "string →")
        for loss in encode_table(rows, target(type_name), [pg("c", "text")]).losses
    ]
    assert [note in loss and "→" in loss for loss in found] == ([] if note is None else [True])


@pytest.mark.parametrize(("texts", "lost"), [(["abc", "ab "], 0), (["abc", "a "], 1), ([], 0)])
def test_one_of_many_texts_that_lacks_a_blank_is_enough(texts, lost):
    assert len(losses(arrow(pa.string(), *texts, None), "character(3)")) == lost


def test_blanks_between_equal_types_are_those_that_were_there():
    rows = pa.table({"c": ["ab "]})

    made = encode_table(rows, target("character(5)"), [pg("c", "character(5)")])

    assert made.losses == ()


def test_of_text_for_json_a_chunk_says_nothing_where_only_the_plan_knows_what_it_was():
    assert losses(arrow(pa.string(), '{"a": 1}'), "jsonb") == []
    rows = pa.table({"c": ['{"b":1,  "a":2}']})
    [loss] = encode_table(rows, target("jsonb"), [pg("c", "text")]).losses
    assert "repeated keys" in loss.note


def test_a_text_view_may_be_the_databases_own_text_too():
    values = arrow(pa.string_view(), "infinity")

    made = encode_frame(pd.DataFrame({"c": values}), target("date"), as_text={"c": pg("c", "date")})

    assert made.rows["c"].to_pylist() == ["infinity"]


def test_a_table_finds_its_columns_by_name_wherever_it_travels():
    table = TargetTable("s", "t", '"s"."t"', (pg("a", "smallint"), pg("b", "text")))
    other = replace(table, columns=(pg("x", "date"),))

    assert pickle.loads(pickle.dumps(table)) == table
    assert hash(pickle.loads(pickle.dumps(table))) == hash(table)
    for each in (table, pickle.loads(pickle.dumps(table)), replace(table, staging="u")):
        assert each.column("b") == pg("b", "text")
        assert each.column("x") is None
    assert other.column("x") == pg("x", "date")
    assert other.column("a") is None


def test_a_wide_table_is_not_searched_for_each_column():
    compared = []

    class Name(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(other)
            return str.__eq__(self, other)

    columns = tuple(replace(pg("c", "text"), name=Name(f"c{n}")) for n in range(1600))
    table = TargetTable("s", "t", '"s"."t"', columns)
    compared.clear()

    assert all(table.column(f"c{n}") is columns[n] for n in range(1600))
    assert len(compared) < 20_000
