"""psycopg2's errors as this library's, each judged transient or not: here and nowhere else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.errors
import sqlalchemy as sa

from mapper_dask.errors import DatabaseError, SnapshotLostError
from mapper_dask.masking import redact
from mapper_dask.references import masked

RETRYABLE = re.compile(r"08|57P0|53(?!100)|40|55P03")
"""SQLSTATEs that pass: links, shutdowns, resources (not a full disk), conflicts, lock timeouts."""

DISK_FULL = "53100"
"""The other chunks would meet it too: the run stops, and is resumed when there is room."""

LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
UNDEFINED_TABLE = "42P01"

REFUSED_ROW = re.compile(r"22|23|44|P0001")
"""SQLSTATEs that speak of a row: its values, a constraint, a view's check, a trigger's RAISE."""

UNSAID = "no message from the libpq"
"""What psycopg2 says, as a plain DatabaseError, of a link that broke in the midst of a COPY."""

SNAPSHOT_GONE = re.compile(r"invalid snapshot identifier|snapshot .* does not exist")
"""Server texts of a lost snapshot: 22023 up to PostgreSQL 17, 42704 since."""

POSITION = "statement_position"
"""Attribute of an error that was made here: what the driver keeps in its ``diag``."""

_COPY_LINE = re.compile(r"^COPY .*?, line (\d+)", re.MULTILINE)

_PLACE_IN_CONTEXT = re.compile(r"^COPY [^\n]*?line \d+(?:, column [^:\n]+)?", re.MULTILINE)


@contextlib.contextmanager
def translated(url: sa.URL | None, prefix: int) -> Iterator[None]:
    """Raise the driver's errors as this library's.

    Parameters
    ----------
    url
        Whose secrets are masked in the text.
    prefix
        Characters this library put before the user's SQL; taken off the error's position.
    """
    try:
        yield
    except psycopg2.Error as error:
        raise _rewritten(error, url, prefix) from None
    except SystemError as error:
        # A session that ends while COPY asks for more rows: psycopg2 leaves its error hanging, and
        # the interpreter finds it.
        cause = error.__cause__ or error.__context__
        if not isinstance(cause, psycopg2.Error):
            raise
        raise _rewritten(cause, url, prefix) from None


def _rewritten(error: psycopg2.Error, url: sa.URL | None, prefix: int) -> DatabaseError:
    sqlstate = error.pgcode
    text = _text(error)
    text = masked(redact(text, url) if url is not None else text)
    details: dict[str, Any] = {
        "sqlstate": sqlstate,
        "transient": is_transient(error),
        "stops_run": sqlstate == DISK_FULL,
        "waited_for_lock": sqlstate == LOCK_NOT_AVAILABLE,
        "interrupted": sqlstate == QUERY_CANCELED,
        "missing_table": sqlstate == UNDEFINED_TABLE,
    }
    position = getattr(error, POSITION, None) or error.diag.statement_position
    if position is not None:
        details["position"] = max(1, int(position) - prefix)
        text = f"{text} (at character {details['position']})"
    kind = SnapshotLostError if SNAPSHOT_GONE.search(text) else DatabaseError
    return kind(f"{text} [{sqlstate or 'connection lost'}]", **details)


def made(sqlstate: str | None, text: str, position: int | None = None) -> psycopg2.Error:
    """Return the driver's own error for what libpq said; the position counts characters from 1."""
    if sqlstate is None:
        return psycopg2.OperationalError(text)
    try:
        kind = psycopg2.errors.lookup(sqlstate)
    except KeyError:
        kind = psycopg2.DatabaseError
    error: psycopg2.Error = kind(text)
    error.__setstate__({"pgcode": sqlstate, "pgerror": text})
    setattr(error, POSITION, position)
    return error


def is_transient(error: psycopg2.Error) -> bool:
    """Return whether the same statement can succeed when tried again."""
    if error.pgcode is None:
        link = isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        return link or UNSAID in str(error)
    return RETRYABLE.match(error.pgcode) is not None


def refuses_row(error: psycopg2.Error) -> bool:
    """Return whether the statement failed because of a row that was sent."""
    return error.pgcode is not None and REFUSED_ROW.match(error.pgcode) is not None


def remembering(error: psycopg2.Error, message: str | None, context: str | None) -> psycopg2.Error:
    """Return an error that was not made by the driver with what its ``diag`` would say."""
    error.said = message, context
    return error


def _said(error: psycopg2.Error) -> tuple[str | None, str | None]:
    """Return an error's message and context."""
    own: tuple[str | None, str | None] | None = getattr(error, "said", None)
    return own or (error.diag.message_primary, error.diag.context)


def reason(error: psycopg2.Error) -> str:
    """Return why a row was refused, without its values or the line it stood in."""
    return f"{_said(error)[0]} [{error.pgcode}]"


def copied_line(error: psycopg2.Error) -> int | None:
    """Return the line of a COPY at which the error was met, from 1; None when it does not say."""
    found = _COPY_LINE.search(_said(error)[1] or "")
    return int(found.group(1)) if found else None


def _text(error: psycopg2.Error) -> str:
    """Return the server's message, hint and place, without the row's values."""
    diag = error.diag
    if diag.message_primary is None:
        return str(error).strip(" \n")
    return told(diag.message_primary, diag.message_hint, diag.context)


def told(message: str | None, hint: str | None, context: str | None) -> str:
    """Return what a person is told of an error: its message, its hint, and the place of a COPY."""
    place = _PLACE_IN_CONTEXT.search(context or "")
    parts = [(message or "").strip(), (hint or "").strip(), place.group() if place else ""]
    return "; ".join(part for part in parts if part)
