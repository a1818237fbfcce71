"""References to connections, which hold no secret.

A worker never receives a password. What travels is a :class:`ConnectionRef`: a URL without
secrets, the name of an environment variable or of a profile, or the name of a *vault entry*, which
only this user can read, and which ends with the process that was given the password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import dask
import sqlalchemy as sa

from mapper_dask.connections import vault
from mapper_dask.connections.advice import no_connection, no_profile, unset
from mapper_dask.connections.masking import hidden, masked, secrets_of
from mapper_dask.connections.urls import parse_url, url_of_engine
from mapper_dask.errors import ConfigurationError

PLACES = ("host", "port", "service_name", "sid")
"""Parts of a URL's query that say which database it leads to."""


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
        """The reference as text that another session can use; None when it needs a secret."""
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
        return parsed(self, self.text())

    def text(self) -> str:
        """Return the URL it resolves to now, as text; raises as ``resolve`` does."""
        finders: dict[str, Callable[[str, str], str]] = {
            "url": _as_it_is,
            "env": _from_environment,
            "profile": _from_profile,
            "vault": _from_vault,
        }
        return finders[self.kind](self.value, self.field)


def reference(connection: Any, field: str = "source_conn") -> ConnectionRef:
    """Return the reference for what a user passed as a connection.

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
    """Refuse a text after ``env:`` or ``profile:`` that is no name; it may be a secret."""
    if re.fullmatch(r"[^\s:/@?=&%]+", name) is None:
        wanted = "an environment variable" if kind == "env" else "a profile"
        found = "what follows is none (not shown)" if name else "nothing follows"
        message = f"{field}: {kind}: must be followed by the name of {wanted}, and {found}"
        raise ConfigurationError(message, field=field)


def _url_reference(url: sa.URL, field: str) -> ConnectionRef:
    shown, text = masked(url), url.render_as_string(hide_password=False)
    if not secrets_of(url):
        return ConnectionRef("url", text, shown, field)
    return ConnectionRef("vault", vault.entry(text), shown, field)


def parsed(ref: ConnectionRef, text: str) -> sa.URL:
    """Return the URL that a reference resolved to; errors name the argument."""
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
