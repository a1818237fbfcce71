"""Values of a job's params as PostgreSQL writes them. Pure."""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from typing import Any


@functools.singledispatch
def literal(value: Any) -> str:
    """Return the SQL of a value: of its own type, exact, whatever the session's settings are.

    Raises
    ------
    ValueError
        When there is none; the value is not shown.
    """
    message = f"a {type(value).__name__} has no literal"
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
    return f"'{value:f}'::numeric"


@literal.register(dt.date)
def _(value: dt.date) -> str:
    return f"'{value.isoformat()}'::pg_catalog.date"


@literal.register(dt.datetime)
def _(value: dt.datetime) -> str:
    if value.tzinfo is None:
        return f"'{value.isoformat(' ')}'::timestamp"
    return f"'{value.astimezone(dt.UTC).isoformat(' ')}'::timestamp with time zone"


@literal.register(str)
def _(value: str) -> str:
    if "\0" in value:
        message = "a text with a NUL character has no literal"
        raise ValueError(message)
    quoted = value.replace("'", "''")
    if "\\" not in quoted:
        return f"'{quoted}'"
    return "E'" + quoted.replace("\\", "\\\\") + "'"
