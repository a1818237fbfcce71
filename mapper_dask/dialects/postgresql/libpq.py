"""Calls libpq's functions in the driver's own library, for COPY without compiled code.

psycopg2's own COPY reads on after a session has ended, and raises a second error while it raises
the first: the interpreter prints that one to stderr, with the row that the server had reached.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import psycopg2._psycopg

from mapper_dask.dialects.session import Driver

Refusal = tuple[str | None, str | None, str | None, str | None]
"""What a server refused: sqlstate, message, hint, context."""

COMMAND_OK, TUPLES_OK, COPY_OUT, COPY_IN = 1, 2, 3, 4
"""Of libpq's ``ExecStatusType``."""

BROKEN_LINK = -2
"""What ``PQgetCopyData`` says of a link that broke; -1 is the end."""

FIELDS = (b"C", b"M", b"H", b"W")
"""Fields of an error, in the order of a refusal."""

_ADDRESS, _TEXT, _NUMBER = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_COPY: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "PQexec": (_ADDRESS, (_ADDRESS, _TEXT)),
    "PQresultStatus": (_NUMBER, (_ADDRESS,)),
    "PQclear": (None, (_ADDRESS,)),
    "PQgetCopyData": (_NUMBER, (_ADDRESS, ctypes.POINTER(_ADDRESS), _NUMBER)),
    "PQfreemem": (None, (_ADDRESS,)),
    "PQgetResult": (_ADDRESS, (_ADDRESS,)),
    "PQresultErrorField": (_TEXT, (_ADDRESS, _NUMBER)),
    "PQerrorMessage": (_TEXT, (_ADDRESS,)),
    "PQcmdTuples": (_TEXT, (_ADDRESS,)),
    "PQputCopyData": (_NUMBER, (_ADDRESS, _TEXT, _NUMBER)),
    "PQputCopyEnd": (_NUMBER, (_ADDRESS, _TEXT)),
    "PQexecParams": (_ADDRESS, (_ADDRESS, _TEXT, _NUMBER, *[_ADDRESS] * 4, _NUMBER)),
}
_RESULTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "PQprepare": (_ADDRESS, (_ADDRESS, _TEXT, _TEXT, _NUMBER, _ADDRESS)),
    "PQntuples": (_NUMBER, (_ADDRESS,)),
    "PQnfields": (_NUMBER, (_ADDRESS,)),
    "PQgetvalue": (_TEXT, (_ADDRESS, _NUMBER, _NUMBER)),
    "PQgetisnull": (_NUMBER, (_ADDRESS, _NUMBER, _NUMBER)),
    "PQfname": (_TEXT, (_ADDRESS, _NUMBER)),
    "PQftype": (ctypes.c_uint, (_ADDRESS, _NUMBER)),
    "PQfmod": (_NUMBER, (_ADDRESS, _NUMBER)),
    "PQftable": (ctypes.c_uint, (_ADDRESS, _NUMBER)),
    "PQftablecol": (_NUMBER, (_ADDRESS, _NUMBER)),
}

FUNCTIONS = tuple(_COPY)
"""In the order in which ``_copy.c`` takes them."""


@functools.cache
def library() -> Any:
    """Return libpq's functions as psycopg2 uses them; None where it does not lead to them."""
    try:
        found = ctypes.CDLL(psycopg2._psycopg.__file__)  # noqa: SLF001
        for name, (returned, taken) in (_COPY | _RESULTS).items():
            function = getattr(found, name)
            function.restype, function.argtypes = returned, taken
    except (AttributeError, OSError):
        return None
    return found


@functools.cache
def addresses() -> tuple[int, ...] | None:
    """Return where the functions are; None where they were not found."""
    if library() is None:
        return None
    found = [ctypes.cast(getattr(library(), name), ctypes.c_void_p).value for name in FUNCTIONS]
    return tuple(address for address in found if address is not None)


def copy_out(
    conn: Driver, statement: bytes, sink: Callable[[bytes], object], block: int
) -> int | Refusal:
    """Run a COPY … TO STDOUT; return the rows the database counted, or what it refused.

    Parameters
    ----------
    sink
        Called with about ``block`` bytes of whole rows at a time. What it raises leaves the
        connection in the midst of the COPY.
    """
    pq, address = library(), conn.pgconn_ptr
    if (refused := _begin(pq, address, statement, COPY_OUT)) is not None:
        return refused
    row, held, size = ctypes.c_void_p(), bytearray(), 0
    while (size := pq.PQgetCopyData(address, ctypes.byref(row), 0)) > 0:
        held += ctypes.string_at(row.value or 0, size)
        pq.PQfreemem(row)
        if len(held) >= block:
            sink(bytes(held))
            held.clear()
    if held:
        sink(bytes(held))
    return _refusal(pq, address, None) if size == BROKEN_LINK else _outcome(pq, address)


def copy_in(conn: Driver, statement: bytes, source: Any, block: int) -> int | Refusal:
    """Run a COPY … FROM STDIN of a stream; return the rows the database counted, or its refusal.

    Raises
    ------
    Exception
        What reading the stream raised, once the server has discarded the rows before.
    """
    pq, address = library(), conn.pgconn_ptr
    if (refused := _begin(pq, address, statement, COPY_IN)) is not None:
        return refused
    why: bytes | None = b"the rows ended early"  # with a reason, the server discards the rows
    try:
        while data := source.read(block):
            if pq.PQputCopyData(address, data, len(data)) != 1:
                break  # the link broke; what the server said last is in the outcome
        why = None
    finally:
        pq.PQputCopyEnd(address, why)
        said = _outcome(pq, address)
    return said


def _begin(pq: Any, address: int, statement: bytes, wanted: int) -> Refusal | None:
    """Begin a COPY. What is read holds a user's text: it must be one statement to the server."""
    if wanted == COPY_OUT:
        result = pq.PQexecParams(address, statement, 0, None, None, None, None, 0)
    else:
        result = pq.PQexec(address, statement)
    try:
        if result and pq.PQresultStatus(result) == wanted:
            return None
        return _refusal(pq, address, result)
    finally:
        if result:
            pq.PQclear(result)


def _outcome(pq: Any, address: int) -> int | Refusal:
    """Return what the first result says; those after it are of the link's end."""
    said: int | Refusal | None = None
    while result := pq.PQgetResult(address):
        if said is None:
            done = pq.PQresultStatus(result) == COMMAND_OK
            said = int(pq.PQcmdTuples(result)) if done else _refusal(pq, address, result)
        pq.PQclear(result)
    return _refusal(pq, address, None) if said is None else said


def _refusal(pq: Any, address: int, result: int | None) -> Refusal:
    code, message, hint, context = (
        _text(pq.PQresultErrorField(result, ord(field)) if result else None) for field in FIELDS
    )
    return code, message or _text(pq.PQerrorMessage(address)), hint, context


def _text(said: bytes | None) -> str | None:
    return None if said is None else said.decode("utf-8", "replace")
