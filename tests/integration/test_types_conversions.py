"""The usual conversions, one by one: exact, named in the result, or refused with the column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mapper_dask.errors import MapperError
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.database import Databases, Server, fresh_databases
from tests.integration.fidelity.tables import connected
from tests.integration.fidelity.ways import ARROW, NULLABLES, PANDAS, Way

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

WAYS = pytest.mark.parametrize("way", [ARROW, PANDAS], ids=lambda way: way.name)


@pytest.fixture(scope="module")
def both(postgres_server: Server) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as made:
        yield made


@pytest.fixture
def databases(both: Databases) -> Databases:
    """Both databases without the table, which each test makes: quicker than new databases."""
    for database in both:
        database.execute("DROP TABLE IF EXISTS t")
    return both


def into_other(databases: Databases, source: str, value: str, target: str) -> None:
    """Create a table of one value, and an empty one of another type."""
    databases.source.execute(f"CREATE TABLE t AS SELECT %s::{source} AS v", value)
    databases.target.execute(f"CREATE TABLE t (v {target})")


def named(rows: list[Any]) -> list[str]:
    return [f"{source}-{target}" for source, _, target, *_ in rows]


EXACT = [
    ("int4", "1", "numeric(15,2)", "1.00"),
    ("int8", "9007199254740993", "numeric", "9007199254740993"),
    ("numeric(15,2)", "2.00", "int4", "2"),
    ("numeric", "9007199254740993", "int8", "9007199254740993"),
    ("int8", "2147483647", "int4", "2147483647"),
    ("float8", "16777216", "int4", "16777216"),
    ("float8", "0.1", "numeric", "0.1"),
    ("float8", "1e300", "numeric", "1" + "0" * 300),
    ("numeric(15,2)", "1.50", "numeric(20,4)", "1.5000"),
    ("bool", "t", "int4", "1"),
    ("int4", "-7", "text", "-7"),
    ("numeric(15,2)", "1.50", "text", "1.50"),
    ("float8", "0.1", "text", "0.1"),
    ("date", "2024-02-29", "timestamp", "2024-02-29 00:00:00"),
    ("timestamp", "2024-02-29 00:00:00", "date", "2024-02-29"),
    ("date", "2024-02-29", "text", "2024-02-29"),
    ("uuid", UUID, "text", UUID),
    ("text", UUID, "uuid", UUID),
    ("json", '{"b":  1}', "text", '{"b":  1}'),
    ("text", "abc", "varchar(3)", "abc"),
    ("varchar(10)", "abc  ", "text", "abc  "),
    ("int4[]", "{1,NULL}", "text", "{1,NULL}"),
]


@WAYS
@pytest.mark.parametrize(("source", "value", "target", "stored"), EXACT, ids=named(EXACT))
def test_a_value_that_the_target_can_hold_arrives(
    databases: Databases, way: Way, source: str, value: str, target: str, stored: str
) -> None:
    into_other(databases, source, value, target)
    way.move(databases, "t").raise_for_status()
    assert databases.target.fetch("SELECT v::text FROM t") == [(stored,)]


LOSSY = [
    ("numeric", "1.567", "numeric(10,2)", "rounded to 2 decimals"),
    ("numeric(10,4)", "1.5678", "numeric(10,2)", "rounded to 2 decimals"),
    ("float8", "0.1", "float4", "rounded to single precision"),
    ("numeric(20,10)", "0.1234567891", "float8", "kept to the digits a float has"),
    ("timestamptz", "2024-01-01 12:00:00+05", "timestamp", "the zone is dropped"),
    ("timestamp", "2024-01-01 12:00:00", "timestamptz", "taken as UTC"),
    ("timestamp", "2024-01-01 12:00:00.123456", "timestamp(3)", "rounded to 3 digits of a second"),
    ("json", '{"b": 1,  "a": 2}', "jsonb", "white space, key order and repeated keys"),
    ("text", '{"b": 1,  "a": 2}', "jsonb", "white space, key order and repeated keys"),
    ("text", "ab ", "char(5)", "trailing blanks are not kept"),
    ("text", "abc  ", "varchar(3)", "trailing blanks are not kept"),
    ("text", "x" * 64, "name", "cut to 63 bytes"),
    ("interval", "1.5 s", "interval(0)", "cut to the target's precision"),
    ("numeric[]", "{1.567}", "numeric(10,2)[]", "may be rounded"),
]


@WAYS
@pytest.mark.parametrize(("source", "value", "target", "note"), LOSSY, ids=named(LOSSY))
def test_a_conversion_that_loses_is_named_in_the_result(
    databases: Databases, way: Way, source: str, value: str, target: str, note: str
) -> None:
    into_other(databases, source, value, target)
    result = way.move(databases, "t").raise_for_status()
    assert any(w.startswith("v:") and note in w for w in result.warnings), result.warnings
    assert result.total_rows_successful == 1


REFUSED = [
    ("text", "42", "int8", "does not go into"),
    ("text", "1.50", "numeric(15,2)", "does not go into"),
    ("int8", "9007199254740993", "float8", "does not fit|not in range|out of range|truncated"),
    ("int8", "3000000000", "int4", "not in range"),
    ("bytea", "abc", "text", "does not go into"),
    ("int4", "300000", "int2", "not in range"),
    ("float8", "1.5", "int4", "truncated"),
    ("numeric(6,2)", "1.50", "int4", "data loss"),
    ("timestamp", "2024-01-01 12:00:00", "date", "time of day"),
    ("text", "abcdef", "varchar(3)", "too long"),
    ("numeric(10,0)", "12345", "numeric(4,0)", "overflow|fit"),
    ("float8", "1e300", "float4", "out of range"),
]


@WAYS
@pytest.mark.parametrize(("source", "value", "target", "words"), REFUSED, ids=named(REFUSED))
def test_a_value_that_does_not_fit_is_refused_and_nothing_is_stored(
    databases: Databases, way: Way, source: str, value: str, target: str, words: str
) -> None:
    into_other(databases, source, value, target)
    refusal = why_refused(lambda: way.move(databases, "t"))
    assert re.search(words, refusal), refusal
    assert re.search(r"'v'|column v\b", refusal), refusal
    assert databases.target.fetch("SELECT count(*) FROM t") == [(0,)]


def why_refused(run: Callable[[], ParallelProcessingResult]) -> str:
    """Return why a run was refused, before it began or by its only chunk."""
    try:
        [error] = run().errors
    except MapperError as refusal:
        return str(refusal)
    return error


ARROW_COLUMNS = {
    "int64 into numeric(15,2)": ([1, None], pa.int64(), "numeric(15,2)", ["1.00", None]),
    "int32 into numeric(15,2)": ([1], pa.int32(), "numeric(15,2)", ["1.00"]),
    "uint64 into numeric": ([2**64 - 1], pa.uint64(), "numeric", [str(2**64 - 1)]),
    "int64 into int2": ([-7], pa.int64(), "int2", ["-7"]),
    "int8 into int4": ([-7], pa.int8(), "int4", ["-7"]),
    "int64 into float8": ([2**53], pa.int64(), "float8", ["9.007199254740992e+15"]),
    "float32 into float8": ([0.5], pa.float32(), "float8", ["0.5"]),
    "float64 into numeric(15,2)": ([1.25], pa.float64(), "numeric(15,2)", ["1.25"]),
    "half into float8": ([0.5], pa.float16(), "float8", ["0.5"]),
    "decimal of smaller scale": ([Decimal("1.5")], pa.decimal128(5, 1), "numeric(15,2)", ["1.50"]),
    "decimal256": ([Decimal("1.5")], pa.decimal256(60, 2), "numeric(15,2)", ["1.50"]),
    "decimal256 of 60 digits": ([Decimal("9" * 60)], pa.decimal256(60, 0), "numeric", ["9" * 60]),
    "decimal32": ([Decimal("1.5")], pa.decimal32(5, 2), "numeric(15,2)", ["1.50"]),
    "large text": (["a\n", ""], pa.large_string(), "text", ["a\n", ""]),
    "text view": (["a", None], pa.string_view(), "text", ["a", None]),
    "large bytes": ([b"\0\xff"], pa.large_binary(), "bytea", ["\\x00ff"]),
    "bytes view": ([b"\0", None], pa.binary_view(), "bytea", ["\\x00", None]),
    "bytes of one size": ([b"\0\xff"], pa.binary(2), "bytea", ["\\x00ff"]),
    "dictionary": (
        ["a", None, "a"],
        pa.dictionary(pa.int8(), pa.string()),
        "text",
        ["a", None, "a"],
    ),
    "only NULLs": ([None, None], pa.null(), "numeric(15,2)", [None, None]),
    "nanoseconds": ([1_000], pa.timestamp("ns"), "timestamp", ["1970-01-01 00:00:00.000001"]),
    "seconds": ([1], pa.timestamp("s"), "timestamp", ["1970-01-01 00:00:01"]),
    "another zone": (
        [0],
        pa.timestamp("us", "Asia/Tokyo"),
        "timestamptz",
        ["1970-01-01 00:00:00+00"],
    ),
    "date of milliseconds": ([86_400_000], pa.date64(), "date", ["1970-01-02"]),
    "time of seconds": ([1], pa.time32("s"), "time", ["00:00:01"]),
    "time of nanoseconds": ([1_000], pa.time64("ns"), "time", ["00:00:00.000001"]),
    "duration": ([1_500_000], pa.duration("us"), "interval", ["00:00:01.5"]),
    "list": ([[1, None], []], pa.list_(pa.int32()), "int[]", ["{1,NULL}", "{}"]),
    "list of texts": (
        [['a"b', "NULL", ""]],
        pa.list_(pa.string()),
        "text[]",
        ['{"a\\"b","NULL",""}'],
    ),
    "struct into jsonb": ([{"a": 1}], pa.struct({"a": pa.int32()}), "jsonb", ['{"a": 1}']),
}


@pytest.mark.parametrize("name", ARROW_COLUMNS)
def test_whatever_a_function_returns_is_stored_as_the_columns_type(
    databases: Databases, name: str
) -> None:
    """An encoder that does not look at its target stores int64 1 as 0.00 in a numeric(15,2)."""
    values, arrow, target, stored = ARROW_COLUMNS[name]
    column = pd.Series(pd.array(pa.array(values, arrow), dtype=pd.ArrowDtype(arrow)))
    returned(databases, column, target).raise_for_status()
    assert [v for (v,) in arrived(databases)] == stored


SERIES = {
    "int64": (pd.Series([1, 2]), "numeric(15,2)", ["1.00", "2.00"]),
    "Int64": (pd.Series([1, None], dtype="Int64"), "numeric(15,2)", ["1.00", None]),
    "uint8": (pd.Series([255], dtype="uint8"), "int2", ["255"]),
    "float64, NaN is missing": (pd.Series([1.5, np.nan]), "float8", ["1.5", None]),
    "Decimals": (pd.Series([Decimal("1.5"), None], dtype=object), "numeric(15,2)", ["1.50", None]),
    "integers beyond 64 bits": (pd.Series([2**70], dtype=object), "numeric", [str(2**70)]),
    "bool": (pd.Series([True, False]), "bool", ["true", "false"]),
    "category": (pd.Series(["a", None], dtype="category"), "text", ["a", None]),
    "datetime64": (
        pd.Series([pd.Timestamp("2024-02-29 12:00")]),
        "timestamp",
        ["2024-02-29 12:00:00"],
    ),
    "Timedelta": (pd.Series([pd.Timedelta("1.5s")]), "interval", ["00:00:01.5"]),
    "lists": (pd.Series([[1, 2]], dtype=object), "int[]", ["{1,2}"]),
    "dicts": (pd.Series([{"a": 1.5}], dtype=object), "json", ['{"a": 1.5}']),
    "bytes": (pd.Series([b"\0"], dtype=object), "bytea", ["\\x00"]),
}


@pytest.mark.parametrize("name", SERIES)
def test_a_numpy_or_object_column_is_stored_as_the_columns_type(
    databases: Databases, name: str
) -> None:
    column, target, stored = SERIES[name]
    returned(databases, column, target).raise_for_status()
    assert [v for (v,) in arrived(databases)] == stored


OVER_SCALE = {
    "decimal128": pd.Series([Decimal("1.2345")], dtype=pd.ArrowDtype(pa.decimal128(10, 4))),
    "decimal256": pd.Series([Decimal("1.2345")], dtype=pd.ArrowDtype(pa.decimal256(50, 4))),
    "Decimal": pd.Series([Decimal("1.2345")], dtype=object),
    "float64": pd.Series([1.2345]),
    "double": pd.Series([1.2345], dtype=pd.ArrowDtype(pa.float64())),
}


@pytest.mark.parametrize("name", OVER_SCALE)
def test_digits_beyond_the_scale_are_rounded_and_named(databases: Databases, name: str) -> None:
    result = returned(databases, OVER_SCALE[name], "numeric(15,2)").raise_for_status()
    assert arrived(databases) == [("1.23",)]
    assert any(w.startswith("v:") and "rounded to 2 decimals" in w for w in result.warnings)


UNCHANGED = [
    ("timestamp(3)", "2024-01-01 12:00:00.123"),
    ("time(0)", "24:00:00"),
    ("timestamptz(0)", "infinity"),
    ("numeric(15,2)", "NaN"),
    ("numeric(15,2)", "1.50"),
    ("char(5)", "ab"),
    ("varchar(3)", "ab "),
    ("jsonb", '{"a": 1}'),
    ("json", '{"b":1,  "a": 2}'),
    ("interval(0)", "1 s"),
    ("numeric(10,2)[]", "{1.50}"),
]


@pytest.mark.parametrize("way", [ARROW, PANDAS, NULLABLES], ids=lambda way: way.name)
@pytest.mark.parametrize(("kind", "value"), UNCHANGED, ids=[" ".join(row) for row in UNCHANGED])
def test_what_goes_into_its_own_type_is_not_called_lossy(
    databases: Databases, way: Way, kind: str, value: str
) -> None:
    databases.source.execute(f"CREATE TABLE t (k int, v {kind})")
    databases.target.execute(f"CREATE TABLE t (k int8, v {kind})")
    databases.source.execute("INSERT INTO t VALUES (1, %s), (2, NULL)", value)
    result = way.move(databases, "t").raise_for_status()
    assert [warning for warning in result.warnings if "→" in warning] == []
    [left, arrived] = [
        each.fetch("SELECT format('%%L', v) FROM t ORDER BY k") for each in databases
    ]
    assert arrived == left


LATE = {
    "Decimals": ("numeric", "1.5", "1.567", "numeric(10,2)", "Decimal → numeric(10,2): rounded"),
    "a time": ("timestamp", "2024-01-01", "infinity", "timestamp(3)", None),
    "blanks": ("text", "ab", "ab ", "char(5)", "trailing blanks"),
    "json": ("json", None, '{"b":1,  "a":2}', "jsonb", "repeated keys"),
}


@pytest.mark.parametrize("name", LATE)
def test_what_only_a_later_row_loses_is_named_by_its_chunk(databases: Databases, name: str) -> None:
    """The plan has seen 100 rows."""
    kind, early, late, target, note = LATE[name]
    databases.source.execute(f"CREATE TABLE t (k int, v {kind})")
    databases.target.execute(f"CREATE TABLE t (k int8, v {target})")
    databases.source.execute("INSERT INTO t SELECT n, %s FROM generate_series(1, 300) AS n", early)
    databases.source.execute("UPDATE t SET v = %s WHERE k = 300", late)
    result = PANDAS.move(databases, "t", key_column="k").raise_for_status()
    said = [warning for warning in result.warnings if "→" in warning]
    assert any(note in warning for warning in said) if note else said
    assert result.total_rows_successful == 300


TOO_LARGE = {
    "int64 into int4": (pd.Series([2**31]), "int4"),
    "uint64 into int8": (pd.Series([2**64 - 1], dtype="uint64"), "int8"),
    "int64 into numeric(4,2)": (pd.Series([100]), "numeric(4,2)"),
    "decimal into numeric(4,2)": (OVER_SCALE["decimal128"] * 100, "numeric(4,2)"),
    "int64 into float8": (pd.Series([2**53 + 1]), "float8"),
    "nanoseconds into timestamp": (pd.Series([pd.Timestamp(1)]), "timestamp(6)"),
    "text into int4": (pd.Series(["x"]), "int4"),
    "Decimal among lists": (pd.Series([[1], Decimal("1.5")], dtype=object), "int[]"),
    "Decimals into int[]": (pd.Series([Decimal("1.5")], dtype=object), "int[]"),
    "Decimals into interval": (pd.Series([Decimal("1.5")], dtype=object), "interval"),
    "NUL into text": (pd.Series(["a\0"]), "text"),
    "kinds together": (pd.Series([b"a", "a"], dtype=object), "text"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_returned_value_that_does_not_fit_is_refused_by_its_column(
    databases: Databases, name: str
) -> None:
    column, target = TOO_LARGE[name]
    refusal = why_refused(lambda: returned(databases, column, target))
    assert re.search(r"'v'|column v\b", refusal), refusal
    assert arrived(databases) == []


def returned(databases: Databases, column: pd.Series, target: str) -> ParallelProcessingResult:
    """Run a job whose function returns a column, whatever it reads."""
    databases.source.execute("CREATE TABLE t AS SELECT 1 AS a")
    databases.target.execute(f"CREATE TABLE t (k int, v {target})")
    frame = pd.DataFrame({"k": range(len(column)), "v": column})
    way = Way("returning", {}, lambda _: frame)
    return way.move(databases, "t")


def arrived(databases: Databases) -> list[tuple[Any, ...]]:
    with connected(databases.target.url) as connection, connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'; SELECT v::text FROM t ORDER BY k")
        return cursor.fetchall()
