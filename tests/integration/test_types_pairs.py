"""From each type into each other: exact, named as a loss, or refused by the column's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.errors import MapperError
from tests.database import Databases, Server, fresh_databases
from tests.integration.fidelity.tables import connected
from tests.integration.fidelity.ways import ARROW, PANDAS, Way
from tests.long_form import PAIRS, one_in

VALUES = {
    "bool": ("t", "f"),
    "int2": ("1", "-32768", "0"),
    "int4": ("1", "2147483647", "12345"),
    "int8": ("7", "9007199254740993", "-9223372036854775808"),
    "numeric": ("1.567", "2.0", "1e30", "NaN", "12345678901234567890.1"),
    "numeric(15,2)": ("1.00", "-0.01", "9999999999999.99", "NaN"),
    "numeric(38,10)": ("1.5", "0.1234567891", "9007199254740993"),
    "float4": ("0.1", "1.5", "3.4028235e38", "NaN", "Infinity"),
    "float8": ("0.1", "1.5", "1e300", "NaN", "-0", "16777217", "9007199254740992"),
    "text": ("1", "abcdef", "", "2024-01-01", "1.50", "t", "null", " 7 "),
    "varchar(5)": ("abc", "", "12 "),
    "char(5)": ("ab", "12345"),
    "bytea": ("\\x00ff", "\\x"),
    "date": ("2024-02-29", "infinity", "0044-03-15 BC"),
    "time": ("12:00:00.123456", "24:00:00"),
    "time(0)": ("12:00:00",),
    "timestamp": ("2024-01-01 12:00:00.123456", "2024-01-01 00:00:00", "infinity"),
    "timestamp(3)": ("2024-01-01 12:00:00.123",),
    "timestamptz": ("2024-01-01 12:00:00.123456+05", "2024-01-01 00:00:00+00", "infinity"),
    "timestamptz(0)": ("2024-01-01 12:00:00+00",),
    "interval": ("1 mon 2 days 03:04:05.000006",),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",),
    "json": ('{"b": 1,  "a": 2}', "1.10", '"x"'),
    "jsonb": ('{"a": 1}', "1.10", "null"),
    "int[]": ("{1,NULL,3}",),
}


READ_BY_THE_DATABASE = {(source, "interval") for source in ("text", "varchar(5)", "char(5)")}
"""A text is read as PostgreSQL reads it: there, 1.5 is 1.5 seconds."""


@dataclass(frozen=True)
class Pairs:
    """A table for each source type, and one of each other type to put its rows into."""

    databases: Databases
    source: Any
    target: Any

    def say(self, connection: Any, sql: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def pairs(postgres_server: Server) -> Iterator[Pairs]:
    with fresh_databases(postgres_server) as databases:
        source, target = (each.url for each in databases)
        with connected(source) as left, connected(target) as right:
            made = Pairs(databases, left, right)
            for number, (type_name, values) in enumerate(VALUES.items()):
                made.say(left, f"CREATE TABLE t{number} (k int, v {type_name})")
                made.say(right, f"CREATE TABLE t{number} (k int8, v {type_name})")
                rows = ", ".join(f"({k}, '{value}')" for k, value in enumerate(values))
                made.say(left, f"INSERT INTO t{number} VALUES {rows}")
            yield made


def silently_changed(pairs: Pairs, way: Way, source: str, target: str) -> list[Any]:
    """Move one type into another; return the values that differ and of which nothing was said."""
    left, right = (f"t{list(VALUES).index(name)}" for name in (source, target))
    pairs.say(pairs.target, f"TRUNCATE {right}")
    try:
        result = ParallelProcessor(enable_parallel=False).process_mapper_job(
            pairs.databases.source.url,
            f"SELECT * FROM {left}",
            way.function,
            pairs.databases.target.url,
            None,
            right,
            reject_limit=20,  # so that each value is taken or refused by itself
        )
    except MapperError as error:
        return [] if "'v'" in str(error) else [str(error)]
    except Exception as error:  # noqa: BLE001 - whatever else comes out names no column
        return [repr(error)]
    if not result.succeeded:
        return [] if re.search(r"'v'|column v", "\n".join(result.errors)) else list(result.errors)
    if any(warning.startswith("v:") and "→" in warning for warning in result.warnings):
        return []
    stored = pairs.say(pairs.target, f"SELECT k, v::text FROM {right} ORDER BY k")
    [(count,)] = pairs.say(pairs.source, f"SELECT count(*) FROM {left}")
    assert len(stored) + result.total_rows_rejected == count
    return [row for row in stored if not _still_the_same(pairs, left, source, *row)]


def _still_the_same(pairs: Pairs, table: str, type_name: str, k: int, text: str | None) -> bool:
    """Return whether a stored value, read back as the type it came from, is what it was."""
    same = f"v IS NOT DISTINCT FROM %s::{type_name}"
    if type_name.startswith("int") and not type_name.startswith(("int[", "interval")):
        same = "v::numeric = %s::numeric"  # 1.00 in a numeric(15,2) is the 1 it was
    elif type_name in ("text", "varchar(5)", "json"):
        same = "v::text = %s"
    with pairs.source.cursor() as cursor:
        try:
            cursor.execute(f"SELECT {same} FROM {table} WHERE k = %s", (text, k))
        except psycopg2.Error:
            return False
        return bool(cursor.fetchone()[0])


@pytest.mark.long_form
@pytest.mark.parametrize("source", VALUES)
@pytest.mark.parametrize("way", [ARROW, PANDAS], ids=lambda way: way.name)
def test_no_pair_of_types_changes_a_value_silently(pairs: Pairs, way: Way, source: str) -> None:
    changed = {
        target: found
        for target in one_in(PAIRS, VALUES, list(VALUES).index(source) + 2 * (way is PANDAS))
        if target != source
        and (source, target) not in READ_BY_THE_DATABASE
        and (found := silently_changed(pairs, way, source, target))
    }
    assert changed == {}
