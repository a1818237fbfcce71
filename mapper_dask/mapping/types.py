"""The types a column mapping knows, by the names a job file writes. Pure."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "int16", "int32", "int64", "float32", "float64", "decimal", "text", "bool", "date",
    "timestamp", "timestamptz",
]  # fmt: skip

NAMES: dict[str, Kind] = {
    "int16": "int16",
    "smallint": "int16",
    "int32": "int32",
    "integer": "int32",
    "int64": "int64",
    "bigint": "int64",
    "float32": "float32",
    "float64": "float64",
    "text": "text",
    "string": "text",
    "bool": "bool",
    "boolean": "bool",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}
"""Every name and its type; ``decimal(p, s)`` is parsed."""

MOST_DIGITS = 38
"""Digits of a decimal: what Arrow's 128 bits and Oracle's NUMBER both hold."""

_DECIMAL = re.compile(r"(?:decimal|numeric)\s*\(\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?\)")


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type a column can be cast to."""

    kind: Kind
    """Which type."""
    precision: int = 0
    """Digits of a decimal."""
    scale: int = 0
    """Those behind its point."""


def type_named(text: str) -> ColumnType:
    """Return the type a name means.

    Raises
    ------
    ValueError
        Names the unknown type, and the nearest known one.
    """
    name = text.strip().lower()
    if name in NAMES:
        return ColumnType(NAMES[name])
    found = _DECIMAL.fullmatch(name)
    if found is None:
        raise ValueError(f"{text!r} is not known; {_hint(name)}")
    precision, scale = int(found[1]), int(found[2] or 0)
    if not 1 <= precision <= MOST_DIGITS or scale > precision:
        message = f"{text!r} needs 1 to {MOST_DIGITS} digits, and no more of them behind the point"
        raise ValueError(message)
    return ColumnType("decimal", precision, scale)


def _hint(name: str) -> str:
    if name in ("decimal", "numeric"):
        return "a decimal needs its digits, as in decimal(12, 2)"
    near = difflib.get_close_matches(name, NAMES, n=1)
    known = ", ".join(dict.fromkeys(NAMES.values()))
    return f"did you mean {near[0]!r}?" if near else f"known are {known}, decimal(p, s)"
