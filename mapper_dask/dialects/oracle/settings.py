"""The settings of a user's session: they stay what its login, or a logon trigger, made them.

What a format, a language, a zone or a linguistic sort makes of a query is the user's meaning. Our
own SQL names its formats and its decimal point, and so depends on none of them. The keys of chunks
are compared by bytes, explicitly where the session would compare them otherwise. Only for the
library's own statements, which find its ledger's rows and the names of tables, is a session set to
compare by bytes, and set back afterwards.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Settings

NAMES = (
    "NLS_LANGUAGE", "NLS_TERRITORY", "NLS_CURRENCY", "NLS_ISO_CURRENCY", "NLS_DUAL_CURRENCY",
    "NLS_NUMERIC_CHARACTERS", "NLS_CALENDAR", "NLS_DATE_FORMAT", "NLS_DATE_LANGUAGE",
    "NLS_TIMESTAMP_FORMAT", "NLS_TIMESTAMP_TZ_FORMAT", "NLS_SORT", "NLS_COMP", "TIME_ZONE",
)  # fmt: skip
"""Settings on which a query's meaning depends. Language and territory, first, change others."""

CHARACTERS = "NLS_CHARACTERSET"
"""The database's character set; no session changes it."""

COMPARING = ("NLS_SORT", "NLS_COMP")
BINARY = "BINARY"
POINT = "."

_own: weakref.WeakKeyDictionary[Any, dict[str, str]] = weakref.WeakKeyDictionary()
"""The settings each connection began with."""
_now: weakref.WeakKeyDictionary[Any, dict[str, str]] = weakref.WeakKeyDictionary()
"""The settings each connection has now."""
_characters: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
"""Character set of the database that each leads to."""


def own(conn: Driver, ask: Callable[[], list[tuple[Any, ...]]]) -> Mapping[str, str]:
    """Return a connection's own settings; asked once, before anything is changed."""
    if conn not in _own:
        found = {str(name): str(value) for name, value in ask() if value is not None}
        _own[conn] = {name: found[name] for name in NAMES if name in found}
        _now[conn] = dict(_own[conn])
        if CHARACTERS in found:
            _characters[conn] = found[CHARACTERS]
    return _own[conn]


def characters(conn: Driver) -> str | None:
    """Return the character set of a known session's database."""
    return _characters.get(conn)


def be(conn: Driver, like: Settings = ()) -> None:
    """Give a known session its own settings, or those of the session that planned."""
    wanted = {**_own[conn], **{name: value for name, value in like if name in _own[conn]}}
    if wanted != _now[conn]:
        _alter(conn, wanted)


def meaning(conn: Driver) -> Settings:
    """Return the settings a known session has now."""
    return tuple(_now[conn].items())


def _alter(conn: Driver, wanted: Mapping[str, str]) -> None:
    parts = (f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in wanted.items())
    with conn.cursor() as cursor:
        cursor.execute(f"ALTER SESSION SET {' '.join(parts)}")
    _now[conn] = {**_now[conn], **wanted}


def sorts_by_language(conn: Driver) -> bool:
    """Return whether a session orders, or compares, texts by something else than their bytes."""
    return _now.get(conn, {}).get("NLS_SORT", BINARY) != BINARY


def compares_by_language(conn: Driver) -> bool:
    """Return whether two texts of other bytes may be equal in a session."""
    return sorts_by_language(conn) and _now[conn].get("NLS_COMP", BINARY) != BINARY


def point(conn: Driver) -> str:
    """Return the decimal point that a session reads in a text."""
    return _now.get(conn, {}).get("NLS_NUMERIC_CHARACTERS", POINT)[:1] or POINT


@contextlib.contextmanager
def by_bytes(conn: Driver) -> Iterator[None]:
    """Make a session compare texts by bytes within the context; most do anyway."""
    if not sorts_by_language(conn):
        yield
        return
    before = {name: value for name, value in _now[conn].items() if name in COMPARING}
    _alter(conn, dict.fromkeys(before, BINARY))
    try:
        yield
    finally:
        _alter(conn, before)


def language_of(conn: Driver) -> str:
    """Return how a session orders texts, as a plan shows it."""
    now = _now[conn]
    return f"NLS_SORT={now.get('NLS_SORT')}, NLS_COMP={now.get('NLS_COMP')}"


NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?", re.IGNORECASE)
"""A number as SQL writes it, with any decimal point of a session."""
