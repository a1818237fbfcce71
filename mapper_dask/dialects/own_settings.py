"""What a session of the user's is given by its login, and what the library changes in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mapper_dask.schema.facts import Column, Settings, SourceQuery


class OwnSettings(Protocol):
    """The part of a dialect that asks what a session is, and says what is changed in it."""

    def meaning(self, conn: Any) -> Settings:
        """Return what a query's meaning hangs on in this session, beside what it reads."""
        ...

    def changed_to_read(self, conn: Any, query: SourceQuery) -> tuple[str, ...]:
        """Return which of the session's own settings are changed while a query is read.

        Those only that may change what it means, each in words for a plan.
        """
        ...

    def changed_to_load(self, conn: Any, columns: Sequence[Column]) -> tuple[str, ...]:
        """Return which of the session's own settings are changed while rows are loaded."""
        ...

    def writes(self, conn: Any) -> Mapping[str, str]:
        """Return the settings under which this session writes values as texts."""
        ...

    def write_as(self, conn: Any, writes: Mapping[str, str]) -> None:
        """Let a session in which nothing of a user's runs write values as another one does."""
        ...
