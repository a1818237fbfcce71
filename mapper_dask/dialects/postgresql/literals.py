"""Values of a job's params as PostgreSQL writes them. Pure."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mapper_dask.dialects.session import Driver


@functools.singledispatch
def literal(value: Any) -> str:
    """Return the SQL of a value: of its own type, exact, whatever the session's settings are.

    Raises
    ------
    ValueError
        When there is none; the value is not shown.
    """
    message = f"a {type(value).__name__} has no literal; give a text, and cast it in the query"
    raise ValueError(message)


@literal.register(type(None))
def _(_: None) -> str:
    return "NULL"


@literal.register(bool)
def _(value: bool) -> str:  # noqa: FBT001
    return "TRUE" if value else "FALSE"


@literal.register(int)
def _(value: int) -> str:
    return str(value) if value >= 0 else f"({value})"


@literal.register(float)
def _(value: float) -> str:
    return f"'{float.__repr__(value)}'::double precision"


@literal.register(Decimal)
def _(value: Decimal) -> str:
    return f"'{'NaN' if value.is_nan() else format(value, 'f')}'::numeric"


@literal.register(dt.date)
def _(value: dt.date) -> str:
    return f"'{value.isoformat()}'::pg_catalog.date"


@literal.register(dt.datetime)
def _(value: dt.datetime) -> str:
    if value.tzinfo is None:
        return f"'{value.isoformat(' ')}'::timestamp"
    return f"'{value.astimezone(dt.UTC).isoformat(' ')}'::timestamp with time zone"


@literal.register(dt.time)
def _(value: dt.time) -> str:
    zoned = value.utcoffset() is not None
    return f"'{value.isoformat()}'::{'time with time zone' if zoned else 'time'}"


@literal.register(dt.timedelta)
def _(value: dt.timedelta) -> str:
    # One sign for all: -1 s is not a day less and 86,399 s more, where a day has 23 hours. It is
    # written at each field, since IntervalStyle says what one at the first field alone means.
    sign, span = ("-", -value) if value < dt.timedelta(0) else ("+", value)
    seconds = f"{span.seconds}.{span.microseconds:06d}"
    return f"'{sign}{span.days} days {sign}{seconds} seconds'::pg_catalog.interval"


@literal.register(uuid.UUID)
def _(value: uuid.UUID) -> str:
    return f"'{value}'::pg_catalog.uuid"


@literal.register(bytes)
def _(value: bytes) -> str:
    return f"E'\\\\x{value.hex()}'::pg_catalog.bytea"  # E: a setting says what a \\ in '' is


@literal.register(str)
def _(value: str) -> str:
    if "\0" in value:
        message = "a text with a NUL character has no literal"
        raise ValueError(message)
    quoted = value.replace("'", "''")
    if "\\" not in quoted:
        return f"'{quoted}'"
    return "E'" + quoted.replace("\\", "\\\\") + "'"


def quoting(conn: Driver) -> Callable[[str], str]:
    """Return a function that quotes a text for a connection, as the driver does."""

    def literal(text: str) -> str:
        with conn.cursor() as cursor:
            return str(cursor.mogrify("%s", (text,)).decode("utf-8"))

    return literal
