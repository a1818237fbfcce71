"""The definitions of tables and types that a plan relies on, and how they differ later. Pure.

Bytes of one type are read as another's in silence, so nobody notices by the values that a column
was altered, a label of an enum renamed or a partition attached while the chunks are on their way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 3
"""Differences that a message lists."""

TABLE, COLUMN, VIEW, PARTITIONS, TYPE = "table", "column", "view", "partitions", "type"
HOOK = "hook"
"""A trigger or a rule, which may drop or delete rows."""


@dataclass(frozen=True, slots=True)
class Trait:
    """One part of a definition that a run relies on."""

    kind: str
    """``table``, ``column``, ``view``, ``partitions``, ``type`` or ``hook``."""
    of: str
    """The table or view it belongs to; empty for a type."""
    name: str
    """The name of the column, type or hook; empty for a relation."""
    text: str
    """Its definition, for messages."""
    mark: str = ""
    """Distinguishes definitions that have the same text."""
    place: str = ""
    """Its number in the catalogue: another object may have the same name and definition."""

    @property
    def called(self) -> str:
        """Its name in messages."""
        match self.kind:
            case "column":
                return f"column {self.name!r} of {self.of}"
            case "type":
                return f"type {self.name}"
            case "hook":
                return f"{self.name} of {self.of}"
            case "partitions":
                return f"the set of partitions of {self.of}"
            case "view":
                return f"the query of view {self.of}"
        return f"table {self.of}"


Definition = tuple[Trait, ...]


@dataclass(frozen=True, slots=True)
class Relied:
    """The objects that a query reads, and their definition when it was planned."""

    relations: tuple[int, ...]
    """Numbers of the tables and views, except children of others among them."""
    types: tuple[int, ...]
    """Numbers of its result's types that are not built in."""
    definition: Definition
    foreign: tuple[str, ...] = field(default=())
    """Tables among them whose rows are elsewhere, where no snapshot holds them."""


def difference(planned: Definition, now: Definition) -> str:
    """Return the differences as a text; empty without any."""
    if planned == now:
        return ""
    before, after = _by_name(planned), _by_name(now)
    gone, new = _without(before, after), _without(after, before)
    changes = [f"{trait.called} is gone" for trait in gone]
    changes += [f"{trait.called} is new" for trait in new]
    changes += [_change(before[key], after[key]) for key in before if key in after]
    return _listed(changes)


def target_difference(planned: Definition, now: Definition) -> str:
    """Return the differences of a target table; added columns do not count."""
    if planned == now:
        return ""
    known = {trait.name for trait in planned if trait.kind == COLUMN}
    kept = tuple(trait for trait in now if trait.kind != COLUMN or trait.name in known)
    return difference(planned, kept)


def staging_difference(planned: Definition, now: Definition) -> str:
    """Return the differences between the types of a staging table and of its target."""
    before = {trait.name: trait for trait in planned if trait.kind == COLUMN}
    after = [trait for trait in now if trait.kind == COLUMN]
    changes = [
        _change(of_target, trait, placed=False)
        for trait in after
        if (of_target := before.get(trait.name)) is not None
    ]
    kinds = {trait.name: trait for trait in now if trait.kind == TYPE}
    changes += [
        _change(trait, kinds[trait.name])
        for trait in planned
        if trait.kind == TYPE and trait.name in kinds
    ]
    return _listed(changes)


def _by_name(definition: Definition) -> dict[tuple[str, str, str], Trait]:
    return {(trait.kind, trait.of, trait.name): trait for trait in definition}


def _without(
    these: dict[tuple[str, str, str], Trait], others: dict[tuple[str, str, str], Trait]
) -> list[Trait]:
    """Return those missing from the others; of a missing table only the table itself."""
    lone = [trait for key, trait in these.items() if key not in others]
    tables = {trait.of for trait in lone if trait.kind == TABLE}
    return [trait for trait in lone if trait.kind == TABLE or trait.of not in tables]


def _change(planned: Trait, now: Trait, *, placed: bool = True) -> str:
    if planned.text != now.text:
        return f"{planned.called} was {planned.text}, now it is {now.text}"
    if planned.mark != now.mark:
        return f"{planned.called} was altered"
    if placed and planned.place != now.place:
        return f"{planned.called} is another one of the same name"
    return ""


def _listed(changes: Iterable[str]) -> str:
    found = [change for change in changes if change]
    more = len(found) - SHOWN
    return "; ".join([*found[:SHOWN], *([f"and {more} more"] if more > 0 else [])])
