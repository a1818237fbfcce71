"""Times inside lists, dicts and arrays, which a database would cut without a word. Pure.

A column of times is judged by its Arrow type; what is nested travels as text, of which a database
takes what it can keep: so nothing finer than that may be written.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

FINER = "a time is finer than microseconds; round it with .round('us')"
KINDS = {"M": "datetime64", "m": "timedelta64"}
"""NumPy's kinds of times: points, and spans."""

_ELEMENTS = re.compile(r"(date|time|timestamp)\b.*\[\]$")


def is_numpy_time(value: Any) -> bool:
    """Return whether a value is one of NumPy's times, which look like numbers."""
    return _kind(value) in KINDS and value.ndim == 0


def are_numpy_times(value: Any) -> bool:
    """Return whether a value is an array or a column of NumPy's times."""
    return _kind(value) in KINDS and value.ndim > 0


def _kind(value: Any) -> str:
    return str(getattr(getattr(value, "dtype", None), "kind", ""))


def is_missing_time(value: Any) -> bool:
    """Return whether a value is no time at all."""
    return value is pd.NaT or (is_numpy_time(value) and bool(value != value))  # noqa: PLR0124


def written(value: Any) -> str:
    """Return a value as a database reads it; raise ValueError for a time below microseconds."""
    if isinstance(value, pd.Timestamp) and value.nanosecond:
        raise ValueError(FINER)
    if isinstance(value, pd.Timedelta) and value.nanoseconds:
        raise ValueError(FINER)
    if not is_numpy_time(value):
        return str(value)
    kind = KINDS[_kind(value)]
    kept = value.astype(f"{kind}[us]")
    if kept.astype(value.dtype) != value:
        raise ValueError(FINER)
    return str(kept if _is_finer(value) else value)


def _is_finer(value: Any) -> bool:
    return str(value.dtype).endswith(("[ns]", "[ps]", "[fs]", "[as]"))


def leaves(value: Any) -> Iterator[Any]:
    """Yield the values in lists, dicts and arrays, nested to any depth."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        yield value
    else:
        for inner in value:
            yield from leaves(inner)


def require_elements(values: Any, type_name: str) -> None:
    """Raise ValueError for times that an array of dates, times or timestamps would change."""
    found = _ELEMENTS.match(type_name)
    if found is None:
        return
    for value in leaves(values):
        moment = pd.Timestamp(value) if _kind(value) == "M" else value
        if isinstance(moment, dt.datetime) and not is_missing_time(moment):
            lost = _lost(moment, found[1], zoned="with time zone" in type_name)
            if lost:
                message = f"{lost} would be lost in {type_name}"
                raise ValueError(message)


def _lost(moment: dt.datetime, kind: str, *, zoned: bool) -> str | None:
    if kind == "date":
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return None if day == moment else "a time of day"
    if kind == "time":
        return "a date"
    return "a zone" if moment.tzinfo is not None and not zoned else None


def require_whole_microseconds(values: Any) -> None:
    """Refuse an Arrow array that holds nanoseconds which Python's own times do not.

    Raises
    ------
    ValueError
        When some value is finer than microseconds, however deep it lies.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_time64(values.type) and values.type.unit == "ns":
        numbers = values.cast(pa.int64())
        whole = pc.equal(pc.multiply(pc.divide(numbers, 1000), 1000), numbers)
        if not pc.all(whole, min_count=0).as_py():
            raise ValueError(FINER)
    for inner in _inner(values):
        require_whole_microseconds(inner)


def _inner(values: Any) -> list[Any]:
    if isinstance(values, pa.ChunkedArray):
        return [inner for chunk in values.chunks for inner in _inner(chunk)]
    if pa.types.is_map(values.type):
        return [values.keys, values.items]
    if pa.types.is_struct(values.type):
        return list(values.flatten())
    if pa.types.is_nested(values.type) and hasattr(values, "flatten"):  # every kind of list
        return [values.flatten()]
    return []
