"""Sessions over connections that a test has opened itself."""

from __future__ import annotations

from typing import Any

from mapper_dask.dialects.postgresql import PostgreSQL
from mapper_dask.dialects.postgresql.source import PostgreSQLSource
from mapper_dask.dialects.postgresql.target import PostgreSQLTarget


def source_of(conn: Any) -> PostgreSQLSource:
    """Return a connection of psycopg2's as a source."""
    return PostgreSQLSource(PostgreSQL(), conn)


def target_of(conn: Any) -> PostgreSQLTarget:
    """Return a connection of psycopg2's as a target."""
    return PostgreSQLTarget(PostgreSQL(), conn)
