"""Whether a run that stopped may go on: its target as it was, its source in a state that fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mapper_dask.dialects.definition import COLUMN, TABLE
from mapper_dask.dialects.facts import TargetTable, TypeFamily
from mapper_dask.errors import FingerprintError
from mapper_dask.ledger_runs import StoredRun
from mapper_dask.run.preflight import Prepared

STORED = "target_columns"
"""What a stored plan holds of its target: the table's place, and each column's type and place."""


def target_as_stored(table: TargetTable) -> dict[str, Any]:
    """Return a JSON-ready mapping by which a run that goes on knows its target again."""
    places = {trait.name: trait.place for trait in table.definition if trait.kind == COLUMN}
    columns = [
        [column.name, column.type_name, column.family.value, places.get(column.name, "")]
        for column in table.columns
    ]
    return {"place": _place(table), "columns": columns}


def require_same_target(prepared: Prepared, stored: StoredRun) -> Prepared:
    """Refuse to go on into a target whose columns mean something else than when the run began.

    One that was widened, as to mend a value that did not fit, is noted.

    Raises
    ------
    FingerprintError
        Names the columns, how they were and how they are.
    """
    load, before = prepared.task.load, stored.plan.get(STORED)
    if load is None or not isinstance(before, Mapping):
        return prepared
    changes = list(_changes(before, load.table, staged=prepared.publication is not None))
    if faults := [text for text, harmless in changes if not harmless]:
        message = (
            f"run {stored.run_id!r} cannot go on: of target_table {load.table.quoted} "
            f"{'; '.join(faults)}. Undo that, or discard the run and begin another"
        )
        raise FingerprintError(message, field="target_table", run_id=stored.run_id)
    notes = [f"target_table: {text}" for text, _ in changes]
    plan = prepared.plan.evolve(warnings=(*prepared.plan.warnings, *notes))
    return replace(prepared, plan=plan) if notes else prepared


def _changes(
    before: Mapping[str, Any], table: TargetTable, *, staged: bool
) -> Iterable[tuple[str, bool]]:
    """Yield what differs, and whether rows may go on into it."""
    places = {trait.name: trait.place for trait in table.definition if trait.kind == COLUMN}
    same_table = before["place"] == _place(table)
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


def _columns(before: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    return [column for column in before["columns"] if len(column) == 4]  # noqa: PLR2004


def _place(table: TargetTable) -> str:
    return next((trait.place for trait in table.definition if trait.kind == TABLE), "")
