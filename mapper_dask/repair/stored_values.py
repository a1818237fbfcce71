"""Converts rejected rows from JSON back to Arrow columns; exactly, or not at all. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import simplejson

from mapper_dask.ledger.rejects import plain_value
from mapper_dask.schema.facts import Column, TypeFamily

REPLACED = "\ufffd"
"""Replaces a NUL in a stored text, so that a text with it may be another than the row's."""

_TIMES = (TypeFamily.DATE, TypeFamily.TIME, TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ)


class InexactError(ValueError):
    """A stored value may differ from the row's."""


def rows_as(
    columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], *, loading: bool
) -> tuple[pa.Table, dict[int, str]]:
    """Return stored rows as a table, and the reasons why others cannot be restored exactly.

    Parameters
    ----------
    columns
        Columns of the table; each row has a value for each.
    rows
        As ``RunTables.rejects`` reads them: numbers are int or Decimal.
    loading
        Whether the table is loaded as it is: then decimals are texts, which the database parses
        with all their digits. Else each column has its own Arrow type.
    """
    kept, refused = [], {}
    for place, row in enumerate(rows):
        try:
            kept.append([_value(column, row[column.name], loading=loading) for column in columns])
        except InexactError as error:
            refused[place] = str(error)
    arrays = [
        pa.array(values, _arrow(column, loading=loading))
        for column, values in zip(columns, _transposed(kept, len(columns)), strict=True)
    ]
    return pa.table(arrays, names=[column.name for column in columns]), refused


def _transposed(rows: list[list[Any]], width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]


def _arrow(column: Column, *, loading: bool) -> pa.DataType:
    as_text = column.family is TypeFamily.DECIMAL and loading
    return pa.string() if as_text else column.arrow


def _value(column: Column, stored: Any, *, loading: bool) -> Any:
    if stored is None:
        return None
    read: Callable[[Column, Any], Any] = _READERS.get(column.family, _text)
    try:
        made = read(column, stored)
        if column.family is TypeFamily.DECIMAL:
            return str(made) if loading or not column.typed else _scalar(made, column)
        return made if column.family in _TIMES else _scalar(made, column)
    except InexactError as error:
        message = f"column {column.name!r}: {error}"
    except (pa.ArrowException, ValueError, TypeError, ArithmeticError) as error:
        message = f"column {column.name!r}: a value does not fit {column.type_name}: {error}"
    raise InexactError(message)


def _scalar(made: Any, column: Column) -> Any:
    """Return a value converted to its column's Arrow type.

    Raises
    ------
    InexactError
        When that changes the value.
    """
    held = pa.array([made], column.arrow)[0].as_py()
    if not _same(plain_value(held), plain_value(made)):
        message = f"the stored value does not come back exactly as {column.type_name}"
        raise InexactError(message)
    return held


def _same(held: Any, stored: Any) -> bool:
    return bool(held == stored) or str(held) == str(stored)


def _number(_: Column, stored: Any) -> Decimal | str:
    if isinstance(stored, (int, Decimal)) and not isinstance(stored, bool):
        return Decimal(stored)
    if isinstance(stored, str):  # of a type whose values travel as the database's own text
        Decimal(stored)
        return stored
    raise InexactError(_kind(stored, "a number"))


def _integer(_: Column, stored: Any) -> int:
    if isinstance(stored, bool) or not isinstance(stored, (int, Decimal)):
        raise InexactError(_kind(stored, "an integer"))
    if stored != int(stored):
        message = f"{stored} is not an integer"
        raise InexactError(message)
    return int(stored)


def _float(_: Column, stored: Any) -> float:
    if isinstance(stored, bool) or not isinstance(stored, (int, Decimal, str)):
        raise InexactError(_kind(stored, "a number"))
    return float(stored)


def _boolean(_: Column, stored: Any) -> bool:
    if not isinstance(stored, bool):
        raise InexactError(_kind(stored, "true or false"))
    return stored


def _bytes(_: Column, stored: Any) -> bytes:
    if not isinstance(stored, str) or not stored.startswith("\\x"):
        raise InexactError(_kind(stored, "bytes"))
    return bytes.fromhex(stored[2:])


def _time(column: Column, stored: Any) -> Any:
    if not isinstance(stored, str):
        raise InexactError(_kind(stored, "a time"))
    if column.family is TypeFamily.TIME:
        made = pa.scalar(dt.time.fromisoformat(stored), column.arrow)
    else:
        made = pa.array([stored]).cast(column.arrow)[0]
    written = plain_value(made.as_py())
    if _bare(written) != _bare(stored):
        message = f"the stored time does not come back exactly as {column.type_name}"
        raise InexactError(message)
    return made.as_py()


def _bare(time: str) -> str:
    """Return a time without the parts in which two spellings of it may differ."""
    text = time.replace("T", " ").removesuffix("Z").removesuffix("+00:00")
    whole, point, digits = text.partition(".")
    day = whole.removesuffix(" 00:00:00") if not digits.strip("0") else whole
    return f"{day}{point}{digits}".rstrip("0").rstrip(".") if point else day


def _text(column: Column, stored: Any) -> str:
    if isinstance(stored, (dict, list)) and column.type_name in ("json", "jsonb", "JSON"):
        return str(simplejson.dumps(stored, use_decimal=True, ensure_ascii=False))
    if not isinstance(stored, str):
        raise InexactError(_kind(stored, "a text"))
    if REPLACED in stored:
        message = "a text holds U+FFFD, which may stand for a character that JSON could not keep"
        raise InexactError(message)
    return stored


def _kind(stored: Any, wanted: str) -> str:
    return f"the stored value is {type(stored).__name__}, not {wanted}"


_READERS: dict[TypeFamily, Callable[[Column, Any], Any]] = {
    TypeFamily.BOOLEAN: _boolean,
    TypeFamily.INTEGER: _integer,
    TypeFamily.DECIMAL: _number,
    TypeFamily.FLOAT: _float,
    TypeFamily.BINARY: _bytes,
    **dict.fromkeys(_TIMES, _time),
}
