"""A relay before a PostgreSQL server, in a process of its own: stop that, and the server is frozen.

What is frozen still takes connections and bytes, as the system does it; nobody answers any more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).parents[2]


def main(url: str) -> None:
    """Print the port, and pass on what comes until this process ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        print(server.getsockname()[1], flush=True)  # noqa: T201
        while True:
            near, _ = server.accept()
            far = _connected(sa.make_url(url))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _connected(url: sa.URL) -> socket.socket:
    place = {"host": url.host, "port": url.port, **url.query}
    host, port = str(place["host"]), int(str(place["port"] or 5432))
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    far = socket.socket(socket.AF_UNIX)
    far.connect(f"{host}/.s.PGSQL.{port}")
    return far


def _pass_on(near: socket.socket, far: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := near.recv(1 << 16):
            far.sendall(data)
        far.shutdown(socket.SHUT_WR)


class Relay:
    """A relay at work."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        place = {"sslmode": "disable", "gssencmode": "disable"}
        shown = sa.make_url(url).set(
            host="127.0.0.1", port=int(process.stdout.readline()), query=place
        )
        self.url = shown.render_as_string(hide_password=False)

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)


@contextlib.contextmanager
def relayed(url: str) -> Iterator[Relay]:
    """Lend a relay before a database."""
    command = [sys.executable, "-m", "tests.fault.relay", url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Relay(url, process)
        finally:
            process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
