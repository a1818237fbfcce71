"""Values of a query kept as references, ``env:NAME``, and looked up where the query is sent.

A query holds a placeholder, a literal that names the reference, in place of such a value. So the
plan, the ledger, a task, the log and an error hold the name only. The process that reads puts the
value in just before it reads, and takes it out again of whatever is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mapper_dask.connections.advice import here
from mapper_dask.connections.masking import SHORTEST
from mapper_dask.errors import ConfigurationError
from mapper_dask.near import variable_like
from mapper_dask.schema.facts import SourceQuery

Literal = Callable[[str], str]

HEAD = "<mapper_dask env:"
"""Beginning of each placeholder; no value that is written into a query may hold it."""

_REFERENCE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_MARK = re.compile(r"'<mapper_dask env:([A-Za-z_][A-Za-z0-9_]*)>'")
_known: dict[str, str] = {}


def is_reference(value: object) -> bool:
    """Return whether a param's value is the name of a variable that holds it."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def mark(reference: str) -> str:
    """Return the literal that takes the place of a reference's value in a query."""
    return f"'{HEAD}{reference.removeprefix('env:')}>'"


@dataclass(frozen=True, slots=True)
class Opened:
    """A query's text with its values, and what hides them again."""

    sql: str
    """For a session of this process, and for nothing that is kept or sent elsewhere."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Literals that were put there, the longest first, and the placeholders they replaced."""

    def sealed(self, text: str) -> str:
        """Return a text with the references in the places of their values."""
        for literal, name in self.pairs:
            text = text.replace(literal, name)
        return text

    def without_values(self, text: str) -> str:
        """Return a sentence about the query, without the values."""
        return masked(self.sealed(text)) if self.pairs else text

    def sealed_query(self, query: SourceQuery) -> SourceQuery:
        """Return a query that was planned with the values, as it is kept and sent."""
        return _changed(query, self.sealed) if self.pairs else query


def opened(sql: str, literal: Literal) -> Opened:
    """Return a query's text with the values of its references.

    Parameters
    ----------
    literal
        The database's way of writing a text.

    Raises
    ------
    ConfigurationError
        Names the variable that is not set in this process.
    """
    if HEAD not in sql:
        return Opened(sql)
    found = {name: literal(_value(name)) for name in _MARK.findall(sql)}
    made = _MARK.sub(lambda place: found[place[1]], sql)
    pairs = sorted(((text, mark(name)) for name, text in found.items()), key=lambda p: -len(p[0]))
    return Opened(made, tuple(pairs))


def opened_query(query: SourceQuery, literal: Literal) -> SourceQuery:
    """Return a query with the values of its references, for a session of this process."""
    if HEAD not in query.sql:
        return query
    return _changed(query, lambda text: opened(text, literal).sql)


def masked(text: str) -> str:
    """Return a text without the values that were looked up here, such as a server's answer."""
    for value, name in sorted(_known.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(value, f"<env:{name}>")
    return text


def _changed(query: SourceQuery, change: Callable[[str], str]) -> SourceQuery:
    splice = query.splice
    if splice is not None:
        splice = replace(
            splice,
            before=change(splice.before),
            table=change(splice.table),
            after=change(splice.after),
        )
    return replace(query, sql=change(query.sql), splice=splice)


def _value(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        like = variable_like(name)
        remedy = (
            f"did you mean env:{like}?"
            if like
            else "set it where this runs, and where the workers start"
        )
        message = f"params: the environment variable {name} is not set in {here()}; {remedy}"
        raise ConfigurationError(message, field="params")
    if HEAD in value or "\0" in value:
        message = f"params: the value of {name} cannot be put in a query"
        raise ConfigurationError(message, field="params")
    _known.update({form: name for form in _forms(value) if len(form) >= SHORTEST})
    return value


def _forms(value: str) -> Iterator[str]:
    """Yield a value as it is, and as a literal of a database holds it."""
    yield value
    yield value.replace("'", "''")
    yield value.replace("'", "''").replace("\\", "\\\\")
