"""URLs made from a text, with its driver named, or from a SQLAlchemy engine."""

from __future__ import annotations

import contextlib
from typing import Any

import sqlalchemy as sa

from mapper_dask.errors import ConfigurationError

DRIVERS = {
    "postgresql": "postgresql+psycopg2",
    "postgres": "postgresql+psycopg2",
    "oracle": "oracle+oracledb",
}
"""What a URL without a driver means here, whatever version of SQLAlchemy reads it."""


def parse_url(text: str, field: str = "connection", reference: str = "") -> sa.URL:
    """Return a URL with its driver named; never shows the text in an error.

    A bare ``postgresql://`` is taken as psycopg2, which SQLAlchemy 2.1 would read as psycopg 3.

    Parameters
    ----------
    field
        What was given, for an error.
    reference
        What the text was found by there, such as ``env:NAME``.

    Raises
    ------
    ConfigurationError
        When the text is no URL, or a bare @ leaves open where its password ends.
    """
    named = f"{field}: {reference}" if reference else field
    if _ends_openly(text):
        message = f"{named} has an @ after its password began (not shown); write it as %40"
        raise ConfigurationError(message, field=field)
    with contextlib.suppress(sa.exc.ArgumentError, ValueError):
        return _with_driver(sa.make_url(text))
    # Raised after the parser's error has ended: that quotes the text, and would pickle along.
    message = (
        f"{named} is not a URL that SQLAlchemy can read (not shown: it may hold a password); "
        f"{_remedy(text)}"
    )
    raise ConfigurationError(message, field=field)


def _remedy(text: str) -> str:
    """Return what is to be done about a text that is no URL, without showing it."""
    if text.lower().startswith("jdbc:"):
        return "leave jdbc: out, and write postgresql+psycopg2://user@host:port/database"
    _, _, place = text.partition("://")
    port = place.partition("?")[0].partition("/")[0].rpartition("@")[2].rpartition(":")[2]
    if ":" in place and not port.isdecimal():
        return (
            "behind the host's colon comes a port, which is a number; a :, / or # in the password "
            "is written %3A, %2F or %23"
        )
    return "write postgresql+psycopg2://user@host:port/database"


def _with_driver(url: sa.URL) -> sa.URL:
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def _ends_openly(text: str) -> bool:
    """Return whether a second @ follows the user: the password's rest would pass as host."""
    _, _, place = text.partition("://")
    _, _, after_user = place.partition("?")[0].partition(":")
    return after_user.count("@") > 1


def url_of_engine(engine: sa.Engine, field: str) -> sa.URL:
    """Return a URL that connects as an engine does, its ``connect_args`` included.

    An engine cannot be sent to a worker. What it was given beside its URL, such as how to verify
    the server, must not be lost on the way: it becomes a part of the URL, or is refused.
    """
    plain = engine.dialect.create_connect_args(engine.url)[1]
    added = {k: v for k, v in _connect_args(engine, field).items() if plain.get(k) != v}
    url = engine.url
    if "password" in added:
        url = url.set(password=str(added.pop("password")))
    unsayable = sorted(name for name, value in added.items() if not isinstance(value, (str, int)))
    if unsayable:
        message = (
            f"{field} is an Engine whose connect_args hold {', '.join(unsayable)}, which a URL "
            "cannot say; pass a URL, 'env:NAME' or 'profile:NAME'"
        )
        raise ConfigurationError(message, field=field)
    return url.update_query_dict({name: str(value) for name, value in added.items()})


class _NotConnectingError(Exception):
    """Stops a connection once its arguments are known."""


def _connect_args(engine: sa.Engine, field: str) -> dict[str, Any]:
    own = getattr(engine.pool._creator, "__module__", "") != "sqlalchemy.engine.create"  # noqa: SLF001
    if own or engine.dialect.dispatch.do_connect:
        message = (
            f"{field} is an Engine that connects by code of its own (creator, do_connect), which "
            "a worker cannot run; pass a URL, 'env:NAME' or 'profile:NAME'"
        )
        raise ConfigurationError(message, field=field)
    seen: dict[str, Any] = {}

    def look(_dialect: Any, _record: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        seen.update(kwargs)
        raise _NotConnectingError

    sa.event.listen(engine, "do_connect", look)
    try:
        engine.pool.recreate().connect()
    except _NotConnectingError:
        pass
    finally:
        sa.event.remove(engine, "do_connect", look)
    return seen
