"""Values of a job's params as Oracle writes them. Pure."""

from __future__ import annotations

import datetime as dt
import functools
import math
import uuid
from decimal import Decimal
from typing import Any

MOST_DIGITS = 38
"""Digits that NUMBER keeps on every platform."""
LARGEST, SMALLEST = 125, -130
"""Powers of ten of the digits of a NUMBER."""
DIGITS_OF_A_FLOAT = 17
"""Digits that identify a double."""
LONGEST = 4000
"""Most bytes of a text literal with the default MAX_STRING_SIZE."""
LONGEST_RAW = 2000
"""Most bytes of a RAW with the same."""


@functools.singledispatch
def literal(value: Any) -> str:
    """Return the SQL of a value: of its own type, exact, whatever the session's settings are.

    Raises
    ------
    ValueError
        When there is none; the value is not shown.
    """
    message = f"a {type(value).__name__} has no literal; give a text, and convert it in the query"
    raise ValueError(message)


@literal.register(type(None))
def _(_: None) -> str:
    return "NULL"


@literal.register(bool)
def _(value: bool) -> str:  # noqa: FBT001
    return str(int(value))  # NUMBER(1), as truths are kept before 23ai


@literal.register(int)
@literal.register(Decimal)
def _(value: int | Decimal) -> str:
    number = Decimal(value)
    if not number.is_finite():
        message = "NaN and Infinity are no NUMBER; give a float, which is a BINARY_DOUBLE"
        raise ValueError(message)
    significant = "".join(map(str, number.as_tuple().digits)).strip("0")
    outside = number != 0 and not SMALLEST <= number.adjusted() <= LARGEST
    if len(significant) > MOST_DIGITS or outside:
        message = f"NUMBER keeps {MOST_DIGITS} digits between 1E{SMALLEST} and 1E{LARGEST}"
        raise ValueError(message)
    return _signed(f"{number:f}")


@literal.register(float)
def _(value: float) -> str:
    if math.isnan(value):
        return "BINARY_DOUBLE_NAN"
    if math.isinf(value):
        return _signed("-BINARY_DOUBLE_INFINITY"[value > 0 :])
    text = float.__repr__(value)
    exponent = Decimal(text).adjusted()
    if value and exponent - DIGITS_OF_A_FLOAT >= SMALLEST and exponent <= LARGEST:
        # The digits are exact as a NUMBER; of 0.1d, parsers other than Oracle's know nothing.
        return f"CAST({Decimal(text):f} AS BINARY_DOUBLE)"
    return _signed(f"{text}d")


def _signed(text: str) -> str:
    """Return a number in brackets where its sign would make a comment of the one before it."""
    return f"({text})" if text.startswith("-") else text


@literal.register(dt.date)
def _(value: dt.date) -> str:
    return f"DATE '{value.isoformat()}'"


@literal.register(dt.datetime)
def _(value: dt.datetime) -> str:
    if value.tzinfo is None:
        return f"TIMESTAMP '{value.isoformat(' ', 'microseconds')}'"
    text = value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return f"TIMESTAMP '{text} +00:00'"


@literal.register(dt.time)
def _(_: dt.time) -> str:
    message = (
        "Oracle has no time of day, so it has no literal; give a timedelta, which is an INTERVAL"
    )
    raise ValueError(message)


@literal.register(dt.timedelta)
def _(value: dt.timedelta) -> str:
    sign, span = ("-", -value) if value < dt.timedelta(0) else ("", value)
    hours, minutes, seconds = span.seconds // 3600, span.seconds // 60 % 60, span.seconds % 60
    text = f"{sign}{span.days} {hours:02}:{minutes:02}:{seconds:02}.{span.microseconds:06}"
    return f"INTERVAL '{text}' DAY(9) TO SECOND(6)"


@literal.register(uuid.UUID)
def _(_: uuid.UUID) -> str:
    message = (
        "Oracle has no type for a UUID, so it has no literal; give its .bytes for a RAW, or its "
        "str() for a text"
    )
    raise ValueError(message)


@literal.register(bytes)
def _(value: bytes) -> str:
    if len(value) > LONGEST_RAW:
        message = f"more than {LONGEST_RAW:,} bytes have no literal; read them from a table"
        raise ValueError(message)
    return f"HEXTORAW('{value.hex()}')"


@literal.register(str)
def _(value: str) -> str:
    if "\0" in value:
        message = "a text with a NUL character has no literal"
        raise ValueError(message)
    if len(value.encode("utf-8", "replace")) > LONGEST:
        message = f"a text of more than {LONGEST:,} bytes has no literal"
        raise ValueError(message)
    return "'" + value.replace("'", "''") + "'"
