"""Columns as Arrow, and into other types without loss. Pure.

The cast fails if a value would not convert back unchanged; no message shows the value.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.mapping.decimals import texts_of, written
from mapper_dask.mapping.types import MOST_DIGITS, ColumnType

WIDEST = 76
"""Digits of Arrow's widest decimal."""

_ARROW = {
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}

_NULLABLE = {
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype(),
}

LARGE = 2.0**24
"""From here on a whole number's shortest digits may differ from its exact ones."""

Family = str
"""int, float, decimal, text, bool, date, timestamp or timestamptz; empty for anything else."""

_MAY_BECOME = {
    "int": {"int", "float", "decimal", "text", "bool"},
    "float": {"int", "float", "decimal", "text", "bool"},
    "decimal": {"int", "float", "decimal", "text"},
    "text": {"int", "float", "decimal", "text", "bool", "date", "timestamp", "timestamptz"},
    "bool": {"int", "text", "bool"},
    "date": {"date", "timestamp", "text"},
    "timestamp": {"date", "timestamp", "text"},
    "timestamptz": {"timestamptz", "text"},
}


class CastError(ValueError):
    """A value does not fit its new type, or a type cannot be cast to another."""


def arrow_type(wanted: ColumnType) -> pa.DataType:
    """Return the Arrow type of a type name."""
    if wanted.kind == "decimal":
        return pa.decimal128(wanted.precision, wanted.scale)
    return _ARROW[wanted.kind]


def family(arrow: pa.DataType) -> Family:
    """Return the family of a type."""
    tests: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
        (pa.types.is_integer, "int"),
        (pa.types.is_floating, "float"),
        (pa.types.is_decimal, "decimal"),
        (pa.types.is_string, "text"),
        (pa.types.is_boolean, "bool"),
        (pa.types.is_date, "date"),
    )
    if pa.types.is_timestamp(arrow):
        return "timestamp" if arrow.tz is None else "timestamptz"
    return next((name for test, name in tests if test(arrow)), "")


def to_arrow(series: pd.Series, wanted: ColumnType | None = None) -> pa.Array:
    """Return a column as Arrow.

    NaN in a NumPy float column is pandas' missing value and becomes NULL, as when it is loaded.

    Parameters
    ----------
    wanted
        The type the column is cast to next. Decimals are then returned as texts if no Arrow
        decimal holds them, or if that type is text, so that each keeps its own digits.

    Raises
    ------
    CastError
        When no Arrow type holds the values.
    """
    values: Any = series.tolist() if series.dtype == object else series
    if wanted is not None and wanted.kind == "text" and series.dtype == object:
        array = _decimals_as_text(values)
        if array is not None:
            return array
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        array = None if wanted is None else _decimals_as_text(values)
    if array is None:
        message = "holds values that no Arrow type holds together; use a function"
        raise CastError(message)
    return _plain(array)


def _plain(array: Any) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    return array


def _decimals_as_text(values: Any) -> pa.Array | None:
    present = [value for value in values if value is not None and value is not pd.NA]
    if not present or not all(isinstance(value, Decimal) for value in present):
        return None
    return pa.array([written(v) if isinstance(v, Decimal) else None for v in values], pa.string())


def to_series(array: pa.Array, index: pd.Index, dtype_backend: str) -> pd.Series:
    """Return an Arrow column as a pandas Series of the given backend."""
    if dtype_backend != "pyarrow" and pa.types.is_floating(array.type):
        return pd.Series(nullable_floats(array), index=index)
    return to_pandas(pa.table({"c": array}), dtype_backend)["c"].set_axis(index)


def to_pandas(rows: pa.Table, dtype_backend: str) -> pd.DataFrame:
    """Return rows as a frame with the dtypes of a job."""
    mapper = pd.ArrowDtype if dtype_backend == "pyarrow" else _NULLABLE.get
    frame: pd.DataFrame = rows.to_pandas(
        types_mapper=mapper, date_as_object=True, ignore_metadata=True
    )
    return frame


def nullable_floats(values: pa.Array | pa.ChunkedArray) -> Any:
    """Return floats whose NaN stays a number: pandas' own conversion makes it a missing value."""
    numbers = pc.fill_null(values, pa.scalar(0, values.type)).to_numpy(zero_copy_only=False)
    missing = pc.is_null(values).to_numpy(zero_copy_only=False)
    return pd.arrays.FloatingArray(numbers.copy(), missing.copy())


def cast(array: pa.Array, wanted: ColumnType) -> pa.Array:
    """Return a column in another type.

    Raises
    ------
    CastError
        When a value would change, or the types cannot be cast.
    """
    if pa.types.is_null(array.type):
        return array.cast(arrow_type(wanted))
    before, target = family(array.type), arrow_type(wanted)
    after = family(target)
    if after not in _MAY_BECOME.get(before, ()):
        raise CastError(f"is {_shown(array.type)}, which cannot be cast to {_shown(target)}")
    with contextlib.suppress(pa.ArrowException, InvalidOperation):
        made = _cast(array, target, before, after)
        if _is_same(array, made, before, after):
            return made
    raise CastError(f"holds a value that {_shown(target)} does not hold without loss")


def _shown(arrow: pa.DataType) -> str:
    return {"date32[day]": "date", "string": "text"}.get(str(arrow), str(arrow))


def _cast(array: pa.Array, target: pa.DataType, before: Family, after: Family) -> pa.Array:
    if after == "text" and before == "decimal":
        return texts_of(array)
    if after == "decimal" and before == "float":
        array = _digits(array)
    elif after == "decimal" and before == "int":
        array = pc.cast(array, pa.decimal256(WIDEST, target.scale))
    elif before == "text" and after != "text":
        array = pc.utf8_trim_whitespace(array)
    return pc.cast(array, target)


def _is_same(array: pa.Array, made: pa.Array, before: Family, after: Family) -> bool:
    """Return whether all values are unchanged, where Arrow does not check that."""
    if after == "float" and before in ("text", "decimal"):
        texts = pc.cast(array, pa.string())
        return texts.equals(pc.cast(made, pa.string())) or _same_numbers(texts, made)
    if after == "decimal" and before in ("text", "float"):
        return _same_decimals(_digits(array) if before == "float" else array, made)
    if after == "float" and before == "float":
        back = pc.cast(made, array.type)
        return array.equals(back) or _equal_with_nan(array, back)
    if (before, after) == ("timestamp", "date") or (after == "bool" and before != "text"):
        return bool(array.equals(pc.cast(made, array.type)))
    return True


def _equal_with_nan(one: pa.Array, other: pa.Array) -> bool:
    nan = pc.and_(pc.is_nan(one), pc.is_nan(other))
    same = pc.fill_null(pc.or_(pc.equal(one, other), nan), True)  # noqa: FBT003
    return bool(pc.all(same, min_count=0).as_py())


def _same_numbers(texts: pa.Array, floats: pa.Array) -> bool:
    shortest = pc.cast(floats, pa.string())
    values = zip(texts.to_pylist(), shortest.to_pylist(), floats.to_pylist(), strict=True)
    return all(text is None or _is_number(Decimal(text.strip()), *rest) for text, *rest in values)


def _same_decimals(texts: pa.Array, decimals: pa.Array) -> bool:
    """Return whether decimals are what texts say: Arrow makes 0 of some with too many digits."""
    longest = pc.max(pc.utf8_length(texts)).as_py() or 0
    plain = not pc.any(pc.match_substring(texts, "e", ignore_case=True), min_count=0).as_py()
    if longest <= MOST_DIGITS and plain:
        return True
    values = zip(texts.to_pylist(), decimals.to_pylist(), strict=True)
    return all(text is None or Decimal(text.strip()) == made for text, made in values)


def _is_number(number: Decimal, shortest: str, found: float) -> bool:
    """Return whether a number equals a float: by its shortest digits, or exactly."""
    if number.is_nan():
        return found != found  # noqa: PLR0124 - only NaN differs from itself
    return number in (Decimal(shortest), Decimal(found))


def _digits(array: pa.Array) -> pa.Array:
    """Return floats as texts of the numbers they mean.

    Large whole numbers are written exactly; others by the shortest digits that identify them: 0.1.
    """
    shortest = pc.cast(array, pa.string())
    large = pc.greater_equal(pc.abs(array), pa.scalar(LARGE, array.type))
    if not pc.any(large, min_count=0).as_py():
        return shortest
    exact = [
        None if value is None else _written(value)
        for value in pc.cast(array, pa.float64()).to_pylist()
    ]
    return pc.if_else(large, pa.array(exact, pa.string()), shortest)


def _written(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)
