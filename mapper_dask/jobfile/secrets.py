"""Detects secrets in a job file. Light: imports no library that parses URLs."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from mapper_dask.connections.url_values import is_nested, may_be_secret

_URL = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<rest>\S*)", re.DOTALL)
_LOGIN = re.compile(r"[^:/]*:(?P<password>[^@]+)@", re.DOTALL)
"""A login as SQLAlchemy parses it: its password may have colons, and its user an @."""
_WRITTEN = re.compile(r"://[^\s/:@'\"]*:(?P<password>[^\s/@'\"]+)@")
_SCHEME_CHARACTER = re.compile(r"[\w+.-]")
_LETTER = re.compile(r"[A-Za-z]")
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|profile:[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def has_secret(text: str) -> bool:
    """Return whether a text is a URL with a password, or with a secret parameter."""
    found = _URL.fullmatch(text.strip())
    if found is None:
        return (
            "://" in text
            and _LOGIN.match(text.partition("://")[2]) is not None
            and "\n" not in text
        )
    place, _, _ = found["rest"].partition("?")
    login = _LOGIN.match(found["rest"]) is not None
    unclear = found["rest"].count("@") > 1  # parsers differ in which of them ends the login
    return login or unclear or _hides(place) or _sends(found["rest"])


def _hides(place: str) -> bool:
    """Return whether user, host or database hold a login, a connection string or a slash."""
    user, at, rest = place.rpartition("@") if place.count("@") == 1 else ("", "", place)
    parts = [unquote(user), *map(unquote, rest.split("/", 1))]
    return ("/" in unquote(user) and bool(at)) or any(map(is_nested, filter(None, parts)))


def _sends(rest: str) -> bool:
    said = parse_qsl(rest.partition("?")[2])
    return any(may_be_secret(key, text) or is_nested(key) for key, text in said)


def written_secret(text: str) -> int | None:
    """Return the position of a URL with a written password, even in a comment; None without one.

    The ledger stores a job file as it is written, with variables unresolved.
    """
    found = (m for m in _WRITTEN.finditer(text) if not m["password"].startswith("${"))
    schemes = (_scheme_start(text, match.start()) for match in found)
    return next((start for start in schemes if start is not None), None)


def _scheme_start(text: str, end: int) -> int | None:
    """Return where the scheme that ends here starts; None where none does.

    It is read backwards: a pattern that begins with the scheme takes the square of a long word.
    """
    start = end
    while start > 0 and _SCHEME_CHARACTER.match(text, start - 1):
        start -= 1
    first = _LETTER.search(text, start, end)
    return None if first is None else first.start()


def is_alias(text: str) -> bool:
    """Return whether a text may be the name of a connection of the file."""
    return _ALIAS.fullmatch(text) is not None


def require_reference(text: str) -> None:
    """Refuse a text that is no reference to a connection, or holds a secret, without showing it.

    Raises
    ------
    ValueError
        Has the remedy.
    """
    if _REFERENCE.fullmatch(text):
        return
    if has_secret(text):
        message = (
            "is a URL with a secret (not shown), which a job file never holds: put the whole URL "
            "into a variable and write env:NAME"
        )
        raise ValueError(message)
    if _URL.fullmatch(text) is None:
        message = (
            "must be env:NAME, profile:NAME, a name under connections, or a URL without a password"
        )
        raise ValueError(message)
