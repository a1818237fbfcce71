"""The largest of everything: as many columns as a table may have, values of 100 MB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.database import Databases, Server, fresh_databases
from tests.integration.fidelity.tables import ARRIVED, Fidelity, connected
from tests.integration.fidelity.ways import (
    ARROW,
    NULLABLES,
    PANDAS,
    RELAY,
    STAGED,
    Way,
    unchanged,
)

MOST_COLUMNS = 1_600
WIDE_TYPES = ("int2", "text", "bool", "numeric(6,2)")
"""Narrow ones, for a row must fit a page of 8 kB; all may pass in binary."""

MEGABYTES = 100
UNIT = 23
"""Bytes of what is repeated below: all that a CSV has to quote, and a character of four bytes."""
LARGE_TEXT = r"""repeat(E'a"b\n\\N,\t\\.\r\nABCDEFG🎉', %s)"""
LARGE_BYTES = "decode(repeat('00ff5c0a2c220d5c4e2e', %s), 'hex')"


@pytest.fixture(scope="module")
def wide(postgres_server: Server) -> Iterator[Fidelity]:
    """A table of 1,600 columns, once with and once without a type that only CSV carries."""
    with fresh_databases(postgres_server) as databases:
        source, target = (each.url for each in databases)
        with connected(source) as left, connected(target) as right:
            made = Fidelity(databases, left, right, {})
            made.say(left, f"CREATE SCHEMA {ARRIVED}")
            _create_wide(made, "plain", "int2")
            _create_wide(made, "mixed", "inet")
            yield made


def _create_wide(made: Fidelity, name: str, last: str) -> None:
    columns = [
        (f"c{place}", WIDE_TYPES[place % len(WIDE_TYPES)]) for place in range(MOST_COLUMNS - 1)
    ]
    columns.append((f"c{MOST_COLUMNS - 1}", last))
    described = ", ".join(f"{column} {kind}" for column, kind in columns)
    values = {"int2": "i", "bool": "i > 1", "numeric(6,2)": "i / 4.0", "inet": "'10.0.0.1'"}
    row = ", ".join(values.get(kind, f"'{column}'") for column, kind in columns)
    made.say(made.target, f"CREATE TABLE {name} ({described})")
    made.say(made.source, f"CREATE TABLE {name} ({described})")
    made.say(made.source, f"CREATE TABLE {ARRIVED}.{name} (LIKE {name})")
    made.say(made.source, f"INSERT INTO {name} SELECT {row} FROM generate_series(1, 3) i")
    made.say(made.source, f"INSERT INTO {name} (c0) VALUES (9)")


@pytest.mark.parametrize(
    ("way", "table"),
    [
        (RELAY, "mixed"),
        (ARROW, "plain"),
        (PANDAS, "mixed"),
        (NULLABLES, "mixed"),
        (Way("replace", STAGED, unchanged), "plain"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_1600_columns_arrive(wide: Fidelity, way: Way, table: str) -> None:
    names = [f"c{place}" for place in range(MOST_COLUMNS)]
    # The key comes as another integer than the target holds: so nothing is relayed.
    columns = ", ".join(["c0::int8 AS c0", *names[1:]]) if way.decoded else "*"
    wide.empty(table)
    way.move(wide.databases, table, columns).raise_for_status()
    # The row as one text: of 1,600 columns EXCEPT is slow.
    assert wide.differences(table, [f"{table}::text"]) == []


@pytest.fixture(scope="module")
def large(postgres_server: Server) -> Iterator[Databases]:
    """Tables of two rows, one of them with a value of 100 MB."""
    with fresh_databases(postgres_server) as databases:
        for name, type_name, value, unit in (
            ("texts", "text", LARGE_TEXT, UNIT),
            ("bytes", "bytea", LARGE_BYTES, 10),
        ):
            for database in databases:
                database.execute(f"CREATE TABLE {name} (k int, v {type_name})")
                # Compressing what repeats itself is the server's time, not ours.
                database.execute(f"ALTER TABLE {name} ALTER v SET STORAGE EXTERNAL")
            repeated = value % -(-MEGABYTES * 1_000_000 // unit)
            databases.source.execute(f"INSERT INTO {name} VALUES (1, ''), (2, {repeated})")
        yield databases


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "table"),
    [(RELAY, "texts"), (RELAY, "bytes"), (ARROW, "bytes"), (PANDAS, "texts"), (PANDAS, "bytes")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_value_of_100_mb_arrives(large: Databases, way: Way, table: str) -> None:
    large.target.execute(f"TRUNCATE {table}")
    columns = "k::int8 AS k, v" if way.decoded else "*"
    way.move(large, table, columns).raise_for_status()
    left, arrived = digests(large.source, table), digests(large.target, table)
    assert left[-1][1] >= MEGABYTES * 1_000_000
    assert arrived == left


def digests(database: Any, table: str) -> list[tuple[Any, ...]]:
    return database.fetch(f"SELECT k, octet_length(v), md5(v) FROM {table} ORDER BY k")
