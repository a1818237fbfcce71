"""How many connections a server has left, and who holds the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mapper_dask.connections.pool import close_idle, idle_connections
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_source
from mapper_dask.dialects.source import Source
from mapper_dask.errors import DatabaseError
from mapper_dask.retries import lacks_connection

KEEPER, ASKING = 1, 1
"""The coordinator's connections: one keeps the source's snapshot, one queries and cancels."""


@dataclass(frozen=True, slots=True)
class Need:
    """The connections that a run opens under one limit."""

    server: str
    """Identifies the server, under whatever address it was reached."""
    part: str
    """The role or database that the limit belongs to; empty for the server's own."""
    refs: tuple[ConnectionRef, ...]
    """The run's databases under it: its source, its target or both."""
    fixed: int
    """Connections of the coordinator."""
    each: int
    """Connections of a running chunk."""
    ahead: int
    """Connections added where a worker reads the next chunk meanwhile."""
    free: int | None
    """Connections the run may open, idle ones of this process included; None: not known."""

    @property
    def limit(self) -> tuple[str, str]:
        """Identifies the limit."""
        return self.server, self.part

    @property
    def least(self) -> int:
        """Connections without which no chunk can be moved."""
        return self.fixed + self.each

    def __str__(self) -> str:
        where = " and ".join(dict.fromkeys(map(str, self.refs)))
        return f"{self.part} at {where}" if self.part else where


@dataclass(slots=True)
class _Sum:
    """The connections under one limit while they are summed up."""

    free: int | None
    refs: list[ConnectionRef] = field(default_factory=list)
    fixed: int = 0
    each: int = 0
    ahead: int = 0


def needs(
    source: ConnectionRef, target: ConnectionRef | None, *, direct_path: bool
) -> tuple[Need, ...]:
    """Return what a run opens on each of its servers, and what is free there.

    Raises
    ------
    ConnectionFailedError
        When a server cannot be reached, or has no connection left.
    """
    sums: dict[tuple[str, str], _Sum] = {}
    for server, part, free in _asked(source, "source_conn"):
        one = sums.setdefault((server, part), _Sum(free))
        one.refs.append(source)
        one.fixed, one.each, one.ahead = KEEPER + ASKING, 1, 1
    if target is None:
        return tuple(_need(limit, one) for limit, one in sums.items())
    for server, part, free in _asked(target, "target_conn"):
        one = sums.setdefault((server, part), _Sum(free))
        one.refs.append(target)
        one.free = free  # measured last, so the source's connection is already off it
        one.fixed = max(one.fixed, ASKING)
        one.each += 2 if direct_path else 1
    return tuple(_need(limit, one) for limit, one in sums.items())


def _need(limit: tuple[str, str], one: _Sum) -> Need:
    free = None if one.free is None else max(0, one.free) + idle_connections(*one.refs)
    return Need(*limit, tuple(one.refs), one.fixed, one.each, one.ahead, free)


def holders(refs: Sequence[ConnectionRef]) -> str:
    """Return who holds a server's connections, for a message; empty if that cannot be queried.

    A server without connections left is queried by an open one: the last used.
    """
    found = _ask(refs[-1], "connections_held") or []
    return ", ".join(f"{name} ({number})" for name, number in found)


def _asked(ref: ConnectionRef, field: str) -> list[tuple[str, str, int | None]]:
    """Return server, owner of the limit, and what is free of it; None: not known."""
    try:
        rows = _ask(ref, "connections_free", field)
    except DatabaseError as error:
        if not lacks_connection(error):
            raise
        close_idle()  # the last one may be this process's own
        rows = _ask(ref, "connections_free", field)
    return [
        (str(server), part or "", None if free is None else int(free))
        for server, part, free in rows or [(ref.address, "", None)]
    ]


def _ask(ref: ConnectionRef, query: str, field: str = "") -> list[tuple[Any, ...]] | None:
    """Return what a named query gives; None where the login may not know.

    Parameters
    ----------
    field
        The argument the reference was given as: the run needs the connection, so its errors are
        raised. Empty where the answer is optional.
    """
    try:
        with open_source(ref, field, kept=True) as session:
            return _answer(session, query)
    except DatabaseError:
        if field:
            raise
        return None


def _answer(session: Source, query: str) -> list[tuple[Any, ...]] | None:
    try:
        with session.errors(masked=True):
            return session.run(query)
    except DatabaseError as error:
        if error.transient:
            raise
        return None  # the right is missing; the connection stays usable
