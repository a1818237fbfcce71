"""An open database: what a session has in any of its roles.

A session owns its connection, the translation of its driver's errors and its transaction. What is
done with it hangs on its role: a source reads and plans, a target loads and publishes, a store
keeps the ledger.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
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
    """What every role of every database has."""

    @property
    def dialect(self) -> Dialect:
        """What needs no connection: names, types, texts of SQL, capabilities."""
        ...

    @property
    def conn(self) -> Driver:
        """The driver's own connection: only the dialect's own folder uses it."""
        ...

    def errors(self, *, prefix: int = 0) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's, secrets masked."""
        ...

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query of ``sql/<dialect>/`` with bound values; return its rows."""
        ...

    def end_sessions(self, tag: str) -> int:
        """End every session that works on a chunk of a run; return how many there were."""
        ...

    def commit(self) -> None:
        """Commit the transaction."""
        ...

    def rollback(self) -> None:
        """Roll the transaction back."""
        ...


@dataclass(frozen=True, eq=False)
class Opened:
    """What the sessions of all databases are made of."""

    dialect: Dialect
    conn: Driver
    url: sa.URL | None = None
    """Whose secrets are masked in errors."""

    def errors(self, *, prefix: int = 0) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's."""
        return self.dialect.errors(self.url, prefix=prefix)

    def commit(self) -> None:
        """Commit the transaction."""
        self.conn.commit()

    def rollback(self) -> None:
        """Roll the transaction back."""
        self.conn.rollback()

    @property
    def source(self) -> Source:
        """The same connection as a source."""
        return self.dialect.roles.source(self.dialect, self.conn, self.url)

    @property
    def store(self) -> Store:
        """The same connection as a store."""
        return self.dialect.roles.store(self.dialect, self.conn, self.url)


def on_connection(
    function: Callable[Concatenate[Driver, P], R],
) -> Callable[Concatenate[Opened, P], R]:
    """Return a method that calls a function with the session's own connection."""

    @functools.wraps(function)
    def method(session: Opened, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(session.conn, *args, **kwargs)

    return method
