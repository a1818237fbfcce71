"""Texts of a ledger, made to fit the encoding of the database that keeps it, and read back. Pure.

A database of LATIN1 cannot hold ``∞``, which this library's own texts have, nor any other character
of a query, a row or a function's error that its encoding lacks. Such a character is kept as
``<U+221E>``, in a text and in JSON alike, for none of its signs means anything in either; and it is
read back as what it was. So a ledger's texts are whole whatever its encoding is, and a person who
looks into the tables can read them. What looks like that already has its first sign kept so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KEPT = re.compile(r"<U\+([0-9A-F]{2,6})>")
_LIKE_KEPT = re.compile(r"<(?=U\+[0-9A-F]{2,6}>)")

LEDGER = "ledger_"
"""Prefix of every ledger query: only these write the library's texts into a table."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """What the encoding of a ledger's database can hold."""

    codec: str | None
    """Python's name of it, or of a part of it; None: it holds every character."""
    without: frozenset[str] = frozenset()
    """Characters of the codec that the database does not have."""

    def fitted(self, value: Any) -> Any:
        """Return a value as the database can keep it; what is no text stays as it is."""
        if self.codec is None or not isinstance(value, str) or _is_plain(value):
            return value
        text = _LIKE_KEPT.sub("<U+3C>", value)
        if text.isascii() or (not self.without and self._holds(text)):
            return text
        return "".join(c if self._has(c) else f"<U+{ord(c):04X}>" for c in text)

    def restored(self, value: Any) -> Any:
        """Return what a value was before it was made to fit."""
        if self.codec is None or not isinstance(value, str):
            return value
        return _KEPT.sub(lambda kept: chr(int(kept[1], 16)), value)

    def params(self, values: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return a statement's values as the database can keep them."""
        if self.codec is None or values is None:
            return values
        return {name: self.fitted(value) for name, value in values.items()}

    def rows(self, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return rows of the ledger as they were before they were made to fit."""
        if self.codec is None:
            return found
        return [tuple(self.restored(value) for value in row) for row in found]

    def each(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return many statements' values as the database can keep them."""
        return rows if self.codec is None else [self.params(row) or {} for row in rows]

    def _has(self, character: str) -> bool:
        return character.isascii() or (character not in self.without and self._holds(character))

    def _holds(self, text: str) -> bool:
        try:
            text.encode(str(self.codec))
        except UnicodeEncodeError:
            return False
        return True


WHOLE = Fitting(None)
"""Of a database that holds every character."""


def _is_plain(text: str) -> bool:
    return text.isascii() and "<U+" not in text
