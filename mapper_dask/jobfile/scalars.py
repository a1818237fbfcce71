"""Values of a file's plain words: text, number, boolean, day, time or null. Pure.

YAML 1.2's core schema, where ``no`` and ``on`` are texts, with days and times. A value that would
change, such as one with a leading zero or with more digits than a float holds, is refused.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

_NULLS = {"", "~", "null", "Null", "NULL"}
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)([Tt]|[ \t]+)(\d\d:\d\d:\d\d(?:\.\d{1,6})?)[ \t]*(Z|[-+]\d\d(?::?\d\d)?)?"
)

MOST_DIGITS = 1_000
"""Greatest number of digits: nobody writes more, and they take long to parse."""

MOST_POWER = 131_072
"""Greatest power of ten: PostgreSQL holds no larger one, and writing one out takes long."""


def value_of(text: str) -> Any:
    """Return the value of a plain word.

    Raises
    ------
    ValueError
        When it is nearly a number or a day; with a remedy.
    """
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if text[0] in "+-.0123456789":
        return _number_or_time(text)
    return text


def _number_or_time(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _OTHER_BASE.fullmatch(text):
        _require_digits(text)
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    if _DAY.fullmatch(text) or _TIME.fullmatch(text):
        return _time(text)
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits.startswith("0"):
        message = "begins with a zero: write it in quotes if it is a text, else without the zero"
        raise ValueError(message)
    _require_digits(digits)
    return int(text)


def _require_digits(text: str) -> None:
    if len(text) > MOST_DIGITS:
        message = f"has more than {MOST_DIGITS:,} digits"
        raise ValueError(message)


def decimal(text: str) -> Decimal:
    """Return an exact number, within the digits and powers of ten of databases.

    Raises
    ------
    ValueError
        When it is none.
    """
    _require_digits(text)
    try:
        number = Decimal(text)
    except InvalidOperation:
        message = "is no decimal"
        raise ValueError(message) from None
    if number.is_finite() and abs(number.adjusted()) > MOST_POWER:
        message = f"has a power of ten beyond {MOST_POWER:,}"
        raise ValueError(message)
    return number


def integer(text: str) -> int:
    """Return a whole number; refuse one of too many digits."""
    _require_digits(text)
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= MOST_DIGITS else math.inf
    if not math.isfinite(number) or decimal(text) != Decimal(repr(number)):
        message = "has more digits than a float holds: write {decimal: '…'}, with it in quotes"
        raise ValueError(message)
    return number


def _time(text: str) -> dt.date:
    try:
        return day(text) if _DAY.fullmatch(text) else moment(text)
    except ValueError:
        message = "is no day or time there is: put it in quotes if it is a text"
        raise ValueError(message) from None


def day(text: str) -> dt.date:
    """Return a day written as ``2024-01-31``."""
    return dt.date.fromisoformat(text)


def moment(text: str) -> dt.datetime:
    """Return a time written as ``2024-01-31 12:30:00``, with a fraction and an offset."""
    found = _TIME.fullmatch(text)
    if found is None:
        return dt.datetime.fromisoformat(text)
    return dt.datetime.fromisoformat(f"{found[1]}T{found[3]}{found[4] or ''}")
