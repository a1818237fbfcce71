"""Reads from the catalogue the unique keys of a target by which its rows cannot be found."""

from __future__ import annotations

import contextlib
from typing import Any

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.opening import open_target
from mapper_dask.errors import DatabaseError
from mapper_dask.schema.facts import TargetTable
from mapper_dask.schema.unfit import UnfitKey


def unfit_keys(target: ConnectionRef, table: TargetTable) -> tuple[UnfitKey, ...]:
    """Return them; none if this login may not read them."""
    dialect = dialect_for(target, "target_conn")

    def held(name: Any) -> str:
        return dialect.folded(str(name), quoted=True)

    place = {"table": table.quoted, "owner": held(table.schema), "name": held(table.name)}
    with (
        contextlib.suppress(DatabaseError),
        open_target(target, "target_conn") as session,
    ):
        rows = session.run("unfit_keys", place)
        session.rollback()
        return tuple(
            UnfitKey(
                held(index),
                str(columns),
                _names(names, held),
                str(reason),
                ", ".join(map(held, (nullable or "").split(", "))),
                mend or "",
            )
            for index, columns, names, reason, nullable, mend in rows
        )
    return ()


def _names(names: Any, held: Any) -> tuple[str, ...]:
    """Return columns of an array, or of a text with commas; none for an expression."""
    several = names.split(",") if isinstance(names, str) else names or ()
    return tuple(held(name) for name in several)
