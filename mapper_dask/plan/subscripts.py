"""Which colons in a query's brackets are those of a slice, and which begin a param. Pure.

``a[1:n]`` is a slice up to the column n, ``a[1 : :n]`` one up to the param n, ``ARRAY[:a, :b]`` an
array of two params. Brackets that are no array's constructor hold at most one slice, so each way to
read their colons is tried. Of ``a[:n]`` there are two: the element that a param names, and a slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import Token, TokenType

_OPENERS = frozenset(
    {
        *("AND", "OR", "NOT", "CASE", "WHEN", "THEN", "ELSE", "IN", "IS", "LIKE", "ILIKE"),
        *("BETWEEN", "FROM", "DISTINCT", "SIMILAR", "TO", "ARRAY", "ZONE"),
    }
)
"""Words behind which a value is expected; behind any other one has ended."""

_OPEN = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSE = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)


@dataclass(frozen=True, slots=True)
class Colons:
    """Places of colons among a query's tokens."""

    of_slices: frozenset[int]
    """Those that are a slice's, or may be."""
    of_either: tuple[int, ...]
    """Those among them that may begin a param as well."""


@dataclass(slots=True)
class _Brackets:
    opened: int
    subscript: bool
    colons: list[int] = field(default_factory=list)


def colons(sql: str, tokens: Sequence[Token]) -> Colons:
    """Return the colons of a query that belong, or may belong, to slices of arrays."""
    slices: set[int] = set()
    either: list[int] = []
    for brackets in _subscripts(sql, tokens):
        readings = list(_readings(sql, tokens, brackets))
        slices.update(place for place in readings if place is not None)
        either += [place for place in readings if place is not None and None in readings]
    return Colons(frozenset(slices), tuple(either))


def _subscripts(sql: str, tokens: Sequence[Token]) -> Iterator[_Brackets]:
    """Yield the brackets that take elements or slices of an array, with their own colons."""
    stack: list[_Brackets] = []
    for place, token in enumerate(tokens):
        if token.token_type in _OPEN:
            square = token.token_type is TokenType.L_BRACKET
            stack.append(_Brackets(place, square and _ends_value(sql, tokens, place - 1)))
        elif token.token_type in _CLOSE and stack:
            closed = stack.pop()
            if closed.subscript and closed.colons:
                yield closed
        elif token.token_type is TokenType.COLON and stack:
            stack[-1].colons.append(place)


def _readings(sql: str, tokens: Sequence[Token], brackets: _Brackets) -> Iterator[int | None]:
    """Yield each colon that can be the slice's, and None where there need be no slice."""
    for chosen in (None, *brackets.colons):
        rest = [place for place in brackets.colons if place != chosen]
        if all(_may_begin(sql, tokens, place) for place in rest) and (
            chosen is None or chosen == brackets.opened + 1 or _ends_value(sql, tokens, chosen - 1)
        ):
            yield chosen


def _may_begin(sql: str, tokens: Sequence[Token], place: int) -> bool:
    """Return whether a colon can begin a param: a name is next, and no value has just ended."""
    behind = sql[tokens[place].end + 1 : tokens[place].end + 2]
    named = behind == "_" or (behind.isascii() and behind.isalpha())
    return named and not _ends_value(sql, tokens, place - 1)


def _ends_value(sql: str, tokens: Sequence[Token], place: int) -> bool:
    """Return whether a value, or the name of one, ends with a token."""
    if place < 0:
        return False
    token = tokens[place]
    text = sql[token.start : token.end + 1]
    return (text[-1:].isalnum() or text[-1:] in "_$)]'\"") and text.upper() not in _OPENERS
