"""Whether a function passes on a source's text that the target would read as another value. Pure.

A row type's text travels through a function as a text. Into a type of other fields it would go in
silence; so it counts as a value of the source's type wherever it is found again.
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
    """Return the source's type of which a column has values that its target would misread.

    None where it has none, or is of no type whose definition is compared.

    Parameters
    ----------
    series
        What the function returned for the column.
    columns, given
        What the function was given.
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
    """Return whether values are such as a source column has, under whichever name.

    A label that an enum lacks is refused by the database: there, all of them must be the source's.
    Where a column of that name has no values, nothing shows that the function makes others of them.
    """
    if column.shape is None or not pa.types.is_string(given[column.name].type):
        return False
    known = set(given[column.name].to_pylist())
    if column.shape.kind == ENUM:
        return bool(values) and values <= known
    unshown = not values and column.shape.made and column.name == target.name
    return unshown or bool(values & known)
