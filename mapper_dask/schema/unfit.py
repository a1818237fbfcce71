"""Unique keys of a target that cannot identify its rows, and how to mend them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mapper_dask.schema.facts import TargetTable

SHOWN = 3
"""Keys that a message lists; a table may have dozens."""

DEFERRABLE = "deferrable"

_WHY = {
    "computed": "is over an expression, and rows are found by their columns",
    "partial": "holds the rows of its WHERE alone",
    "overlaps": "is WITHOUT OVERLAPS: rows may be alike in all but the time",
    DEFERRABLE: "is DEFERRABLE: two rows may have one key until the transaction ends",
    "invalid": "is INVALID: it was not built to the end, and rows may have one key",
    "inherited": "says nothing of the rows of tables that inherit from this one",
}


@dataclass(frozen=True, slots=True)
class UnfitKey:
    """A unique key that cannot identify a row."""

    index: str
    columns: str
    """As SQL writes them."""
    names: tuple[str, ...]
    """As the library shows them; empty where one is an expression."""
    reason: str
    """A word: ``deferrable``, ``partial``, ``nullable``."""
    nullable: str
    """Columns of it that may be NULL."""
    remedy: str
    """Statements that make it, or another over the same columns, usable; empty without any."""

    def __str__(self) -> str:
        null = f"may be NULL in {self.nullable}, and no comparison finds a NULL"
        why = _WHY.get(self.reason, null)
        return f"{self.index} ({self.columns}) {why}"


def no_key(
    table: TargetTable,
    key: Sequence[str],
    why: str,
    unfit: Sequence[UnfitKey],
    quote: Callable[[str], str],
) -> str:
    """Return why a key cannot identify a target's rows, and the remedy.

    Parameters
    ----------
    key
        What was given, or the table's primary key; empty where there is neither.
    why
        What they must be found for.
    """
    given = f"({', '.join(key)})" if key else "is not given and the table has none; it"
    head = (
        f"primary_key {given} must be a unique key of {table.quoted} over NOT NULL columns: {why}"
    )
    unknown = [name for name in key if table.column(name) is None]
    if unknown:
        known = ", ".join(column.name for column in table.columns)
        return f"{head}. The table has no column {', '.join(unknown)} (it has {known})"
    if table.hazards.view:
        behind = f", {table.hazards.behind}" if table.hazards.behind else ""
        return (
            f"{head}, and a view has no key. Name the table behind it{behind}, by target_schema "
            "and target_table"
        )
    meant = [k for k in unfit if key and set(k.names) == set(key)]
    if meant:
        return f"{head}. There is one, which does not serve: {_listed(meant)}. {_mended(meant)}"
    if table.unique_keys:
        fitting = ", ".join(f"({', '.join(names)})" for names in table.unique_keys)
        return f"{head}. Unique keys there: {fitting}. Give one of them as primary_key"
    others = f" that serves: {_listed(unfit)}" if unfit else ""
    if key:
        return f"{head}. The table has no unique key{others}. {_make(table, key, quote)}"
    remedy = _mended(unfit)
    return f"{head}. It has no unique key{others}. {remedy}, and give its columns as primary_key"


def _listed(keys: Sequence[UnfitKey]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return "; ".join(str(k) for k in keys[:SHOWN]) + more


def _mended(keys: Sequence[UnfitKey]) -> str:
    """Return the statements that make the first mendable key usable."""
    found = next((k.remedy for k in keys if k.remedy), "")
    return f"Mend it by: {found}" if found else "Make one over columns by CREATE UNIQUE INDEX"


def _make(table: TargetTable, key: Sequence[str], quote: Callable[[str], str]) -> str:
    """Return the statement that makes a key of columns, NOT NULL first for a primary key."""
    columns = ", ".join(quote(name) for name in key)
    what = "UNIQUE" if table.primary_key else "PRIMARY KEY"
    open_ones = [c for name in key if (c := table.column(name)) is not None and not c.not_null]
    first = f"Make {', '.join(c.name for c in open_ones)} NOT NULL, and " if open_ones else ""
    first = first if table.primary_key else ""
    verb = "add" if first else "Add"
    return f"{first}{verb} it: ALTER TABLE {table.quoted} ADD {what} ({columns})"
