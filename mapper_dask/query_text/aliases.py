"""Names that the library gives within statements around the user's. Pure; the only place for them.

A statement of ours holds names of others: the columns of a query or a table, the table's own name.
Two rules keep ours apart from them, on every database:

- A *table expression* of ours (``q``, ``s``, ``t``, ``x`` …) is only ever used as a qualifier:
  ``q."column"``, or ``q.*`` for the whole row. What stands before a dot is looked up among the
  tables of the statement first, so no column can stand in its way. Alone it is never used: in
  ``q::text``, a column q of the user's would be meant.
- A *column* that we add beside the user's has a name that ``free`` has chosen: one that none of
  them has.

A table of the user's is given an alias wherever the statement itself brings a name of its own, as
``ON CONFLICT`` does with ``excluded``: its real name is then not visible.
"""

from __future__ import annotations

from collections.abc import Iterable

ROW = "q.*"
"""The whole row of the query that is named q, whether or not it has a column of that name."""


def free(wanted: str, taken: Iterable[str]) -> str:
    """Return a name that no other has, the wanted one if that is free.

    Names that differ in case alone are held for one: a database may fold them.
    """
    held = {name.casefold() for name in taken}
    name, number = wanted, 0
    while name.casefold() in held:
        number += 1
        name = f"{wanted}_{number}"
    return name
