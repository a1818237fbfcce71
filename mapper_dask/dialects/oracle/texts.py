"""Finds the names in a query's text: tables, functions, columns. Pure: looks nothing up.

It reads a user's query and those of views alike, and reports a text it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import Token, TokenType, exp

from mapper_dask.dialects.oracle import builtins
from mapper_dask.dialects.oracle.flashback import GRAMMAR
from mapper_dask.query_text import doubts

Name = tuple[str | None, str]
"""Owner and name as the dictionary has them; no owner where none is written."""

Chain = tuple[str, ...]
"""The names of a function, its package and its owner, as far as they are written."""

NOT_UNDERSTOOD = "its text is not understood"

_CLOSED = re.compile(
    r"\s+WITH\s+(?:READ\s+ONLY|CHECK\s+OPTION)(?:\s+CONSTRAINT\s+\S+)?\s*\Z", re.IGNORECASE
)
"""The end of a view's text that restricts which rows it takes."""

_ROW_SOURCES = (exp.JSONTable, exp.XMLTable)
_QUOTED = (TokenType.STRING, TokenType.RAW_STRING, TokenType.NATIONAL_STRING, TokenType.IDENTIFIER)

_AFTER_A_PART = (TokenType.DOT, TokenType.L_PAREN)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one text names."""

    problem: str = ""
    """Why it is not understood, or what in it no dictionary has to be asked about."""
    tree: exp.Expression | None = None
    relations: tuple[Name, ...] = ()
    calls: tuple[Chain, ...] = ()
    """Functions that must be known; of a package also without a bracket."""
    keywords: frozenset[Chain] = frozenset()
    """Those among the calls that may be words of the grammar as well."""
    words: tuple[str, ...] = ()
    """Names without a qualifier or bracket: columns, or functions."""
    columns: tuple[str, ...] = ()
    """Names of all columns, whatever qualifies them."""


def read(sql: str) -> Reading:
    """Return what a query names."""
    try:
        with ThreadPoolExecutor(1) as pool:  # a stack of its own: deep is deep wherever it is asked
            tree = pool.submit(sqlglot.parse_one, sql, read=GRAMMAR).result()
        tokens = sqlglot.tokenize(sql, read=GRAMMAR)
        if not isinstance(tree, exp.Expression) or not isinstance(tree, exp.Query):
            return Reading(NOT_UNDERSTOOD)
        return _named(tree, tokens)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return Reading(NOT_UNDERSTOOD)


def view(text: str | None) -> Reading:
    """Return what a view's query names, and what its text leaves open."""
    if not text:
        return Reading("its text is not shown to this login")
    found = read(_CLOSED.sub("", text.strip()))
    if found.problem or found.tree is None:
        return found
    return Reading(_left_open(found.tree)) if _left_open(found.tree) else found


def _left_open(tree: exp.Expression) -> str:
    """Return what in a view's text may give other rows each time, by the rules of a query's own."""
    numbered = any(
        name.name.upper() == "ROWNUM" and not name.args.get("table")
        for name in tree.find_all(exp.Column, exp.Pseudocolumn)
    )
    if numbered or tree.find(exp.Limit, exp.Fetch, exp.Offset) is not None:
        return "a LIMIT or ROWNUM in it may let other rows through each time"
    if tree.find(exp.TableSample) is not None:
        return "its SAMPLE draws other rows each time"
    return doubts.of_text(tree)


def _named(tree: exp.Expression, tokens: list[Token]) -> Reading:
    if any("@" in token.text for token in tokens if token.token_type not in _QUOTED):
        return Reading("it reads from another database, by a link")
    tables = list(tree.find_all(exp.Table))
    for table in tables:
        if not isinstance(table.this, (exp.Identifier, *_ROW_SOURCES)) or table.args.get("catalog"):
            return Reading(f"{table.sql(GRAMMAR)} in it is no table")
        if problem := _of_versions(table):
            return Reading(problem)
    if said := _changing(tokens):
        return Reading(said)
    sources = {held(name) for name in _source_names(tree)}
    calls = dict.fromkeys(_called(tokens))
    calls.update(dict.fromkeys(_uncalled(tokens, sources)))
    columns = [held(c.this) for c in tree.find_all(exp.Column) if _is_name(c.this)]
    words = [held(c.this) for c in tree.find_all(exp.Column) if _is_name(c.this) and not c.table]
    ctes = {(held(cte.args["alias"].this),) for cte in tree.find_all(exp.CTE)}
    return Reading(
        tree=tree,
        relations=tuple(dict.fromkeys(_relation(t) for t in tables if _is_stored(t))),
        calls=tuple(calls),
        keywords=frozenset(c for c in calls if c in ctes or c[0] in builtins.KEYWORDS),
        words=tuple(dict.fromkeys(words)),
        columns=tuple(dict.fromkeys(columns)),
    )


# -- tables ---------------------------------------------------------------------------------------


def _is_stored(table: exp.Table) -> bool:
    """Return whether a table's name is one of the dictionary's, and not of the query itself."""
    if not isinstance(table.this, exp.Identifier):
        return False
    name = held(table.this)
    if name == "DUAL" and table.db.upper() in ("", "SYS"):
        return False
    return bool(table.db) or name not in _visible(table)


def _visible(table: exp.Table) -> set[str]:
    """Return the names of the WITH queries that a table can refer to: those before it."""
    found: set[str] = set()
    inner: Any = table
    node: Any = table.parent
    while node is not None:
        clause = node if isinstance(node, exp.With) else node.args.get("with_")
        if isinstance(clause, exp.With) and inner is not clause:
            for cte in clause.expressions:
                found.add(held(cte.args["alias"].this))
                if cte is inner:
                    break
        inner, node = node, node.parent
    return found


def _relation(table: exp.Table) -> Name:
    owner = table.args.get("db")
    return (held(owner) if owner is not None else None, held(table.this))


def _source_names(tree: exp.Expression) -> Iterator[exp.Expression]:
    for source in tree.find_all(exp.Table, exp.TableAlias):
        parts = [source.this, source.args.get("db")]
        yield from (part for part in parts if isinstance(part, exp.Identifier))


def _of_versions(table: exp.Table) -> str:
    version = table.args.get("version")
    if version is None or str(version.args.get("kind", "")).upper() == "AS OF":
        return ""
    return "it reads versions of rows, as far as the database still has them"


# -- functions ------------------------------------------------------------------------------------


def _called(tokens: list[Token]) -> Iterator[Chain]:
    """Yield the names before brackets, but for those known to repeat."""
    for place, token in enumerate(tokens[:-1]):
        if tokens[place + 1].token_type is not TokenType.L_PAREN or not _is_word(token):
            continue
        chain = _chain(tokens, place)
        if len(chain) == 1 and token.token_type is not TokenType.IDENTIFIER:
            if chain[0] in builtins.OF_THE_LANGUAGE:
                continue
            if chain[0] in ("SYS_CONTEXT", "USERENV") and _same_context(tokens[place:]):
                continue
        yield chain


def _is_word(token: Token) -> bool:
    """Return whether a token is a name; those of two words are the grammar's, as ORDER BY is."""
    quoted = token.token_type is TokenType.IDENTIFIER
    return quoted or re.fullmatch(r"[^\W\d][\w$#]*", token.text) is not None


def _chain(tokens: list[Token], place: int) -> Chain:
    """Return the names that end at a place, with dots between them."""
    parts = [_token_held(tokens[place])]
    while place >= 2 and tokens[place - 1].token_type is TokenType.DOT:  # noqa: PLR2004 - a dot and what is before it
        place -= 2
        parts.insert(0, _token_held(tokens[place]))
    return tuple(parts)


def _uncalled(tokens: list[Token], sources: set[str]) -> Iterator[Chain]:
    """Yield names with an owner that is no table of the query: functions of packages."""
    for place, token in enumerate(tokens):
        continues = place + 1 < len(tokens) and tokens[place + 1].token_type in _AFTER_A_PART
        if continues or not _is_word(token):
            continue
        chain = _chain(tokens, place)
        if len(chain) > 1 and chain[0] not in sources:
            yield chain


def _same_context(tokens: list[Token]) -> bool:
    """Return whether a call of SYS_CONTEXT or USERENV asks for what all sessions have alike."""
    texts = [t.text.upper() for t in tokens[2:6] if t.token_type is TokenType.STRING]
    if tokens[0].text.upper() == "SYS_CONTEXT":
        return len(texts) == 2 and texts[0] == "USERENV" and texts[1] in builtins.SAME_CONTEXT  # noqa: PLR2004
    return len(texts) == 1 and texts[0] in builtins.SAME_CONTEXT


def _changing(tokens: list[Token]) -> str:
    for token in tokens:
        if token.token_type not in _QUOTED and token.text.upper() in builtins.CHANGING:
            return f"{token.text.upper()} in it is not shown to be the same in each statement"
    return ""


# -- names ----------------------------------------------------------------------------------------


def _is_name(part: object) -> bool:
    return isinstance(part, exp.Identifier)


def held(name: exp.Expression) -> str:
    """Return a name as the dictionary has it."""
    return name.name if name.args.get("quoted") else name.name.upper()


def _token_held(token: Token) -> str:
    return token.text if token.token_type is TokenType.IDENTIFIER else token.text.upper()
