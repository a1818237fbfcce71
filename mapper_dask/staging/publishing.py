"""Counts and refusals that all databases have in common when they publish staged rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mapper_dask.errors import PublishError
from mapper_dask.schema.facts import Publication
from mapper_dask.schema.hazards import Hazards, blame, refusal, statements_of


@dataclass(frozen=True, slots=True)
class Publishing:
    """One publication, in a transaction of the caller's."""

    cursor: Any
    publication: Publication
    hazards: Hazards

    def count(self, query: str) -> int:
        """Return the one number that a query answers."""
        self.cursor.execute(query)
        return int(self.cursor.fetchone()[0])

    def refuse_ties(self, tied: int) -> None:
        """Raise where so many keys have two newest rows."""
        publication = self.publication
        if tied:
            message = (
                f"newest_by {publication.newest_by!r} does not tell which row to keep: {tied} keys "
                f"({', '.join(publication.key)}) have two rows or more with its greatest value"
            )
            raise PublishError(message)

    def require(self, found: int, expected: int, what: str) -> None:
        """Raise where not as many rows were found as there must be."""
        if found != expected:
            message = (
                f"{expected} rows were staged for {self.publication.target}, {found} {what}; "
                f"nothing is changed{self.blame()}"
            )
            raise PublishError(message)

    def require_removed(self, *, left: bool) -> None:
        """Raise where a DELETE of all rows has left some."""
        if left:
            message = (
                f"a DELETE of all rows of {self.publication.target} left some of them; nothing is "
                f"changed{self.blame('DELETE')}"
            )
            raise PublishError(message)

    def blame(self, *events: str) -> str:
        """Return what may be the cause, as the end of a sentence."""
        publication = self.publication
        used = statements_of(publication.disposition, by_key=publication.by_key)
        return blame(self.hazards, events or used)


def require_able(publication: Publication, hazards: Hazards) -> None:
    """Raise ``PublishError`` where the target cannot receive staged rows with certainty."""
    if why := refusal(hazards, publication.disposition, by_key=publication.by_key, staged=True):
        message = f"{publication.target} cannot take the staged rows: {why}"
        raise PublishError(message)


def of_some(publication: Publication, where: str) -> Publication:
    """Return the publication of some of the staged rows; each key has one of them."""
    rows = f"(SELECT * FROM {publication.staging} WHERE {where})"
    return replace(publication, staging=rows, newest_by=None)
