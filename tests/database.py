"""Databases for tests: a thin handle, and where the server is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

# fsync guards against a power cut, and the data is thrown away: a crash of the server, which the
# fault tests cause, loses nothing without it. 200 connections: a cluster beside the test's own.
TEST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "5",
}


class Server(Protocol):
    """What the fixtures ask of a server; an ``EmbeddedPostgres`` has it."""

    def url(self, database: str = "postgres") -> str: ...


@dataclass(frozen=True, slots=True)
class ExternalServer:
    """A server that runs already; its login must be allowed to create databases."""

    dsn: str

    def url(self, database: str | None = None) -> str:
        url = sa.make_url(self.dsn).set(drivername="postgresql+psycopg2")
        return (url.set(database=database) if database else url).render_as_string(
            hide_password=False
        )


@dataclass(frozen=True, slots=True)
class Database:
    """One database; each call uses a connection of its own and commits."""

    url: str

    def execute(self, sql: str, *params: Any) -> int:
        """Run a statement (psycopg2's ``%s`` marks parameters); return the rows it changed."""
        with self._connection() as connection:
            return connection.exec_driver_sql(sql, params or None).rowcount

    def fetch(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        with self._connection() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql, params or None)]

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection


class Databases(NamedTuple):
    """What a mapper job needs: where to read and where to write."""

    source: Database
    target: Database


@contextmanager
def fresh_databases(server: Server) -> Iterator[Databases]:
    """Create two empty databases under names nobody else has, and drop them at the end."""
    admin = Database(server.url())
    unique = uuid.uuid4().hex[:12]
    names = [f"mapper_dask_test_{unique}_{role}" for role in Databases._fields]
    created: list[str] = []
    try:
        for name in names:
            admin.execute(f'CREATE DATABASE "{name}"')
            created.append(name)
        yield Databases(*(Database(server.url(name)) for name in names))
    finally:
        for name in created:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
