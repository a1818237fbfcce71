"""Whether rows folded into one give the same result in any order. Pure: judges a text by types.

Oracle rounds a NUMBER to 40 digits and a BINARY_DOUBLE to 53 bits, so the order of additions may
decide the last digit; values with a fixed number of decimals are added without rounding. And in
a session that compares texts by a language, two that are equal may be written otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mapper_dask.dialects.oracle.flashback import GRAMMAR
from mapper_dask.dialects.oracle.texts import Reading, held

Types = Mapping[str, Sequence[tuple[str, str]]]
"""Data type and scale of the columns of each name, in whichever table; ``-`` for no scale."""

_CARRYING = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Paren, exp.Abs, exp.Sum, exp.Distinct),
    *(exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least),
)
"""Expressions with as many decimals as what they are made of."""

_ROUNDING = (exp.Round, exp.Trunc, exp.Floor, exp.Ceil)
_COUNTING = (exp.Count, exp.Length, exp.Sign, exp.Extract, exp.Null)
_PLAIN = (exp.Column, exp.Identifier, exp.Literal, exp.Div, *_CARRYING, *_ROUNDING)
_SHOWN = 80
"""Most characters of an expression that a message shows."""

_NOT_SHOWN = (
    "in it is not shown to be the same in any order of its rows: cast what is added to a NUMBER "
    "with a scale"
)
_WHOLE = ("INT", "INTEGER", "SMALLINT")
_SCALED = ("NUMBER(", "DECIMAL(", "NUMERIC(")


def added(reading: Reading, types: Types) -> str:
    """Return which sum of a text may depend on the order of its rows; empty when none does."""
    values = _Values(reading, types)
    try:
        for call in () if reading.tree is None else reading.tree.find_all(exp.Sum, exp.Avg):
            if not isinstance(call.parent, exp.Window) and not values.are_exact(call.this):
                return f"{_short(call.sql(GRAMMAR))} {_NOT_SHOWN}"
    except RecursionError:  # what is added is nested deeper than it can be followed
        return f"a sum {_NOT_SHOWN}"
    return ""


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def picked(reading: Reading, *, by_language: bool) -> str:
    """Return what in a text takes one of several texts that a language holds for equal."""
    if not by_language or reading.tree is None:
        return ""
    united = (s for s in reading.tree.find_all(exp.SetOperation) if not _keeps_all(s))
    found = reading.tree.find(exp.Distinct, exp.Group, exp.Min, exp.Max) or next(united, None)
    if found is None:
        return ""
    return f"{found.key.upper()} in it takes one of several texts that the session holds for equal"


def _keeps_all(operation: exp.SetOperation) -> bool:
    return isinstance(operation, exp.Union) and not operation.args.get("distinct")


@dataclass(frozen=True, slots=True)
class _Values:
    """What is known of values in a text."""

    reading: Reading
    types: Types

    def are_exact(self, value: exp.Expression, seen: tuple[str, ...] = ()) -> bool:
        """Return whether values have a fixed number of decimals."""
        match value:
            case exp.Column():
                return self._is_exact_column(value, seen)
            case exp.Literal():
                return not value.is_string and value.name.replace(".", "", 1).isdigit()
            case exp.Cast():
                written = value.to.sql(GRAMMAR).upper()
                return written in _WHOLE or written.startswith(_SCALED)
            case _ if isinstance(value, _ROUNDING):
                return self._is_decimal(value)
            case _ if isinstance(value, _CARRYING):
                return all(self.are_exact(part, seen) for part in _parts(value))
        return isinstance(value, _COUNTING)

    def _is_exact_column(self, column: exp.Column, seen: tuple[str, ...]) -> bool:
        """Return whether all columns of a name are, and all that a query itself calls so."""
        if not isinstance(column.this, exp.Identifier) or self.reading.tree is None:
            return False
        name = held(column.this)
        if name in seen:  # passed on under its own name
            return True
        aliases = self.reading.tree.find_all(exp.Alias)
        made = [alias.this for alias in aliases if held(alias.args["alias"]) == name]
        stored = self.types.get(name, ())
        return bool(stored or made) and (
            all(kind == "NUMBER" and scale != "-" for kind, scale in stored)
            and all(self.are_exact(value, (*seen, name)) for value in made)
        )

    def _is_decimal(self, value: exp.Expression) -> bool:
        """Return whether nothing in an expression is a binary float, which rounding leaves one."""
        names = (c.this for c in value.find_all(exp.Column))
        kinds = [self.types.get(held(n), [("", "")]) for n in names if n.is_leaf()]
        plain = all(isinstance(node, _PLAIN) for node in value.walk())
        return plain and all(kind == "NUMBER" for known in kinds for kind, _ in known)


def _parts(value: exp.Expression) -> Iterator[exp.Expression]:
    """Yield what a value is made of: not the conditions by which it is chosen."""
    if isinstance(value, exp.Case):
        chosen = [branch.args.get("true") for branch in value.args["ifs"]]
        chosen.append(value.args.get("default"))
    elif isinstance(value, exp.If):
        chosen = [value.args.get("true"), value.args.get("false")]
    else:
        chosen = list(value.iter_expressions())
    yield from (part for part in chosen if isinstance(part, exp.Expression))
