"""What becomes of a value hangs on it and its column, never on what stands beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ParallelProcessingResult
from tests import builders
from tests.database import Databases, Server, fresh_databases
from tests.integration.fidelity.tables import connected

ROWS, ODD = 301, 77
"""Rows of a table, and the one of them that has a value without an Arrow type."""


def same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


WAYS: dict[str, dict[str, Any]] = {
    "no function": {},
    "a function": {"transformation_logic": same},
    "nullable": {"transformation_logic": same, "dtype_backend": "numpy_nullable"},
    "no function, rejects": {"reject_limit": ROWS},
    "a function, rejects": {"transformation_logic": same, "reject_limit": ROWS},
}
ALL_WAYS = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def both(postgres_server: Server) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as made:
        yield made


@pytest.fixture
def databases(both: Databases) -> Databases:
    both.source.execute("DROP TABLE IF EXISTS s")
    both.target.execute("DROP TABLE IF EXISTS d")
    return both


def table(databases: Databases, kind: str, usual: list[str], odd: str, target: str) -> None:
    """Create a table of usual values and an odd one, and an empty one of another type."""
    databases.source.execute(
        f"CREATE TABLE s AS SELECT i AS id, (CASE WHEN i = {ODD} THEN %s WHEN mod(i, 9) = 1 "
        f"THEN NULL ELSE (%s)[1 + mod(i, %s)] END)::{kind} AS v FROM generate_series(1, {ROWS}) i",
        odd, usual, len(usual),
    )  # fmt: skip
    databases.target.execute(f"CREATE TABLE d (id int, v {target})")


def move(databases: Databases, where: str = "true", **options: Any) -> ParallelProcessingResult:
    sql = f"SELECT * FROM s WHERE {where}"
    return builders.move(databases, source_sql=sql, key_column="id", **options)


def held(databases: Databases) -> dict[int, str | None]:
    """Return what the target holds, in UTC; takes it away."""
    with connected(databases.target.url) as connection, connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'; SELECT id, v::text FROM d")
        found = cursor.fetchall()
    databases.target.execute("TRUNCATE d")
    assert len({row for row, _ in found}) == len(found)
    return dict(found)


def assert_neighbours_change_nothing(databases: Databases, way: str, odd: str | None) -> None:
    """Move all but the odd row, then all of them.

    Parameters
    ----------
    odd
        What the target holds in the odd row; None: it is refused.
    """
    move(databases, f"id <> {ODD}", **WAYS[way]).raise_for_status()
    alone = held(databases)
    assert len(alone) == ROWS - 1
    result = move(databases, **WAYS[way])
    if odd is None and "rejects" not in way:
        assert not result.succeeded
        assert held(databases) == {}
        return
    result.raise_for_status()
    assert result.total_rows_rejected == (odd is None)
    assert held(databases) == (alone if odd is None else {**alone, ODD: odd})


NOON = "2024-03-10 21:32:00"
TIMES = {
    "infinity": ("timestamp", NOON, "infinity", "timestamptz", "infinity"),
    "-infinity": ("timestamp", NOON, "-infinity", "timestamptz", "-infinity"),
    "a fraction": ("timestamp", f"{NOON}.5", "infinity", "timestamptz", "infinity"),
    "before Christ": (
        "timestamp", NOON, "0044-03-15 12:00:00.25 BC", "timestamptz",
        "0044-03-15 12:00:00.25+00 BC"),
    "after 9999": ("timestamp", NOON, "10000-03-15", "timestamptz", "10000-03-15 00:00:00+00"),
    "drops a zone": ("timestamptz", f"{NOON}+02", "infinity", "timestamp", "infinity"),
    "drops a zone BC": (
        "timestamptz", f"{NOON}+02", "0044-03-15 12:00:00+00 BC", "timestamp",
        "0044-03-15 12:00:00 BC"),
    "drops a zone 10000": (
        "timestamptz", NOON, "10000-01-01 00:00:00+00", "timestamp", "10000-01-01 00:00:00"),
    "a date": ("date", "2024-07-01", "infinity", "timestamp", "infinity"),
    "a date BC": ("date", "2024-07-01", "0044-03-15 BC", "timestamp", "0044-03-15 00:00:00 BC"),
    "a date beyond": ("date", "2024-07-01", "12024-03-15", "timestamp", "12024-03-15 00:00:00"),
    "a date, zoned": ("date", "2024-07-01", "-infinity", "timestamptz", "-infinity"),
    "a date BC, zoned": (
        "date", "2024-07-01", "0001-12-31 BC", "timestamptz", "0001-12-31 00:00:00+00 BC"),
    "a date too late": ("date", "2024-07-01", "300000-01-01", "timestamp", None),
    "to a date": ("timestamp", "2024-07-01", "infinity", "date", "infinity"),
    "to a date BC": ("timestamp", "2024-07-01", "0044-03-15 BC", "date", "0044-03-15 BC"),
    "to a date with a time BC": ("timestamp", "2024-07-01", "0044-03-15 12:00 BC", "date", None),
    "fewer digits": ("timestamp", f"{NOON}.123", "infinity", "timestamptz(1)", "infinity"),
    "its own kind": ("timestamptz", f"{NOON}+02", "infinity", "timestamptz(0)", "infinity"),
    "a time": ("time", "12:00:00.5", "24:00:00", "time(1)", "24:00:00"),
    "timetz": ("timetz", "12:00:00.5+02", "24:00:00-15", "timetz", "24:00:00-15"),
}  # fmt: skip


@ALL_WAYS
@pytest.mark.parametrize("case", TIMES)
def test_one_time_without_an_arrow_type_refuses_no_other(
    databases: Databases, case: str, way: str
) -> None:
    kind, usual, odd, target, stored = TIMES[case]
    table(databases, kind, [usual], odd, target)
    assert_neighbours_change_nothing(databases, way, stored)


NUMBERS = {
    "NaN": ("numeric(10,2)", "1234567.89", "NaN", "float8", "NaN"),
    "many digits": ("numeric(30,20)", "0.12345678901234567", "NaN", "float8", "NaN"),
    "no precision": ("numeric", "1.5", "NaN", "float8", "NaN"),
    "Infinity": ("numeric", "1.5", "Infinity", "float8", "Infinity"),
    "-Infinity": ("numeric", "1.5", "-Infinity", "float8", "-Infinity"),
    "single": ("numeric(10,2)", "1234567.89", "NaN", "real", "NaN"),
    "single, Infinity": ("numeric", "0.1", "Infinity", "real", "Infinity"),
    "too great": ("numeric", "1.5", "1e400", "float8", None),
    "too great for a single": ("numeric", "1.5", "1e39", "real", None),
    "too small": ("numeric", "1.5", "1e-400", "float8", None),
    "a numeric": ("numeric(10,2)", "1.50", "NaN", "numeric(12,4)", "NaN"),
    "a whole number": ("numeric(10,2)", "7.00", "NaN", "int", None),
    "a long whole number": ("numeric", "7.0", "Infinity", "bigint", None),
}


@ALL_WAYS
@pytest.mark.parametrize("case", NUMBERS)
def test_one_number_without_an_arrow_type_refuses_no_other(
    databases: Databases, case: str, way: str
) -> None:
    kind, usual, odd, target, stored = NUMBERS[case]
    table(databases, kind, [usual], odd, target)
    assert_neighbours_change_nothing(databases, way, stored)


TEXTS = {
    "timestamptz": (
        "timestamptz", ["2024-03-10 21:32:00+02", "2024-03-10 21:15:00.120+00"], "infinity"),
    "timestamp": ("timestamp", [NOON, f"{NOON}.000001", "0001-01-01"], "infinity"),
    "timestamp BC": ("timestamp", [NOON], "0044-03-15 12:00:00.50 BC"),
    "timestamptz BC": ("timestamptz", [NOON], "0044-03-15 12:00:00.50+00 BC"),
    "date": ("date", ["2024-03-10", "0001-01-01"], "-infinity"),
    "date BC": ("date", ["2024-03-10"], "0044-03-15 BC"),
    "date beyond": ("date", ["9999-12-31"], "10000-01-01"),
    "time": ("time", ["21:32:00", "00:00:10", "21:32:00.100"], "24:00:00"),
    "timetz": ("timetz", ["21:32:00+02"], "24:00:00+02"),
    "numeric(p,s)": ("numeric(12,4)", ["1.5", "-0.0001", "0", "100"], "NaN"),
    "tiny": ("numeric(12,10)", ["0.0000000100", "0"], "NaN"),
    "numeric": ("numeric", ["1.50", "1e20"], "Infinity"),
    "float8": ("float8", ["1e15", "1e14", "1e10", "1.5e-7", "0.0001", "0.00001", "-0"], "NaN"),
    "float8, infinite": ("float8", ["123456789012345.6", "9007199254740992", "0.1"], "-Infinity"),
    "float4": ("float4", ["1e6", "999999", "0.1", "16777216", "1e-5"], "Infinity"),
    "bool": ("bool", ["true"], "false"),
    "interval": ("interval", ["1 day 02:00:00.5"], "-1 mon"),
    "uuid": ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "0" * 32),
    "json": ("json", ['{"a":  1.10}'], "null"),
    "jsonb": ("jsonb", ['{"b":  1.10, "a": 1}'], "null"),
    "int[]": ("int[]", ["{1,NULL}"], "{}"),
    "timestamp[]": ("timestamp[]", ["{2024-01-01}"], "{infinity}"),
    "text": ("text", ["2024-03-10 21:15:00.000000Z"], ""),
    "smallint": ("smallint", ["7"], "-7"),
}  # fmt: skip


@ALL_WAYS
@pytest.mark.parametrize("case", TEXTS)
def test_a_value_is_spelled_as_postgresql_does_whatever_stands_beside_it(
    databases: Databases, case: str, way: str
) -> None:
    kind, usual, odd = TEXTS[case]
    table(databases, kind, usual, odd, "text")
    with connected(databases.source.url) as connection, connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'; SELECT id, v::text FROM s")
        expected = dict(cursor.fetchall())
    for where in (f"id <> {ODD}", "true"):
        move(databases, where, **WAYS[way]).raise_for_status()
        moved = held(databases)
        assert moved == {i: expected[i] for i in moved}
    assert len(moved) == ROWS


@pytest.mark.parametrize("way", WAYS)
def test_bytes_are_no_text_in_any_chunk(databases: Databases, way: str) -> None:
    table(databases, "bytea", ["abc"], "", "text")
    with pytest.raises(Exception, match=r"'v'.* does not go into text"):
        move(databases, **WAYS[way])


def returning(values: dict[int, Any], other: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a function that returns an object column of some value, and others at some ids."""

    def function(frame: pd.DataFrame) -> pd.DataFrame:
        made = [values.get(int(i), other) for i in frame.id]
        return pd.DataFrame({"id": frame.id, "v": pd.Series(made, dtype=object)})

    return function


DAY = dt.date(2024, 3, 10)
MIXED = {
    "int in text": (5, "x", "text", "5", "x"),
    "text in int": ("x", 5, "int", None, "5"),
    "bool in text": (True, "x", "text", "true", "x"),
    "float in text": (1e15, "x", "text", "1e+15", "x"),
    "Decimal in text": (Decimal("1E-8"), "x", "text", "0.00000001", "x"),
    "date in text": (DAY, "x", "text", "2024-03-10", "x"),
    "time in text": (dt.time(1, 2, 3, 500000), "x", "text", "01:02:03.5", "x"),
    "moment in text": (
        dt.datetime(2024, 3, 10, 21, tzinfo=dt.UTC), "x", "text", "2024-03-10 21:00:00+00", "x"),
    "bytes in text": (b"x", "x", "text", None, "x"),
    "dict in text": ({"a": 1}, "x", "text", None, "x"),
    "list in text": ([1], "x", "text", None, "x"),
    "float among whole numbers": (2.5, 10**15, "text", "2.5", str(10**15)),
    "great number in text": (2**70, 1, "text", str(2**70), "1"),
    "text in float": ("x", 1.5, "float8", None, "1.5"),
    "text in numeric": ("1", Decimal("1.5"), "numeric(5,2)", None, "1.50"),
    "float beside a great int": (2.0, 2**53 + 1, "bigint", "2", str(2**53 + 1)),
    "half beside a great int": (2.5, 2**53 + 1, "bigint", None, str(2**53 + 1)),
    "Decimal in float": (Decimal("NaN"), 1.5, "float8", "NaN", "1.5"),
    "text in date": ("2024-03-10", DAY, "date", None, "2024-03-10"),
    "midnight in date": (dt.datetime(2024, 3, 10), DAY, "date", "2024-03-10", "2024-03-10"),  # noqa: DTZ001
    "noon in date": (dt.datetime(2024, 3, 10, 12), DAY, "date", None, "2024-03-10"),  # noqa: DTZ001
    "date in timestamp": (
        DAY, dt.datetime(2024, 3, 10, 12), "timestamp", "2024-03-10 00:00:00",  # noqa: DTZ001
        "2024-03-10 12:00:00"),
    "naive in timestamptz": (
        dt.datetime(2024, 3, 10, 12), dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC), "timestamptz",  # noqa: DTZ001
        "2024-03-10 12:00:00+00", "2024-03-10 12:00:00+00"),
    "int in bool": (1, True, "bool", None, "true"),
    "text in bytea": ("x", b"x", "bytea", None, "\\x78"),
    "int in json": (1, {"a": 1}, "json", "1", '{"a": 1}'),
    "number in uuid": (
        1, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "uuid", None,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
}  # fmt: skip


@pytest.mark.parametrize("case", MIXED)
def test_a_value_of_another_kind_is_converted_or_set_aside_alone(
    databases: Databases, case: str
) -> None:
    """The plan's trial sees the first rows, which are all of one kind."""
    odd, usual, target, odd_stored, usual_stored = MIXED[case]
    table(databases, "int", ["1"], "1", target)
    function = returning({120: odd, 250: odd}, usual)
    result = move(databases, transformation_logic=function, reject_limit=5).raise_for_status()
    assert result.total_rows_rejected == (2 if odd_stored is None else 0)
    expected = {i: usual_stored for i in range(1, ROWS + 1) if i not in (120, 250)}
    expected |= {} if odd_stored is None else {120: odd_stored, 250: odd_stored}
    assert held(databases) == expected


@pytest.mark.parametrize("case", MIXED)
def test_without_a_limit_a_value_of_another_kind_is_converted_or_fails_its_chunk(
    databases: Databases, case: str
) -> None:
    odd, usual, target, odd_stored, _ = MIXED[case]
    table(databases, "int", ["1"], "1", target)
    result = move(databases, transformation_logic=returning({120: odd}, usual))
    assert result.succeeded is (odd_stored is not None)
    assert len(held(databases)) == (ROWS if odd_stored is not None else 0)
    assert all("'v'" in error for error in result.errors)


def test_what_a_mixed_column_brings_is_seen_by_the_trial(databases: Databases) -> None:
    table(databases, "int", ["1"], "1", "text")
    function = returning({3: 5}, "x")
    result = move(
        databases, transformation_logic=function, reject_limit=5, write_disposition="replace"
    )
    result.raise_for_status()
    assert held(databases) == {i: "5" if i == 3 else "x" for i in range(1, ROWS + 1)}
