"""Sends SQL that holds a user's text to PostgreSQL: one statement a message, or none.

The text is wrapped into our SQL. If it closed the bracket and began another statement, that would
run, and a COMMIT would leave the transaction that can't write. Only the server's own lexer knows
where a string ends. So the server decides: in its extended protocol, a message holds only one
statement. psycopg2 uses the simple protocol only, but lends its connection's pointer to libpq.
Where libpq can't be reached, the server first parses the text, passed as a value.
"""

from __future__ import annotations

import contextlib
import secrets
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions

from mapper_dask.dialects.postgresql import faults, libpq
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import DatabaseError

SEVERAL = "42601"
"""What the server answers to several statements in one message of the extended protocol."""

NO_CURSOR = "34000"
"""What it answers where a cursor would have to hold several statements, or one without rows."""

PROTOCOL_VIOLATION = "08P01"
"""What it answers to a statement that has parameters, and was sent none."""

T = TypeVar("T")

_UNBOUND = "there is no parameter $1"
_SEVERAL_MESSAGE = "cannot insert multiple commands into a prepared statement"

GUARD_HEAD = "SELECT NULL::pg_catalog.tsvector FROM (\n"
GUARD_TAIL = "\n) AS q LIMIT 0"
GUARD_WHOLE = "\n) AS q WHERE (EXISTS (\n{}\n)) LIMIT 0"
"""Around a text that is asked about: behind FROM and within EXISTS only a whole query is valid.
``ts_stat`` opens a cursor over what it is given, which takes one statement; it reads no rows."""

_marks: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
"""What each reading connection's transaction was marked with when it began."""


@dataclass(frozen=True, slots=True)
class Described:
    """A column of a result, by the catalogue's numbers."""

    name: str
    type_id: int
    modifier: int
    """-1 for none."""
    table_id: int
    """0 where it is no table's column."""
    number: int


def rows(conn: Driver, query: str, *, head: str = "") -> list[tuple[Any, ...]]:
    """Return the rows of a query that holds a user's text; values as text, where libpq is spoken.

    Parameters
    ----------
    query
        A query as a whole.
    head
        What is put before it, such as EXPLAIN.

    Raises
    ------
    psycopg2.Error
        What the database answered; for more than one statement that it takes only one.
    """
    if not is_direct(conn):
        require_one(conn, query)
        return _by_cursor(conn, head + query, lambda cursor: list(cursor.fetchall()))
    with _executed(conn, head + query) as (pq, result):
        width = range(pq.PQnfields(result))
        return [
            tuple(_value(pq, result, row, column) for column in width)
            for row in range(pq.PQntuples(result))
        ]


def described(conn: Driver, query: str) -> list[Described]:
    """Return the columns of a query, which must ask for no rows; raise as ``rows`` does."""
    if not is_direct(conn):
        require_one(conn, query)
        return _by_cursor(conn, query, lambda cursor: [_described(d) for d in cursor.description])
    with _executed(conn, query) as (pq, result):
        return [
            Described(
                pq.PQfname(result, column).decode(),
                pq.PQftype(result, column),
                pq.PQfmod(result, column),
                pq.PQftable(result, column),
                pq.PQftablecol(result, column),
            )
            for column in range(pq.PQnfields(result))
        ]


def require_whole(conn: Driver, text: str) -> None:
    """Refuse a user's text that is not, by itself, one statement of balanced brackets.

    It is parsed, and not run. Once it has passed, it can safely be put in brackets.

    Raises
    ------
    psycopg2.Error
        What the database says of the text; positions count in it.
    """
    if is_direct(conn):
        _prepared(conn, text)
    else:
        _ask(conn, text, GUARD_WHOLE.replace("{}", text))


def require_one(conn: Driver, query: str) -> None:
    """Refuse SQL of more than one statement, before it is sent in a way that would run them all.

    Where a query in brackets is one statement, its text has no semicolon that the
    server would see; so nothing that is made of it by putting it in brackets holds two.

    Raises
    ------
    psycopg2.Error
        What the database says of the query; positions count in it.
    """
    if is_direct(conn):
        _prepared(conn, query)
    else:
        _ask(conn, query, GUARD_TAIL)


def is_direct(conn: Driver) -> bool:
    """Return whether libpq can be spoken to within the transaction that psycopg2 has begun."""
    info = conn.info
    return (
        libpq.library() is not None
        and info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS
        and info.parameter_status("client_encoding") == "UTF8"
    )


def encoded(text: str) -> bytes:
    """Return a statement's bytes; raise for a NUL, at which libpq would cut it off."""
    if "\0" in text:
        message = "a statement cannot hold a NUL character"
        raise psycopg2.ProgrammingError(message)
    return text.encode()


# -- one transaction -------------------------------------------------------------------------------


def mark(conn: Driver) -> str:
    """Return the statement that marks a transaction that begins; ``prove`` finds it again."""
    _marks[conn] = token = secrets.token_hex(8)
    return f"SET LOCAL mapper_dask.transaction = '{token}'"


def prove(conn: Driver, found: str | None, read_only: str) -> None:
    """Refuse to continue in another transaction than the one begun, or in one that can write.

    Parameters
    ----------
    found
        ``mapper_dask.transaction`` now.
    read_only
        ``transaction_read_only`` now.

    Raises
    ------
    DatabaseError
        When source_sql has left the transaction.
    """
    if conn in _marks and (found != _marks[conn] or read_only != "on"):
        message = (
            "source_sql has left the read-only transaction it was run in; nothing more is sent "
            "there. Leave out what does that"
        )
        raise DatabaseError(message, sqlstate="25000", transient=False)


def prove_by_asking(conn: Driver) -> None:
    """Ask for what ``prove`` needs, and prove it: after SQL not sent as a single statement."""
    if conn in _marks:
        with conn.cursor() as cursor:
            cursor.execute(
                "SELECT pg_catalog.current_setting('mapper_dask.transaction', true), "
                "pg_catalog.current_setting('transaction_read_only')"
            )
            prove(conn, *cursor.fetchone())


# -- by libpq --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _executed(conn: Driver, statement: str) -> Iterator[tuple[Any, Any]]:
    """Lend the result of a statement that returns rows."""
    pq = libpq.library()
    sent = encoded(statement)
    result = pq.PQexecParams(conn.pgconn_ptr, sent, 0, None, None, None, None, 0)
    try:
        _require(pq, conn, result, (libpq.TUPLES_OK,))
        yield pq, result
    finally:
        pq.PQclear(result)


def _prepared(conn: Driver, statement: str) -> None:
    """Let the server parse an unnamed statement, which the next one replaces."""
    pq = libpq.library()
    result = pq.PQprepare(conn.pgconn_ptr, b"", encoded(statement), 0, None)
    try:
        _require(pq, conn, result, (libpq.COMMAND_OK,))
    finally:
        pq.PQclear(result)


def _require(pq: Any, conn: Driver, result: Any, wanted: Sequence[int]) -> None:
    """Raise the database's error, or an error where the statement ended the transaction."""
    if result is None or pq.PQresultStatus(result) not in wanted:
        raise _refusal(pq, conn, result)
    if conn.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_INTRANS:
        prove(conn, None, "")


def _refusal(pq: Any, conn: Driver, result: Any) -> psycopg2.Error:
    def field(letter: str) -> str | None:
        found = None if result is None else pq.PQresultErrorField(result, ord(letter))
        return None if found is None else str(found.decode(errors="replace"))

    message = field("M") or pq.PQerrorMessage(conn.pgconn_ptr).decode(errors="replace")
    sqlstate, position = field("C"), field("P")
    if sqlstate == PROTOCOL_VIOLATION:
        sqlstate, message = "42P02", _UNBOUND
    return faults.made(
        sqlstate,
        faults.full_message(message, field("H"), field("W")),
        None if position is None else int(position),
    )


def _value(pq: Any, result: Any, row: int, column: int) -> str | None:
    if pq.PQgetisnull(result, row, column):
        return None
    return str(pq.PQgetvalue(result, row, column).decode())


# -- without libpq ---------------------------------------------------------------------------------


def _by_cursor(conn: Driver, statement: str, taken: Callable[[Any], list[T]]) -> list[T]:
    """Run a statement that was asked about, and return what is taken from its cursor."""
    with conn.cursor() as cursor:
        cursor.execute(encoded(statement))
        found = taken(cursor)
    prove_by_asking(conn)
    return found


def _ask(conn: Driver, text: str, tail: str) -> None:
    """Let the server parse a text, handed over as a value, as the query of a cursor."""
    encoded(text)
    try:
        with conn.cursor() as cursor:
            cursor.execute(
                "SELECT FROM pg_catalog.ts_stat(%s::pg_catalog.text)", (GUARD_HEAD + text + tail,)
            )
    except psycopg2.Error as error:
        if error.pgcode is None:
            raise
        raise _answer(error) from None


def _answer(error: psycopg2.Error) -> psycopg2.Error:
    """Return what the server says of the text itself, which a query of ours enclosed."""
    if error.pgcode == NO_CURSOR:
        return faults.made(SEVERAL, _SEVERAL_MESSAGE, None)
    diag = error.diag
    position = diag.internal_position
    return faults.made(
        error.pgcode,
        faults.full_message(diag.message_primary, diag.message_hint, None),
        None if position is None else max(1, int(position) - len(GUARD_HEAD)),
    )


def _described(described: Any) -> Described:
    return Described(
        described.name,
        described.type_code,
        _modifier(described),
        described.table_oid or 0,
        described.table_column or 0,
    )


def _modifier(described: Any) -> int:
    """Return a result column's type modifier as far as the driver reports it, -1 for none."""
    no_modifier, numeric = 65535, 1700
    if described.type_code == numeric:
        if described.precision in (None, no_modifier):
            return -1
        return int((described.precision << 16 | described.scale) + 4)
    if (
        described.type_code in (1042, 1043)
        and described.internal_size
        and described.internal_size > 0
    ):
        return int(described.internal_size) + 4
    return -1
