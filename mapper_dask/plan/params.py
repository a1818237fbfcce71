"""Values in the places a query marks ``:name``: as literals, before anything else sees it. Pure.

Only the marks are replaced, not text in strings, quoted names and comments, nor casts (``::``),
slices of arrays (``[1:n]``, see ``subscripts``) and assignments (``:=``). Every other character of
the text stays the user's own. So a run's ledger holds the query that was run,
and its fingerprint the values; but of a value that is a reference (``env:NAME``) only that, see
``connections.param_references``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import sqlglot
from sqlglot import Token, TokenType

from mapper_dask.connections import param_references as references
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.errors import ConfigurationError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.plan import subscripts, values
from mapper_dask.resolved_job import ResolvedJob

Literal = Callable[[Any], str]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_APART = " \t\r\n(),="
"""Characters that may be next to a literal without a blank between."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place in a query where a value goes."""

    name: str
    start: int
    end: int
    """Behind its last character."""
    in_list: bool
    """Whether it follows IN, so that a list is allowed."""
    in_brackets: bool
    """Whether the list's brackets are there already."""


def bound(job: MapperJob, source: ConnectionRef) -> MapperJob:
    """Return a job whose query holds the values of its params; it has no params any more.

    Raises
    ------
    ConfigurationError
        When a param is missing or not used, or its value has no literal in this database.
    """
    if job.params is None:
        return job
    dialect = dialect_for(source, "source_conn")
    sql = with_values(job.source_sql, job.params, dialect.grammar, dialect.literal)
    return job.evolve(source_sql=sql, params=None)


def with_params(job: ResolvedJob) -> ResolvedJob:
    """Return a job with the values of its params in its query, as ``bound`` does."""
    return replace(job, job=bound(job.job, job.source))


def with_values(sql: str, params: Mapping[str, Any], grammar: str, literal: Literal) -> str:
    """Return a query with values in the places of its marks.

    Parameters
    ----------
    sql
        The user's query.
    params
        Name → value; a list where the mark follows IN.
    grammar
        Name under which sqlglot knows the database.
    literal
        The database's way of writing a value.

    Raises
    ------
    ConfigurationError
        Names the param that is missing, not used, or cannot be written.
    """
    tokens = _tokens(sql, grammar)
    colons = subscripts.colons(sql, tokens)
    marks = list(_marks(sql, tokens, colons.of_slices))
    _require_unambiguous(sql, tokens, colons, params)
    in_slices = {_name_at(sql, tokens[c]) for c in colons.of_slices}
    _require_each(marks, params, in_slices, _texts(sql, tokens))
    parts, at, spans = [], 0, []
    for mark in marks:
        parts.append(sql[at : mark.start])
        written = _spaced(sql, mark, _written(mark, params[mark.name], literal))
        begin = sum(map(len, parts))
        spans.append((begin, begin + len(written)))
        parts.append(written)
        at = mark.end
    made = "".join([*parts, sql[at:]])
    _require_rest_as_it_was(tokens, marks, made, spans, grammar)
    return made


def origin(
    sql: str, params: Mapping[str, Any], grammar: str, literal: Literal, place: int
) -> int | None:
    """Return where a place in a query with values lies in the user's text; None: in a value.

    Parameters
    ----------
    place
        Characters before it in the text that was sent, references filled in.
    """
    tokens = _tokens(sql, grammar)
    behind = 0  # how much longer the sent text has become so far
    for mark in _marks(sql, tokens, subscripts.colons(sql, tokens).of_slices):
        if place - behind < mark.start:
            return place - behind
        written = _spaced(sql, mark, _written(mark, params[mark.name], literal))
        length = len(references.opened(written, literal).sql)
        if place < mark.start + behind + length:
            return None
        behind += length - (mark.end - mark.start)
    return place - behind


def _tokens(sql: str, grammar: str) -> list[Token]:
    try:
        return list(sqlglot.tokenize(sql, read=grammar))
    except sqlglot.errors.SqlglotError:
        message = "params cannot be put into source_sql: a quote or a comment in it is never closed"
        raise ConfigurationError(message, field="params") from None


def _name_at(sql: str, colon: Token) -> str:
    """Return the name directly after a colon, empty if there is none."""
    found = _NAME.match(sql, colon.end + 1)
    return found[0] if found else ""


def _require_unambiguous(
    sql: str, tokens: Sequence[Token], colons: subscripts.Colons, params: Mapping[str, Any]
) -> None:
    """Refuse ``a[:x]`` where ``x`` is a param: the value's element, or a slice up to column x."""
    for place in colons.of_either:
        name = _name_at(sql, tokens[place])
        if name in params:
            message = (
                f"params: [:{name}] in source_sql may be the element that the value names, or a "
                f"slice up to the column {name}: write [(:{name})] for the one, [ : {name}] for "
                "the other"
            )
            raise ConfigurationError(message, field="params", param=name)


def _marks(sql: str, tokens: Sequence[Token], of_slices: Collection[int]) -> Iterator[Placeholder]:
    for place, token in enumerate(tokens):
        if token.token_type is not TokenType.COLON or not _begins(sql, token.start):
            continue
        if place in of_slices:
            continue
        name = _NAME.match(sql, token.end + 1)
        if name is None:
            continue
        before = [t.token_type for t in tokens[max(0, place - 2) : place]]
        following = next((t for t in tokens[place + 1 :] if t.start >= name.end()), None)
        opened = before[-1:] == [TokenType.L_PAREN] and TokenType.IN in before
        closed = following is not None and following.token_type is TokenType.R_PAREN
        yield Placeholder(
            name[0],
            token.start,
            name.end(),
            before[-1:] == [TokenType.IN] or (opened and closed),
            opened and closed,
        )


def _begins(sql: str, start: int) -> bool:
    """Return whether a colon could begin a mark: a slice's follows a bracket or a value."""
    before = sql[start - 1 : start]
    return not (before.isalnum() or before in ("_", "$", '"', "'", "]", ")", ":"))


def _require_each(
    marks: Sequence[Placeholder],
    params: Mapping[str, Any],
    in_slices: Collection[str],
    quoted: Iterable[str],
) -> None:
    named = {mark.name for mark in marks}
    missing = sorted(named - set(params))
    if missing:
        message = f"params has no value for :{missing[0]}, which source_sql names"
        raise ConfigurationError(message, field="params", param=missing[0])
    unused = sorted(set(params) - named)
    if unused:
        hint = _hint(unused[0], named, in_slices) or _in_quotes(unused[0], quoted)
        message = f"params has {unused[0]!r}, and source_sql has no :{unused[0]}{hint}"
        raise ConfigurationError(message, field="params", param=unused[0])


def _hint(unused: str, named: Collection[str], in_slices: Collection[str]) -> str:
    """Return why a param may not be found, as the end of a sentence."""
    if unused in in_slices:
        return (
            f"; the colon before {unused} is that of a slice, up to the column {unused}: write "
            f"[… : :{unused}] for the value"
        )
    near = difflib.get_close_matches(unused, named, n=1)
    return f"; did you mean :{near[0]}?" if near else ""


def _texts(sql: str, tokens: Sequence[Token]) -> list[str]:
    """Return the quoted texts and names in a query, quotes included."""
    return [sql[t.start : t.end + 1] for t in tokens if sql[t.end : t.end + 1] in ("'", '"', "$")]


def _in_quotes(unused: str, quoted: Iterable[str]) -> str:
    """Return that a mark is in quotes, if it is, as the end of a sentence."""
    mark = re.compile(rf"(?<!:):{re.escape(unused)}(?!\w)")
    found = next((text for text in quoted if mark.search(text)), None)
    if found is None:
        return ""
    if found[1:-1] == f":{unused}":
        return (
            f": {found} is in quotes, which make a text of it; write :{unused} without the quotes"
        )
    return (
        f": in quotes, where it is, :{unused} is a part of a text; write it without the "
        f"quotes, as in 'a text' || :{unused}, or put the whole text into the value"
    )


def _written(mark: Placeholder, value: Any, literal: Literal) -> str:
    several = values.items(value)
    if several is None:
        return _one(mark, value, literal)
    if not mark.in_list:
        name = mark.name
        message = (
            "is a list, which goes behind IN only: IN :name or IN (:name). In place of "
            f"= ANY (:{name}) write IN :{name}; for the elements of an array, a param for each"
        )
        raise _refusal(mark, message)
    if not several:
        raise _refusal(mark, "is an empty list, which no IN can have; leave the condition out")
    if any(item is None or item is pd.NA or item is pd.NaT for item in several):
        message = (
            "is a list with a missing value, which IN never finds; leave it out, and ask for "
            "IS NULL beside it"
        )
        raise _refusal(mark, message)
    items = ", ".join(_one(mark, item, literal) for item in several)
    return items if mark.in_brackets else f"({items})"


def _one(mark: Placeholder, value: Any, literal: Literal) -> str:
    if references.is_reference(value):
        return references.mark(value)  # its value is filled in by the process that reads
    if isinstance(value, str) and references.HEAD in value:
        raise _refusal(mark, f"holds {references.HEAD}, which marks the value of a reference")
    try:
        value = values.plain(value)
    except ValueError as error:
        raise _refusal(mark, str(error)) from None
    try:
        return literal(value)
    except ValueError as error:
        raise _refusal(mark, f"cannot be written into source_sql: {error}") from None


def _refusal(mark: Placeholder, what: str) -> ConfigurationError:
    return ConfigurationError(f"params: {mark.name} {what}", field="params", param=mark.name)


def _spaced(sql: str, mark: Placeholder, written: str) -> str:
    """Return a literal with blanks where it would run into its neighbours."""
    before, after = sql[mark.start - 1 : mark.start], sql[mark.end : mark.end + 1]
    head = "" if before in _APART else " "
    tail = "" if after in _APART else " "
    return f"{head if mark.start else ''}{written}{tail if after else ''}"


def _require_rest_as_it_was(
    tokens: Sequence[Token],
    marks: Sequence[Placeholder],
    made: str,
    spans: Sequence[tuple[int, int]],
    grammar: str,
) -> None:
    """Refuse a text in which a value has changed the tokens around it."""
    before = [(mark.start, mark.end) for mark in marks]
    if _outside(tokens, before) != _outside(_tokens(made, grammar), spans):
        message = "params cannot be put into source_sql: write the values into the query"
        raise ConfigurationError(message, field="params")


def _outside(tokens: Sequence[Token], spans: Sequence[tuple[int, int]]) -> list[tuple[Any, str]]:
    return [
        (token.token_type, token.text)
        for token in tokens
        if not any(start <= token.start < end for start, end in spans)
    ]
