"""Values stored as JSON, read back as data and checked field by field. Pure.

Anyone who may write a ledger's tables, or a file of plans, decides what they hold. So each field is
checked to be a text, a number or a list of names, or refused by its name; none is run unchecked.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from mapper_dask.errors import ConfigurationError, LedgerError

SHOWN = 60
"""Characters that an error shows of a value that somebody else may have written."""

LARGEST = 2**63 - 1
"""A count of rows is a bigint at most."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A mapping that somebody else may have written."""

    data: Mapping[str, Any]
    where: str
    """What it was read from, for errors: ``the ledger's entry of run 'x'``."""
    path: str = ""
    """Which part of it this is: ``plan.job``."""
    error: type[ConfigurationError] = LedgerError
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the errors know beside the field."""

    def refuse(self, name: str, wanted: str) -> NoReturn:
        """Raise the error that a field is not what it must be."""
        place = f"{self.path}.{name}" if self.path else name
        found = "missing" if name not in self.data else shown(self.data[name])
        message = f"{self.where} cannot be used: its {place} must be {wanted}; it is {found}"
        raise self.error(message, **{**self.details, "field": place})

    def text(self, name: str) -> str:
        """Return a text that a database can hold."""
        value = self.data.get(name)
        if not is_text(value):
            self.refuse(name, "a text")
        return str(value)

    def text_or_none(self, name: str) -> str | None:
        """Return a text, or None where there is none; the field must be there."""
        return None if name in self.data and self.data[name] is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.data.get(name)
        if not isinstance(value, (list, tuple)) or not all(is_text(item) for item in value):
            self.refuse(name, "a list of texts")
        return tuple(value)

    def names(self, name: str) -> tuple[str, ...]:
        """Return a list of names, each once."""
        found = self.texts(name)
        if len(set(found)) != len(found) or "" in found:
            self.refuse(name, "a list of names, each once")
        return found

    def names_or_none(self, name: str) -> tuple[str, ...] | None:
        """Return a list of names, or None where there is none; the field must be there."""
        return None if name in self.data and self.data[name] is None else self.names(name)

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return a list of pairs of texts."""
        value = self.data.get(name)
        if not isinstance(value, (list, tuple)) or not all(_is_pair(item) for item in value):
            self.refuse(name, "a list of pairs of texts")
        return tuple((first, second) for first, second in value)

    def whole(self, name: str, least: int = 0) -> int:
        """Return a whole number within its bounds."""
        value = self.data.get(name)
        if not is_whole(value, least):
            self.refuse(name, f"a whole number of at least {least}")
        return operator.index(value)  # type: ignore[arg-type]

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self.data.get(name)
        if not isinstance(value, bool):
            self.refuse(name, "true or false")
        return value

    def one_of(self, name: str, known: Collection[str]) -> str:
        """Return one of some words."""
        value = self.data.get(name)
        if not isinstance(value, str) or value not in known:
            self.refuse(name, f"one of {', '.join(known)}")
        return value

    def part(self, name: str) -> Stored:
        """Return a mapping within it."""
        value = self.data.get(name)
        if not isinstance(value, Mapping):
            self.refuse(name, "a mapping")
        return replace(self, data=value, path=f"{self.path}.{name}" if self.path else name)


def of_ledger(run_id: str, values: Mapping[str, Any], path: str = "") -> Stored:
    """Return what a ledger holds of a run, or a part of it."""
    return Stored(values, f"the ledger's entry of run {run_id!r}", path, details={"run_id": run_id})


def parsed(run_id: str, name: str, text: object) -> Any:
    """Return what a JSON field of a run's entry holds; raise LedgerError where it is no JSON."""
    try:
        return json.loads(str(text))
    except (ValueError, RecursionError):
        of_ledger(run_id, {name: text}).refuse(name, "JSON")


def shown(value: object) -> str:
    """Return a value as an error shows it: short, and without what a terminal would obey."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def is_text(value: object) -> bool:
    """Return whether a value is Unicode without a NUL."""
    return (
        isinstance(value, str)
        and "\0" not in value
        and value == value.encode("utf-8", "replace").decode("utf-8")
    )


def is_whole(value: object, least: int = 0) -> bool:
    """Return whether a value is a whole number that a bigint holds, true and false being none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST


def _is_pair(value: object) -> bool:
    pair = 2
    return isinstance(value, Sequence) and len(value) == pair and all(is_text(v) for v in value)
