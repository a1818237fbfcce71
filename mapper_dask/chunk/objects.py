"""Columns of Python objects as Arrow, guided by where they go. Pure."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Number
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa
import simplejson

from mapper_dask import numpy_times as times
from mapper_dask.chunk.extensions import meant
from mapper_dask.chunk.measure import measured
from mapper_dask.errors import EncodeError
from mapper_dask.mapping.decimals import written
from mapper_dask.schema.conversions import Incoming
from mapper_dask.schema.facts import Column, TypeFamily

_JSON = ("json", "jsonb")

_NEVER_MISSING = frozenset({type(None), bool, int, Decimal, str, bytes, dict, list, UUID})
"""Types without missing values except None; values of derived types are checked."""


def objects_to_arrow(series: pd.Series, target: Column | None) -> tuple[pa.ChunkedArray, Incoming]:
    """Return an object column as Arrow, and what it is.

    Decimals for a column of numbers or texts become text, so that none of their digits depends on
    the others, and keep the digits they have; dicts and lists for json become JSON; lists
    for an array column become an array literal.

    Raises
    ------
    EncodeError
        When the values are of several kinds that no column holds together, or one is of a kind
        that the column's text does not say.
    """
    values = _with_none(series.tolist())
    kinds = set(map(type, values)) - {type(None)}
    if target is not None and target.family is TypeFamily.DECIMAL and _are_numbers(kinds):
        texts = _texts(series.name, values, str)
        return texts, measured(texts, Incoming(TypeFamily.DECIMAL, "Decimal"))
    if target is not None and target.family is TypeFamily.FLOAT and _are_exact(kinds, Decimal):
        texts = _texts(series.name, values, _number)  # no Arrow decimal holds a NaN
        return texts, measured(texts, Incoming(TypeFamily.DECIMAL, "Decimal"))
    if target is not None and target.family is TypeFamily.TEXT and _are_exact(kinds):
        texts = _texts(series.name, values, _number)
        return texts, Incoming(TypeFamily.DECIMAL, "Decimal")
    if target is not None and target.family is TypeFamily.OTHER:
        return _as_other(series.name, values, target)
    try:
        array = pa.chunked_array([pa.array(values, from_pandas=False)])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        names = ", ".join(sorted({kind.__name__ for kind in kinds}))
        message = f"column {series.name!r} holds {names} together: {error}"
        raise EncodeError(message) from None
    if not pa.types.is_nested(array.type) and array.to_pylist() != values:
        message = (
            f"column {series.name!r} mixes kinds of values, or has finer times than microseconds: "
            f"as {array.type} a part of them would be lost"
        )
        raise EncodeError(message)
    return meant(array, str(series.name))


def _as_other(name: Any, values: Sequence[Any], target: Column) -> tuple[pa.ChunkedArray, Incoming]:
    """Return values as texts that the database parses.

    Numbers are none of them, as Arrow's are not: to an interval they would be seconds.
    """
    present = [value for value in values if value is not None]
    numbers = all(isinstance(value, Number) for value in present)
    if present and numbers and target.type_name not in _JSON:
        return _texts(name, values, str), Incoming(TypeFamily.DECIMAL, type(present[0]).__name__)
    if not present:
        incoming = Incoming(None, "object")
    elif any(isinstance(value, str) for value in present):
        incoming = Incoming(TypeFamily.TEXT, "object")
    else:
        incoming = Incoming(TypeFamily.OTHER, "object")
    return _texts(name, values, _writer(target)), incoming


def is_missing(value: Any) -> bool:
    """Return whether a value is what pandas calls missing; a Decimal's NaN is a number."""
    return (
        value is None
        or value is pd.NA
        or (isinstance(value, float) and math.isnan(value))
        or times.is_missing_time(value)
    )


def _with_none(values: list[Any]) -> list[Any]:
    """Return values of which each that is missing is None.

    Types are checked first: checking each value takes longer than writing it.
    """
    if set(map(type, values)) <= _NEVER_MISSING:
        return values
    return [None if is_missing(value) else value for value in values]


def _are_numbers(kinds: set[type]) -> bool:
    return all(issubclass(kind, (Decimal, int, float)) for kind in kinds) and bool not in kinds


def _are_exact(kinds: set[type], exact: type | tuple[type, ...] = (Decimal, Integral)) -> bool:
    """Return whether there are values, all of them Decimals or whole numbers."""
    return bool(kinds) and all(issubclass(kind, exact) for kind in kinds) and bool not in kinds


def _number(value: Any) -> str:
    return written(value) if isinstance(value, Decimal) else str(value)


def _texts(name: Any, values: Sequence[Any], write: Callable[[Any], str]) -> pa.ChunkedArray:
    try:
        texts = [None if value is None else write(value) for value in values]
        return pa.chunked_array([pa.array(texts, pa.string())])
    except UnicodeEncodeError as error:
        raise EncodeError(f"column {name!r} holds a text that is not Unicode: {error}") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(f"column {name!r}: {error}") from None


def _writer(target: Column) -> Callable[[Any], str]:
    write: Callable[[Any], str]
    if target.type_name in _JSON:
        write = _json
    elif target.type_name.endswith("[]"):
        write = functools.partial(_list_literal, type_name=target.type_name)
    else:
        write = _plain_text
    return lambda value: value if isinstance(value, str) else write(value)


def _plain_text(value: Any) -> str:
    if isinstance(value, Number):
        message = f"a number ({type(value).__name__}) among other values; make it text"
        raise TypeError(message)
    return times.written(value)


def _list_literal(value: Any, type_name: str) -> str:
    if isinstance(value, (Mapping, bytes)) or not hasattr(value, "__iter__"):
        message = f"{type(value).__name__} does not go into an array; make it a list"
        raise TypeError(message)
    times.require_elements(value, type_name)
    return array_literal(value)


def array_literal(values: Any) -> str:
    """Return a list, nested to any depth, as an array literal: ``{1,2,NULL,"a b"}``."""
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Any) -> str:
    if value is None or value is pd.NA or times.is_missing_time(value):
        return "NULL"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, Decimal):
        return written(value)
    if isinstance(value, (int, float)):  # a NaN in an array is a number
        return "NaN" if value != value else str(value)  # noqa: PLR0124
    if isinstance(value, (dict, bytes, str)) or not hasattr(value, "__iter__"):
        return _quoted(_scalar(value))
    return array_literal(value)


def _scalar(value: Any) -> str:
    if isinstance(value, dict):
        return _json(value)
    return "\\x" + value.hex() if isinstance(value, bytes) else times.written(value)


def _json(value: Any) -> str:
    if isinstance(value, Decimal):
        return written(value)
    return simplejson.dumps(value, default=_plain, ensure_ascii=False, allow_nan=True)


def _plain(value: Any) -> Any:
    """Return a value for JSON: NumPy's numbers and arrays as such, a date or an id as text."""
    if value is pd.NA or times.is_missing_time(value):
        return None
    if times.is_numpy_time(value):
        return str(value)
    if times.are_numpy_times(value):
        return list(value)  # as a list of its own it would be one of whole nanoseconds
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
