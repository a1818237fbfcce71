"""The tables that flows read and write."""

from __future__ import annotations

import pytest

from tests.builders import make_shop
from tests.database import Databases
from tests.integration.flows.staged import ROWS, TABLES


@pytest.fixture
def staged(databases: Databases) -> Databases:
    """A source table ``s`` with a key and a growing time, and empty target tables."""
    times = "timestamptz '2024-01-01 00:00Z' + g * interval '1 min' AS t"
    make_shop(databases, ROWS, f"{times}, 'x' AS v")
    for table in TABLES:
        databases.target.execute(f"CREATE TABLE {table} (id int, t timestamptz, v text)")
    return databases
