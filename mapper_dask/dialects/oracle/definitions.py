"""What the dictionary says of a table that receives rows, when planned and ever after.

DDL commits in Oracle and waits for no reader; but a load holds its table's lock to the end, so what
is found under it has held since the first row. Of a source nothing is asked: a query as of an SCN
is refused by the database once its table was altered (ORA-01466).

The dictionary numbers columns anew when one is dropped: the last column, dropped and added again
with its type, is not told from what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mapper_dask.dialects.oracle import session
from mapper_dask.dialects.oracle.names import folded
from mapper_dask.schema.definition import COLUMN, TABLE, Definition, Relied, Trait
from mapper_dask.schema.facts import Column, Needs


def of_table(conn: Any, owner: str, name: str) -> Definition:
    """Return how a table is defined now, by its names as the dictionary has them."""
    rows = session.run(conn, "definition", {"owner": owner, "name": name})
    shown = f"{folded(owner)}.{folded(name)}"
    traits = [
        Trait(TABLE, shown, "", str(kind), place=str(int(number)))
        for number, kind in dict.fromkeys((row[0], row[1]) for row in rows)
    ]
    traits += [
        Trait(COLUMN, shown, folded(str(column)), _type(*kind), place=str(int(number)))
        for _, _, column, number, *kind in rows
    ]
    return tuple(traits)


class Definitions:
    """The part of the dialect that asks how things are defined."""

    def target_definition(self, conn: Any, quoted: str) -> Definition:
        """Return how the table of that name is defined now; empty when there is none."""
        owner, _, name = quoted[1:-1].partition('"."')
        return of_table(conn, owner, name)

    def relied(self, conn: Any, columns: Sequence[Column]) -> Relied | None:
        """Return None: the database refuses to read a state before its table was altered."""
        del conn, columns
        return None

    def missing_grants(self, conn: Any, needs: Needs) -> list[str]:
        """Return none: the dictionary does not show a login all that it has by roles."""
        del conn, needs
        return []

    def source_definition(self, conn: Any, relied: Relied) -> Definition:
        """Raise: ``relied`` never offers it."""
        raise NotImplementedError


def _type(name: str, precision: Any, scale: Any, length: Any) -> str:
    """Return a type as the dictionary has it, with what bounds its values."""
    bounds = [str(int(bound)) for bound in (precision, scale, length or None) if bound is not None]
    return f"{name}({','.join(bounds)})" if bounds else str(name)
