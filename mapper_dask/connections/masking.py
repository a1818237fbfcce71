"""URLs and texts with their secrets masked. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import sqlalchemy as sa

from mapper_dask.connections.url_values import DECODED, is_nested, may_be_secret, secret_texts

SHORTEST = 4
"""Characters of a secret that is looked for in any text, not only a database's: ``x`` is in all."""


def secrets_of(url: sa.URL) -> list[str]:
    """Return every secret text of a URL, raw and as a URL writes it.

    What may be one counts: a name of a database that is a whole connection string, ``options`` with
    unknown settings, a parameter that no driver has.
    """
    found = [str(url.password)] if url.password else []
    found += secret_texts(_secret_parts(url))
    spellings = {form for text in found for form in _spellings(text)}
    return [text for text in spellings if text]


def _spellings(text: str) -> Iterator[str]:
    """Yield a secret as it is, as a URL writes it, and as Python and JSON quote it."""
    yield from (text, _in_url(text), quote(text, safe=""), quote_plus(text))
    for quoted in (repr(text), ascii(text), json.dumps(text), json.dumps(text, ensure_ascii=False)):
        yield quoted[1:-1]


def _in_url(text: str) -> str:
    """Return a password as SQLAlchemy writes it into a URL."""
    url = sa.URL.create("x", username="u", password=text, host="h")
    return url.render_as_string(hide_password=False).removeprefix("x://u:").removesuffix("@h")


def redact(text: str, url: sa.URL) -> str:
    """Return the text with the URL's secrets masked."""
    return Mask(secrets_of(url)).over(text)


class Mask:
    """Masks secrets in texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted(set(secrets), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._secrets)))

    def over(self, text: str) -> str:
        """Return the text with three asterisks for each secret."""
        if not self._secrets:
            return text
        spans = [found.span() for found in self._pattern.finditer(text)]
        # Word by word: a pattern for encoded words takes the square of a long one that is not.
        for word in _WORD.finditer(text) if "%" in text else ():
            start, end = word.span()
            if _ENCODED.search(word[0]) and not any(a <= start and end <= b for a, b in spans):
                spans += [(start, end)] if self._is_disguised(word[0]) else []
        return _starred(text, spans)

    def _is_disguised(self, word: str) -> bool:
        """Return whether a word, once decoded, holds a secret that is not masked as it is written.

        It may be spelled in a way of its own, or hold a shorter one, which alone would be masked.
        """
        pairs = {(word, self._without(word))}
        for _ in range(DECODED):
            decoded = {(f(one), f(two)) for one, two in pairs for f in (unquote, unquote_plus)}
            if any(self._without(one) not in (one, two) for one, two in decoded):
                return True
            if decoded == pairs:
                break
            pairs = decoded
        return False

    def _without(self, text: str) -> str:
        # In one pass: a secret such as * must not be found in the mask of another.
        return self._pattern.sub("***", text)


def _starred(text: str, spans: list[tuple[int, int]]) -> str:
    """Return a text with three asterisks for each span, and for each that overlap."""
    shown, end = [], 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += [text[end:start], "***"]
        end = max(end, stop)
    return "".join([*shown, text[end:]])


_WORD = re.compile(r"[^\s'\"]+")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")


def _secret_parts(url: sa.URL) -> list[str]:
    names = [part for part in (url.username, url.host, url.database) if part]
    found = [part for part in names if is_nested(part, host=part == url.host)]
    if url.username and "/" in url.username:
        found += [url.username, url.username.partition("/")[2]]  # user/password
    for key, value in url.query.items():
        values = [value] if isinstance(value, str) else list(value)
        found += [each for each in values if may_be_secret(key, each)]
        found += [key] if is_nested(key) else []
    return found


def hidden(url: sa.URL) -> sa.URL:
    """Return a URL with all its secrets but the password as three asterisks."""
    hidden = set(_secret_parts(url))

    def shown(part: str | None) -> str | None:
        return "***" if part in hidden else part

    query = {
        str(shown(key)): shown(value) if isinstance(value, str) else tuple(map(shown, value))
        for key, value in url.query.items()
    }
    return url.set(
        username=shown(url.username),
        host=shown(url.host),
        database=shown(url.database),
        query=query,  # type: ignore[arg-type]
    )


def masked(url: sa.URL) -> str:
    """Return a URL as text, with its secrets masked."""
    return hidden(url).render_as_string(hide_password=True)


class ShownURL(sa.URL):
    """A URL that shows none of its secrets, wherever an engine shows it."""

    __slots__ = ()

    def render_as_string(self, hide_password: bool = True) -> str:  # noqa: FBT001, FBT002
        """Return it as text, with every secret masked unless asked for."""
        plain = sa.URL.create(*self)
        return masked(plain) if hide_password else plain.render_as_string(hide_password=False)

    def __repr__(self) -> str:
        return self.render_as_string()

    __str__ = __repr__


def shown_url(url: sa.URL) -> sa.URL:
    """Return a URL that connects as another, and shows no secret."""
    made: sa.URL = tuple.__new__(ShownURL, url)
    return made
