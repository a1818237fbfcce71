"""Arrow columns as the texts that PostgreSQL writes of the same values, in ISO and UTC. Pure.

Every value has one spelling, whatever the others are: a chunk with one value that has no Arrow type
is read as the database's own text, the next one is not.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.mapping.decimals import texts_of

FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""The years 1 to 9999, in days since 1970: those that are written with four digits and no era."""

DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}
"""A day in Arrow's units."""

SMALLEST = 1e-4
"""The least number that is written without a power of ten."""

LARGEST = {32: 1e6, 64: 1e15}
"""The least great number that is written with one, by the width of the float."""

MOST_DIGITS = 18
"""Digits that distinguish any float from all others, and one more."""

ALIKE = {32: 1e6, 64: 1e10}
"""The least great number that Arrow may write with one."""


def spelled(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values as texts."""
    kind = array.type
    write = next((write for is_of, write in _WRITERS if is_of(kind)), _plainly)
    return pa.chunked_array([write(chunk) for chunk in array.chunks], pa.string())


def _plainly(values: pa.Array) -> pa.Array:
    return pc.cast(values, pa.string())


def _timestamps(times: pa.Array) -> pa.Array:
    unit, zone = times.type.unit, "" if times.type.tz is None else "+00"
    if zone:  # in UTC, then without a word of it, of which Arrow makes a Z
        times = pc.cast(pc.cast(times, pa.timestamp(unit, "UTC")), pa.timestamp(unit))
    texts = _without_zeros(pc.cast(times, pa.string()), unit)
    texts = pc.binary_join_element_wise(texts, zone, "") if zone else texts
    if unit == "ns":  # which has the years 1677 to 2262 alone
        return texts
    day = DAY[unit]
    return _with_eras(times, texts, (FIRST_DAY * day, (LAST_DAY + 1) * day - 1), unit, zone)


def _dates(dates: pa.Array) -> pa.Array:
    days = pc.cast(dates, pa.date32())
    return _with_eras(days, pc.cast(days, pa.string()), (FIRST_DAY, LAST_DAY), "D", "")


def _times(times: pa.Array) -> pa.Array:
    return _without_zeros(pc.cast(times, pa.string()), times.type.unit)


def _without_zeros(texts: pa.Array, unit: str) -> pa.Array:
    """Return times without the zeros at the end of their fractions, which Arrow fills up."""
    if unit == "s":
        return texts
    return pc.ascii_rtrim(pc.ascii_rtrim(texts, "0"), ".")


def _with_eras(
    times: pa.Array, texts: pa.Array, usual: tuple[int, int], unit: Any, zone: str
) -> pa.Array:
    """Return texts with those of other years than 1 to 9999 as the database writes them."""
    numbers = times.cast(pa.int32() if unit == "D" else pa.int64())
    first, last = (pa.scalar(bound, pa.int64()) for bound in usual)
    other = pc.or_(pc.less(numbers, first), pc.greater(numbers, last)).fill_null(False)  # noqa: FBT003
    if not pc.any(other, min_count=0).as_py():
        return texts
    written = [
        _of_another_era(str(np.datetime64(number, unit)), zone)
        for number in numbers.filter(other).to_pylist()
    ]
    return pc.replace_with_mask(texts, other, pa.array(written, pa.string()))


def _of_another_era(iso: str, zone: str) -> str:
    """Return a time of ISO's; its year 0 is the year 1 before Christ."""
    years, month, rest = iso.rsplit("-", 2)
    year = int(years)
    day, _, clock = rest.partition("T")
    shown, era = (year, "") if year > 0 else (1 - year, " BC")
    clock = f" {clock.rstrip('0').rstrip('.') if '.' in clock else clock}{zone}" if clock else ""
    return f"{shown:04d}-{month}-{day}{clock}{era}"


def _floats(numbers: pa.Array) -> pa.Array:
    """Return floats by their fewest digits; Arrow has them, and its own rule for powers of ten."""
    if pa.types.is_float16(numbers.type):
        numbers = pc.cast(numbers, pa.float32())
    texts, bits = pc.cast(numbers, pa.string()), numbers.type.bit_width
    sizes = pc.abs(numbers)
    small = pc.and_(pc.less(sizes, pa.scalar(SMALLEST, numbers.type)), pc.greater(sizes, 0))
    great = pc.greater_equal(sizes, pa.scalar(ALIKE[bits], numbers.type))
    odd = pc.or_(pc.or_(small, great), pc.is_nan(numbers)).fill_null(False)  # noqa: FBT003
    if not pc.any(odd, min_count=0).as_py():
        return texts
    written = [_float(number, LARGEST[bits]) for number in numbers.filter(odd).to_numpy()]
    return pc.replace_with_mask(texts, odd, pa.array(written, pa.string()))


def _float(number: np.floating, largest: float) -> str:
    if np.isnan(number):
        return "NaN"
    if np.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number.dtype.type(SMALLEST) <= abs(number) < largest:
        return np.format_float_positional(number, trim="-")
    text = np.format_float_scientific(number, trim="-", exp_digits=2)
    return text if abs(number) < 1 or _is_within(text, number) else _longer(number)


def _is_within(text: str, number: np.floating) -> bool:
    """Return whether a text is nearer to a float than to any other.

    One that is halfway to the next is read back by its even last bit; PostgreSQL writes none such.
    """
    kind, exact = number.dtype.type, Decimal(float(number))
    far = 2 * abs(Decimal(text) - exact)
    with np.errstate(over="ignore"):  # behind the greatest float is the infinite one
        ends = [np.nextafter(number, kind(way)) for way in (-np.inf, np.inf)]
    return all(far < abs(Decimal(float(end)) - exact) for end in ends if np.isfinite(end))


def _longer(number: np.floating) -> str:
    """Return the text of fewest digits that is nearer to a float than to any other."""
    texts = (f"{number:.{digits}e}" for digits in range(1, MOST_DIGITS))
    return next(text for text in texts if _is_within(text, number))


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _times),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, texts_of),
)
