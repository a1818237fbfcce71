"""Cancels a connection's query from another thread, through libpq and not through psycopg2.

psycopg2's own ``cancel()`` asks the server over a connection of its own, and keeps the
interpreter's lock while it waits for the answer: a server, or a proxy before it, that takes the
connection and says nothing would stop every thread of the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import socket
import threading
import weakref
from typing import Any

import psycopg2._psycopg
import psycopg2.extensions

from mapper_dask.dialects.session import Driver
from mapper_dask.halting import link_of

_ADDRESS, _TEXT, _NUMBER = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_ENCRYPTED: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "PQcancelCreate": (_ADDRESS, (_ADDRESS,)),
    "PQcancelBlocking": (_NUMBER, (_ADDRESS,)),
    "PQcancelReset": (None, (_ADDRESS,)),
    "PQcancelFinish": (None, (_ADDRESS,)),
}
"""Since libpq 17: it asks as the connection itself was made, with its ``sslmode`` and timeouts."""
_PLAIN: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "PQgetCancel": (_ADDRESS, (_ADDRESS,)),
    "PQcancel": (_NUMBER, (_ADDRESS, _TEXT, _NUMBER)),
    "PQfreeCancel": (None, (_ADDRESS,)),
}
"""Of every libpq; what psycopg2 calls, too."""

SAID = 256
"""Bytes of a buffer for the error text, which an older libpq requires; it is not read."""


@functools.cache
def functions(*, encrypted: bool = True) -> tuple[Any, ...] | None:
    """Return functions that make a request, send it and free it; None where libpq is not found.

    They release the interpreter's lock while they are called.

    Parameters
    ----------
    encrypted
        False: as of an older libpq.
    """
    wanted = _ENCRYPTED if encrypted else _PLAIN
    try:
        library = ctypes.CDLL(psycopg2._psycopg.__file__)  # noqa: SLF001
        found = [getattr(library, name) for name in wanted]
    except (AttributeError, OSError):
        return functions(encrypted=False) if encrypted else None
    for function, (returned, taken) in zip(found, wanted.values(), strict=True):
        function.restype, function.argtypes = returned, taken
    if not encrypted:
        make, send, let_go = found
        return make, lambda request: send(request, bytes(SAID), SAID), let_go
    make, send, reset, let_go = found

    def send_again(request: int) -> None:
        reset(request)  # a request is good for one time, else
        send(request)

    return make, send_again, let_go


class PostgresLink:
    """A connection of psycopg2 whose query another thread may cancel.

    Make it while the connection is open. What it holds is its own: the connection may be closed
    while a server is still being asked.
    """

    def __init__(self, conn: Driver) -> None:
        self._lock = threading.Lock()
        self._socket = os.dup(conn.fileno())
        calls = functions()
        self._request = None if calls is None else calls[0](conn.pgconn_ptr)
        self._send = None if calls is None else calls[1]
        free = None if calls is None else calls[2]
        weakref.finalize(self, _let_go, self._socket, free, self._request).atexit = False

    def cancel(self) -> None:
        """Ask the server to cancel the query; cut the link where libpq was not found."""
        if self._send is None or self._request is None:
            self.cut()
            return
        with self._lock:
            self._send(self._request)

    def cut(self) -> None:
        """Let the waiting thread see the link broken; the server finds out when it next answers."""
        link = socket.socket(fileno=self._socket)
        try:
            with contextlib.suppress(OSError):  # it is broken already
                link.shutdown(socket.SHUT_RDWR)
        finally:
            link.detach()


def _let_go(descriptor: int, free: Any, request: int | None) -> None:
    """Free what a link holds, once no thread uses it any more."""
    os.close(descriptor)
    if free is not None and request is not None:
        free(request)


link_of.register(psycopg2.extensions.connection, PostgresLink)
