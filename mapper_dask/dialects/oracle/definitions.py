"""How the dictionary defines a table that receives rows, when planned and later.

DDL commits in Oracle and waits for no reader; but a load holds its table's lock to the end, so what
is found under it has held since the first row. A source needs no such check: the database refuses a
query as of an SCN once its table was altered (ORA-01466).

The dictionary renumbers columns when one is dropped: the last column, dropped and added again with
its type, looks as it did before.
"""

from __future__ import annotations

from typing import Any

from mapper_dask.dialects.oracle import session
from mapper_dask.dialects.oracle.names import folded
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.definition import COLUMN, TABLE, Definition, Trait


def of_table(conn: Driver, owner: str, name: str) -> Definition:
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


def of_target(conn: Driver, quoted: str) -> Definition:
    """Return how the table of that name is defined now; empty when there is none."""
    owner, _, name = quoted[1:-1].partition('"."')
    return of_table(conn, owner, name)


def _type(name: str, precision: Any, scale: Any, length: Any) -> str:
    """Return a type as the dictionary has it, with what bounds its values."""
    bounds = [str(int(bound)) for bound in (precision, scale, length or None) if bound is not None]
    return f"{name}({','.join(bounds)})" if bounds else str(name)
