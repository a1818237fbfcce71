"""Looks up the unique key of a target for which a row was refused."""

from __future__ import annotations

import contextlib

from mapper_dask.dialects.target import Target
from mapper_dask.errors import DatabaseError
from mapper_dask.schema.facts import TargetTable


def broken_key(target: Target, table: TargetTable, said: str) -> tuple[str, ...]:
    """Return the key's columns; none where the error names no key of this table's.

    A trigger may have violated one of another table.

    Parameters
    ----------
    said
        The database's message, which names a constraint.
    """
    owner, _, name = table.into[1:-1].partition('"."')
    asked = {
        "table": table.into,
        "owner": owner,
        "name": name,
        "constraint": target.dialect.constraint_of(said),
    }
    with contextlib.suppress(DatabaseError), target.errors():
        rows = target.run("broken_key", asked)
        return tuple(target.dialect.folded(str(column), quoted=True) for (column,) in rows)
    return ()
