"""What becomes of a type on its way into another: the table of verdicts."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from mapper_dask.dialects.conversions import (
    Verdict,
    incoming_from_arrow,
    incoming_from_column,
    judge,
)
from mapper_dask.dialects.facts import TypeFamily
from mapper_dask.dialects.postgresql.types import column

EXACT, LOSSY, NO = Verdict.EXACT, Verdict.LOSSY, Verdict.IMPOSSIBLE

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
    "text": {"text": EXACT, "other": EXACT},
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


def verdict(source: str, target: str) -> Verdict:
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
        (pa.large_string(), TypeFamily.TEXT),
        (pa.string_view(), TypeFamily.TEXT),
        (pa.list_(pa.int8()), TypeFamily.OTHER),
        (pa.duration("us"), TypeFamily.OTHER),
    ],
)
def test_an_arrow_type_has_a_family(arrow, family):
    assert incoming_from_arrow(arrow).family is family
