"""Checks that a resumed run's target is still the one it began with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from mapper_dask.errors import FingerprintError
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.preflight.checks import Prepared
from mapper_dask.schema.definition import COLUMN, TABLE
from mapper_dask.schema.facts import TargetTable, TypeFamily
from mapper_dask.stored import Stored, is_text, of_ledger

STORED = "target_columns"
"""Field of a stored plan for its target: the table's place, and each column's type and place."""


def target_as_stored(table: TargetTable) -> dict[str, Any]:
    """Return a JSON-ready mapping by which a resumed run recognizes its target."""
    places = {trait.name: trait.place for trait in table.definition if trait.kind == COLUMN}
    columns = [
        [column.name, column.type_name, column.family.value, places.get(column.name, "")]
        for column in table.columns
    ]
    return {"place": _place(table), "columns": columns}


def require_same_target(prepared: Prepared, stored: StoredRun) -> Prepared:
    """Refuse to resume a run if its target's columns have another meaning than at its begin.

    A column that was widened, as to fit a refused value, is only noted.

    Raises
    ------
    FingerprintError
        Names the columns with both types.
    """
    load = prepared.task.load
    if load is None:
        return prepared
    notes = require_same_table(load.table, stored, staged=prepared.publication is not None)
    plan = prepared.plan.evolve(warnings=(*prepared.plan.warnings, *notes))
    return replace(prepared, plan=plan) if notes else prepared


def require_same_table(table: TargetTable, stored: StoredRun, *, staged: bool) -> list[str]:
    """Refuse a table if its columns have another meaning; return notes of widened ones.

    Raises
    ------
    FingerprintError
        As ``require_same_target``.
    """
    if stored.plan.target_columns is None:
        return []
    kept = {STORED: stored.plan.target_columns}
    before = of_ledger(stored.run_id, kept, "plan").part(STORED)
    changes = list(_changes(before, table, staged=staged))
    if faults := [text for text, harmless in changes if not harmless]:
        message = (
            f"run {stored.run_id!r} cannot go on: of target_table {table.quoted} "
            f"{'; '.join(faults)}. Undo that, or discard the run and begin another"
        )
        raise FingerprintError(message, field="target_table", run_id=stored.run_id)
    return [f"target_table: {text}" for text, _ in changes]


def _changes(before: Stored, table: TargetTable, *, staged: bool) -> Iterable[tuple[str, bool]]:
    """Yield each difference, and whether rows may be loaded nevertheless."""
    places = {trait.name: trait.place for trait in table.definition if trait.kind == COLUMN}
    same_table = before.text("place") == _place(table)
    for name, type_name, family, place in _columns(before):
        column = table.column(name)
        if column is None:
            yield f"column {name!r} is gone", False
        elif column.type_name != type_name:
            widened = column.family.value == family != TypeFamily.OTHER.value and not staged
            was = f"column {name!r} was {type_name} when the run began"
            yield f"{was}, now it is {column.type_name}", widened
        elif same_table and places.get(name) != place:
            yield f"column {name!r} is another one of that name", False


def _columns(before: Stored) -> Sequence[Sequence[str]]:
    columns = before.data.get("columns")
    wanted = "a list of columns, each with its name, type, family and place"
    if not isinstance(columns, list):
        before.refuse("columns", wanted)
    for column in columns:
        if not (isinstance(column, list) and len(column) == 4 and all(map(is_text, column))):  # noqa: PLR2004
            before.refuse("columns", wanted)
    return columns


def _place(table: TargetTable) -> str:
    return next((trait.place for trait in table.definition if trait.kind == TABLE), "")
