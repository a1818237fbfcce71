"""PostgreSQL's types as families and Arrow types. Pure: opens no connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from mapper_dask.dialects.postgresql.domains import refuses_null
from mapper_dask.schema.facts import Column, TypeFamily

MICROSECONDS = 6
"""Fractional digits PostgreSQL keeps when a time type names none."""

LARGEST_DECIMAL = 38
"""Digits an Arrow decimal128 holds; a longer numeric travels as text."""

FIRST_MADE = 16384
"""First object id that is not reserved for PostgreSQL itself: FirstNormalObjectId."""

_FIXED: dict[str, tuple[TypeFamily, pa.DataType]] = {
    "smallint": (TypeFamily.INTEGER, pa.int16()),
    "integer": (TypeFamily.INTEGER, pa.int32()),
    "bigint": (TypeFamily.INTEGER, pa.int64()),
    "real": (TypeFamily.FLOAT, pa.float32()),
    "double precision": (TypeFamily.FLOAT, pa.float64()),
    "boolean": (TypeFamily.BOOLEAN, pa.bool_()),
    "text": (TypeFamily.TEXT, pa.string()),
    "character varying": (TypeFamily.TEXT, pa.string()),
    "character": (TypeFamily.TEXT, pa.string()),
    "bpchar": (TypeFamily.TEXT, pa.string()),
    "name": (TypeFamily.TEXT, pa.string()),
    "bytea": (TypeFamily.BINARY, pa.binary()),
    "date": (TypeFamily.DATE, pa.date32()),
    "time without time zone": (TypeFamily.TIME, pa.time64("us")),
    "timestamp without time zone": (TypeFamily.TIMESTAMP, pa.timestamp("us")),
    "timestamp with time zone": (TypeFamily.TIMESTAMP_TZ, pa.timestamp("us", tz="UTC")),
}
_TIMES = (TypeFamily.TIME, TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ)
_MODIFIER = re.compile(r"\((-?\d+)(?:,(-?\d+))?\)")
_ROW_CATEGORY = "C"
_TEXT_CATEGORY = "S"
"""``pg_type.typcategory`` of string types: what makes citext a text."""


def column(name: str, type_name: str, key_type: str, category: str, **flags: Any) -> Column:
    """Return the column that a catalogue row describes.

    Parameters
    ----------
    type_name
        As ``format_type`` writes it: ``numeric(15,2)``, ``timestamp(3) without time zone``.
    key_type
        The same without modifiers.
    category
        ``pg_type.typcategory``.
    flags
        ``native``, ``not_null``, ``has_default``, ``generated``.
    """
    if category == _ROW_CATEGORY:  # IS NULL looks inside a row, so no predicate tells its NULLs
        return Column(name, type_name, TypeFamily.OTHER, pa.string(), None, None, "", **flags)
    match = _MODIFIER.search(type_name)
    first, second = (None, None) if match is None else match.groups()
    base = _MODIFIER.sub("", type_name, count=1) if match else type_name
    precision = None if first is None else int(first)
    scale = None if second is None else int(second)
    if base == "numeric":
        return Column(
            name,
            type_name,
            TypeFamily.DECIMAL,
            _decimal(precision, scale),
            precision,
            scale,
            key_type,
            **flags,
        )
    family, arrow = _FIXED.get(
        base, (TypeFamily.TEXT if category == _TEXT_CATEGORY else TypeFamily.OTHER, pa.string())
    )
    if family in _TIMES and precision is None:
        precision = MICROSECONDS
    if base == "character" and precision is None:
        precision = 1
    return Column(name, type_name, family, arrow, precision, None, key_type, **flags)


def column_of_table(row: Sequence[Any], plain: Callable[[str], str]) -> Column:
    """Return the column of a table that a row of ``target_columns`` describes.

    Parameters
    ----------
    plain
        Returns a type's name as most sessions write it.
    """
    name, type_name, key_type, category, native, _, not_null, default, generated, checks = row
    return column(
        name,
        plain(type_name),
        plain(key_type),
        category,
        native=native,
        not_null=not_null or any(map(refuses_null, checks)),
        has_default=default,
        generated=generated,
    )


def keyed(column: Column, cast_type: str, order: Sequence[str] | None) -> Column:
    """Return a column with what its bounds are cast to and compared by, where it can be a key."""
    if not column.key_type:
        return column
    return replace(column, cast_type=cast_type, order=tuple(order or ()))


def _decimal(precision: int | None, scale: int | None) -> pa.DataType:
    if precision is None or scale is None or not 0 <= scale <= precision <= LARGEST_DECIMAL:
        return pa.string()
    return pa.decimal128(precision, scale)


def ddl_type(column: Column) -> str:
    """Return a type that holds a column of another database."""
    whole = column.precision
    match column.family:
        case TypeFamily.DECIMAL if whole is not None and column.scale is not None:
            return f"numeric({whole},{column.scale})"
        case TypeFamily.FLOAT:
            return "real" if column.arrow == pa.float32() else "double precision"
        case TypeFamily.INTEGER:
            return "bigint"
        case TypeFamily.TEXT if whole is not None:
            return f"varchar({whole})"
    return _HOLDING.get(column.family, "text")


_HOLDING = {
    TypeFamily.BOOLEAN: "boolean",
    TypeFamily.DECIMAL: "numeric",
    TypeFamily.BINARY: "bytea",
    TypeFamily.DATE: "date",
    TypeFamily.TIME: "time",
    TypeFamily.TIMESTAMP: "timestamp",
    TypeFamily.TIMESTAMP_TZ: "timestamptz",
}
