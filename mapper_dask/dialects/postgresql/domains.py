"""Whether a domain refuses NULL by a CHECK of its own. Pure: reads what the catalogue writes."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()]|\bAND\b")
"""Tokens in ``pg_get_constraintdef``: what may hide a bracket or an AND, and those."""

_NOT_NULL = re.compile(r"VALUE IS NOT NULL|NOT \(+VALUE IS NULL\)+")

_HEAD = "CHECK "


def refuses_null(check: str) -> bool:
    """Return whether a constraint, as the catalogue writes it, is never true of NULL.

    Known is what is asked for by itself or beside other things (AND); what a function or another
    expression makes of a NULL is not.
    """
    return any(_NOT_NULL.fullmatch(part) for part in _joined(check.removeprefix(_HEAD)))


def _joined(condition: str) -> Iterator[str]:
    """Yield the conditions that must all hold, without the brackets around them."""
    condition = condition.strip().removesuffix("NOT VALID").strip()
    if _NOT_NULL.fullmatch(condition):
        yield condition
        return
    depth, start, parts, enclosed = 0, 0, [], condition.startswith("(")
    for token in _TOKEN.finditer(condition):
        depth += {"(": 1, ")": -1}.get(token.group(), 0)
        if depth == 0 and token.end() < len(condition):
            enclosed = False
        if depth == 0 and token.group() == "AND":
            parts.append(condition[start : token.start()])
            start = token.end()
    if parts:
        for part in (*parts, condition[start:]):
            yield from _joined(part)
    elif enclosed:
        yield from _joined(condition[1:-1])
