"""How a secret is told in a job file. Light: no URL is parsed by a library for it."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

_SECRET_KEYS = re.compile(r"pass|secret|token|pwd|credential", re.IGNORECASE)
"""URL parameters that carry one; the same as for every connection."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<rest>\S*)", re.DOTALL)
_LOGIN = re.compile(r"[^:/]*:(?P<password>[^@]+)@", re.DOTALL)
"""As SQLAlchemy reads it, whose user may hold an @."""
_PARAMETERS = re.compile(r"[?&]([^=&?]+)=(?=[^&])")
_WRITTEN = re.compile(r"[A-Za-z][\w+.-]*://[^\s/:@'\"]*:(?P<password>[^\s/@'\"]+)@")
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|profile:[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def has_secret(text: str) -> bool:
    """Return whether a text is a URL with a password in it, or with a parameter that is one."""
    found = _URL.fullmatch(text.strip())
    if found is None:
        return (
            "://" in text
            and _LOGIN.match(text.partition("://")[2]) is not None
            and "\n" not in text
        )
    keys = (unquote_plus(key) for key in _PARAMETERS.findall(found["rest"]))
    login = _LOGIN.match(found["rest"]) is not None
    return login or any(_SECRET_KEYS.search(key) for key in keys)


def written_secret(text: str) -> int | None:
    """Return where a URL with a password begins that somebody wrote out, even in a comment.

    The ledger keeps a job file as it is written. A password that is a variable is none there.
    """
    found = (m for m in _WRITTEN.finditer(text) if not m["password"].startswith("${"))
    return next((match.start() for match in found), None)


def is_alias(text: str) -> bool:
    """Return whether a text could be the name of a connection of the file."""
    return _ALIAS.fullmatch(text) is not None


def require_reference(text: str) -> None:
    """Refuse what is no reference to a connection, and what holds a secret; shows nothing of it.

    Raises
    ------
    ValueError
        Says what to write instead.
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
