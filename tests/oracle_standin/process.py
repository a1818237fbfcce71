"""The stand-in as a process of its own, for tests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

SERVICE = "standin"


@dataclass(slots=True)
class Running:
    """A stand-in that runs; its faults are set from here."""

    port: int
    users: dict[str, str]
    child: Any
    postgres: str
    """The database that runs the SQL."""
    lock: Any = field(default_factory=threading.Lock)

    @property
    def dsn(self) -> str:
        """What the driver connects to."""
        return f"127.0.0.1:{self.port}/{SERVICE}"

    def url(self, user: str) -> str:
        """Return a user's SQLAlchemy URL."""
        place = f"127.0.0.1:{self.port}/?service_name={SERVICE}"
        return f"oracle+oracledb://{user}:{self.users[user]}@{place}"

    def inject(self, pattern: str, **fault: Any) -> None:
        """Let something go wrong at the statement or call that matches.

        Calls are named CONNECT, FETCH and its query, COMMIT, AFTER_COMMIT and PING. ``code=1555``
        answers with an error, ``drop=True`` closes the connection, ``delay=2.0`` waits first;
        ``times`` and ``after`` say how often, and how many matches pass before.
        """
        self._say("inject", pattern=pattern, **fault)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._say("clear_faults")

    def lose_snapshots(self) -> None:
        """Let every state number be too old."""
        self._say("lose_snapshots")

    def _say(self, command: str, **values: Any) -> None:
        with self.lock:
            self.child.stdin.write(json.dumps({"command": command, **values}) + "\n")
            self.child.stdin.flush()
            self.child.stdout.readline()


@contextmanager
def running_standin(
    postgres_dsn: str,
    users: Mapping[str, str],
    journal: str | None = None,
    plain: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run a stand-in over a PostgreSQL database; it ends with the block, or with this process.

    Parameters
    ----------
    users
        Names and passwords.
    plain
        Those of users without rights on the dictionary, on flashback, on other sessions.
    """
    without = dict(plain or {})
    options = [f"--user={name}/{password}" for name, password in users.items()]
    options += [f"--user={name}/{password}/plain" for name, password in without.items()]
    options += [f"--journal={journal}"] if journal else []
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.oracle_standin", "--child", "--port=0", *options,
         f"--postgres={postgres_dsn}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        yield Running(
            json.loads(child.stdout.readline())["port"], {**users, **without}, child, postgres_dsn
        )
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()
