"""Translates psycopg2's errors, each judged transient or not: here and nowhere else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.errors
import sqlalchemy as sa

from mapper_dask.connections.masking import redact
from mapper_dask.connections.param_references import masked
from mapper_dask.errors import DatabaseError, SnapshotLostError

RETRYABLE = re.compile(r"08|57P0|53(?!100)|40|55P03")
"""SQLSTATEs that pass: links, shutdowns, resources (not a full disk), conflicts, lock timeouts."""

DISK_FULL = "53100"
"""The other chunks would fail too: the run stops, to be resumed once there is space."""

LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
UNDEFINED_TABLE = "42P01"

OF_NO_ROW = re.compile(r"08|25|40|53|55P03|57|58|72|XX00[12]")
"""SQLSTATEs of errors that no row causes, even if met at one: the link, the transaction, resources,
locks, a cancel, the operating system, broken files."""

NEWER = frozenset({"25P04", "57P05"})
"""Conditions that an older driver knows no name of: timeouts of a transaction, of a session."""

NO_CHARACTER = "22021"
OF_NO_ENCODING = (
    "in a database of the encoding SQL_ASCII nobody knows what bytes stand for: say it in the "
    "query, as in convert_from(convert(convert_to(the_column, 'SQL_ASCII'), 'LATIN1', 'UTF8'), "
    "'SQL_ASCII')"
)
"""What to do about bytes that an SQL_ASCII database sends as they are, and that are not UTF-8."""

UNSAID = "no message from the libpq"
"""What psycopg2 says, as a plain DatabaseError, of a link that broke in the midst of a COPY."""

SNAPSHOT_GONE = re.compile(r"invalid snapshot identifier|snapshot .* does not exist")
"""Server texts of a lost snapshot: 22023 up to PostgreSQL 17, 42704 since."""

DENIED, NO_RIGHT = "42501", "permission denied for "
"""How PostgreSQL says that a right is missing: on a sequence, it meets that at the first row."""

REFUSED_ROWS = "refused_rows"
"""Attribute of an error met while staged rows were published: a row may have caused it."""

OF_SOURCE = "of_source"
"""Attribute of an error that a relay met at its source, while it loaded into its target."""

POSITION = "statement_position"
"""Attribute of an error made here, for what the driver keeps in its ``diag``."""

_PLACE_IN_CONTEXT = re.compile(r"^COPY [^\n]*?line \d+(?:, column [^:\n]+)?", re.MULTILINE)


@contextlib.contextmanager
def translated(url: sa.URL | None = None, prefix: int = 0) -> Iterator[None]:
    """Raise the driver's errors as this library's.

    Parameters
    ----------
    url
        The URL whose secrets are masked in the text.
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
        "refused_rows": getattr(error, REFUSED_ROWS, False),
        "of_source": getattr(error, OF_SOURCE, False),
    }
    if sqlstate == NO_CHARACTER and "UTF8" in text:
        text = f"{text}; {OF_NO_ENCODING}"
    details["said"] = text
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
    """Return whether a row that was sent may be what the statement failed for.

    It may be for whatever reason: a trigger raises any SQLSTATE, one of its own too. Only what
    passes, is a state of the server, or a right that lacks, is no row's fault, wherever it was met.
    """
    code = error.pgcode
    if code is None or (code == DENIED and str(_said(error)[0]).startswith(NO_RIGHT)):
        return False
    return not (OF_NO_ROW.match(code) and _is_condition(code))


def _is_condition(sqlstate: str) -> bool:
    """Return whether PostgreSQL itself has such a condition; else a trigger has made it up."""
    try:
        psycopg2.errors.lookup(sqlstate)
    except KeyError:
        return sqlstate in NEWER
    return True


def remembering(error: psycopg2.Error, message: str | None, context: str | None) -> psycopg2.Error:
    """Return an error that was not made by the driver with what its ``diag`` would say."""
    error.said = message, context
    return error


def met_at_source(error: psycopg2.Error) -> psycopg2.Error:
    """Return an error of a relay's source, marked as that."""
    setattr(error, OF_SOURCE, True)
    return error


def _said(error: psycopg2.Error) -> tuple[str | None, str | None]:
    """Return an error's message and context."""
    own: tuple[str | None, str | None] | None = getattr(error, "said", None)
    return own or (error.diag.message_primary, error.diag.context)


def reason(error: psycopg2.Error) -> str:
    """Return why a row was refused, without its values or its line."""
    return f"{_said(error)[0]} [{error.pgcode}]"


def copied_line(error: psycopg2.Error, relation: str) -> int | None:
    """Return the line of a COPY at which the error was met, from 1; None when it does not say.

    Parameters
    ----------
    relation
        The unquoted name of the table that is copied into. Another COPY, a trigger's own, has lines
        too; and where a value reads like such a place, there are two, and neither is trusted.
    """
    place = rf"^COPY {re.escape(relation)}, line (\d+)"
    found = re.findall(place, _said(error)[1] or "", re.MULTILINE)
    return int(found[0]) if len(found) == 1 else None


def _text(error: psycopg2.Error) -> str:
    """Return the server's message, hint and place, without the row's values."""
    diag = error.diag
    if diag.message_primary is None:
        return str(error).strip(" \n")
    return full_message(diag.message_primary, diag.message_hint, diag.context)


def full_message(message: str | None, hint: str | None, context: str | None) -> str:
    """Return an error's message, its hint, and its place in a COPY."""
    place = _PLACE_IN_CONTEXT.search(context or "")
    parts = [(message or "").strip(), (hint or "").strip(), place.group() if place else ""]
    return "; ".join(part for part in parts if part)
