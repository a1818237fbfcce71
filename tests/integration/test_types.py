"""Every type of PostgreSQL, every way through: exact, or the plan or the load says what is not."""

# ruff: noqa: E501 - a case is a line, however long its values are

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.dialects.postgresql import PostgreSQL
from tests.database import Database, Databases, Server, fresh_databases

LONG = "9" * 20_000 + "." + "1" * 10_000


@dataclass(frozen=True)
class Case:
    """One type with the values that tell whether it survives."""

    name: str
    type_name: str
    values: tuple[str | None, ...]


CASES = [
    Case("int_2", "int2", ("32767", "-32768", None)),
    Case("int_4", "int4", ("2147483647", "-2147483648", None)),
    Case("int_8", "int8", ("9223372036854775807", "-9223372036854775808", "9007199254740993", None)),
    Case("decimal_38", "numeric(38,10)", ("1.5", "-9999999999999999999999999999.9999999999", "0.0000000001", None)),
    Case("decimal_nan", "numeric(38,10)", ("1.5", "NaN", None)),
    Case("numeric_free", "numeric", ("1.50", "1e30", LONG, "NaN", "Infinity", "-0.0", None)),
    Case("money_scale", "numeric(15,2)", ("0.00", "-0.01", "9999999999999.99", None)),
    Case("negative_scale", "numeric(5,-2)", ("12300", None)),
    Case("float_4", "float4", ("0.1", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "-0", None)),
    Case("float_8", "float8", ("0.1", "1.7976931348623157e308", "5e-324", "NaN", "Infinity", "-0", None)),
    Case("bool_", "bool", ("t", "f", None)),
    Case("text_empty", "text", (None, "", " ", "NULL", "null", "nan", "None", "NA", "#N/A")),
    Case("text_special", "text", ('a"b', "a\nb", "a\r\nb", "a\rb", "a\\b", "a\tb", "\\N", "\\.", "é漢字🎉", "a,b", "\x01\x7f", '""', "\n")),
    Case("varchar_", "varchar(10)", ("abc  ", "", None)),
    Case("char_type", "char(5)", ("ab", "", "abcde", None)),
    Case("single_char", "char", ("a", None)),
    Case("name_type", "name", ("abc", None)),
    Case("bytea_type", "bytea", ("\\x00ff5c", "\\x", "\\x5c7822", None)),
    Case("date_type", "date", ("2024-02-29", "1969-12-31", "0001-01-01", "9999-12-31", None)),
    Case("date_bc", "date", ("0044-03-15 BC", None)),
    Case("date_infinite", "date", ("infinity", "-infinity", "2020-01-01")),
    Case("timestamp_type", "timestamp", ("2024-01-01 00:00:00.123456", "1900-01-01 00:00:00.000001", "2262-04-12 00:00:00", "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00", "2024-01-01 00:00:00.5", None)),
    Case("timestamp_infinite", "timestamp", ("infinity", "-infinity", "4713-01-01 00:00:00 BC")),
    Case("timestamp_millis", "timestamp(3)", ("2024-01-01 00:00:00.123", None)),
    Case("timestamptz_type", "timestamptz", ("2024-07-01 12:00:00.123456+05", "1890-01-01 00:00:00+00", "9999-12-31 23:59:59+00", None)),
    Case("timestamptz_infinite", "timestamptz", ("infinity", "2020-01-01 00:00:00+00")),
    Case("time_type", "time", ("23:59:59.999999", "00:00:00", None)),
    Case("time_24", "time", ("24:00:00", "12:00:00")),
    Case("timetz_type", "timetz", ("12:00:00+05:30", None)),
    Case("interval_type", "interval", ("1 year 2 mons 3 days 04:05:06.789", "-1 day +02:00:00", None)),
    Case("uuid_type", "uuid", ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None)),
    Case("json_type", "json", ('{"b": 1,  "a": [1.10, null, "x\\ny"]}', "null", None)),
    Case("jsonb_type", "jsonb", ('{"b": 1, "a": [1.10, null, "x\\ny"]}', "12345678901234567890.10", "null", None)),
    Case("int_array", "int[]", ("{1,2,NULL}", "{}", "{{1,2},{3,4}}", None)),
    Case("text_array", "text[]", ('{a,"b,c",NULL,""}', '{"q\\"x","\\\\N"}', None)),
    Case("numeric_array", "numeric(10,2)[]", ("{1.10,2.20}", None)),
    Case("enum_type", "mood", ("sad", 'Happy, "q"', None)),
    Case("enum_array", "mood[]", ('{sad,"Happy, \\"q\\""}', None)),
    Case("domain_type", "positive", ("12.5", None)),
    Case("composite_type", "pair", ('(1,"a b")', None)),
    Case("inet_type", "inet", ("10.0.0.1/24", None)),
    Case("bit_type", "bit(3)", ("101", None)),
    Case("varbit_type", "varbit", ("10101", None)),
    Case("range_type", "int4range", ("[1,5)", "empty", None)),
    Case("point_type", "point", ("(1.5,2)", None)),
    Case("money_type", "money", ("$1.50", None)),
    Case("tsvector_type", "tsvector", ("'a':1 'b':2", None)),
]  # fmt: skip

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'Happy, "q"');
CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text)
"""


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def no_relay(*_: object) -> None:
    """Stand in for ``relay_format``: every run decodes its rows."""


@pytest.fixture(scope="module")
def cases(postgres_server: Server) -> Iterator[Databases]:
    """Both databases with a table for each case, alone and beside a number."""
    with fresh_databases(postgres_server) as databases:
        # Another type first, on one side: the two databases then number their types differently.
        databases.target.execute("CREATE TYPE unused AS ENUM ('x')")
        for database in (databases.source, databases.target):
            for statement in TYPES.split(";"):
                database.execute(statement)
        for case in CASES:
            _create(databases, case)
        yield databases


def _create(databases: Databases, case: Case) -> None:
    for database in (databases.source, databases.target):
        database.execute(f"CREATE TABLE {case.name} (k int, v {case.type_name})")
        database.execute(f"CREATE TABLE {case.name}_alone (v {case.type_name})")
    for number, value in enumerate(case.values):
        databases.source.execute(
            f"INSERT INTO {case.name} VALUES (%s, %s::{case.type_name})", number, value
        )
    databases.source.execute(f"INSERT INTO {case.name}_alone SELECT v FROM {case.name} ORDER BY k")


def content(database: Database, table: str) -> list[tuple[object, ...]]:
    return database.fetch(f'SELECT v::text FROM {table} ORDER BY v::text COLLATE "C" NULLS LAST')


def move(databases: Databases, table: str, function: object, **options: object) -> None:
    databases.target.execute(f"TRUNCATE {table}")
    ParallelProcessor(enable_parallel=False).process_mapper_job(
        databases.source.url,
        f"SELECT * FROM {table}",
        function,
        databases.target.url,
        None,
        table,
        **options,
    ).raise_for_status()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("way", ["relay", "arrow", "pandas", "nullable"])
@pytest.mark.parametrize("alone", [False, True], ids=["beside", "alone"])
def test_every_value_arrives_as_it_left(
    cases: Databases, monkeypatch: pytest.MonkeyPatch, case: Case, way: str, *, alone: bool
) -> None:
    """Alone too: in CSV a lone NULL is an empty line, and a lone ``\\.`` once ended the data."""
    table = f"{case.name}_alone" if alone else case.name
    if way == "arrow":
        monkeypatch.setattr(PostgreSQL, "relay_format", no_relay)
    function = unchanged if way in ("pandas", "nullable") else None
    backend = "numpy_nullable" if way == "nullable" else "pyarrow"
    move(cases, table, function, dtype_backend=backend)
    assert content(cases.target, table) == content(cases.source, table)


LOSSY = [
    ("numeric", "1.567", "numeric(10,2)", "rounded to 2 decimals"),
    ("numeric(10,4)", "1.5678", "numeric(10,2)", "rounded to 2 decimals"),
    ("float8", "0.1", "float4", "rounded to single precision"),
    ("numeric(20,10)", "0.1234567891", "float8", "kept to the digits a float has"),
    ("timestamptz", "2024-01-01 12:00:00+05", "timestamp", "the zone is dropped"),
    ("timestamp", "2024-01-01 12:00:00", "timestamptz", "taken as UTC"),
    ("timestamp", "2024-01-01 12:00:00.123456", "timestamp(3)", "rounded to 3 digits of a second"),
    ("json", '{"b": 1,  "a": 2}', "jsonb", "white space, key order and repeated keys"),
]


@pytest.mark.parametrize(
    ("source", "value", "target", "note"), LOSSY, ids=lambda text: str(text)[:20]
)
@pytest.mark.parametrize("function", [None, unchanged], ids=["arrow", "pandas"])
def test_a_conversion_that_loses_is_named_in_the_result(
    databases: Databases, source: str, value: str, target: str, note: str, function: object
) -> None:
    databases.source.execute(f"CREATE TABLE t AS SELECT %s::{source} AS v", value)
    databases.target.execute(f"CREATE TABLE t (v {target})")
    result = ParallelProcessor().process_mapper_job(
        databases.source.url, "SELECT * FROM t", function, databases.target.url, None, "t"
    )
    if (source, function) == ("json", unchanged):
        return  # pandas holds json as text, and text into jsonb is what the user asked for
    assert any("v" in warning and note in warning for warning in result.warnings)
    assert result.raise_for_status().total_rows_successful == 1


REFUSED = [
    ("int4", "300000", "int2", "not in range"),
    ("float8", "1.5", "int4", "truncated"),
    ("numeric(6,2)", "1.50", "int4", "data loss"),
    ("timestamp", "2024-01-01 12:00:00", "date", "time of day"),
    ("text", "abcdef", "varchar(3)", "too long"),
    ("numeric(10,0)", "12345", "numeric(4,0)", "overflow|fit"),
    ("float8", "1e300", "float4", "out of range"),
]


@pytest.mark.parametrize(
    ("source", "value", "target", "words"), REFUSED, ids=lambda text: str(text)[:20]
)
def test_a_value_that_does_not_fit_is_refused_and_nothing_is_stored(
    databases: Databases, source: str, value: str, target: str, words: str
) -> None:
    databases.source.execute(f"CREATE TABLE t AS SELECT %s::{source} AS v", value)
    databases.target.execute(f"CREATE TABLE t (v {target})")
    for function in (None, unchanged):
        result = ParallelProcessor().process_mapper_job(
            databases.source.url, "SELECT * FROM t", function, databases.target.url, None, "t"
        )
        [error] = result.errors
        assert re.search(words, error), error
        assert "v" in error
    assert databases.target.fetch("SELECT count(*) FROM t") == [(0,)]
