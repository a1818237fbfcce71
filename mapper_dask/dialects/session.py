"""An open database: what a session has in any of its roles.

A session owns its connection, the translation of its driver's errors and its transaction. What is
done with it depends on its role: a source reads and plans, a target loads and publishes, a store
keeps the ledger.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa

if TYPE_CHECKING:
    from mapper_dask.dialects.base import Dialect
    from mapper_dask.dialects.source import Source
    from mapper_dask.dialects.store import Store

P = ParamSpec("P")
R = TypeVar("R")

Driver = Any
"""A driver's own connection. No driver's types are named outside of its dialect's folder."""


class Session(Protocol):
    """What sessions of every role and every database have."""

    dialect: Dialect
    """What needs no connection: names, types, texts of SQL, capabilities."""
    conn: Driver
    """The driver's own connection: only the dialect's own folder uses it."""
    url: sa.URL | None
    """The URL whose secrets are masked in errors."""

    def __init__(self, dialect: Dialect, conn: Driver, url: sa.URL | None = None) -> None:
        self.dialect, self.conn, self.url = dialect, conn, url

    @property
    def source(self) -> Source:
        """The same connection as a source: what was loaded is counted by the same queries."""
        return self.dialect.roles.source(self.dialect, self.conn, self.url)

    @property
    def store(self) -> Store:
        """The same connection as a store.

        A chunk's rows and its ledger row commit in one transaction, which only one connection can.
        """
        return self.dialect.roles.store(self.dialect, self.conn, self.url)

    def errors(self, *, prefix: int = 0, masked: bool = False) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's.

        Within it the names of a refusal are still looked up, so only whoever hands an error on
        asks for the secrets of its URL to be ``masked``: one that is a word may be in a name.
        """
        return self.dialect.errors(self.url if masked else None, prefix=prefix)

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query of ``sql/<dialect>/`` with bound values; return its rows."""
        ...

    def end_sessions(self, tag: str) -> int:
        """End every session that works on a chunk of a run; return how many there were."""
        ...

    def commit(self) -> None:
        """Commit the transaction."""
        self.conn.commit()

    def rollback(self) -> None:
        """Roll the transaction back."""
        self.conn.rollback()


def on_connection(
    function: Callable[Concatenate[Driver, P], R],
) -> Callable[Concatenate[Session, P], R]:
    """Return a method that calls a function with the session's own connection."""

    @functools.wraps(function)
    def method(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(session.conn, *args, **kwargs)

    return method
