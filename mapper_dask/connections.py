"""From what a user calls a connection to an engine, on whichever process needs it.

A worker never receives a password. What travels is a :class:`ConnectionRef`: a URL without
secrets, the name of an environment variable or of a profile, or the name of a *vault entry*: what
only this user can read, kept by the process that was given the password, gone when it ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import dask
import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from mapper_dask import vault
from mapper_dask.errors import ConfigurationError, ConnectionFailedError
from mapper_dask.halting import cancelled_with
from mapper_dask.masking import SHORTEST, hidden, masked, redact, secrets_of, shown_url
from mapper_dask.places import no_connection, no_profile, remedy_of, unset
from mapper_dask.urls import parse_url, url_of_engine

POOL_SIZE = 2
"""Connections kept a process and database: a chunk uses one to read and one to load, which may be
the same database. More are opened where a worker has more threads, and closed after use."""

GOODBYE = 1.0
"""Seconds within which a server has let go of a connection that is closed; mostly it is 1 ms."""

PLACES = ("host", "port", "service_name", "sid")
"""Parts of a URL's query that say which database it leads to."""

WIRE = ("client_encoding",)
"""What a dialect opens its connections with, whatever a URL says: it has no part in what a query
means."""

_lock = threading.Lock()
_closing = threading.local()
_engines: dict[tuple[int, str, str], sa.Engine] = {}
_texts: dict[tuple[int, str, str], str] = {}
"""What the references of the engines stood for when these were made."""


@dataclass(frozen=True, slots=True)
class ConnectionRef:
    """How a process finds a connection, without holding its secret."""

    kind: Literal["url", "env", "profile", "vault"]
    """Where the URL is found."""
    value: str
    """The URL itself, the variable's or profile's name, or the vault entry's path."""
    shown: str
    """What a person may read: the URL with its secrets masked, or the reference."""
    field: str = field(default="", compare=False)
    """The argument it was given as, for errors; empty where nobody gave one."""

    def __str__(self) -> str:
        return self.shown

    @property
    def portable(self) -> str | None:
        """The reference as text that another session can use; None when it stands on a secret."""
        return {
            "url": self.value,
            "env": f"env:{self.value}",
            "profile": f"profile:{self.value}",
        }.get(self.kind)

    @property
    def address(self) -> str:
        """Which database it leads to from here: host, port and name, and no login."""
        url = self.resolve()
        shown = hidden(url)
        parts = [shown.host, url.port, shown.database, *(shown.query.get(k) for k in PLACES)]
        return " ".join(str(part) for part in parts if part is not None)

    def resolve(self) -> sa.URL:
        """Return the URL, secret and all, for use in this process only.

        Raises
        ------
        ConfigurationError
            When the variable, profile or vault entry does not exist here.
        """
        return _parsed(self, self.text())

    def text(self) -> str:
        """Return what it stands for at this moment, as text; raises as ``resolve`` does."""
        finders: dict[str, Callable[[str, str], str]] = {
            "url": _as_it_is,
            "env": _from_environment,
            "profile": _from_profile,
            "vault": _from_vault,
        }
        return finders[self.kind](self.value, self.field)


def reference(connection: Any, field: str = "source_conn") -> ConnectionRef:
    """Return the reference that stands for what a user passed as a connection.

    Parameters
    ----------
    connection
        A URL as text, a SQLAlchemy ``URL`` or ``Engine``, ``env:NAME``, ``profile:NAME``, or a
        reference already made.
    field
        The argument's name, for the error.

    Raises
    ------
    ConfigurationError
        When it is none of these.
    """
    match connection:
        case ConnectionRef():
            return connection if connection.field else replace(connection, field=field)
        case sa.Engine():
            return _url_reference(url_of_engine(connection, field), field)
        case sa.URL():
            return _url_reference(connection, field)
        case str() if connection.startswith(("env:", "profile:")):
            kind, _, name = connection.partition(":")
            _require_name(kind, name, field)
            return ConnectionRef("env" if kind == "env" else "profile", name, connection, field)
        case str() if "://" in connection:
            return _url_reference(parse_url(connection, field), field)
    raise ConfigurationError(no_connection(connection, field, _profiles()), field=field)


def _require_name(kind: str, name: str, field: str) -> None:
    """Refuse what stands behind ``env:`` or ``profile:`` and is no name; it may be a secret."""
    if re.fullmatch(r"[^\s:/@?=&%]+", name) is None:
        wanted = "an environment variable" if kind == "env" else "a profile"
        found = "what stands there is none (not shown)" if name else "nothing stands there"
        message = f"{field}: behind {kind}: stands the name of {wanted}, and {found}"
        raise ConfigurationError(message, field=field)


def engine_for(ref: ConnectionRef, *, connect_args: dict[str, Any]) -> sa.Engine:
    """Return this process's engine for a reference, made once.

    A forked child never shares its parent's sockets: the process id is part of the key.
    """
    key = (os.getpid(), ref.kind, ref.value)
    with _lock:
        text = ref.text()
        if key in _engines and _texts[key] != text:  # the variable names another database now
            _engines.pop(key).pool.dispose()
        if key not in _engines:
            url, _texts[key] = _parsed(ref, text), text
            _engines[key] = sa.create_engine(
                url,
                # What the URL says itself, such as a timeout, is not overruled, but for what the
                # texts on the wire are read by.
                connect_args={
                    k: v for k, v in connect_args.items() if k not in url.query or k in WIRE
                },
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
            if url.get_backend_name() == "oracle":
                sa.event.listen(_engines[key], "reset", _forget_name)
        return _engines[key]


def dispose_engines() -> None:
    """Close every pooled connection of this process."""
    with _lock:
        mine = [key for key in _engines if key[0] == os.getpid()]
        for key in mine:
            _engines.pop(key).dispose()


def close_idle() -> None:
    """Close the pooled connections of this process that nobody uses.

    When this returns their servers have let go of them, so that others may open theirs.
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
    """Keep hold of a connection's socket that is about to be closed, to see the server's end."""
    sockets = getattr(_closing, "sockets", None)
    if sockets is not None and hasattr(conn, "fileno"):
        with contextlib.suppress(Exception):  # it is closed or broken: nothing to wait for
            sockets.append(socket.socket(fileno=os.dup(conn.fileno())))


IDLE_NAME = "mapper_dask"
"""What an Oracle session in the pool is called, as others see it."""


def _forget_name(conn: Any, _record: Any, _state: Any) -> None:
    """Let no session in the pool bear a chunk's name: who ends that chunk's sessions would end it.

    PostgreSQL's name goes with its transaction; Oracle's stays until it is told another.
    """
    with contextlib.suppress(Exception):  # a broken one is found out by what follows
        conn.client_identifier = IDLE_NAME


def idle_connections(*refs: ConnectionRef) -> int:
    """Return how many connections to some databases this process has in its pools."""
    with _lock:
        keys = {(os.getpid(), ref.kind, ref.value) for ref in refs}
        pools = [_engines[key].pool for key in keys if key in _engines]
    return sum(pool.checkedin() for pool in pools if isinstance(pool, QueuePool))


def _url_reference(url: sa.URL, field: str) -> ConnectionRef:
    shown, text = masked(url), url.render_as_string(hide_password=False)
    if not secrets_of(url):
        return ConnectionRef("url", text, shown, field)
    return ConnectionRef("vault", vault.entry(text), shown, field)


def _parsed(ref: ConnectionRef, text: str) -> sa.URL:
    return parse_url(text, ref.field, ref.shown) if ref.field else parse_url(text, ref.shown)


def _as_it_is(text: str, field: str) -> str:
    del field
    return text


def _from_environment(name: str, field: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ConfigurationError(unset(name, field), field=field or f"env:{name}") from None


def _profiles() -> list[str]:
    """Return the names of the profiles that this process knows."""
    known = dask.config.get("mapper-dask.profiles", None)
    return sorted(map(str, known)) if isinstance(known, dict) else []


def _from_profile(name: str, field: str) -> str:
    url = dask.config.get(f"mapper-dask.profiles.{name}.url", None)
    if url is None:
        message = no_profile(name, field, _profiles())
        raise ConfigurationError(message, field=field or f"profile:{name}")
    return _from_environment(url[4:], field) if url.startswith("env:") else str(url)


def _from_vault(entry: str, field: str) -> str:
    try:
        return vault.text(entry)
    except OSError:
        message = (
            "a worker cannot read the password that was given inline, because it "
            "runs on another host "
            "or as another user, or the session that held it has ended; pass "
            "'env:NAME' or 'profile:NAME' instead"
        )
        named = f"{field}: {message}" if field else message
        raise ConfigurationError(named, field=field or "source_conn, target_conn") from None


def fingerprint(*parts: object) -> str:
    """Return a short stable digest of some texts."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]


def session_tag(run_id: str) -> str:
    """Return the name that a run's sessions have in common, as administrators see them.

    A database cuts an application's name at 63 bytes and blanks what is not ASCII, so a run_id
    that would not survive is digested.
    """
    plain = re.fullmatch(r"[A-Za-z0-9._-]{1,36}", run_id) is not None
    return f"mapper_dask:{run_id if plain else fingerprint(run_id)}"


def keeper_name(tag: str) -> str:
    """Return the name of the session that keeps the snapshot of a run, by its sessions' own."""
    return f"{tag}:keeper"


def redacted(text: str) -> str:
    """Return a text without the secrets of any URL that this process has connected to."""
    with _lock:
        known = set(_texts.values())
    for each in known:
        with contextlib.suppress(ConfigurationError):
            text = redact(text, parse_url(each), shortest=SHORTEST)
    return text


@contextlib.contextmanager
def raw_connection(engine: sa.Engine, field: str = "") -> Iterator[Any]:
    """Lend a driver connection from the pool; a broken or interrupted one is never given back.

    Parameters
    ----------
    engine
        Whose pool.
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
    if is_cancelled():  # that may come to its server yet, and hit who has it next
        pooled.invalidate()
    else:
        _give_back(pooled)


def _pooled(engine: sa.Engine, field: str) -> Any:
    try:
        return engine.raw_connection()
    except (sa.exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error, OSError) as error:
        cause = getattr(error, "orig", None) or error
        said = redact(NEEDLESS.sub("", str(cause)).strip(), engine.url)
        remedy = remedy_of(said)
        message = f"cannot connect to {masked(engine.url)}: {said}" + (remedy and f"; {remedy}")
        details = {
            "sqlstate": getattr(cause, "pgcode", None),
            "transient": _may_pass(message),
            "connections_taken": TAKEN.search(message) is not None,
        }
        if field:
            message, details["field"] = f"{field}: {message}", field
        refusal = ConnectionFailedError(message, **details)
    if refusal.details["connections_taken"]:
        close_idle()  # they may be what is missing
    raise refusal  # after the driver's error has ended: that is not redacted, and pickles along


def _give_back(pooled: Any) -> None:
    """Return a connection to its pool; one whose server went away meanwhile is dropped quietly."""
    try:
        pooled.driver_connection.rollback()
    except Exception:  # noqa: BLE001
        pooled.invalidate()
    else:
        pooled.close()


PERMANENT = re.compile(
    r"authentication failed|does not exist|no pg_hba|could not translate host name|no password"
    r"|ORA-01017|ORA-28000|ORA-01045",
    re.IGNORECASE,
)
"""Login refusals that no retry mends; everything else may be a server that is starting."""


NEEDLESS = re.compile(r"\s+Is the server running [^?]*\?")
"""What libpq asks of a refused connection; the remedy says it."""

TAKEN = re.compile(
    r"too many clients|too many connections|connection slots are reserved|no more connections"
    r"|ORA-00018|ORA-00020|ORA-02391|ORA-12516|ORA-12518|ORA-12519|ORA-12520",
    re.IGNORECASE,
)
"""Login refusals that say others hold every connection. PostgreSQL gives libpq no code for them."""


def _may_pass(message: str) -> bool:
    return PERMANENT.search(message) is None
