"""Detects texts of a source that a function passes on and a target reads as other values. Pure.

A value of a row type is a text in a function. A type of other fields would take it without an
error; so the text counts as a value of the source's type wherever it is found again.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from mapper_dask.schema.conversions import Incoming, incoming_from_column, unlike
from mapper_dask.schema.facts import Column
from mapper_dask.schema.shapes import ENUM


def misread(
    series: pd.Series, target: Column | None, columns: Sequence[Column], given: pa.Table
) -> Incoming | None:
    """Return the source's type of a column's values that its target would misread.

    None if it has none, or if definitions are not compared for its type.

    Parameters
    ----------
    series
        The column that the function returned.
    columns, given
        The function's input.
    """
    if target is None or target.shape is None:
        return None
    values = {value for value in series.tolist() if isinstance(value, str)}
    for column in columns:
        sent = incoming_from_column(column)
        found = unlike(sent, target)
        if found is not None and _is_passed_on(values, column, target, given):
            return sent
    return None


def _is_passed_on(values: set[str], column: Column, target: Column, given: pa.Table) -> bool:
    """Return whether values are those of a source column, under any name.

    The database refuses a label that an enum lacks, so of an enum all must be the source's. If a
    column of that name has no values, it is not known whether the function changes them.
    """
    if column.shape is None or not pa.types.is_string(given[column.name].type):
        return False
    known = set(given[column.name].to_pylist())
    if column.shape.kind == ENUM:
        return bool(values) and values <= known
    unshown = not values and column.shape.made and column.name == target.name
    return unshown or bool(values & known)
