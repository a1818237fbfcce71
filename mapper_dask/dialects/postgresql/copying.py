"""COPY out, block by block: by libpq itself where that was compiled, else through psycopg2.

psycopg2 calls back for each row. A connection of its own lends its pointer (``pgconn_ptr``), and
libpq's functions are found in the library that psycopg2 uses, whichever that is.
"""

from __future__ import annotations

import ctypes
import functools
import io
import os
from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2._psycopg
import psycopg2.errors
import psycopg2.extensions

try:
    from mapper_dask.dialects.postgresql import _copy
except ImportError:  # there was no compiler
    _copy = None  # type: ignore[assignment]

compiled: Any = _copy
"""What takes rows from libpq; None without it."""

BLOCK = 1 << 20
"""Bytes handed to a decoder at a time: few enough to stay in a processor's cache."""

PIPED = 1 << 18
"""Bytes written to a pipe at a time."""

FUNCTIONS = (
    "PQexec",
    "PQresultStatus",
    "PQclear",
    "PQgetCopyData",
    "PQfreemem",
    "PQgetResult",
    "PQresultErrorField",
    "PQerrorMessage",
    "PQcmdTuples",
)
"""In the order in which ``_copy.c`` takes them."""

Sink = int | Callable[[bytes], object]
"""Where bytes go: a file descriptor, or what is called with each block of whole rows."""


def copy_out(conn: Any, statement: str, sink: Sink) -> int:
    """Run a COPY … TO STDOUT; return the rows the database counted.

    Raises
    ------
    psycopg2.Error
        What the database refused, or that the link broke.
    """
    functions = _functions()
    if compiled is None or functions is None or not _in_transaction(conn):
        return _through_psycopg2(conn, statement, sink)
    to_file = isinstance(sink, int)
    said = compiled.copy_out(
        functions,
        conn.pgconn_ptr,
        statement.encode(),
        None if to_file else sink,
        sink if to_file else -1,
        PIPED if to_file else BLOCK,
    )
    if not isinstance(said, int):
        raise _error(*said)
    return said


@functools.cache
def _functions() -> tuple[int, ...] | None:
    """Return where libpq's functions are; None where psycopg2 does not lead to them."""
    try:
        library = ctypes.CDLL(psycopg2._psycopg.__file__)  # noqa: SLF001
        found = [ctypes.cast(getattr(library, name), ctypes.c_void_p) for name in FUNCTIONS]
    except (AttributeError, OSError):
        return None
    return tuple(address.value for address in found if address.value is not None)


def _in_transaction(conn: Any) -> bool:
    """Return whether psycopg2 has begun a transaction: the COPY must be part of it."""
    status = conn.info.transaction_status
    return bool(status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS)


def _error(sqlstate: str | None, message: str) -> psycopg2.Error:
    """Return the driver's own error for what libpq said."""
    if sqlstate is None:
        return psycopg2.OperationalError(message)
    try:
        kind = psycopg2.errors.lookup(sqlstate)
    except KeyError:
        kind = psycopg2.DatabaseError
    error: psycopg2.Error = kind(message)
    error.__setstate__({"pgcode": sqlstate, "pgerror": message})
    return error


def _through_psycopg2(conn: Any, statement: str, sink: Sink) -> int:
    if isinstance(sink, int):
        file: Any = os.fdopen(sink, "wb", PIPED, closefd=False)
    else:
        file = io.BufferedWriter(_Called(sink), BLOCK)
    with conn.cursor() as cursor:
        cursor.copy_expert(statement, file)
        file.flush()
        return int(cursor.rowcount)


class _Called(io.RawIOBase):
    """A file that calls what it is given with what is written to it."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        self._sink(bytes(data))
        return len(data)
