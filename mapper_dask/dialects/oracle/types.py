"""Oracle's types as families and Arrow types, and how a value of each is read and written. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mapper_dask.dialects.oracle.names import folded
from mapper_dask.errors import PlanError
from mapper_dask.schema.facts import Column, TypeFamily

_F = TypeFamily

LARGEST_INTEGER = 18
"""Most digits that always fit a 64-bit integer."""

LARGEST_DECIMAL = 38
"""Digits an Arrow decimal128 holds; Oracle's own NUMBER keeps as many."""

NO_SCALE = -127
"""The driver's value for the scale of a number without one."""

MICROSECONDS, NANOSECONDS = 6, 9
"""Fractional digits of a second in Arrow's units."""

LARGE = frozenset({"CLOB", "NCLOB", "BLOB", "LONG", "LONG RAW", "JSON", "XMLTYPE"})
"""Types whose values the database neither orders nor hashes."""

NUMBER_TEXT = "TO_CHAR({0}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
"""A number as text, with a point whatever the session's is."""

TIMESTAMP_FORMAT = "'SYYYY-MM-DD HH24:MI:SS.FF9'"

_CHARACTER = frozenset({"VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR"})
_TEXT = frozenset({"CLOB", "NCLOB", "LONG", "ROWID", "UROWID"})
_BINARY = frozenset({"RAW", "BLOB", "LONG RAW"})
_AS_TEXT = frozenset({"JSON", "XMLTYPE"})

_RESULT_NAMES = {
    "VARCHAR": "VARCHAR2",
    "NVARCHAR": "NVARCHAR2",
    "LONG_RAW": "LONG RAW",
    "BINARY_INTEGER": "NUMBER",
    "INTERVAL_DS": "INTERVAL DAY TO SECOND",
    "INTERVAL_YM": "INTERVAL YEAR TO MONTH",
    "TIMESTAMP_TZ": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_LTZ": "TIMESTAMP WITH LOCAL TIME ZONE",
    "LONG_NVARCHAR": "LONG",
}
"""The driver's names of types that Oracle calls otherwise."""


@dataclass(frozen=True, slots=True)
class _Described:
    """What is known of a column, of a result or a table."""

    name: str
    kind: str
    """Type without its lengths."""
    precision: int | None
    scale: int | None
    length: int | None
    """Characters of a text."""


def column_of_result(info: Any) -> Column:
    """Return a result column as the driver describes it; raise PlanError for an unknown type."""
    kind = str(info.type_code.name).removeprefix("DB_TYPE_")
    kind = _RESULT_NAMES.get(kind, kind)
    unknown = kind == "NUMBER" and not info.precision  # a bare NUMBER, or an expression
    scale = None if unknown or info.scale == NO_SCALE else info.scale
    precision = None if unknown or scale is None else info.precision
    if kind.startswith("TIMESTAMP"):
        precision = MICROSECONDS if info.scale is None else info.scale
    return _column(
        _Described(folded(info.name), kind, precision, scale, info.display_size),
        not_null=info.null_ok is False,
    )


def column_of_table(
    name: str,
    data_type: str,
    precision: int | None,
    scale: int | None,
    char_length: int | None,
    *,
    nullable: bool,
    has_default: bool,
    generated: bool,
) -> Column:
    """Return a table's column as the dictionary has it; raise PlanError for an unknown type."""
    kind = re.sub(r"\(\d+\)", "", data_type)
    if kind == "NUMBER" and precision is None and scale is not None:
        precision = LARGEST_DECIMAL  # INTEGER
    if kind == "FLOAT":
        kind, precision, scale = "NUMBER", None, None
    if kind.startswith("TIMESTAMP"):
        digits = re.search(r"\((\d+)\)", data_type)
        precision = int(digits.group(1)) if digits else MICROSECONDS
    described = _Described(folded(name), kind, precision, scale, char_length)
    return _column(described, not_null=not nullable, has_default=has_default, generated=generated)


def _column(described: _Described, **facts: bool) -> Column:
    kind, precision, scale = described.kind, described.precision, described.scale
    common: dict[str, Any] = {"name": described.name, "native": True, **facts}
    if kind == "NUMBER":
        return _number(common, precision, scale)
    if kind == "DATE":
        return Column(
            type_name="DATE", family=_F.TIMESTAMP, arrow=pa.timestamp("s"), precision=0,
            key_type="date", **common,
        )  # fmt: skip
    if kind.startswith("TIMESTAMP"):
        return _timestamp(common, kind, MICROSECONDS if precision is None else precision)
    if kind in ("BINARY_FLOAT", "BINARY_DOUBLE"):
        arrow = pa.float32() if kind == "BINARY_FLOAT" else pa.float64()
        return Column(type_name=kind, family=_F.FLOAT, arrow=arrow, key_type="float", **common)
    if kind == "BOOLEAN":
        return Column(type_name=kind, family=_F.BOOLEAN, arrow=pa.bool_(), **common)
    return _other(common, kind, described.length)


def _number(common: dict[str, Any], precision: int | None, scale: int | None) -> Column:
    common = {**common, "key_type": "number", "digits": LARGEST_DECIMAL}
    if precision is None or scale is None:
        return Column(type_name="NUMBER", family=_F.DECIMAL, arrow=pa.string(), **common)
    shown = f"NUMBER({precision},{scale})" if scale else f"NUMBER({precision})"
    whole, fraction = max(precision, scale, precision - scale), max(scale, 0)
    if fraction == 0 and whole <= LARGEST_INTEGER:
        return Column(
            type_name=shown, family=_F.INTEGER, arrow=pa.int64(), precision=whole, scale=0,
            **common,
        )  # fmt: skip
    fits = whole <= LARGEST_DECIMAL
    return Column(
        type_name=shown,
        family=_F.DECIMAL,
        arrow=pa.decimal128(whole, fraction) if fits else pa.string(),
        precision=whole,
        scale=fraction,
        **common,
    )


def _timestamp(common: dict[str, Any], kind: str, precision: int) -> Column:
    zoned = kind != "TIMESTAMP"
    unit = "us" if precision <= MICROSECONDS else "ns"
    return Column(
        type_name=kind.replace("TIMESTAMP", f"TIMESTAMP({precision})"),
        family=_F.TIMESTAMP_TZ if zoned else _F.TIMESTAMP,
        arrow=pa.timestamp(unit, tz="UTC" if zoned else None),
        precision=precision,
        key_type="timestamptz" if zoned else "timestamp",
        **common,
    )


def _other(common: dict[str, Any], kind: str, length: int | None) -> Column:
    if kind in _CHARACTER:
        return Column(
            type_name=f"{kind}({length})", family=_F.TEXT, arrow=pa.string(), precision=length,
            key_type="text", empty_is_null=True, **common,
        )  # fmt: skip
    if kind in _TEXT:
        key = "text" if kind in ("ROWID", "UROWID") else ""
        return Column(
            type_name=kind, family=_F.TEXT, arrow=pa.string(), key_type=key, empty_is_null=True,
            **common,
        )  # fmt: skip
    if kind in _BINARY:
        key = "raw" if kind == "RAW" else ""
        return Column(
            type_name=kind, family=_F.BINARY, arrow=pa.binary(), key_type=key, empty_is_null=True,
            **common,
        )  # fmt: skip
    if kind in _AS_TEXT or kind.startswith("INTERVAL"):
        return Column(type_name=kind, family=_F.OTHER, arrow=pa.string(), **common)
    message = (
        f"column {common['name']!r} is of type {kind}, which is not read or written; "
        "convert it in the query, or leave it out"
    )
    raise PlanError(message, field="source_sql")


def select_expression(column: Column, reference: str) -> str:
    """Return the SQL that reads a column so that the driver can hand it over exactly."""
    if column.family is _F.DECIMAL and not column.typed:
        return NUMBER_TEXT.format(reference)
    if column.family is _F.TIMESTAMP_TZ:  # the driver drops a zone without converting
        reference = f"SYS_EXTRACT_UTC({reference})"
    if has_nanoseconds(column):
        return f"TO_CHAR({reference}, {TIMESTAMP_FORMAT})"
    forms = {
        "ROWID": "ROWIDTOCHAR({})",
        "JSON": "JSON_SERIALIZE({} RETURNING CLOB)",
        "XMLTYPE": "XMLSERIALIZE(CONTENT {} AS CLOB)",
    }
    if column.type_name.startswith("INTERVAL"):
        return f"TO_CHAR({reference})"
    return forms.get(column.type_name, "{}").format(reference)


def has_nanoseconds(column: Column) -> bool:
    """Return whether a column's times have more digits than the driver hands over either way."""
    times = (_F.TIMESTAMP, _F.TIMESTAMP_TZ)
    return column.family in times and (column.precision or 0) > MICROSECONDS


def insert_expression(  # noqa: PLR0911 - one line for each kind
    column: Column, bind: str, arrow: pa.DataType
) -> str:
    """Return the expression in VALUES for what arrives for a column."""
    text = pa.types.is_string(arrow)
    match column.family:
        case _F.DECIMAL | _F.INTEGER if text:
            return f"TO_NUMBER({bind})"
        case _F.FLOAT if text:
            return f"TO_{column.type_name}({bind})"
        case _F.TIMESTAMP_TZ if text:
            return f"FROM_TZ(TO_TIMESTAMP({bind}, {TIMESTAMP_FORMAT}), 'UTC')"
        case _F.TIMESTAMP_TZ:
            return f"FROM_TZ(CAST({bind} AS TIMESTAMP(9)), 'UTC')"
        case _F.TIMESTAMP if text and column.type_name == "DATE":
            # of a text with a fraction, too, which is rounded as a bound time is
            return f"CAST(TO_TIMESTAMP({bind}, {TIMESTAMP_FORMAT}) AS TIMESTAMP(0))"
        case _F.TIMESTAMP if text:
            return f"TO_TIMESTAMP({bind}, {TIMESTAMP_FORMAT})"
        case _F.OTHER if column.type_name.startswith("INTERVAL DAY"):
            return f"TO_DSINTERVAL({bind})"
        case _F.OTHER if column.type_name.startswith("INTERVAL YEAR"):
            return f"TO_YMINTERVAL({bind})"
    return bind


def ddl_type(column: Column) -> str:
    """Return a type that holds a column of another database."""
    precision, scale = column.precision, column.scale
    match column.family:
        case _F.DECIMAL if precision is not None and precision <= LARGEST_DECIMAL:
            return f"NUMBER({precision},{scale or 0})"
        case _F.TEXT if precision is not None and precision <= LARGEST_TEXT:
            return f"VARCHAR2({precision} CHAR)"
        case _F.FLOAT:
            return "BINARY_FLOAT" if column.arrow == pa.float32() else "BINARY_DOUBLE"
    return _HOLDING.get(column.family, "CLOB")


LARGEST_TEXT = 1000
"""Most characters that always fit 4,000 bytes."""

_HOLDING = {
    _F.BOOLEAN: "NUMBER(1)",
    _F.INTEGER: "NUMBER(19)",
    _F.DECIMAL: "NUMBER",
    _F.BINARY: "BLOB",
    _F.DATE: "DATE",
    _F.TIME: "VARCHAR2(20)",
    _F.TIMESTAMP: "TIMESTAMP(6)",
    _F.TIMESTAMP_TZ: "TIMESTAMP(6) WITH TIME ZONE",
}
