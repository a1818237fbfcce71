"""Finds the names in a query's own text, where its plan does not show all of them. Pure.

EXPLAIN leaves out the rows of a VALUES list, what a LIMIT counts to and the bounds of a window's
frame. There the text decides, and what looks like a call is one: a comment that names a function
causes a needless doubt, which is cheaper than a missed one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from mapper_dask.dialects.postgresql.plan_texts import CLOCK, SYMBOLS

_GAP = r"(?:\s|--[^\r\n]*[\r\n]|/\*(?:(?!\*/).)*\*/)*"
_CALL = re.compile(rf'(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*)){_GAP}\(', re.DOTALL)
_CONTINUED = re.compile(r"'(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*'")
_LITERAL = re.compile(
    r"""
      --[^\r\n]*
    | /\*(?:(?!\*/).)*\*/
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$(?P<dollar>.*?)\$(?P=tag)\$
    | (?<![\w$])[eE]'(?P<escaped>(?:[^'\\]|''|\\.)*)'
    | (?<![\w$])[uU]&(?:'(?P<unicode>(?:[^']|'')*)'|"(?:[^"]|"")*")
    | '(?P<plain>(?:[^']|'')*)'
    | "(?:[^"]|"")*"
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{1,3})|(.))", re.DOTALL
)
_POINT = re.compile(r"\\(?:\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))")
_UNICODE = re.compile(r"[uU]&['\"]")
_OWN_ESCAPE = re.compile(r"\bUESCAPE\b", re.IGNORECASE)

_DAYS = frozenset({"now", "today", "tomorrow", "yesterday"})
_DAY = re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(_DAYS))})(?![^\W_])", re.IGNORECASE)
_BESIDE = frozenset({"at", "am", "pm", "ad", "bc", "utc", "gmt", "z", "t", "zulu", "on"})
"""Words that may come beside such a day; the names of zones hold a slash."""
_PART = re.compile(r"[{}\[\](),\"]")
_OPENING = frozenset("{[(")
_ZONE = re.compile(r"\w+/[\w/]+")
_WORD = re.compile(r"[^\W\d_]+")


def names(sql: str) -> frozenset[str]:
    """Return what looks like a call or an operator in a text, in comments and strings too."""
    texts = [sql, *([_POINT.sub(_point, sql)] if _UNICODE.search(sql) else [])]
    calls = (call for text in texts for call in _CALL.findall(text))
    called = {quoted.replace('""', '"') or plain.lower() for quoted, plain in calls}
    return frozenset(called | set(SYMBOLS.findall(sql)))


def clocks(sql: str) -> frozenset[str]:
    """Return the words of a text that mean the transaction's time, in comments and strings too."""
    return frozenset(word.upper() for word in CLOCK.findall(sql))


def days(sql: str, *, unclear: bool) -> frozenset[str]:
    """Return the words in the strings of a text that a time reads as its own day or moment.

    Parameters
    ----------
    unclear
        Whether lexers differ about where its strings end; each such word counts then.
    """
    if unclear or _OWN_ESCAPE.search(sql):
        texts = (sql, _POINT.sub(_point, sql), _ESCAPE.sub(_character, sql))
        return frozenset(word.lower() for text in texts for word in _DAY.findall(text))
    return frozenset(
        day for text in _strings(_CONTINUED.sub("", sql)) for day in _days_of(text.lower())
    )


def _strings(sql: str) -> Iterator[str]:
    """Yield the contents of the strings in a text."""
    for match in _LITERAL.finditer(sql):
        if match["dollar"] is not None:
            yield match["dollar"]
        elif match["unicode"] is not None:
            yield _POINT.sub(_point, match["unicode"])
        elif text := match["escaped"] or match["plain"]:  # this too, by some sessions' settings
            yield _ESCAPE.sub(_character, text)


def _days_of(text: str) -> set[str]:
    """Return the days that a text means where a time is read off it, or an array or range of it."""
    found: set[str] = set()
    parts = _PART.split(text) if text.lstrip()[:1] in _OPENING else [text]
    for part in parts:
        words = set(_WORD.findall(_ZONE.sub("", part)))
        if words - _DAYS <= _BESIDE:
            found |= words & _DAYS
    return found


def _character(match: re.Match[str]) -> str:
    for code, base in zip(match.groups()[:4], (16, 16, 16, 8), strict=True):
        if code is not None:
            return _of(int(code, base))
    return match[5]


def _point(match: re.Match[str]) -> str:
    return _of(int(match[1] or match[2], 16))


def _of(number: int) -> str:
    return chr(number) if number <= sys.maxunicode else "?"
