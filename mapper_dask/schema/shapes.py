"""The structure of types, and whether values mean the same in another type. Pure.

Two databases may each have a type of one name: their texts are read as each other's in silence,
fields swap places, numbers are rounded. So types that users made are one type only where their
definitions are, down to the types that the database itself has. A domain is what it is made of: its
constraints refuse a value, they change none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

BASE, ARRAY, ROW, ENUM, RANGE, MULTIRANGE = "base", "array", "row", "enum", "range", "multirange"

MONEY = "money"

_MODIFIER = re.compile(r"\((-?\d+)(?:,(-?\d+))?\)")
_WHOLE = ("smallint", "integer", "bigint")
_TEXTS = ("text", "character varying")
_EXACT_LENGTH = ("character", "bit", "interval")
"""Types whose limit is more than a maximum."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The structure of a type, by which the text of its values is read."""

    kind: str
    """``base``, ``array``, ``row``, ``enum``, ``range`` or ``multirange``."""
    name: str
    """As the database writes it, with its modifiers."""
    parts: tuple[tuple[str, Shape], ...] = ()
    """Fields of a row by their names; the one type that an array, a range is over."""
    labels: tuple[str, ...] = ()
    """Of an enum, in order."""
    form: str = ""
    """Settings on which the text depends: the collation of a range, how money is written."""
    made: bool = False
    """Whether users made it, or some part of it, or its text depends on a setting."""

    def __str__(self) -> str:
        match self.kind:
            case "row":
                fields = ", ".join(f"{name} {part.name}" for name, part in self.parts)
                return f"{self.name} ({fields})"
            case "enum":
                return f"{self.name} ({', '.join(map(repr, self.labels))})"
            case "range":
                collated = f" COLLATE {self.form}" if self.form else ""
                return f"{self.name} (range of {self.parts[0][1].name}{collated})"
            case "base" if self.form:
                return f"{self.name} (written {self.form})"
        return self.name


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between two types."""

    where: str
    """The field or element, as from the column; empty for the column's own type."""
    given: Shape
    taken: Shape
    note: str = ""
    """A note, where the difference is harmless; empty where values would change."""

    def refusal(self, column: str) -> str:
        """Return why a column is refused, and what to do."""
        of = f"{self.where} of " if self.where else ""
        return (
            f"{of}the source's type is {self.given}, the target's is {self.taken}; a value would "
            f"mean something else there. {_remedy(column, self)}"
        )


def _remedy(column: str, found: Difference) -> str:
    if found.given.form and found.given.kind == BASE:
        return (
            f"Select {column}::numeric and load a numeric column, or give both databases the same "
            "lc_monetary"
        )
    if found.given.kind == ENUM and not found.where:
        return (
            f"Add the labels there, or cast it in the query: {column}::text, of which the target "
            "refuses what is no label of its own"
        )
    return (
        "Make both types alike, or cast it in the query to what the target's type is made of, such "
        f"as a ROW of its fields in that order, or {column}::text for a column of text"
    )


def difference(given: Shape, taken: Shape) -> Difference | None:
    """Return how values of one type would change in another; None if they would not.

    Two types of which users made nothing are not compared: what they lose is known by their names.
    """
    if not (given.made or taken.made):
        return None
    return _between(given, taken, "")


def are_one(given: Shape | None, taken: Shape | None) -> bool:
    """Return whether two types are compared by structure, and do not differ."""
    if given is None or taken is None or BASE in (given.kind, taken.kind):
        return False
    return (given.made or taken.made) and _between(given, taken, "") is None


def _between(given: Shape, taken: Shape, where: str) -> Difference | None:
    given, taken = _opened(given, taken), _opened(taken, given)
    if given.kind != taken.kind:
        return Difference(where, given, taken)
    match given.kind:
        case "row":
            return _between_rows(given, taken, where)
        case "enum":
            return _between_enums(given, taken, where)
        case "base":
            return (
                None if _fits(given, taken, nested=bool(where)) else Difference(where, given, taken)
            )
    if given.form != taken.form:
        return Difference(where, given, taken)
    inner = {ARRAY: "an element"}.get(given.kind, "a bound")
    return _between(given.parts[0][1], taken.parts[0][1], f"{where}, {inner}" if where else inner)


def _opened(shape: Shape, other: Shape) -> Shape:
    """Return an array of the database's own as one, where it meets another array."""
    if shape.kind == BASE and other.kind == ARRAY and shape.name.endswith("[]"):
        element = replace(shape, name=shape.name.removesuffix("[]"))
        return Shape(ARRAY, shape.name, (("", element),))
    return shape


def _between_rows(given: Shape, taken: Shape, where: str) -> Difference | None:
    if [name for name, _ in given.parts] != [name for name, _ in taken.parts]:
        return Difference(where, given, taken)
    notes = []
    for (name, one), (_, other) in zip(given.parts, taken.parts, strict=True):
        field = f"{where}, field {name}" if where else f"field {name}"
        found = _between(one, other, field)
        if found is not None and not found.note:
            return found
        notes += [found] if found is not None else []
    return notes[0] if notes else None


def _between_enums(given: Shape, taken: Shape, where: str) -> Difference | None:
    """Compare labels: those of the source must exist, in the same order to sort alike."""
    common = [label for label in taken.labels if label in given.labels]
    if len(common) < len(given.labels):
        return Difference(where, given, taken)
    if common != list(given.labels):
        of = f"{where} of " if where else ""
        note = f"{of}the labels of {taken.name} are in another order, so it sorts otherwise"
        return Difference(where, given, taken, note)
    return None


def _fits(given: Shape, taken: Shape, *, nested: bool) -> bool:
    """Return whether every value of a type without parts is one of another, or refused there."""
    if given.name == taken.name:
        return given.form == taken.form
    return not nested or _takes(given, taken)  # others are compared by name elsewhere


def _takes(given: Shape, taken: Shape) -> bool:
    """Return whether a nested type holds all values of another."""
    (one, limits), (other, bounds) = _parted(given.name), _parted(taken.name)
    if one in _WHOLE:
        return taken.name in (*_WHOLE[_WHOLE.index(one) :], "numeric")
    if taken.name in _TEXTS:
        return True
    if one != other or one in _EXACT_LENGTH:
        return _unqualified(one) == _unqualified(other) and limits == bounds and given.made
    return not bounds or (bool(limits) and _within(limits, bounds))


def _within(limits: tuple[int, ...], bounds: tuple[int, ...]) -> bool:
    """Return whether digits and decimals, or a length, fit."""
    if len(limits) == len(bounds) == 1:
        return limits[0] <= bounds[0]
    (digits, decimals), (more, finer) = (*limits, 0)[:2], (*bounds, 0)[:2]
    return decimals <= finer and digits - decimals <= more - finer


def _parted(name: str) -> tuple[str, tuple[int, ...]]:
    """Return a type without its modifiers, and those."""
    match = _MODIFIER.search(name)
    if match is None:
        return name, ()
    limits = tuple(int(number) for number in match.groups() if number is not None)
    return _MODIFIER.sub("", name, count=1), limits


def _unqualified(name: str) -> str:
    """Return a type's own name: the search paths of two databases need not be alike."""
    return name.rpartition(".")[2]
