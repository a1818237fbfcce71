"""The listener and its sessions."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.oracle_standin import synonyms
from tests.oracle_standin.columns import Columns
from tests.oracle_standin.faults import Faults
from tests.oracle_standin.journal import Journal
from tests.oracle_standin.session import Session
from tests.oracle_standin.snapshots import Snapshots

SERVICE = "standin"
PACKET_BYTES = 8192

OWN_TYPES = """
SELECT typname, t.oid::int FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
WHERE nspname = 'ora'
"""


@dataclass(frozen=True, slots=True)
class User:
    """A login."""

    password: str
    privileged: bool = True
    """Whether it sees DBA_ and V$ views, may flash back and end sessions."""

    @classmethod
    def from_text(cls, text: str) -> tuple[str, User]:
        """Return name and user of ``NAME/PASSWORD`` or ``NAME/PASSWORD/plain``."""
        name, password, *rights = text.split("/")
        return name.upper(), cls(password, rights != ["plain"])


class StandIn:
    """A server on 127.0.0.1 that speaks Oracle's protocol over a PostgreSQL database."""

    def __init__(
        self, dsn: str, users: Mapping[str, User], port: int = 0, journal: Journal | None = None
    ) -> None:
        self.postgres_dsn, self.users, self.journal = dsn, dict(users), journal
        self.faults, self.snapshots = Faults(), Snapshots(dsn)
        self.sessions: set[Session] = set()
        with psycopg.connect(dsn, autocommit=True) as connection:
            self.columns = Columns(dict(connection.execute(OWN_TYPES).fetchall()))
        self.synonyms = synonyms.known(dsn)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def dsn(self) -> str:
        """What a driver connects to."""
        return f"127.0.0.1:{self.port}/{SERVICE}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, client)
            self.sessions.add(session)
            threading.Thread(target=session.serve, daemon=True).start()

    def inject(self, pattern: str, **fault: Any) -> None:
        """Let a fault happen at what matches."""
        self.faults.inject(pattern, **fault)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self.faults.clear()

    def lose_snapshots(self) -> None:
        """Let every state number be too old."""
        self.snapshots.forget()

    def close(self) -> None:
        """Close the listener and every session."""
        self.listener.close()
        for session in list(self.sessions):
            with contextlib.suppress(OSError):
                session.socket.shutdown(socket.SHUT_RDWR)
        self.snapshots.forget()
