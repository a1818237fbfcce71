"""A proxy in front of a PostgreSQL server that cuts a connection at its COMMIT.

It reads what the client sends as messages of PostgreSQL's protocol, enough of it to see a simple
query. From outside both cuts look the same; only the server knows whether it has committed.
"""

from __future__ import annotations

import contextlib
import enum
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import sqlalchemy as sa

from mapper_dask.connections.pool import dispose_engines

LOOPBACK = "127.0.0.1"
QUERY = b"Q"
COMMIT = b"COMMIT\0"
LENGTH = struct.Struct("!I")
"""Follows a message's type, and counts itself."""


class Cut(enum.Enum):
    """On which side of the server's COMMIT the connection breaks."""

    BEFORE = "the COMMIT never arrives"
    AFTER = "the answer to the COMMIT never arrives"


@dataclass
class Scissors:
    """Which COMMITs are cut: those of transactions that ran a statement like this one."""

    cut: Cut
    statement: re.Pattern[bytes]
    every: int = 1
    """1 cuts each, 5 the fifth, the tenth and so on."""
    most: int | None = None
    """Cuts at most; None: no end of them."""
    cuts: int = 0
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def falls(self) -> bool:
        """Count one such COMMIT; return whether it is cut."""
        with self._lock:
            self._seen += 1
            falls = self._seen % self.every == 0 and self.cuts != self.most
            self.cuts += falls
            return falls


class _Link(socketserver.BaseRequestHandler):
    """One connection, from the client's side."""

    server: _Proxy

    def setup(self) -> None:
        self._cut_off = threading.Event()
        self._answered = threading.Event()

    def handle(self) -> None:
        with self.server.connect() as upstream:
            back = threading.Thread(target=self._answers, args=(upstream,))
            back.start()
            with contextlib.suppress(OSError):
                self._messages(upstream)
            _hang_up(upstream)
            back.join()

    def _messages(self, upstream: socket.socket) -> None:
        """Pass the client's messages on, until it leaves or a COMMIT is cut."""
        with self.request.makefile("rb") as stream:
            upstream.sendall(_message(stream, b""))  # the first message has no type
            matched = False
            while message := _message(stream, stream.read(1)):
                if message[:1] == QUERY:
                    matched |= self.server.scissors.statement.search(message) is not None
                    if message[1 + LENGTH.size :] == COMMIT:
                        if matched and self.server.scissors.falls():
                            self._cut(upstream, message)
                            return
                        matched = False
                upstream.sendall(message)

    def _cut(self, upstream: socket.socket, commit: bytes) -> None:
        """Leave the client without an answer."""
        if self.server.scissors.cut is Cut.AFTER:
            self._cut_off.set()
            upstream.sendall(commit)
            self._answered.wait()
        _hang_up(self.request)

    def _answers(self, upstream: socket.socket) -> None:
        """Pass the server's answers back, but for that to a COMMIT which is cut."""
        with contextlib.suppress(OSError):
            while data := upstream.recv(1 << 16):
                if self._cut_off.is_set():
                    break
                self.request.sendall(data)
        self._answered.set()
        _hang_up(self.request)


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = False  # closing waits for each connection

    def __init__(self, upstream: sa.URL, scissors: Scissors) -> None:
        self.upstream = upstream
        self.scissors = scissors
        super().__init__((LOOPBACK, 0), _Link)

    def connect(self) -> socket.socket:
        """Return a connection to the server behind."""
        place = {"host": self.upstream.host, "port": self.upstream.port, **self.upstream.query}
        host, port = str(place["host"]), int(str(place["port"] or 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(f"{host}/.s.PGSQL.{port}")
        return upstream


def _message(stream: BinaryIO, kind: bytes) -> bytes:
    """Return a message with its type and length; empty at the stream's end."""
    length = stream.read(LENGTH.size)
    if len(length) < LENGTH.size:
        return b""
    return kind + length + stream.read(LENGTH.unpack(length)[0] - LENGTH.size)


def _hang_up(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxied(url: str, scissors: Scissors) -> Iterator[str]:
    """Lend the URL of a database behind a proxy."""
    upstream = sa.make_url(url)
    with _Proxy(upstream, scissors) as proxy:
        server = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        server.start()
        try:
            place = {"sslmode": "disable", "gssencmode": "disable"}
            shown = upstream.set(host=LOOPBACK, port=proxy.server_address[1], query=place)
            yield shown.render_as_string(hide_password=False)
        finally:
            dispose_engines()  # the proxy closes when its last connection has
            proxy.shutdown()
            server.join()
