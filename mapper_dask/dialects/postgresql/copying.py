"""COPY block by block through libpq, by compiled code where it is installed.

psycopg2's own COPY calls back for each row. Here its connection lends its pointer (``pgconn_ptr``),
and libpq's functions are those of the library that psycopg2 uses. psycopg2 copies itself only where
they are not found, or no transaction has begun.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2

from mapper_dask.dialects.postgresql import faults, libpq, statement
from mapper_dask.dialects.session import Driver

try:
    from mapper_dask.dialects.postgresql import _copy
except ImportError:  # there was no compiler
    _copy = None  # type: ignore[assignment]

compiled: Any = _copy
"""The compiled module; None where it was not built."""

BLOCK = 1 << 20
"""Bytes handed to a decoder at a time: few enough to stay in a processor's cache."""

PASSED = 1 << 18
"""Bytes passed on from one COPY into another at a time."""

Sink = Callable[[bytes | memoryview], object]
"""Called with each block. The compiled code passes whole rows, valid during the call only."""

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


def copy_out(conn: Driver, out: Out, sink: Sink) -> int:
    """Run a COPY … TO STDOUT, as the only statement; return the rows the database counted.

    Raises
    ------
    psycopg2.Error
        What the database refused, or that the link broke.
    """
    sent = statement.encoded(out.sql)
    if is_direct(conn):
        return _rows(compiled.copy_out(libpq.addresses(), conn.pgconn_ptr, sent, sink, BLOCK))
    if statement.is_direct(conn):
        return _rows(libpq.copy_out(conn, sent, sink, BLOCK))
    return _through_psycopg2(conn, out, sink)


def copy_in(conn: Driver, into: str, source: Any, block: int) -> int:
    """Run a COPY … FROM STDIN of a stream; return the rows the database counted.

    Parameters
    ----------
    source
        Its ``read`` returns about ``block`` bytes, none at the end.

    Raises
    ------
    psycopg2.Error
        What the database refused, or that the link broke.
    Exception
        What reading the stream raised.
    """
    if statement.is_direct(conn):
        return _rows(libpq.copy_in(conn, statement.encoded(into), source, block))
    with conn.cursor() as cursor:
        cursor.copy_expert(into, source, block)
        return int(cursor.rowcount)


def relay(source: Any, out: Out, target: Any, into: str) -> tuple[int, int]:
    """Run a COPY … TO STDOUT into a COPY … FROM STDIN; return rows read and rows loaded.

    Both connections must be direct.

    Raises
    ------
    psycopg2.Error
        What the source refused; else what the target did.
    """
    read, loaded = compiled.relay(
        libpq.addresses(),
        source.pgconn_ptr,
        target.pgconn_ptr,
        statement.encoded(out.sql),
        into.encode(),
        PASSED,
    )
    if isinstance(read, tuple):
        raise faults.met_at_source(_error(*read))
    count = _rows(loaded)  # first: where the target's link broke the source was not asked
    return _rows(read), count


def is_direct(conn: Driver) -> bool:
    """Return whether compiled code can speak to libpq."""
    return compiled is not None and statement.is_direct(conn)


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
    error = faults.made(sqlstate, faults.full_message(message, hint, context))
    return faults.remembering(error, message, context)


def _through_psycopg2(conn: Driver, out: Out, sink: Sink) -> int:
    """Run the COPY in the simple protocol, once the server has said that it is one statement."""
    statement.require_one(conn, out.query)
    blocks = _Blocks(sink)
    with conn.cursor() as cursor:
        cursor.copy_expert(statement.encoded(out.sql), blocks)
        blocks.end()
        count = int(cursor.rowcount)
    statement.prove_by_asking(conn)
    return count


class _Blocks:
    """A file that passes what is written to it to a sink, about a block at a time.

    A buffered file of the standard library would flush when it is freed: after an error, too.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink, self._held = sink, bytearray()

    def write(self, data: bytes) -> int:
        """Hold bytes until they make a block."""
        self._held += data
        if len(self._held) >= BLOCK:
            self.end()
        return len(data)

    def end(self) -> None:
        """Pass on what is held."""
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            self._sink(held)
