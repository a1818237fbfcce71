"""COPY block by block: by libpq itself where that was compiled, else through psycopg2.

psycopg2 calls back for each row. A connection of its own lends its pointer (``pgconn_ptr``), and
libpq's functions are found in the library that psycopg2 uses, whichever that is.
"""

from __future__ import annotations

import ctypes
import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2._psycopg
import psycopg2.extensions

from mapper_dask.dialects.postgresql import faults, statement

try:
    from mapper_dask.dialects.postgresql import _copy
except ImportError:  # there was no compiler
    _copy = None  # type: ignore[assignment]

compiled: Any = _copy
"""What takes rows from libpq; None without it."""

BLOCK = 1 << 20
"""Bytes handed to a decoder at a time: few enough to stay in a processor's cache."""

PASSED = 1 << 18
"""Bytes passed on from one COPY into another at a time."""

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
    "PQputCopyData",
    "PQputCopyEnd",
    "PQexecParams",
)
"""In the order in which ``_copy.c`` takes them."""

Sink = Callable[[bytes | memoryview], object]
"""What is called with each block; where it is compiled with whole rows, to be kept no longer."""

_Said = int | tuple[str | None, str | None, str | None, str | None] | None
"""Rows; or sqlstate, message, hint and context of what was refused; None of a side not asked."""


@dataclass(frozen=True, slots=True)
class Out:
    """A COPY … TO STDOUT of a query that holds a user's text."""

    query: str
    wire_format: str

    @property
    def sql(self) -> str:
        """The statement."""
        return f"COPY (\n{self.query}\n) TO STDOUT (FORMAT {self.wire_format}, ENCODING 'UTF8')"


def copy_out(conn: Any, out: Out, sink: Sink) -> int:
    """Run a COPY … TO STDOUT, as the only statement; return the rows the database counted.

    Raises
    ------
    psycopg2.Error
        What the database refused, or that the link broke.
    """
    if not is_direct(conn):
        return _through_psycopg2(conn, out, sink)
    sent = statement.encoded(out.sql)
    return _rows(compiled.copy_out(_functions(), conn.pgconn_ptr, sent, sink, BLOCK))


def relay(source: Any, out: Out, target: Any, into: str) -> tuple[int, int]:
    """Run a COPY … TO STDOUT into a COPY … FROM STDIN; return rows read and rows loaded.

    Both connections must be direct.

    Raises
    ------
    psycopg2.Error
        What the source refused; else what the target did.
    """
    read, loaded = compiled.relay(
        _functions(),
        source.pgconn_ptr,
        target.pgconn_ptr,
        statement.encoded(out.sql),
        into.encode(),
        PASSED,
    )
    if isinstance(read, tuple):
        raise _error(*read)
    count = _rows(loaded)  # first: where the target's link broke the source was not asked
    return _rows(read), count


def is_direct(conn: Any) -> bool:
    """Return whether libpq can be spoken to: a COPY must be part of what psycopg2 has begun."""
    if compiled is None or _functions() is None:
        return False
    status = conn.info.transaction_status
    return bool(status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS)


@functools.cache
def _functions() -> tuple[int, ...] | None:
    """Return where libpq's functions are; None where psycopg2 does not lead to them."""
    try:
        library = ctypes.CDLL(psycopg2._psycopg.__file__)  # noqa: SLF001
        found = [ctypes.cast(getattr(library, name), ctypes.c_void_p) for name in FUNCTIONS]
    except (AttributeError, OSError):
        return None
    return tuple(address.value for address in found if address.value is not None)


def _rows(said: _Said) -> int:
    if isinstance(said, tuple):
        raise _error(*said)
    if said is None:
        message = "the link broke in the midst of a COPY"
        raise psycopg2.OperationalError(message)
    return said


def _error(
    sqlstate: str | None, message: str | None, hint: str | None, context: str | None
) -> psycopg2.Error:
    """Return the driver's own error for what libpq said."""
    return faults.made(sqlstate, faults.told(message, hint, context))


def _through_psycopg2(conn: Any, out: Out, sink: Sink) -> int:
    """Run the COPY in the simple protocol, once the server has said that it is one statement."""
    statement.require_one(conn, out.query)
    file = io.BufferedWriter(_Called(sink), BLOCK)
    with conn.cursor() as cursor:
        cursor.copy_expert(statement.encoded(out.sql), file)
        file.flush()
        count = int(cursor.rowcount)
    statement.prove_by_asking(conn)
    return count


class _Called(io.RawIOBase):
    """A file that calls what it is given with what is written to it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        self._sink(bytes(data))
        return len(data)
