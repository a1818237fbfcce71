"""Encodes columns of Python objects of several kinds: each kind as if it were alone. Pure.

So the encoding of a value depends on it and its column, never on the other values.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any

import pandas as pd
import pyarrow as pa

from mapper_dask.chunk.objects import is_missing
from mapper_dask.chunk.spelling import spelled
from mapper_dask.errors import EncodeError
from mapper_dask.schema.conversions import Conversion
from mapper_dask.schema.facts import Column, TypeFamily

Fitted = tuple[pa.ChunkedArray, Conversion | None]
"""A column in its target's type, and what that loses."""

Fit = Callable[[pd.Series], Fitted]
"""Returns a column of objects in its target's type, or raises EncodeError."""


def fit_mixed(series: pd.Series, target: Column, fit: Fit) -> Fitted:
    """Return a column of objects of any kinds in its target's type.

    What is nested in a type of its own, such as json, is written value by value already. Texts are
    always written by kinds: Arrow would make floats of whole numbers beside one.

    Raises
    ------
    EncodeError
        When the values of one kind do not fit.
    """
    if target.family is TypeFamily.OTHER:
        return fit(series)
    if target.family is not TypeFamily.TEXT:
        try:
            return fit(series)
        except EncodeError:
            if len(kinds := _kinds(series)) == 1:
                raise
    elif _is_of_one_type(series) or len(kinds := _kinds(series)) == 1:
        return fit(series)
    return _together([(places, *fit(series.iloc[places])) for places in kinds.values()])


def _is_of_one_type(series: pd.Series) -> bool:
    """Return whether all values are of a type that is one kind, which is quick to see."""
    types = set(map(type, series.tolist())) - {type(None)}
    return len(types) <= 1 and not any(issubclass(each, (dt.datetime, dt.time)) for each in types)


def _kinds(series: pd.Series) -> dict[Hashable, list[int]]:
    """Return where the values of each kind are; those that are missing go with the first."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    missing = []
    for place, value in enumerate(series.tolist()):
        if is_missing(value):
            missing.append(place)
        else:
            found[_kind(value)].append(place)
    if not found:
        return {None: missing}
    next(iter(found.values())).extend(missing)
    return found


def _kind(value: Any) -> Hashable:
    is_time = isinstance(value, (dt.datetime, dt.time))
    return type(value), is_time and value.tzinfo is None


def _together(parts: list[tuple[list[int], pa.ChunkedArray, Conversion | None]]) -> Fitted:
    """Return the values of all kinds in their places: as texts where their types differ."""
    arrays = [array for _, array, _ in parts]
    if len({array.type for array in arrays}) > 1:
        arrays = [spelled(array) for array in arrays]
    places = [place for each, _, _ in parts for place in each]
    order = sorted(range(len(places)), key=places.__getitem__)
    whole = pa.chunked_array([chunk for array in arrays for chunk in array.chunks])
    loss = next((loss for _, _, loss in parts if loss is not None), None)
    return whole.take(pa.array(order, pa.int64())), loss
