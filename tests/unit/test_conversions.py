"""What becomes of a type on its way into another: the table of verdicts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pyarrow as pa
import pytest

from mapper_dask.dialects.postgresql.types import column
from mapper_dask.schema.conversions import (
    Exactness,
    incoming_from_arrow,
    incoming_from_column,
    judge,
)
from mapper_dask.schema.facts import TypeFamily

EXACT, LOSSY, NO = Exactness.EXACT, Exactness.LOSSY, Exactness.IMPOSSIBLE

TYPES = {
    TypeFamily.BOOLEAN: "boolean",
    TypeFamily.INTEGER: "integer",
    TypeFamily.DECIMAL: "numeric(10,2)",
    TypeFamily.FLOAT: "double precision",
    TypeFamily.TEXT: "text",
    TypeFamily.BINARY: "bytea",
    TypeFamily.DATE: "date",
    TypeFamily.TIME: "time without time zone",
    TypeFamily.TIMESTAMP: "timestamp without time zone",
    TypeFamily.TIMESTAMP_TZ: "timestamp with time zone",
    TypeFamily.OTHER: "uuid",
}

WAYS = {
    "boolean": {"boolean": EXACT, "integer": EXACT, "text": EXACT},
    "integer": {"integer": EXACT, "decimal": EXACT, "float": EXACT, "text": EXACT},
    "decimal": {"integer": EXACT, "decimal": EXACT, "float": LOSSY, "text": EXACT},
    "float": {"integer": EXACT, "decimal": LOSSY, "float": EXACT, "text": EXACT},
    "text": {"text": EXACT, "other": EXACT},  # but for jsonb and what is cut to a precision
    "binary": {"binary": EXACT},
    "date": {"date": EXACT, "timestamp": EXACT, "timestamptz": LOSSY, "text": EXACT},
    "time": {"time": EXACT, "text": EXACT},
    "timestamp": {"date": EXACT, "timestamp": EXACT, "timestamptz": LOSSY, "text": EXACT},
    "timestamptz": {"timestamp": LOSSY, "timestamptz": EXACT, "text": EXACT},
    "other": {"other": EXACT, "text": EXACT},
}
"""Every way that exists; a pair that is not here does not. "Exact" may still refuse a value."""


def pg(type_name: str):
    base = type_name.partition("(")[0]
    return column("c", type_name, base, "S" if base == "text" else "X", native=True)


def verdict(source: str, target: str) -> Exactness:
    return judge(incoming_from_column(pg(source)), pg(target)).verdict


@pytest.mark.parametrize(("source", "target"), list(itertools.product(TypeFamily, TypeFamily)))
def test_every_pair_of_families_has_a_verdict(source, target):
    expected = WAYS[source.value].get(target.value, NO)

    assert verdict(TYPES[source], TYPES[target]) is expected


@pytest.mark.parametrize("name", TYPES.values())
def test_the_same_type_is_exact_and_says_nothing(name):
    conversion = judge(incoming_from_column(pg(name)), pg(name))

    assert (conversion.verdict, conversion.note) == (EXACT, "")
    assert str(conversion) == "c: exact"


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("numeric(10,2)", "numeric(12,4)", EXACT),
        ("numeric(10,4)", "numeric(12,2)", LOSSY),
        ("numeric", "numeric(12,2)", LOSSY),
        ("numeric(50,2)", "numeric", EXACT),
        ("double precision", "numeric", EXACT),
        ("double precision", "real", LOSSY),
        ("real", "double precision", EXACT),
        ("bigint", "smallint", EXACT),
        ("timestamp(6) without time zone", "timestamp(3) without time zone", LOSSY),
        ("timestamp(3) without time zone", "timestamp without time zone", EXACT),
        ("time without time zone", "time(0) without time zone", LOSSY),
        ("json", "jsonb", LOSSY),
        ("jsonb", "json", EXACT),
        ("json", "jsonb[]", NO),
        ("json[]", "jsonb[]", LOSSY),
        ("jsonb[]", "json[]", EXACT),
        ("text", "jsonb", LOSSY),
        ("text", "jsonb[]", LOSSY),
        ("text", "json", EXACT),
        ("json", "interval", NO),
        ("jsonb", "integer[]", NO),
        ("interval", "time with time zone", NO),
        ("uuid", "tsvector", NO),
        ("bit(3)", "interval", NO),
        ("tsrange", "daterange", NO),
        ("bit(3)", "bit varying", EXACT),
        ("bit varying(5)", "bit(5)", EXACT),
        ("inet", "cidr", EXACT),
        ("int4range", "int8range", EXACT),
        ("mood", "feeling", EXACT),
        ("mood", "interval", EXACT),
        ("integer[]", "vector(3)", EXACT),
        ("integer[]", "bigint[]", EXACT),
        ("bigint[]", "numeric[]", EXACT),
        ("uuid[]", "text[]", EXACT),
        ("numeric[]", "numeric(10,2)[]", LOSSY),
        ("timestamp without time zone[]", "date[]", LOSSY),
        ("timestamp with time zone[]", "timestamp without time zone[]", LOSSY),
        ("double precision[]", "real[]", LOSSY),
        ("uuid[]", "interval[]", NO),
        ("text", "numeric(10,2)[]", LOSSY),
        ("text", "integer[]", EXACT),
        ("text", "interval(0)", LOSSY),
        ("text", "interval", EXACT),
        ("text", "interval(6)", EXACT),
        ("text", "time(0) with time zone", LOSSY),
        ("text", "time with time zone", EXACT),
        ("text", '"char"', LOSSY),
        ('"char"', '"char"', EXACT),
        ("interval(0)", "interval", EXACT),
        ("interval(0)", "interval(3)", EXACT),
        ("interval", "interval hour", LOSSY),
        ("time with time zone", "time(3) with time zone", LOSSY),
        ("time(3) with time zone", "time with time zone", EXACT),
        ("integer", "numeric(5,-2)", LOSSY),
        ("integer", "numeric(5,0)", EXACT),
        ("interval", "interval(0)", LOSSY),
        ("interval", "interval", EXACT),
    ],
)
def test_modifiers_decide_between_exact_and_lossy(source, target, expected):
    assert verdict(source, target) is expected


def test_a_loss_names_the_column_both_types_and_what_is_lost():
    conversion = judge(incoming_from_column(pg("numeric(10,4)")), pg("numeric(12,2)"))

    assert str(conversion) == "c: numeric(10,4) → numeric(12,2): rounded to 2 decimals"


def test_a_dropped_zone_and_rounded_seconds_are_both_said():
    incoming = incoming_from_column(pg("timestamp with time zone"))

    note = judge(incoming, pg("timestamp(0) without time zone")).note

    assert "the zone is dropped" in note
    assert "rounded to 0 digits" in note


@pytest.mark.parametrize("target", TYPES.values())
def test_nulls_alone_go_anywhere(target):
    assert judge(incoming_from_arrow(pa.null()), pg(target)).verdict is EXACT


@pytest.mark.parametrize(
    ("arrow", "family"),
    [
        (pa.null(), None),
        (pa.bool_(), TypeFamily.BOOLEAN),
        (pa.uint8(), TypeFamily.INTEGER),
        (pa.float32(), TypeFamily.FLOAT),
        (pa.decimal128(5, 2), TypeFamily.DECIMAL),
        (pa.decimal256(50, 2), TypeFamily.DECIMAL),
        (pa.date32(), TypeFamily.DATE),
        (pa.date64(), TypeFamily.DATE),
        (pa.time64("ns"), TypeFamily.TIME),
        (pa.timestamp("s"), TypeFamily.TIMESTAMP),
        (pa.timestamp("ns", "Asia/Tokyo"), TypeFamily.TIMESTAMP_TZ),
        (pa.large_binary(), TypeFamily.BINARY),
        (pa.binary(16), TypeFamily.BINARY),
        (pa.binary_view(), TypeFamily.BINARY),
        (pa.large_string(), TypeFamily.TEXT),
        (pa.string_view(), TypeFamily.TEXT),
        (pa.list_(pa.int8()), TypeFamily.OTHER),
        (pa.duration("us"), TypeFamily.OTHER),
    ],
)
def test_an_arrow_type_has_a_family(arrow, family):
    assert incoming_from_arrow(arrow).family is family


@pytest.mark.parametrize(
    ("arrow", "target", "expected"),
    [
        (pa.duration("us"), "interval", EXACT),
        (pa.duration("us"), "interval(0)", LOSSY),
        (pa.list_(pa.int64()), "integer[]", EXACT),
        (pa.list_(pa.float64()), "numeric(10,2)[]", LOSSY),
        (pa.list_(pa.int64()), "jsonb", EXACT),
        (pa.struct({"a": pa.int64()}), "jsonb", EXACT),
        (pa.list_(pa.float32()), "vector(3)", EXACT),
    ],
)
def test_what_pandas_has_and_no_database_is_judged_by_where_it_goes(arrow, target, expected):
    assert judge(incoming_from_arrow(arrow), pg(target)).verdict is expected


def test_a_number_may_lose_digits_and_decimals_both():
    incoming = incoming_from_column(pg("numeric"))

    note = judge(incoming, replace(pg("numeric(12,2)"), digits=38)).note

    assert "kept to 38 digits" in note
    assert "rounded to 2 decimals" in note
