"""The tables that flows read and write."""

from __future__ import annotations

import pytest

from tests.database import Databases
from tests.integration.flows.staged import ROWS, TABLES


@pytest.fixture
def staged(databases: Databases) -> Databases:
    """A source table ``s`` with a key and a growing time, and empty target tables."""
    databases.source.execute(
        "CREATE TABLE s AS SELECT g AS id, timestamptz '2024-01-01 00:00Z' + g * interval '1 min'"
        f" AS t, 'x' AS v FROM generate_series(1, {ROWS}) g"
    )
    databases.source.execute("ALTER TABLE s ADD PRIMARY KEY (id)")
    for table in TABLES:
        databases.target.execute(f"CREATE TABLE {table} (id int, t timestamptz, v text)")
    return databases
