"""Aliases that the library uses in its own statements; all of them are made here. Pure.

A statement of ours contains names of others: the columns of a query or a table, the table's own
name. Two rules prevent conflicts with these, on every database:

- A *table expression* of ours (``q``, ``s``, ``t``, ``x`` …) is only ever used as a qualifier:
  ``q."column"``, or ``q.*`` for the whole row. A qualifier is looked up among the tables of the
  statement first, so no column can hide it. It is never used alone: ``q::text`` would refer to
  a user's column q.
- A *column* that we add to the user's has a name chosen by ``free``: one that none of them has.

A table of the user's is given an alias wherever the statement itself brings a name of its own, as
``ON CONFLICT`` does with ``excluded``: its real name is then not visible.
"""

from __future__ import annotations

from collections.abc import Iterable

ROW = "q.*"
"""The whole row of the query aliased q, whether or not it has a column q."""


def free(wanted: str, taken: Iterable[str]) -> str:
    """Return a name that is not taken, the wanted one if possible.

    Names that differ in case alone are held for one: a database may fold them.
    """
    held = {name.casefold() for name in taken}
    name, number = wanted, 0
    while name.casefold() in held:
        number += 1
        name = f"{wanted}_{number}"
    return name
