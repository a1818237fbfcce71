"""psycopg2's errors as this library's, each judged transient or not: here and nowhere else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import sqlalchemy as sa

from mapper_dask.connections import redact
from mapper_dask.errors import DatabaseError, SnapshotLostError

RETRYABLE = re.compile(r"08|57P0|53(?!100)|40|55P03")
"""SQLSTATEs that pass: links, shutdowns, resources (not a full disk), conflicts, lock timeouts."""

SNAPSHOT_GONE = re.compile(r"invalid snapshot identifier|snapshot .* does not exist")
"""Server texts of a lost snapshot: 22023 up to PostgreSQL 17, 42704 since."""

_VALUE_IN_CONTEXT = re.compile(r"^(COPY [^\n]*?line \d+(?:, column [^:\n]+)?).*", re.DOTALL)


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


def _rewritten(error: psycopg2.Error, url: sa.URL | None, prefix: int) -> DatabaseError:
    sqlstate = error.pgcode
    text = _text(error)
    text = redact(text, url) if url is not None else text
    details: dict[str, Any] = {"sqlstate": sqlstate, "transient": is_transient(error)}
    position = error.diag.statement_position
    if position is not None:
        details["position"] = max(1, int(position) - prefix)
        text = f"{text} (at character {details['position']})"
    kind = SnapshotLostError if SNAPSHOT_GONE.search(text) else DatabaseError
    return kind(f"{text} [{sqlstate or 'connection lost'}]", **details)


def is_transient(error: psycopg2.Error) -> bool:
    """Return whether the same statement can succeed when tried again."""
    if error.pgcode is None:
        return isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return RETRYABLE.match(error.pgcode) is not None


def _text(error: psycopg2.Error) -> str:
    """Return the server's message, hint and place, without the row's values."""
    diag = error.diag
    if diag.message_primary is None:
        return str(error).strip()
    place = _VALUE_IN_CONTEXT.match(diag.context or "")
    parts = [diag.message_primary, diag.message_hint, place.group(1) if place else None]
    return "; ".join(part for part in parts if part)
