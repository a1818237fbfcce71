"""The connections of this process: an engine and a pool for each reference."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from mapper_dask.connections.advice import remedy_of
from mapper_dask.connections.masking import (
    SHORTEST,
    Mask,
    masked,
    redact,
    secrets_of,
    shown_url,
)
from mapper_dask.connections.reference import ConnectionRef, parsed
from mapper_dask.connections.urls import parse_url
from mapper_dask.errors import ConfigurationError, ConnectionFailedError
from mapper_dask.halting import cancelled_with

POOL_SIZE = 2
"""Connections kept a process and database: a chunk uses one to read and one to load, which may be
the same database. More are opened where a worker has more threads, and closed after use."""

GOODBYE = 1.0
"""Seconds to wait for a server to release a closed connection; it mostly takes 1 ms."""

_NEVER = re.compile("(?!)")


@dataclass(frozen=True, slots=True)
class ConnectArgs:
    """How a database is connected to, and what it says when it refuses."""

    given: Mapping[str, Any] = field(default_factory=dict)
    """What the driver is given unless the URL says it itself, such as a timeout."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """What it is given even against the URL: a query's meaning does not depend on it."""
    permanent: re.Pattern[str] = _NEVER
    """Login refusals that no retry mends; everything else may be a server that is starting."""
    taken: re.Pattern[str] = _NEVER
    """Login refusals that mean that others hold every connection."""
    needless: re.Pattern[str] = _NEVER
    """Parts left out of a refusal, because the remedy says the same."""
    on_reset: Callable[[Any, Any, Any], None] | None = None
    """SQLAlchemy's listener for a driver's connection that comes back to the pool."""


_lock = threading.Lock()

_closing = threading.local()

_engines: dict[tuple[int, str, str], sa.Engine] = {}

_connect_args: weakref.WeakKeyDictionary[sa.Engine, ConnectArgs] = weakref.WeakKeyDictionary()

_texts: dict[tuple[int, str, str], str] = {}
"""What the references of the engines resolved to when these were made."""


def engine_for(ref: ConnectionRef, *, connect_args: ConnectArgs) -> sa.Engine:
    """Return this process's engine for a reference, made once.

    A forked child never shares its parent's sockets: the process id is part of the key.
    """
    key = (os.getpid(), ref.kind, ref.value)
    with _lock:
        text = ref.text()
        if key in _engines and _texts[key] != text:  # the variable names another database now
            _engines.pop(key).pool.dispose()
        if key not in _engines:
            url, _texts[key] = parsed(ref, text), text
            given = {k: v for k, v in connect_args.given.items() if k not in url.query}
            _engines[key] = sa.create_engine(
                url,
                connect_args={**given, **connect_args.fixed},
                poolclass=QueuePool,
                pool_size=POOL_SIZE,
                max_overflow=-1,
                pool_pre_ping=True,
                hide_parameters=True,
                # Else SQLAlchemy asks each new connection what nobody here wants to know, and by
                # names that the search path decides, such as current_schema() and pg_type.
                _initialize=False,
            )
            _engines[key].url = shown_url(url)
            sa.event.listen(_engines[key], "close", _keep_socket)
            _connect_args[_engines[key]] = connect_args
            if connect_args.on_reset is not None:
                sa.event.listen(_engines[key], "reset", connect_args.on_reset)
        return _engines[key]


def dispose_engines() -> None:
    """Close every pooled connection of this process."""
    with _lock:
        mine = [key for key in _engines if key[0] == os.getpid()]
        for key in mine:
            _engines.pop(key).dispose()


def close_idle() -> None:
    """Close the pooled connections of this process that are not in use.

    When this returns, their servers have released them, so that others may open theirs.
    """
    with _lock:
        mine = [engine for key, engine in _engines.items() if key[0] == os.getpid()]
    sockets: list[socket.socket] = []
    _closing.sockets = sockets
    for engine in mine:
        engine.pool.dispose()  # those in use come back to it
    _closing.sockets = None
    for ending in sockets:
        with ending, contextlib.suppress(OSError):
            ending.settimeout(GOODBYE)
            while ending.recv(1024):
                pass


def _keep_socket(conn: Any, _record: Any) -> None:
    """Keep a duplicate of a closing connection's socket, to wait for the server's end."""
    sockets = getattr(_closing, "sockets", None)
    if sockets is not None and hasattr(conn, "fileno"):
        with contextlib.suppress(Exception):  # it is closed or broken: nothing to wait for
            sockets.append(socket.socket(fileno=os.dup(conn.fileno())))


def idle_connections(*refs: ConnectionRef) -> int:
    """Return how many connections to some databases this process has in its pools."""
    with _lock:
        keys = {(os.getpid(), ref.kind, ref.value) for ref in refs}
        pools = [_engines[key].pool for key in keys if key in _engines]
    return sum(pool.checkedin() for pool in pools if isinstance(pool, QueuePool))


def redacted(text: str) -> str:
    """Return a text without the secrets of any URL that this process has connected to."""
    with _lock:
        known = frozenset(_texts.values())
    return _mask_of(known).over(text)


@functools.lru_cache(maxsize=1)
def _mask_of(texts: frozenset[str]) -> Mask:
    """Return what masks the secrets of some URLs; a function may raise at each of many rows."""
    found: set[str] = set()
    for text in texts:
        with contextlib.suppress(ConfigurationError):
            found.update(secrets_of(parse_url(text)))
    return Mask(secret for secret in found if len(secret) >= SHORTEST)


@contextlib.contextmanager
def raw_connection(engine: sa.Engine, field: str = "") -> Iterator[Any]:
    """Lend a driver connection from the pool; a broken or interrupted one is never given back.

    Parameters
    ----------
    engine
        The engine whose pool it is.
    field
        The argument the connection was given as, for the error; empty where nobody gave one.

    Raises
    ------
    ConnectionFailedError
        When none can be had, with the driver's own words and no secret.
    """
    pooled = _pooled(engine, field)
    try:
        with cancelled_with(pooled.driver_connection) as is_cancelled:
            yield pooled.driver_connection
    except BaseException:
        pooled.invalidate()
        raise
    if is_cancelled():  # a late cancel would hit the connection's next user
        pooled.invalidate()
    else:
        _give_back(pooled)


def _pooled(engine: sa.Engine, field: str) -> Any:
    try:
        return engine.raw_connection()
    except (sa.exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error, OSError) as error:
        cause = getattr(error, "orig", None) or error
        known = _connect_args.get(engine, ConnectArgs())
        said = redact(known.needless.sub("", str(cause)).strip(), engine.url)
        remedy = remedy_of(said)
        message = f"cannot connect to {masked(engine.url)}: {said}" + (remedy and f"; {remedy}")
        details = {
            "sqlstate": getattr(cause, "pgcode", None),
            "transient": known.permanent.search(message) is None,
            "connections_taken": known.taken.search(message) is not None,
        }
        if field:
            message, details["field"] = f"{field}: {message}", field
        refusal = ConnectionFailedError(message, **details)
    if refusal.details["connections_taken"]:
        close_idle()  # they may be what is missing
    raise refusal  # after the driver's error has ended: that is not redacted, and pickles along


def _give_back(pooled: Any) -> None:
    """Return a connection to its pool; drop it quietly if its server has gone away."""
    try:
        pooled.driver_connection.rollback()
    except Exception:  # noqa: BLE001
        pooled.invalidate()
    else:
        pooled.close()
