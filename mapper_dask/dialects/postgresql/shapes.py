"""What the types of columns are made of, as the catalogue has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mapper_dask.dialects.postgresql.types import FIRST_MADE
from mapper_dask.schema.facts import Column, TypeFamily
from mapper_dask.schema.shapes import ARRAY, BASE, ENUM, MONEY, MULTIRANGE, RANGE, ROW, Shape

Run = Callable[..., list[tuple[Any, ...]]]
"""Runs a named query of ``sql/postgresql`` on a connection."""

_KINDS = {"a": ARRAY, "c": ROW, "e": ENUM, "r": RANGE, "m": MULTIRANGE}
"""``pg_type.typtype``; ``a`` is the query's own."""

_DOMAIN, _ANY_ROW = "d", "record"

_RANGES = ("range", "multirange")


@dataclass(frozen=True, slots=True)
class _Type:
    """A type, by the catalogue's number."""

    kind: str
    name: str
    made: bool
    labels: tuple[str, ...]
    parts: tuple[tuple[str, int, str, str], ...]
    """Name, number, name with modifiers, and collation of each."""


def with_shapes(run: Run, columns: Sequence[Column], type_ids: Sequence[int]) -> tuple[Column, ...]:
    """Return columns with what their types are made of, where the name does not say it.

    Parameters
    ----------
    type_ids
        The catalogue's number of each column's type; a domain's is that of what it is made of.
    """
    asked = sorted({n for c, n in zip(columns, type_ids, strict=True) if _is_made_of(c, n)})
    types = _types(run("type_shapes", {"types": asked})) if asked else {}
    shaped = [
        replace(column, shape=_shape(types, number, column.type_name))
        if column.family is TypeFamily.OTHER
        else column
        for column, number in zip(columns, type_ids, strict=True)
    ]
    if any(column.shape is not None and _holds_money(column.shape) for column in shaped):
        [(text, unit)] = run("money_form")
        form = f"{text}, in units of 1/{int(unit, 16)}"
        shaped = [
            column if column.shape is None else replace(column, shape=_formed(column.shape, form))
            for column in shaped
        ]
    return tuple(shaped)


def _is_made_of(column: Column, type_id: int) -> bool:
    """Return whether a type has parts to be looked up in the catalogue."""
    if column.family is not TypeFamily.OTHER:
        return False
    bare = column.type_name.removesuffix("[]")
    return type_id >= FIRST_MADE or not column.native or bare.endswith(_RANGES)


def _types(rows: Sequence[tuple[Any, ...]]) -> dict[int, _Type]:
    found: dict[int, _Type] = {}
    parts: dict[int, list[tuple[str, int, str, str]]] = defaultdict(list)
    for number, kind, name, made, labels, part, part_id, _, shown, collation in rows:
        found[number] = _Type(kind, name, bool(made), tuple(labels), ())
        if part_id is not None:
            parts[number].append((part, part_id, shown, collation))
    return {number: replace(kind, parts=tuple(parts[number])) for number, kind in found.items()}


def _shape(types: Mapping[int, _Type], number: int, shown: str) -> Shape | None:
    """Return a type's shape; None of ``record``, of which nothing is known but its rows."""
    found = types.get(number)
    if shown.removesuffix("[]") == _ANY_ROW:
        return None
    if found is None:
        return Shape(BASE, shown, made=shown.removesuffix("[]") == MONEY)
    if found.kind == _DOMAIN:
        [(_, base, base_shown, _)] = found.parts
        return _shape(types, base, base_shown)
    if found.kind == "a":  # an array has the modifiers of its elements
        found = replace(found, parts=(("", found.parts[0][1], shown.removesuffix("[]"), ""),))
    inner = tuple((name, _shape(types, part, text)) for name, part, text, _ in found.parts)
    parts = tuple((name, shape) for name, shape in inner if shape is not None)
    kind = _KINDS.get(found.kind, BASE)
    return Shape(
        kind,
        shown,
        parts,
        found.labels,
        found.parts[0][3] if kind == RANGE else "",
        found.made or kind == ROW or any(part.made for _, part in parts) or found.name == MONEY,
    )


def _holds_money(shape: Shape) -> bool:
    return shape.name.removesuffix("[]") == MONEY or any(_holds_money(p) for _, p in shape.parts)


def _formed(shape: Shape, form: str) -> Shape:
    """Return a shape whose money says how it is written."""
    if shape.kind == BASE and shape.name.removesuffix("[]") == MONEY:
        return replace(shape, form=form)
    return replace(shape, parts=tuple((name, _formed(part, form)) for name, part in shape.parts))
