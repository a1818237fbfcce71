"""Columns of Python objects: guided by where they go, exact, or refused by name."""

# ruff: noqa: DTZ001 - timestamps without a zone are the values here

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mapper_dask.chunk.encode import Encoded, encode_frame
from mapper_dask.chunk.objects import array_literal, objects_to_arrow
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import EncodeError
from mapper_dask.schema.conversions import Exactness, judge
from mapper_dask.schema.facts import Column, TargetTable

NAN = float("nan")
TIMESTAMP = "timestamp without time zone"


def pg(type_name: str) -> Column:
    base = type_name.partition("(")[0]
    return column("c", type_name, base, "S" if base == "text" else "X", native=True)


def made(values: list, type_name: str) -> Encoded:
    frame = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    return encode_frame(frame, TargetTable("s", "t", '"s"."t"', (pg(type_name),)))


def encoded(values: list, type_name: str) -> list:
    return made(values, type_name).rows["c"].to_pylist()


def lost(values: list, type_name: str) -> list[str]:
    return [loss.note for loss in made(values, type_name).losses]


EXACT = [
    ([Decimal("1.50"), None, Decimal("NaN"), Decimal("1E+50")], "numeric",
     ["1.50", None, "NaN", "1E+50"]),
    ([Decimal("0.1"), 2**70, 0.5], "numeric", ["0.1", str(2**70), "0.5"]),
    ([2**53 + 1, None], "bigint", [2**53 + 1, None]),
    ([True, None], "boolean", [True, None]),
    (["a", "", None, pd.NA, NAN], "text", ["a", "", None, None, None]),
    ([b"\0", None], "bytea", [b"\0", None]),
    ([dt.date(2020, 1, 1), pd.NaT], "date", [dt.date(2020, 1, 1), None]),
    ([dt.time(1, 2)], "time without time zone", [dt.time(1, 2)]),
    ([{"a": [1, None, "é"]}, None], "jsonb", ['{"a": [1, null, "é"]}', None]),
    ([[1, {"b": True}]], "json", ['[1, {"b": true}]']),
    (['{"already": "text"}'], "json", ['{"already": "text"}']),
    ([[1, None], [], None], "integer[]", ["{1,NULL}", "{}", None]),
    (["{1,2}"], "integer[]", ["{1,2}"]),
    ([dt.timedelta(days=1)], "interval", ["1 day, 0:00:00"]),
    ([None, None], "uuid", [None, None]),
    ([dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)], TIMESTAMP,
     [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 5)]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "type_name", "expected"), EXACT)
def test_objects_arrive_as_they_are(values, type_name, expected):
    assert encoded(values, type_name) == expected


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        (["a", {"b": 1}], "text"),
        ([1, "a"], "bigint"),
        ([2**53 + 1, 0.5], "double precision"),
        ([2**64], "bigint"),
        ([1, "2"], "integer"),
        (["a", b"b"], "text"),
        ([object()], "text"),
        ([Decimal("NaN")], "integer"),
        ([dt.datetime(2020, 1, 1, 5), dt.date(2020, 1, 1)], "date"),
    ],
)
def test_kinds_that_no_column_holds_together_are_refused_by_column(values, type_name):
    with pytest.raises(EncodeError, match="column 'c'"):
        encoded(values, type_name)


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        ([dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)], "date"),
        ([pd.Timestamp("2020-01-01 00:00:00.000000001")], TIMESTAMP),
        ([pd.Timedelta(1, "ns")], "interval"),
        ([dt.time(1, 2, tzinfo=dt.UTC)], "time without time zone"),
    ],
)
def test_a_part_of_a_value_is_never_dropped(values, type_name):
    try:
        kept = encoded(values, type_name)
    except EncodeError:
        return
    assert kept == values


def test_a_numpy_array_is_json_as_a_list():
    assert json.loads(encoded([np.arange(2000)], "jsonb")[0]) == list(range(2000))


@pytest.mark.parametrize("number", [Decimal("1.50"), np.float64(1.5), np.int64(3)])
def test_a_number_in_json_stays_a_number(number):
    assert encoded([{"a": number}], "jsonb") == [f'{{"a": {number}}}']


@pytest.mark.parametrize(
    ("values", "literal"),
    [
        ([], "{}"),
        ([1, 2.5, None], "{1,2.5,NULL}"),
        ([True, False], "{t,f}"),
        (["a", "", "NULL", 'q"\\', "x,{y}"], '{"a","","NULL","q\\"\\\\","x,{y}"}'),
        ([[1, 2], [3, 4]], "{{1,2},{3,4}}"),
        (np.array([1, 2]), '{"1","2"}'),
        ([Decimal("1.50"), Decimal("NaN")], "{1.50,NaN}"),
        ([dt.date(2020, 1, 1)], '{"2020-01-01"}'),
        ([pd.NA, pd.NaT], "{NULL,NULL}"),
    ],
)
def test_a_list_is_an_array_literal(values, literal):
    assert array_literal(values) == literal


def test_bytes_in_an_array_are_one_value():
    assert array_literal([b"ab"]) == '{"\\\\x6162"}'


def test_a_dict_in_an_array_of_json_is_one_value():
    assert encoded([[{"1": 2}]], "jsonb[]") == ['{"{\\"1\\": 2}"}']


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        ([Decimal("1.50"), None, Decimal("-0.01")], "numeric(10,2)"),
        ([Decimal("1.500"), Decimal("1E+5"), 7, 0.25], "numeric(10,2)"),
        ([Decimal("NaN"), Decimal("Infinity")], "numeric(10,2)"),
        ([Decimal("1E-7")], "numeric"),
        ([None], "numeric(10,2)"),
        ([Decimal(1500), Decimal(0), Decimal("1.2E+3")], "numeric(5,-2)"),
        ([Decimal("0.01")], "numeric(2,2)"),
    ],
)
def test_decimals_whose_digits_fit_the_scale_are_not_called_lossy(values, type_name):
    assert lost(values, type_name) == []


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        ([Decimal("1.50"), Decimal("1.501")], "numeric(10,2)"),
        ([Decimal("1E-7")], "numeric(10,2)"),
        ([Decimal("1.234E-1"), Decimal(1)], "numeric(10,3)"),
        ([0.125], "numeric(10,2)"),
        ([Decimal(150)], "numeric(5,-2)"),
        ([Decimal("1.5E+2")], "numeric(5,-2)"),
    ],
)
def test_a_decimal_with_more_decimals_is_named(values, type_name):
    scale = type_name.rpartition(",")[2].rstrip(")")

    assert lost(values, type_name) == [f"Decimal → {type_name}: rounded to {scale} decimals"]


@pytest.mark.parametrize("type_name", ["integer[]", "interval", "uuid"])
@pytest.mark.parametrize("values", [[Decimal("1.5"), None], [1], [0.5], [np.int64(1)]])
def test_numbers_do_not_go_into_what_is_no_number(values, type_name):
    """As Arrow's do not: a database would take 1.5 for seconds."""
    _, incoming = objects_to_arrow(pd.Series(values, name="c", dtype=object), pg(type_name))

    assert judge(incoming, pg(type_name)).verdict is Exactness.IMPOSSIBLE
    with pytest.raises(EncodeError, match=f"column 'c'.*does not go into {re.escape(type_name)}"):
        encoded(values, type_name)


@pytest.mark.parametrize(
    ("values", "type_name"),
    [
        ([[1], Decimal("1.5")], "integer[]"),
        ([[1], {"1": 2}], "integer[]"),
        ([b"ab"], "integer[]"),
        ([np.array(1)], "integer[]"),
        ([[pd.Timedelta(1, "ns")]], "interval[]"),
        ([pd.Timedelta(1, "ns")], "interval"),
        (["1 day", 1.5], "interval"),
        (["1 day", True], "interval"),
        ([{"a": b"\xff"}], "json"),
    ],
)
def test_what_no_text_can_say_for_the_column_is_refused_by_its_name(values, type_name):
    with pytest.raises(EncodeError, match="column 'c'"):
        encoded(values, type_name)


@pytest.mark.parametrize(
    ("values", "type_name", "expected"),
    [
        ([Decimal("1.5"), 2, True], "jsonb", ["1.5", "2", "true"]),
        ([(1, 2), {3}, range(2)], "integer[]", ["{1,2}", "{3}", "{0,1}"]),
    ],
)
def test_numbers_in_json_and_any_list_in_an_array_are_fine(values, type_name, expected):
    assert encoded(values, type_name) == expected
    assert lost(values, type_name) == []


def test_what_json_loses_of_a_text_is_told_apart_from_what_is_written_here():
    def verdict(values: list) -> Exactness:
        series = pd.Series(values, name="c", dtype=object)
        return judge(objects_to_arrow(series, pg("jsonb"))[1], pg("jsonb")).verdict

    assert verdict([{"a": 1}, None]) is Exactness.EXACT
    assert verdict([None]) is Exactness.EXACT
    assert verdict(['{"a":1}']) is Exactness.LOSSY
    assert verdict([{"a": 1}, '{"a":1}']) is Exactness.LOSSY


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("-0.00"), "0.00"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("0E-10"), "0.0000000000"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("-Infinity"), "-Infinity"),
        (Decimal("2.50"), "2.50"),
        (7, "7"),
        (np.int64(7), "7"),
    ],
)
@pytest.mark.parametrize("beside", [[], [Decimal("1.23456789")], [None, Decimal(10**50), 3]])
def test_a_number_in_a_text_has_its_own_digits(value, text, beside):
    assert encoded([value, Decimal(1), *beside], "text")[:2] == [text, "1"]


def test_a_number_that_no_database_writes_out_is_refused_at_once():
    with pytest.raises(EncodeError, match="digits"):
        made([Decimal("1E+999999999")], "text")


MISSING = (None, pd.NA, pd.NaT, float("nan"), np.float64("nan"), np.datetime64("NaT", "ns"))


@pytest.mark.parametrize("missing", MISSING, ids=lambda value: f"{type(value).__name__}-{value}")
@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("double precision", 1.5),
        ("numeric", Decimal("1.5")),
        ("text", "a"),
        ("text", Decimal("1.5")),
        ("bigint", 7),
        ("boolean", True),
        ("jsonb", {"a": 1}),
    ],
)
def test_what_is_missing_is_null_whatever_stands_beside_it(type_name, value, missing):
    values = pd.Series([value, missing, value], name="c", dtype=object)

    array, _ = objects_to_arrow(values, pg(type_name))

    assert array.is_null().to_pylist() == [False, True, False]
