"""Measures the values of a column where the type alone does not show whether they fit. Pure.

The plan compares types; a chunk has the values. They are measured by Arrow kernels, a million in a
tenth of a second, and only where such a type could lose something in that column.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.schema.conversions import Incoming
from mapper_dask.schema.facts import Column, TypeFamily

TIMES = (TypeFamily.TIME, TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ)

NO_PLACE = -1000
"""Places after the point that NaN and zero need: fewer than any column has."""

LONGEST_NAME = 63
"""Bytes PostgreSQL keeps of a ``name``; it silently truncates the others."""

LAST_ASCII = 0x7F
"""The greatest byte of a text whose characters are one byte each."""

_PADDED = re.compile(r"(character|n?char)\(", re.IGNORECASE)
_UNIT_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def is_text(arrow: pa.DataType) -> bool:
    """Return whether an Arrow type is text, of whichever layout."""
    return bool(
        pa.types.is_string(arrow)
        or pa.types.is_large_string(arrow)
        or pa.types.is_string_view(arrow)
    )


def measured(values: pa.ChunkedArray, incoming: Incoming) -> Incoming:
    """Return the incoming type with the digits that its values need, not those it may have."""
    if incoming.family is TypeFamily.DECIMAL and is_text(values.type):
        return replace(incoming, scale=decimals(values), digits=significant_digits(values))
    if incoming.family not in TIMES:
        return incoming
    if is_text(values.type):
        return replace(incoming, precision=_digits_as_text(values))
    return replace(incoming, precision=_digits_of_times(values))


def decimals(numbers: pa.ChunkedArray) -> int:
    """Return the places after the point some number needs; negative: all end in zeros."""
    powers = pc.match_substring(numbers, "e", ignore_case=True)
    if not pc.any(powers).as_py():
        return _plain_decimals(numbers)
    written = numbers.filter(powers).unique().to_pylist()
    return max(_plain_decimals(numbers.filter(pc.invert(powers))), *map(_decimals_of, written))


def _plain_decimals(numbers: pa.ChunkedArray) -> int:
    fractions = pc.ascii_rtrim(pc.replace_substring_regex(numbers, r"^[^.]*\.?", ""), "0")
    most = pc.max(pc.binary_length(fractions)).as_py()
    if most:
        return int(most)
    whole = pc.replace_substring_regex(numbers, r"\..*$", "")
    stems = pc.ascii_rtrim(whole, "0")
    zeros = pc.subtract(pc.binary_length(whole), pc.binary_length(stems))
    fewest = pc.min(zeros.filter(pc.match_substring_regex(stems, "[1-9]$"))).as_py()
    return NO_PLACE if fewest is None else -int(fewest)


def _decimals_of(text: str) -> int:
    """Return the places of one number that is written with a power of ten."""
    with contextlib.suppress(InvalidOperation):  # no number: the database will say so
        number = Decimal(text).as_tuple()
        digits = "".join(map(str, number.digits))
        if digits.strip("0") and isinstance(number.exponent, int):
            return -number.exponent - (len(digits) - len(digits.rstrip("0")))
    return NO_PLACE


def significant_digits(numbers: pa.ChunkedArray) -> int:
    """Return the significant digits of the number that has most."""
    bare = pc.replace_substring_regex(numbers, r"^[-+]?[0.]*|\.|[eE].*$", "")
    return int(pc.max(pc.binary_length(pc.ascii_rtrim(bare, "0"))).as_py() or 0)


def _digits_as_text(times: pa.ChunkedArray) -> int:
    digits = pc.replace_substring_regex(times.cast(pa.string()), r"^[^.]*\.?(\d*).*$", r"\1")
    return int(pc.max(pc.binary_length(pc.ascii_rtrim(digits, "0"))).as_py() or 0)


def _digits_of_times(times: pa.ChunkedArray) -> int:
    digits, step = _UNIT_DIGITS[times.type.unit], 10
    whole = times.cast(pa.int32()) if pa.types.is_time32(times.type) else times
    whole = whole.cast(pa.int64())
    while digits and _are_multiples(whole, step):
        digits, step = digits - 1, step * 10
    return digits


def _are_multiples(numbers: pa.ChunkedArray, of: int) -> bool:
    return bool(pc.all(pc.equal(pc.multiply(pc.divide(numbers, of), of), numbers)).as_py())


def text_loss(texts: pa.ChunkedArray, target: Column) -> str | None:
    """Return what a type of text silently truncates or adds."""
    if target.family is not TypeFamily.TEXT:
        return None
    if target.type_name == "name":
        return "cut to 63 bytes" if _longest(texts) > LONGEST_NAME else None
    if target.precision is None:
        return None
    padded = _PADDED.match(target.type_name) is not None
    if not padded and _longest(texts) <= target.precision:
        return None  # a count of bytes is quick, and no text has more characters
    if padded and _all_have(texts, target.precision):
        return None
    lengths = pc.utf8_length(texts)
    other = (pc.not_equal if padded else pc.greater)(lengths, target.precision)
    lost = pc.any(pc.and_(other, pc.ends_with(texts, " "))).as_py()
    return "trailing blanks are not kept" if lost else None


def _all_have(texts: pa.ChunkedArray, characters: int) -> bool:
    """Return whether all texts are known to have so many characters, from counts of bytes alone."""
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    same = lengths["min"] == lengths["max"] == characters
    return same and byte_range(texts)[1] <= LAST_ASCII


def byte_range(texts: pa.ChunkedArray) -> tuple[int, int]:
    """Return the least and the greatest byte of texts, and of what they may be slices of."""
    buffers = [buffer for chunk in texts.chunks if (buffer := chunk.buffers()[2])]
    numbers = [pa.Array.from_buffers(pa.uint8(), len(b), [None, b]) for b in buffers]
    ranges = [pc.min_max(each).as_py() for each in numbers]
    least = min((each["min"] for each in ranges), default=LAST_ASCII)
    return least, max((each["max"] for each in ranges), default=0)


def _longest(texts: pa.ChunkedArray) -> int:
    return int(pc.max(pc.binary_length(texts)).as_py() or 0)
