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


USES = 40
"""How often a database is used again before its catalogs have grown too full of dead rows."""

_used: dict[str, list[tuple[str, int]]] = {}
"""Databases of a server's that nobody uses now, and how often each was used."""

EMPTIED = """
DO $$
DECLARE
    made record;
    changed boolean;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR made IN SELECT extname AS name FROM pg_extension WHERE extname <> 'plpgsql' LOOP
        EXECUTE format('DROP EXTENSION IF EXISTS %%I CASCADE', made.name);
    END LOOP;
    FOR made IN
        SELECT nspname AS name FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    LOOP
        EXECUTE format('DROP SCHEMA %%I CASCADE', made.name);
    END LOOP;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    COMMENT ON SCHEMA public IS 'standard public schema';
    IF EXISTS (
        SELECT FROM pg_database d WHERE datname = current_database() AND (
            datacl IS NOT NULL OR datconnlimit <> -1 OR NOT datallowconn OR datistemplate
            OR datdba <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
            OR EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = d.oid)
            OR EXISTS (SELECT FROM pg_prepared_xacts WHERE database = d.datname)
            OR EXISTS (SELECT FROM pg_replication_slots WHERE database = d.datname))
    ) THEN
        RAISE 'the database has settings of its own';
    END IF;
    FOR made IN
        SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
        AND relname NOT IN ('pg_depend', 'pg_description', 'pg_statistic')
    LOOP
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM %%I c WHERE age(c.xmin) < (SELECT age(d.xmin)'
            ' FROM pg_database d WHERE datname = current_database())%%s)',
            made.name, CASE made.name WHEN 'pg_namespace' THEN ' AND nspname <> ''public''' END
        ) INTO changed;
        IF changed THEN
            RAISE '%% is not what it was', made.name;
        END IF;
    END LOOP;
END $$
"""
"""Drops what a test has made, and fails where anything else differs from a new database: a row of
a system catalog that was written since the database got its name, or a setting of its own."""


def _made(admin: Database, name: str) -> int:
    """Make an empty database, of a used one if possible; return how often it was used.

    The name is new, since whoever still knows the old one must not find the next test's tables.
    """
    while idle := _used.get(admin.url):
        old, uses = idle.pop()
        try:
            url = sa.make_url(admin.url).set(database=old)
            Database(url.render_as_string(hide_password=False)).execute(EMPTIED)
            admin.execute(f'ALTER DATABASE "{old}" RENAME TO "{name}"')
        except sa.exc.DBAPIError:
            _drop(admin, old)
        else:
            return uses + 1
    admin.execute(f'CREATE DATABASE "{name}" STRATEGY file_copy')
    return 1


def _drop(admin: Database, name: str) -> None:
    admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def recycled_databases(server: Server) -> Iterator[None]:
    """Let the databases of a server's tests be used again, and drop them at the end."""
    admin = Database(server.url())
    _used[admin.url] = []
    yield
    for name, _ in _used.pop(admin.url):
        _drop(admin, name)


@contextmanager
def fresh_databases(server: Server) -> Iterator[Databases]:
    """Create two empty databases under names nobody else has, and drop them at the end."""
    admin = Database(server.url())
    unique = uuid.uuid4().hex[:12]
    names = [f"mapper_dask_test_{unique}_{role}" for role in Databases._fields]
    uses: dict[str, int] = {}
    try:
        for name in names:
            uses[name] = _made(admin, name)
        yield Databases(*(Database(server.url(name)) for name in names))
    finally:
        for name, times in uses.items():
            if admin.url in _used and times < USES:
                _used[admin.url].append((name, times))
            else:
                _drop(admin, name)
