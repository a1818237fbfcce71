"""The nodes of a plan as EXPLAIN writes it, and the expressions in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]

_STRING = re.compile(r"'(?:[^']|'')*'")
_STRING_OR_NAME = re.compile(r"'(?:[^']|'')*'" r'|"(?:[^"]|"")+"')
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_COLUMN = re.compile(rf"(?:({_NAME})\.)?({_NAME})")
_CALL = re.compile(
    r'"(?P<quoted>(?:[^"]|"")+)"(?P<called>\()?|(?<![\w$])(?<!::)(?P<plain>[^\W\d][\w$]*)\('
)
"""A name before a bracket; behind a cast's colons it is a type with its modifier. The inside of a
name that is quoted, and not called, is skipped."""

_THINGS = frozenset(
    {"Relation Name", "Schema", "Alias", "Index Name", "Function Name", "CTE Name", "Subplan Name"}
)
_QUOTED = re.compile(r'"(?:[^"]|"")+"')
_BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
CLOCK = re.compile(
    r"\b(?:CURRENT_DATE|CURRENT_TIME(?:STAMP)?|LOCALTIME(?:STAMP)?)\b", re.IGNORECASE
)
"""Words that mean the transaction's time; a plan writes them in capitals."""
_COMPARING = re.compile(r"\b(?:CASE|NULLIF|DISTINCT FROM)\b")
"""Expressions that use an operator which a plan does not write."""
SYMBOLS = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_OVER = re.compile(r"\s*(?:FILTER \(.*?\)\s*)?OVER\b")


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is called in an expression."""

    name: str
    arguments: str
    windowed: bool
    """Whether it looks at a window of rows."""


def nodes(plan: Node) -> Iterator[Node]:
    """Yield a plan and all the plans in it."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a plan but the names of things, which a plan writes without quotes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _THINGS:
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def called(plan: Node) -> frozenset[str]:
    """Return the names before a bracket in a plan, and its operators; also those of views."""
    found: set[str] = set()
    for text in map(_without_strings, texts(plan)):
        found |= {call.name for call in calls(text) if not _is_between(call)}
        found |= set(SYMBOLS.findall(text))
        found |= {"="} if _COMPARING.search(text) else set()
    return frozenset(found)


def _is_between(call: Call) -> bool:
    """Return whether it counts the years between two times; of one, it counts those until now."""
    if call.name != "age":
        return False
    flat, left = call.arguments, ""
    while flat != left:
        flat, left = _BRACKETED.sub("", flat), flat
    return "," in flat


def unquoted(plan: Node) -> Iterator[str]:
    """Yield every text in a plan without its strings and quoted names."""
    for text in texts(plan):
        yield _QUOTED.sub('""', _without_strings(text))


def calls(expression: str) -> Iterator[Call]:
    """Yield every call in an expression, also those within the arguments of another."""
    blank = _without_strings(expression)
    for match in _CALL.finditer(blank):
        if name := _called_name(match):
            end = _closing(_QUOTED.sub(_without_brackets, blank), match.end())
            windowed = _OVER.match(blank, end + 1) is not None
            yield Call(name, expression[match.end() : end], windowed)


def column_of(expression: str) -> tuple[str, str] | None:
    """Return alias and name of an expression that is a column; None of any other.

    The alias is empty where none is written.
    """
    match = _COLUMN.fullmatch(expression)
    return None if match is None else (_name(match[1] or ""), _name(match[2]))


def without_alias(expression: str, alias: str) -> str:
    """Return an expression with columns written without the alias of their table."""
    quoted = re.escape('"' + alias.replace('"', '""') + '"')
    qualifier = rf'(?<![\w$."])(?:{re.escape(alias)}|{quoted})\.'
    written = re.compile(rf"({_STRING.pattern})|{qualifier}|({_QUOTED.pattern})")
    return written.sub(lambda found: found[1] or found[2] or "", expression)


def _without_strings(text: str) -> str:
    """Return a text of the same length with its strings blanked."""
    return _STRING_OR_NAME.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    text = found.group()
    return text if text.startswith('"') else "'" + " " * (len(text) - 2) + "'"


def _without_brackets(found: re.Match[str]) -> str:
    return found.group().replace("(", " ").replace(")", " ")


def _closing(text: str, start: int) -> int:
    depth = 1
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place
    return len(text)


def _name(written: str) -> str:
    return written[1:-1].replace('""', '"') if written.startswith('"') else written


def _called_name(match: re.Match[str]) -> str:
    """Return the name of what is called; empty where a quoted name is not."""
    if match["quoted"] is None:
        return str(match["plain"])
    return match["quoted"].replace('""', '"') if match["called"] else ""
