"""Columns of Python objects as Arrow, guided by where they go. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import simplejson

from mapper_dask.dialects.conversions import Incoming, incoming_from_arrow
from mapper_dask.dialects.facts import Column, TypeFamily
from mapper_dask.errors import EncodeError

_JSON = ("json", "jsonb")


def objects_to_arrow(series: pd.Series, target: Column | None) -> tuple[pa.ChunkedArray, Incoming]:
    """Return an object column as Arrow, and what it is.

    Decimals for a decimal column become text, so that none of their digits depends on the others;
    dicts and lists for json become JSON; lists for an array column become an array literal.

    Raises
    ------
    EncodeError
        When the values are of several kinds that no column holds together.
    """
    values = [None if _is_missing(value) else value for value in series.tolist()]
    if target is not None and target.family is TypeFamily.DECIMAL and _all_numbers(values):
        return _texts(series.name, values, str), Incoming(TypeFamily.DECIMAL, "Decimal")
    if target is not None and target.family is TypeFamily.OTHER:
        return _texts(series.name, values, _writer(target)), Incoming(TypeFamily.TEXT, "object")
    try:
        array = pa.chunked_array([pa.array(values, from_pandas=False)])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        kinds = sorted({type(value).__name__ for value in values if value is not None})
        message = f"column {series.name!r} holds {', '.join(kinds)} together: {error}"
        raise EncodeError(message) from None
    if not pa.types.is_nested(array.type) and array.to_pylist() != values:
        message = (
            f"column {series.name!r} mixes kinds of values, or has finer times than microseconds: "
            f"as {array.type} a part of them would be lost"
        )
        raise EncodeError(message)
    return array, incoming_from_arrow(array.type)


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and math.isnan(value))
    )


def _all_numbers(values: Sequence[Any]) -> bool:
    return all(
        value is None or (isinstance(value, (Decimal, int, float)) and not isinstance(value, bool))
        for value in values
    )


def _texts(name: Any, values: Sequence[Any], write: Any) -> pa.ChunkedArray:
    texts = [None if value is None else write(value) for value in values]
    try:
        return pa.chunked_array([pa.array(texts, pa.string())])
    except UnicodeEncodeError as error:
        raise EncodeError(f"column {name!r} holds a text that is not Unicode: {error}") from None


def _writer(target: Column) -> Any:
    if target.type_name in _JSON:
        return lambda value: value if isinstance(value, str) else _json(value)
    if target.type_name.endswith("[]"):
        return lambda value: value if isinstance(value, str) else array_literal(value)
    return _plain_text


def _plain_text(value: Any) -> str:
    if isinstance(value, pd.Timedelta) and value.nanoseconds:
        message = f"{value} has finer times than microseconds; round it with .round('us')"
        raise EncodeError(message)
    return str(value)


def array_literal(values: Any) -> str:
    """Return a list, nested to any depth, as an array literal: ``{1,2,NULL,"a b"}``."""
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return "NULL"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (int, float, Decimal)):  # a NaN in an array is a number
        return "NaN" if value != value else str(value)  # noqa: PLR0124
    if isinstance(value, (dict, bytes, str)) or not hasattr(value, "__iter__"):
        return _quoted(_scalar(value))
    return array_literal(value)


def _scalar(value: Any) -> str:
    if isinstance(value, dict):
        return _json(value)
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def _json(value: Any) -> str:
    return simplejson.dumps(value, default=_plain, ensure_ascii=False, allow_nan=True)


def _plain(value: Any) -> Any:
    """Return what JSON can say: NumPy's numbers and arrays as such, a date or an id as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
