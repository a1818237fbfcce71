"""Queries over staged rows, where the target may refuse some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mapper_dask.schema.facts import Publication

CHUNK_COLUMN = "mapper_dask_chunk"
"""Column of a staging table that holds a row's chunk, where the target has none of that name."""


@dataclass(frozen=True, slots=True)
class StagedRow:
    """A staged row."""

    place: str
    """Its address in the staging table."""
    values: Mapping[str, Any]
    chunk_id: int | None
    """None where a run staged it that could reject no rows, and so stored no chunk."""
    written_by: int | None = None
    """Number of the transaction that staged it, as rows bear it; None where they bear none."""


class StagedRows(Protocol):
    """What a database does with staged rows. The caller commits."""

    def refused(self, publication: Publication, most: int) -> dict[str, str]:
        """Return the places of the rows that the target refuses, and why; nothing has entered it.

        Rows that have a newer one of their key are removed from where they wait.

        Raises
        ------
        RejectLimitError
            When there are more than ``most``.
        """
        ...

    def read(self, publication: Publication, places: Sequence[str]) -> list[StagedRow]:
        """Return the rows at some places."""
        ...

    def remove(self, publication: Publication, places: Sequence[str]) -> int:
        """Remove the rows at some places from where they wait; return how many were there."""
        ...


def name_beside(name: str, names: Sequence[str]) -> str:
    """Return a name that is none of some others, in any case: itself, or a longer one."""
    taken = {other.lower() for other in names}
    while name in taken:
        name += "_"
    return name
