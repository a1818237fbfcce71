"""Decimals as a database writes them: each with its own digits, and never as a power of ten. Pure.

Arrow gives a column one scale, and writes small numbers as ``1E-8``; Python does so, too.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

MOST_DIGITS = 131_072 + 16_383
"""Digits a number is written with: those before and behind the point that PostgreSQL keeps."""


def written(number: Decimal) -> str:
    """Return a number as PostgreSQL writes it as text: its digits, and a zero without a sign.

    Raises
    ------
    ValueError
        When it has more digits than a database holds.
    """
    if number.is_nan():
        return "NaN"
    if number.is_infinite():
        return "Infinity" if number > 0 else "-Infinity"
    if abs(number.adjusted()) + len(number.as_tuple().digits) > MOST_DIGITS:
        message = f"a number has more than {MOST_DIGITS:,} digits"
        raise ValueError(message)
    return format(number or abs(number), "f")


def texts_of(decimals: Any) -> Any:
    """Return Arrow decimals (an array, or one in chunks) as texts of all their digits."""
    if isinstance(decimals, pa.ChunkedArray):
        return pa.chunked_array([texts_of(chunk) for chunk in decimals.chunks], pa.string())
    texts = pc.cast(decimals, pa.string())
    powers = pc.fill_null(pc.match_substring(texts, "E"), fill_value=False)
    if not pc.any(powers, min_count=0).as_py():
        return texts
    plain = [format(number, "f") for number in decimals.filter(powers).to_pylist()]
    return pc.replace_with_mask(texts, powers, pa.array(plain, pa.string()))
