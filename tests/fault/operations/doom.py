"""Kill points: every message that a process sends its databases, and every commit.

A process is told at which of them something dies: the process itself, before the message or right
after its answer; the session that the message goes to; or the whole server. Without such an order
the messages are only counted, which tells how many points there are.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import psycopg2
import psycopg2.extensions

BEFORE, AFTER, SESSION, SERVER = "before", "after", "session", "server"
KINDS = {BEFORE: 38, AFTER: 38, SESSION: 21, SERVER: 3}
"""How many of each kind in a hundred: a crash of the server takes a second, the others none."""


@dataclass(frozen=True)
class Order:
    """What is to die, and when."""

    point: int
    """Which message, counted from 0."""
    kind: str


@dataclass
class Doom:
    """Counts the messages of this process, and lets happen what was ordered."""

    news: Connection
    """To whoever can crash the server."""
    order: Order | None = None
    sent: int = 0
    commits: list[int] = field(default_factory=list)
    """Which of the messages were commits."""

    def before(self, conn: Any, *, commit: bool) -> None:
        """Do what is ordered before this message."""
        if commit:
            self.commits.append(self.sent)
        if self._due():
            self._strike(conn)

    def after(self) -> None:
        """Do what is ordered after this message's answer."""
        due = self._due() and self.order is not None and self.order.kind == AFTER
        self.sent += 1
        if due:
            os.kill(os.getpid(), signal.SIGKILL)

    def _due(self) -> bool:
        return self.order is not None and self.order.point == self.sent

    def _strike(self, conn: Any) -> None:
        match self.order.kind if self.order is not None else None:
            case "before":
                os.kill(os.getpid(), signal.SIGKILL)
            case "session":
                self.order = None
                _end_session(conn)
            case "server":
                self.order = None
                self.news.send("crash")
                self.news.recv()


def _end_session(conn: Any) -> None:
    """End a session from another one, and wait until the server has let go of it."""
    pid, killer = conn.info.backend_pid, _connect(conn.dsn)
    killer.autocommit = True
    with killer.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
    killer.close()


_connect = psycopg2.connect


class _Connection(psycopg2.extensions.connection):
    doom: Doom

    def cursor(self, *args: Any, **options: Any) -> Any:
        return super().cursor(*args, **{"cursor_factory": _Cursor, **options})

    def commit(self) -> None:
        self.doom.before(self, commit=True)
        super().commit()
        self.doom.after()


class _Cursor(psycopg2.extensions.cursor):
    def execute(self, *args: Any, **options: Any) -> None:
        doom = self.connection.doom
        doom.before(self.connection, commit=False)
        super().execute(*args, **options)
        doom.after()

    def copy_expert(self, *args: Any, **options: Any) -> None:
        doom = self.connection.doom
        doom.before(self.connection, commit=False)
        super().copy_expert(*args, **options)
        doom.after()


def install(doom: Doom) -> None:
    """Let every connection that this process opens from now on be doomed."""
    _Connection.doom = doom

    def connect(*args: Any, **options: Any) -> Any:
        return _connect(*args, **{**options, "connection_factory": _Connection})

    psycopg2.connect = connect
