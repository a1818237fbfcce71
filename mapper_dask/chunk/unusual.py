"""Times of which some have no Arrow type, for a column of another kind of time. Pure.

An infinity, a year before Christ or after 9999 makes its whole column the database's own text. Into
a column of its own kind that text goes as it is; into another kind (a timestamp into a timestamptz)
every usual value goes as it does in any other chunk, and only the others by their texts.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.chunk.spelling import spelled
from mapper_dask.schema.facts import Column, TypeFamily

KINDS = (TypeFamily.DATE, TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ)
"""Kinds of times that go into each other."""

TIME_OF_DAY = "a timestamp has a time of day; cut it in the function with .dt.floor('D')"

_YEARS = r"(?:000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3})"
_YEARS_OF_NANOSECONDS = r"(?:167[89]|16[89]\d|1[7-9]\d\d|2[01]\d\d|22[0-5]\d|226[01])"
_REST = {
    TypeFamily.DATE: r"-\d\d-\d\d",
    TypeFamily.TIMESTAMP: r"-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?",
    TypeFamily.TIMESTAMP_TZ: r"-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00",
}
_TIME = re.compile(
    r"(?P<date>\d{4,}-\d\d-\d\d)(?P<clock> \d\d:\d\d:\d\d(?:\.\d+)?)?(?P<zone>\+00)?(?P<era> BC)?"
)
_INFINITE = ("infinity", "-infinity")


def go_into(source: Column, target: Column) -> bool:
    """Return whether a column's texts are times for a column of another kind of time."""
    return source.family in KINDS and target.family in KINDS and source.family != target.family


def usual(texts: pa.ChunkedArray, source: Column) -> pa.ChunkedArray:
    """Return the values that the source's Arrow type has, NULL in the place of others.

    Raises
    ------
    pyarrow.ArrowInvalid
        When one looks like a time and is none, such as the 30th of February.
    """
    arrow = source.arrow
    fine = pa.types.is_timestamp(arrow) and arrow.unit == "ns"
    years = _YEARS_OF_NANOSECONDS if fine else _YEARS
    has_type = pc.match_substring_regex(texts, f"^{years}{_REST[source.family]}$")
    known = pc.if_else(has_type, texts, None)
    if source.family is TypeFamily.DATE:
        return pc.cast(known, arrow)
    if source.family is TypeFamily.TIMESTAMP_TZ:
        known = pc.utf8_slice_codeunits(known, 0, -len("+00"))
    return pc.cast(pc.cast(known, pa.timestamp(arrow.unit)), arrow)


def completed(
    made: pa.ChunkedArray, texts: pa.ChunkedArray, source: Column, target: Column
) -> pa.ChunkedArray:
    """Return the usual values of a column as texts, with the others in their places.

    Parameters
    ----------
    made
        The usual values in the target's type, NULL in the place of others.

    Raises
    ------
    ValueError
        When a text is no time as the source writes one, or has a time of day that a date loses.
    """
    other = pc.and_(pc.is_null(made), pc.is_valid(texts)).combine_chunks()
    written = [_written(text, source, target) for text in texts.filter(other).to_pylist()]
    whole = spelled(made).combine_chunks()
    return pa.chunked_array([pc.replace_with_mask(whole, other, pa.array(written, pa.string()))])


def _written(text: str, source: Column, target: Column) -> str:
    """Return a time's text as one of the target's kind, in UTC."""
    if text in _INFINITE:
        return text
    found = _TIME.fullmatch(text)
    zoned, timed = source.family is TypeFamily.TIMESTAMP_TZ, source.family is not TypeFamily.DATE
    if found is None or bool(found["zone"]) != zoned or bool(found["clock"]) != timed:
        message = f"a text is no {source.type_name} as the source writes one"
        raise ValueError(message)
    clock, era = found["clock"] or " 00:00:00", found["era"] or ""
    if target.family is TypeFamily.DATE:
        if clock != " 00:00:00":
            raise ValueError(TIME_OF_DAY)
        return found["date"] + era
    zone = "+00" if target.family is TypeFamily.TIMESTAMP_TZ else ""
    return f"{found['date']}{clock}{zone}{era}"
