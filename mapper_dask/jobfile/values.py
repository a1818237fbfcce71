"""Values with a form of a file's own: typed ones, and spans of time. Pure."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from decimal import InvalidOperation
from typing import Any

from mapper_dask.incremental import LONGEST_OVERLAP
from mapper_dask.jobfile.scalars import day, decimal, integer, moment
from mapper_dask.jobfile.variables import meant, wanted_as_value

LONGEST_SPAN = 100
"""Greatest length of a span of time."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_ISO = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_UNITS = {
    "weeks": ("w", "week"),
    "days": ("d", "day"),
    "hours": ("h", "hour"),
    "minutes": ("m", "min", "minute"),
    "seconds": ("s", "sec", "second"),
}


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


READERS: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "integer": integer,
    "float": float,
    "decimal": decimal,
    "boolean": _truth,
    "date": day,
    "datetime": moment,
}
"""Parsers of typed values, as in ``{decimal: '0.10'}``."""


def typed(value: Any) -> Any:
    """Return a scalar, or the value of a typed form such as ``{date: '2024-01-31'}``.

    Raises
    ------
    ValueError
        When it is neither; the value is not shown.
    """
    if isinstance(value, list):
        message = "must be one value, not a list"
        raise ValueError(message)  # noqa: TRY004
    if not isinstance(value, Mapping):
        return meant(value)
    if len(value) != 1 or next(iter(value)) not in READERS:
        message = (
            "must be one value, or a typed one such as {decimal: '0.10'}; there are "
            f"{', '.join(READERS)}"
        )
        raise ValueError(message)
    (kind, written), *_ = value.items()
    if kind == "datetime" and isinstance(written, dt.datetime):
        return written
    if kind == "date" and isinstance(written, dt.date) and not isinstance(written, dt.datetime):
        return written
    if kind == "decimal" and isinstance(written, float):
        written = repr(written)
    if isinstance(written, (bool, Mapping, list, dt.date)) or written is None:
        message = f"is no {kind}: write it in quotes"
        raise ValueError(message)
    try:
        return READERS[kind](str(written))
    except (ValueError, KeyError, InvalidOperation, OverflowError):
        message = f"is no {kind}"
        raise ValueError(message) from None


def typed_or_list(value: Any) -> Any:
    """Return the result of :func:`typed`, or a list of them."""
    return [typed(item) for item in value] if isinstance(value, list) else typed(value)


def anything(value: Any) -> Any:
    """Return a value with the meaning of its variables, at any depth."""
    if isinstance(value, Mapping):
        return {key: anything(item) for key, item in value.items()}
    return [anything(item) for item in value] if isinstance(value, list) else meant(value)


def setting(value: Any) -> Any:
    """Return a value of a setting: a variable's text is a number if it looks like one."""
    if isinstance(value, Mapping):
        return {key: setting(item) for key, item in value.items()}
    return wanted_as_value(value)


def span(value: Any) -> dt.timedelta | float:
    """Return the length of an overlap: a number, or a time such as ``1h`` or ``P1DT12H``.

    Raises
    ------
    ValueError
        Has examples.
    """
    value = wanted_as_value(value)
    if isinstance(value, float) and not math.isfinite(value):
        message = "must be a finite number, or a time such as 1h"
        raise ValueError(message)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return value
    found = _time_span(value.strip()) if isinstance(value, str) else None
    if found is None:
        message = "must be a number of at least 0, or a time such as 1h, 2 days or P1DT12H"
        raise ValueError(message)
    return found


def _time_span(text: str) -> dt.timedelta | None:
    """Return a span of time from its text; None if it is none.

    Raises
    ------
    ValueError
        When the text or the time is too long.
    """
    if len(text) > LONGEST_SPAN:  # the search for its parts takes quadratic time
        message = f"must be a time of at most {LONGEST_SPAN} characters, such as 1h or P1DT12H"
        raise ValueError(message)
    try:
        found = _read_span(text)
    except OverflowError:
        found = dt.timedelta.max
    if found is not None and found > LONGEST_OVERLAP:
        message = "must be a time of at most 1,000 years"
        raise ValueError(message)
    return found


def _read_span(text: str) -> dt.timedelta | None:
    iso = _ISO.fullmatch(text)
    if iso is not None:
        said = {unit: float(amount) for unit, amount in iso.groupdict().items() if amount}
        return dt.timedelta(**said) if said else None
    parts = _SPAN.findall(text.lower())
    left = re.sub(r"[\s,]", "", _SPAN.sub("", text.lower()))
    units = [(float(amount), _unit(word)) for amount, word in parts]
    if left or not units or any(unit is None for _, unit in units):
        return None
    return sum((dt.timedelta(**{str(u): a}) for a, u in units), dt.timedelta())


def _unit(word: str) -> str | None:
    singular = word.removesuffix("s") if len(word) > 1 else word
    return next((unit for unit, words in _UNITS.items() if singular in words), None)
