"""One source and one cluster for a module."""

from __future__ import annotations

from collections.abc import Iterator

import dask
import pytest

from tests.database import Database, Server, fresh_databases
from tests.integration.frames.readings import ROWS

# Every seventh k is NULL, half of the others are one and the same; no index, so none is detected.
TABLES = f"""
CREATE TYPE size AS ENUM ('small', 'medium', 'large');
CREATE TABLE readings (id int8 PRIMARY KEY, k int4, name text, price numeric(12, 3));
INSERT INTO readings
  SELECT i, CASE WHEN mod(i, 7) = 0 THEN NULL WHEN mod(i, 2) = 0 THEN 5 ELSE i END,
         'n' || i, i / 8.0
  FROM generate_series(1, {ROWS}) i;
CREATE TABLE heap AS SELECT id, name FROM readings;
CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE texts (id int, name text);
INSERT INTO texts VALUES (1, '5%%'), (2, '5%%%%'), (3, 'a\\b'), (4, 'a\\\\b'), (5, 'it''s :x');
CREATE TABLE sizes AS
  SELECT i AS id, (ARRAY['small', 'medium', 'large', NULL]::size[])[1 + mod(i, 4)] AS size
  FROM generate_series(1, 40) i;
ANALYZE
"""


@pytest.fixture(scope="module")
def source(postgres_server: Server) -> Iterator[Database]:
    """The tables that the tests of this file read; a test that writes makes its own."""
    with fresh_databases(postgres_server) as databases:
        for statement in TABLES.split(";\n"):
            databases.source.execute(statement)
        yield databases.source


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute in the test's own thread, where no other scheduler is named."""
    with dask.config.set(scheduler="sync"):
        yield
