"""Databases and a cluster for whole runs."""

from __future__ import annotations

import pytest

from tests.database import Databases
from tests.integration.processor.shop import query


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """A thousand rows to move, in ten chunks of a hundred."""
    query(
        databases.source,
        "CREATE TABLE shop (id int PRIMARY KEY, name text, price numeric(10,2));"
        "INSERT INTO shop SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, 1000) i; ANALYZE",
    )
    query(databases.target, "CREATE TABLE sold (id int, name text, price numeric(10,2))")
    return databases
