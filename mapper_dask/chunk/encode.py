"""Encodes what a function returns as Arrow columns of exactly the target's types. Pure.

A value that does not fit raises; a lossy conversion is noted. Values without an exact Arrow type
for their column are sent as text, which the database parses or refuses.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.chunk import unusual
from mapper_dask.chunk.extensions import meant
from mapper_dask.chunk.measure import TIMES, byte_range, is_text, measured, text_loss
from mapper_dask.chunk.mixed import Fitted, fit_mixed
from mapper_dask.chunk.objects import objects_to_arrow
from mapper_dask.chunk.spelling import spelled
from mapper_dask.errors import EncodeError
from mapper_dask.mapping.decimals import texts_of
from mapper_dask.numpy_times import require_whole_microseconds
from mapper_dask.schema.conversions import (
    Conversion,
    Exactness,
    Incoming,
    incoming_from_arrow,
    incoming_from_column,
    judge,
    lossy,
)
from mapper_dask.schema.facts import Column, TargetTable, TypeFamily

DECIMAL_DIGITS = 38
"""Digits that Arrow's 128 bits hold."""

NO_TEXTS: Mapping[str, Column] = MappingProxyType({})
"""No column came as the source's own text."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows ready to load."""

    rows: pa.Table
    """Each column in its target's Arrow type, or as text."""
    losses: tuple[Conversion, ...]
    """Conversions that lose something."""


def encode_frame(
    frame: pd.DataFrame, table: TargetTable, *, as_text: Mapping[str, Column] = NO_TEXTS
) -> Encoded:
    """Return a frame's rows for a table.

    Parameters
    ----------
    as_text
        Columns the source could only send as its own text, as they are there: passed on for the
        target to parse.

    Raises
    ------
    EncodeError
        Names the column that is not in the table, or whose values do not fit it.
    """
    fits = {name: fit_series(frame[name], name, table, as_text) for name in frame.columns}
    return _encoded(fits, table, frame.shape[0])


def fit_series(
    series: pd.Series, name: str, table: TargetTable, as_text: Mapping[str, Column]
) -> Fitted:
    """Return a column of a frame in its target's type, and what that loses.

    Raises
    ------
    EncodeError
        As :func:`fit`.
    """
    target = _column(table, name)

    def convert(part: pd.Series) -> Fitted:
        array, incoming = series_to_arrow(part, target)
        if incoming.family is TypeFamily.TEXT and target.family is TypeFamily.OTHER:
            # Only the plan knows the type of the text; jsonb into jsonb loses nothing.
            incoming = replace(incoming, family=None)
        return fit(name, array, incoming, table, as_text)

    return fit_mixed(series, target, convert) if series.dtype == object else convert(series)


def encode_table(
    rows: pa.Table,
    table: TargetTable,
    source: Collection[Column],
    *,
    as_text: Mapping[str, Column] = NO_TEXTS,
) -> Encoded:
    """Return extracted rows for a table, without pandas in between."""
    kinds = {column.name: column for column in source}
    fits = {
        name: fit(name, rows[name], incoming_of(rows[name].type, kinds[name]), table, as_text)
        for name in rows.column_names
    }
    return _encoded(fits, table, rows.num_rows)


def series_to_arrow(series: pd.Series, target: Column | None) -> tuple[pa.ChunkedArray, Incoming]:
    """Return a column of a frame as Arrow, and what it is.

    NaN in a NumPy float column is pandas' missing value and becomes NULL; in an Arrow float
    column NaN is a number and stays one.
    """
    if isinstance(series.dtype, pd.ArrowDtype):
        array: Any = series.array.__arrow_array__()
        if not isinstance(array, pa.ChunkedArray):  # else a user's type would be its storage
            array = pa.chunked_array([array])
    elif series.dtype == object:
        return objects_to_arrow(series, target)
    else:
        array = _from_pandas(series)
    return meant(array, str(series.name))


def _from_pandas(series: pd.Series) -> pa.ChunkedArray:
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise EncodeError(_about(str(series.name), error)) from None
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def incoming_of(arrow: pa.DataType, column: Column) -> Incoming:
    """Return a source column's own type where Arrow shows it only as text."""
    if pa.types.is_string(arrow):
        return incoming_from_column(column)
    incoming = incoming_from_arrow(arrow)
    if column.precision is not None and incoming.family in TIMES:
        return replace(incoming, precision=column.precision)
    return incoming


def _encoded(fits: Mapping[str, Fitted], table: TargetTable, rows: int) -> Encoded:
    made = pa.Table.from_arrays([array for array, _ in fits.values()], names=list(fits))
    if made.num_rows != rows:
        message = f"{rows} rows became {made.num_rows} on the way to {table.quoted}"
        raise EncodeError(message)
    return Encoded(made, tuple(loss for _, loss in fits.values() if loss is not None))


def fit(
    name: str,
    array: pa.ChunkedArray,
    incoming: Incoming,
    table: TargetTable,
    as_text: Mapping[str, Column],
) -> Fitted:
    """Return a column's values in its target's type, and what that loses.

    Raises
    ------
    EncodeError
        When a value does not fit; with ``whole_column`` among its details, when no value of its
        kind could.
    """
    target = _column(table, name)
    source = as_text.get(name) if is_text(array.type) else None
    if source is not None and source.family is target.family:
        texts = array.cast(pa.string())
        return texts, _by_values(texts, replace(incoming, family=target.family), target)
    if source is not None and unusual.go_into(source, target):
        return _fit_unusual(array.cast(pa.string()), source, target, table)
    conversion = judge(incoming, target)
    if conversion.verdict is Exactness.IMPOSSIBLE:
        raise EncodeError(_about(name, conversion.note), whole_column=True)
    if conversion.verdict is Exactness.EXACT:
        made = fitted(array, target)
    else:
        made = fitted(_rounded(array, target), target)
        conversion = _lost(array, made, incoming, conversion, target)
    if is_text(made.type) and _holds_nul(made):
        raise EncodeError(_about(name, "a text holds a NUL character, which no column can hold"))
    if target.empty_is_null and _holds_empty(made):
        return made, Conversion(name, Exactness.LOSSY, "an empty value is stored as NULL")
    changes = is_text(made.type) and incoming.shown != target.type_name
    if changes and (note := text_loss(made, target)) is not None:
        return made, lossy(incoming, target, note)
    return made, conversion if conversion.verdict is Exactness.LOSSY else None


def _fit_unusual(
    texts: pa.ChunkedArray, source: Column, target: Column, table: TargetTable
) -> Fitted:
    """Return times of which some have no Arrow type, the others as in any other chunk."""
    name = target.name
    try:
        usual = unusual.usual(texts, source)
        made, loss = fit(name, usual, incoming_of(usual.type, source), table, NO_TEXTS)
        if usual.null_count == texts.null_count:
            return made, loss
        made = unusual.completed(made, texts, source, target)
    except (pa.ArrowException, ValueError) as error:
        raise EncodeError(_about(name, _unfit(target, error))) from None
    return made, loss or _by_values(texts, incoming_from_column(source), target)


def _lost(
    array: pa.ChunkedArray,
    made: pa.ChunkedArray,
    incoming: Incoming,
    conversion: Conversion,
    target: Column,
) -> Conversion:
    """Return the conversion that types have, or an exact one where no value loses anything."""
    if incoming.family is TypeFamily.DECIMAL:
        known = incoming.scale is not None and target.digits is None  # then the plan has named it
        array = array if known else made
    real = judge(measured(array, incoming), target)
    return real if real.verdict is Exactness.EXACT else conversion


def _by_values(texts: pa.ChunkedArray, incoming: Incoming, target: Column) -> Conversion | None:
    """Return what values that came as the database's own text lose."""
    conversion = judge(measured(texts, incoming), target)
    return conversion if conversion.verdict is Exactness.LOSSY else None


def _rounded(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    """Round times to the unit of their target, as a database does."""
    if not (pa.types.is_timestamp(array.type) and pa.types.is_timestamp(target.arrow)):
        return array
    if target.arrow.unit not in _UNITS:
        return array
    return pc.round_temporal(array, 1, _UNITS[target.arrow.unit])


_UNITS = {"s": "second", "ms": "millisecond", "us": "microsecond"}


def _holds_nul(texts: pa.ChunkedArray) -> bool:
    """Return whether a text holds a NUL; looks for one in all bytes first, which is quick."""
    if byte_range(texts)[0] > 0:
        return False
    return bool(pc.any(pc.match_substring(texts, "\0")).as_py())


def _holds_empty(array: pa.ChunkedArray) -> bool:
    lengths = pc.binary_length(array) if _has_length(array.type) else None
    return lengths is not None and bool(pc.any(pc.equal(lengths, 0)).as_py())


def _has_length(arrow: pa.DataType) -> bool:
    return is_text(arrow) or bool(pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow))


def _column(table: TargetTable, name: str) -> Column:
    column = table.column(name)
    if column is None:
        message = (
            f"{table.quoted} has no column {name!r}; it has: "
            f"{', '.join(c.name for c in table.columns)}"
        )
        raise EncodeError(message)
    return column


def fitted(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    """Return values in the target's Arrow type where that keeps them, else as text.

    Raises
    ------
    EncodeError
        When a value does not fit.
    """
    if array.type.equals(target.arrow):
        return array
    if pa.types.is_null(array.type):
        return pa.chunked_array([pa.nulls(len(array), target.arrow)])
    try:
        return _FITTERS.get(target.family, _as_text)(array, target)
    except (pa.ArrowException, ValueError) as error:
        raise EncodeError(_about(target.name, _unfit(target, error))) from None


_VALUE = re.compile(
    r"(?<=Integer value )\S+|(?<=Float value )\S+|(?<=lose data: ).+"
    r"|(?<=parse string: ).+?(?= as a scalar|$)|(?<=Could not convert ).+?(?= with type|$)",
    re.DOTALL,
)
"""The part of Arrow's errors that shows a value."""


def _unfit(target: Column, error: Exception) -> str:
    return f"a value does not fit {target.type_name}: {_VALUE.sub('…', str(error))}"


def _cast(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    return pc.cast(array, target.arrow, safe=True)


def _as_text(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    if pa.types.is_duration(array.type):  # a pandas Timedelta for an interval
        micros = pc.cast(pc.cast(array, pa.duration("us")), pa.int64())
        return pc.binary_join_element_wise(
            pc.cast(micros, pa.string()), pa.scalar("microseconds"), " "
        )
    if pa.types.is_nested(array.type):
        if target.family is TypeFamily.TEXT:
            message = f"{array.type} has no text form; make it text in the function"
            raise ValueError(message)
        require_whole_microseconds(array)
        return objects_to_arrow(
            pd.Series(array.to_pylist(), name=target.name, dtype=object), target
        )[0]
    return spelled(array)


def _to_decimal(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    """Rescale decimals that keep all their digits; let the database parse every other number."""
    if (
        pa.types.is_decimal(array.type)
        and target.typed
        and target.scale is not None
        and array.type.scale <= target.scale
    ):
        return _cast(array, target)
    return pc.cast(array, pa.string())


def _to_integer(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    """Accept a whole number of a numeric without scale: it arrives as text such as 2.0."""
    if is_text(array.type):
        digits = pc.max(pc.count_substring_regex(array, "[0-9]")).as_py() or 0
        if digits > DECIMAL_DIGITS:  # the cast would wrap around in 128 bits
            message = f"a number of {digits} digits"
            raise ValueError(message)
        array = pc.cast(array, pa.decimal128(DECIMAL_DIGITS, 18))
    return _cast(array, target)


def _to_float(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    """Narrow floats as text: the database refuses one out of range, a cast makes it infinite.

    Decimals are read from their digits: Arrow's own cast multiplies, and is off by one in the last.
    """
    if pa.types.is_floating(array.type) and array.type.bit_width > target.arrow.bit_width:
        return pc.cast(array, pa.string())
    if pa.types.is_decimal(array.type):
        array = texts_of(array)
    return _float_of(array, target) if is_text(array.type) else _cast(array, target)


def _float_of(texts: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    """Return floats of numbers' texts, of which none becomes infinite or zero by its size."""
    made = _cast(texts, target)
    infinite = pc.and_not(pc.is_inf(made), pc.match_substring(texts, "inf", ignore_case=True))
    nothing = pc.and_(pc.equal(made, 0), pc.match_substring_regex(texts, "^[^eE]*[1-9]"))
    if pc.any(pc.or_(infinite, nothing)).as_py():
        message = "a number is out of range"
        raise ValueError(message)
    return made


def _to_date(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    if not pa.types.is_timestamp(array.type):
        return _cast(array, target)
    days = pc.cast(array, pa.date32(), safe=False)
    if not pc.all(pc.equal(pc.cast(days, array.type), array)).as_py() and array.null_count < len(
        array
    ):
        raise ValueError(unusual.TIME_OF_DAY)
    return days


def _to_naive(array: pa.ChunkedArray, target: Column) -> pa.ChunkedArray:
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = pc.cast(
            pc.cast(array, pa.timestamp(array.type.unit, "UTC")), pa.timestamp(array.type.unit)
        )
    return _cast(array, target)


_FITTERS = {
    TypeFamily.BOOLEAN: _cast,
    TypeFamily.INTEGER: _to_integer,
    TypeFamily.DECIMAL: _to_decimal,
    TypeFamily.FLOAT: _to_float,
    TypeFamily.BINARY: _cast,
    TypeFamily.DATE: _to_date,
    TypeFamily.TIME: _cast,
    TypeFamily.TIMESTAMP: _to_naive,
    TypeFamily.TIMESTAMP_TZ: _cast,
}


def _about(name: str, what: object) -> str:
    return f"column {name!r}: {what}"
