"""Converts values of params to the types that a database's literals have, exactly. Pure.

Python, NumPy and pandas have several kinds for one meaning, and some that a query cannot hold. Each
either becomes the kind that a dialect's ``literal`` knows, without a loss, or is refused with what
to give instead. No message shows a value.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

MOST_DIGITS = 4_000
"""Digits of a number in a query: a whole one of more is not written out by Python."""

_SEQUENCES = (list, tuple, set, frozenset, np.ndarray, pd.Series, pd.Index)
"""What holds several values; a dictionary or a generator is no list somebody meant."""

_NO_TIME = "is no time that Python has; give a datetime of the years 1 to 9999"


def items(value: Any) -> Sequence[Any] | None:
    """Return the values of what holds several; None for what is one."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return None
    if isinstance(value, (*_SEQUENCES, pd.api.extensions.ExtensionArray)):
        return list(value)
    return None


def plain(value: Any) -> Any:
    """Return a value as the kind that a dialect writes.

    Raises
    ------
    ValueError
        When a query cannot hold it; says what it is, and what to give instead.
    """
    if value is pd.NaT or value is pd.NA:
        message = "is a missing value of pandas; give None where NULL is meant"
        raise ValueError(message)
    if isinstance(value, np.ndarray):
        value = value[()]  # without a dimension: its one value
    if isinstance(value, (np.datetime64, np.timedelta64)):
        value = _of_numpy(value)
    elif isinstance(value, np.generic) and not isinstance(value, (str, bytes, float)):
        value = value.item()
    _require_own(value)
    _require_exact(value)
    return _bare(value)


def _of_numpy(value: np.datetime64 | np.timedelta64) -> Any:
    """Return a time of NumPy's: its own ``item`` makes a number of one in nanoseconds."""
    if np.isnat(value):
        message = "is a missing value of NumPy; give None where NULL is meant"
        raise ValueError(message)
    unit, _ = np.datetime_data(value)
    if isinstance(value, np.timedelta64) and unit in ("Y", "M", "generic"):
        message = "is a number of years or months, or of no unit; give a datetime.timedelta"
        raise ValueError(message)
    found = value.item()
    if not isinstance(found, int):
        return found
    try:
        return pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value)
    except ValueError:
        raise ValueError(_NO_TIME) from None


def _of_pandas(value: pd.Timestamp | pd.Timedelta) -> Any:
    try:
        if isinstance(value, pd.Timestamp):
            return value.to_pydatetime()
        return value.to_pytimedelta()
    except (ValueError, OverflowError):
        raise ValueError(_NO_TIME) from None


def _require_own(value: Any) -> None:
    """Refuse an ambiguous value: a member of an Enum, or a time whose zone has no offset."""
    known = isinstance(value, (str, int, float))
    if isinstance(value, enum.Enum) and not known:
        message = "is a member of an Enum; give its .value or its .name"
        raise ValueError(message)
    if isinstance(value, dt.datetime) and value.tzinfo is not None and value.utcoffset() is None:
        message = "has a zone that does not tell its offset; give a time with one, or without zone"
        raise ValueError(message)


def _require_exact(value: Any) -> None:
    nanoseconds = getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0)
    if isinstance(value, (dt.datetime, dt.timedelta)) and nanoseconds:
        message = "is no time in microseconds; round it, as by .round('us')"
        raise ValueError(message)
    if isinstance(value, dt.datetime) and not _is_in_utc(value):
        message = "lies beyond the years 1 to 9999 in UTC"
        raise ValueError(message)
    if not _is_writable(value):
        message = f"is a number of more than {MOST_DIGITS:,} digits"
        raise ValueError(message)
    if isinstance(value, str) and value != value.encode("utf-8", "replace").decode("utf-8"):
        message = "holds a character that no database text can hold"
        raise ValueError(message)


def _is_in_utc(value: dt.datetime) -> bool:
    """Return whether a time with a zone has one in UTC, which is how it is written."""
    try:
        return value.tzinfo is None or value.astimezone(dt.UTC) is not None
    except (OverflowError, ValueError):
        return False


def _is_writable(value: Any) -> bool:
    """Return whether a number has so few digits that it can be written out at once."""
    if isinstance(value, Decimal) and value.is_finite():
        return abs(value.adjusted()) + len(value.as_tuple().digits) <= MOST_DIGITS
    return not isinstance(value, int) or value.bit_length() < MOST_DIGITS * 3


def _bare(value: Any) -> Any:
    """Return a value without what a class of the user's, or of pandas, adds to its kind."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (pd.Timestamp, pd.Timedelta)):
        return _of_pandas(value)
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value
