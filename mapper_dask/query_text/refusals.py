"""Explains a database's refusal of a query: which field caused it, and the remedy. Pure.

The cases that all databases share: placeholders without values, texts that end too early, and the
names in a query's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mapper_dask.near import listed, nearest
from mapper_dask.query_text.named import Named

SOURCE_SQL, PARAMS = "source_sql", "params"
AS_SAID = -1


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as it is reported."""

    said: str
    """What the database said, in its words."""
    remedy: str = ""
    """The remedy; empty where none is known."""
    field: str = SOURCE_SQL
    """The argument to change."""
    position: int | None = AS_SAID
    """The character at which it was met, from 1, where that is not as the error has it."""


# -- places for values -----------------------------------------------------------------------------

_PLACES = (
    r"(?<![:\w\]\)\"'])(?P<colon>:(?!:))(?P<name>[A-Za-z_]\w*)",
    r"%\((?P<driver>\w+)\)s",
    r"(?P<plain>%s|\?)(?!\w)",
    r"\$(?P<number>\d+)",
    r"(?<!\{)\{(?P<braces>\w*)\}(?!\})",
)
_PLACE = re.compile("|".join(_PLACES))

_TEMPLATE = re.compile(r"\{\{|\{%")
_QUOTED = re.compile(
    r"\bn?q'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<mark>[^\s\w]).*?(?P=mark))'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
    r"|\be'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/",
    re.DOTALL | re.IGNORECASE,
)
"""Texts in all their forms, names in quotes, comments."""

_BEFORE_VALUES = frozenset(
    {
        *("and", "or", "not", "like", "ilike", "between", "in", "similar", "to", "escape", "is"),
        *("select", "distinct", "from", "where", "having", "by", "on", "limit", "offset", "values"),
        *("when", "then", "else", "case", "first", "next", "all", "any", "some"),
        *("interval", "date", "time", "timestamp", "timestamptz"),
    }
)
"""Words that are followed by a value, not by an operator."""


def unfilled(sql: str, position: int | None) -> Refusal | None:
    """Return what to say where an error was met at a place for a value, None where it was not.

    Parameters
    ----------
    sql
        The text that was refused.
    position
        The character the database names, from 1; one that it knows nothing about is looked for.
    """
    bare = _QUOTED.sub(lambda found: " " * len(found[0]), sql)
    there = [place for place in _PLACE.finditer(bare) if not _is_operator(sql, place)]
    places = there
    at = None if position is None else position - 1
    if at is not None and not any(p.start() - 1 <= at <= p.end() + 1 for p in places):
        places = [p for p in places if p["plain"] == "?" and p.end() <= at]
        if not places or sql[places[-1].end() : at].strip(" \n\t)"):
            places = []
    if _TEMPLATE.search(bare) and (at is None or _TEMPLATE.match(bare[at : at + 2])):
        remedy = (
            "source_sql is sent as it is, and no template is filled in: fill it before, or write "
            ":name for a value and give params={'name': …}"
        )
        return Refusal("a template's braces are in source_sql", remedy)
    return _to_fill(there) if places else None


def _is_operator(sql: str, place: re.Match[str]) -> bool:
    """Return whether a question mark is an operator, as PostgreSQL's for JSON is."""
    if place["plain"] != "?":
        return False
    before = sql[: place.start()].rstrip()
    behind = sql[place.end() :].lstrip("|&-#").lstrip()
    if before.endswith("@"):
        return True
    word = re.search(r"\w+$", before)
    value = before[-1:] in "\"'])" if word is None else word[0].lower() not in _BEFORE_VALUES
    return bool(before) and value and re.match(r"[\w$'\"(:]", behind) is not None


def _to_fill(places: Sequence[re.Match[str]]) -> Refusal:
    names = list(dict.fromkeys(filter(None, (_name(place) for place in places))))
    given = ", ".join(f"{name!r}: …" for name in names) or "'name': …"
    shown = places[0].group()
    if all(place["colon"] for place in places):
        said = f"{_and(f':{name}' for name in names)} in source_sql {_are(names)} given no value"
        return Refusal(said, f"give params={{{given}}}", PARAMS)
    wanted = _and(f":{name}" for name in names) or ":name"
    said = f"{shown} in source_sql is no place for a value here"
    if places[0]["number"]:
        said = f"there is no parameter {shown}"
    return Refusal(said, f"write {wanted} and give params={{{given}}}", PARAMS)


def _name(place: re.Match[str]) -> str:
    return place["name"] or place["driver"] or (place["braces"] or "")


def _and(names: Iterator[str] | Sequence[str]) -> str:
    *others, last = [*names] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _are(names: Sequence[str]) -> str:
    return "are" if len(names) > 1 else "is"


# -- texts that are no query -----------------------------------------------------------------------

_BEGINNINGS = ("SELECT", "WITH", "VALUES", "TABLE")
_FILE = re.compile(r"[^\s;'\"()]*[\w)]\.(sql|txt|ddl|pgsql|plsql)", re.IGNORECASE)
_NAME = re.compile(r'(?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+")){0,2}')


def no_query(sql: str, found: str) -> str:
    """Return what is wrong with a text that is something else than a query.

    Parameters
    ----------
    found
        What it is, as SQL.
    """
    if meant := _looks_like(sql) or misspelt_beginning(sql):
        return f"source_sql must be a query: {meant}"
    return f"source_sql must be a query, found {found}; begin it with SELECT or WITH"


def _looks_like(sql: str) -> str:
    text = sql.strip()
    if _FILE.fullmatch(text):
        return (
            f"{text} looks like a file's name: give source_sql=Path({text!r}).read_text(), in a "
            f"job file sql_file: {text}"
        )
    if _NAME.fullmatch(text) and text.upper() not in _BEGINNINGS:
        return f"for all rows of a table write SELECT * FROM {text}"
    return ""


def misspelt_beginning(sql: str) -> str:
    """Return the keyword that a query's first word probably means; empty if none."""
    if re.match(r"\s*[\w+]+://", sql):
        return "it looks like the URL of a connection, which goes into source_conn"
    first = re.match(r"[\s(]*([A-Za-z]+)", sql)
    if first is None or first[1].upper() in _BEGINNINGS:
        return ""
    found = nearest(first[1], _BEGINNINGS, cutoff=0.7)
    return f"did you mean {found} in place of {first[1]}?" if found else ""


def unclosed(sql: str, grammar: str) -> str:
    """Return the bracket or CASE that a text opens but does not close; empty if none."""
    import sqlglot
    from sqlglot import TokenType

    try:
        tokens = sqlglot.tokenize(sql, read=grammar)
    except sqlglot.errors.SqlglotError:
        return "a quote or a comment"
    kinds = [token.token_type for token in tokens]
    if kinds.count(TokenType.L_PAREN) > kinds.count(TokenType.R_PAREN):
        return "a bracket"
    if kinds.count(TokenType.CASE) > kinds.count(TokenType.END):
        return "a CASE, which ends in END,"
    return ""


def closed_too_often(sql: str, grammar: str) -> bool:
    """Return whether a text closes a bracket that it did not open."""
    import sqlglot
    from sqlglot import TokenType

    try:
        kinds = [token.token_type for token in sqlglot.tokenize(sql, read=grammar)]
    except sqlglot.errors.SqlglotError:
        return False
    return kinds.count(TokenType.L_PAREN) < kinds.count(TokenType.R_PAREN)


def comma_before(sql: str, position: int) -> bool:
    """Return whether a dangling comma precedes a position."""
    return sql[: position - 1].rstrip().endswith(",")


# -- columns ---------------------------------------------------------------------------------------


def column_meant(
    name: str,
    columns: Sequence[tuple[Named, str]],
    shown: Callable[[str], str],
    *,
    listing: bool = True,
) -> str:
    """Return the remedy for an unknown column; empty where none is known.

    Parameters
    ----------
    name
        As the database names it, with its qualifier.
    columns
        Those of the tables that the query names.
    shown
        Writes a name as SQL does.
    listing
        Whether the query has only these columns, so that they may be listed if none is similar.
    """
    before, _, bare = name.rpartition(".")
    before = before.rpartition(".")[2]
    own = [(table, column) for table, column in columns if before in ("", table.called)]
    if before and not own:
        return ""  # an alias of the query, not of a table
    found = nearest(bare, [column for _, column in own])
    if found is not None:
        whose = next(table for table, column in own if column == found)
        return f"did you mean {shown(whose.called)}.{shown(found)}?"
    for table, column in columns:
        if column.lower() == bare.lower():
            return f"did you mean {shown(table.called)}.{shown(column)}?"
    if not own or not (listing or before):
        return ""
    there = listed([*dict.fromkeys(shown(column) for _, column in own)])
    return f"{shown(before) if before else 'the query'} has {there}"
