"""The tables, columns and functions that a query's text names, folded as the database does.

The parser is not the database's. So nothing is concluded from a text that it does not understand,
and results are checked against the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

WHOLE = "*"
"""All columns of a table."""


@dataclass(frozen=True, slots=True)
class Named:
    """A table that a query's text names, as the database folds it."""

    schema: str | None
    name: str
    alias: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in (self.schema, self.name) if part)

    @property
    def called(self) -> str:
        """The qualifier of its columns: its alias, or its name."""
        return self.alias or self.name


@dataclass(frozen=True, slots=True)
class Called:
    """A function as a query's text calls it."""

    schema: str | None
    names: tuple[str, ...]
    """In small letters: a parser has several names for some."""
    given: int
    """Arguments."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names in a text."""

    tables: tuple[Named, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    """Pairs of a column's qualifier, which may be empty, and its name; ``*`` for all."""
    calls: tuple[Called, ...] = ()
    derived: bool = False
    """Whether some columns are those of a query within it: of WITH, or in brackets behind FROM."""

    def columns_of(self, table: Named) -> frozenset[str]:
        """Return the columns that may be a table's; ``*`` among them for all."""
        found = {name for before, name in self.columns if before in ("", table.called)}
        return frozenset(found | ({WHOLE} if ("", table.called) in self.columns else set()))


def names_in(sql: str, grammar: str, *, upper: bool = False) -> Names:
    """Return the names in a text; none where it is not understood.

    Parameters
    ----------
    upper
        Whether the database folds a name without quotes to capitals.
    """
    import sqlglot  # here, so that workers do not import the parser
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(sql, read=grammar)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return Names()
    folded = _folding(upper)
    own = {id(table) for table in tree.find_all(exp.Table) if _is_own(table, folded)}
    inner = tree.find(exp.CTE) is not None or any(
        not (isinstance(read.this, exp.Table) and folded(read.this.this))
        for read in tree.find_all(exp.From, exp.Join)
    )
    return Names(
        tuple(
            Named(folded(t.args.get("db")) or None, folded(t.this), folded(_alias(t)))
            for t in tree.find_all(exp.Table)
            if id(t) not in own and folded(t.this)
        ),
        tuple(dict.fromkeys(_columns(tree, folded))),
        tuple(_calls(tree, folded)),
        inner,
    )


def tables_of(sql: str, grammar: str, *, upper: bool = False) -> list[Named]:
    """Return the tables that a text names; none where it is not understood."""
    return list(names_in(sql, grammar, upper=upper).tables)


def _folding(upper: bool) -> Callable[[Any], str]:  # noqa: FBT001 - handed on
    from sqlglot import exp

    def folded(part: Any) -> str:
        if not isinstance(part, exp.Identifier):
            return ""
        if part.args.get("quoted"):
            return str(part.name)
        return str(part.name.upper() if upper else part.name.lower())

    return folded


def _alias(table: Any) -> Any:
    alias = table.args.get("alias")
    return None if alias is None else alias.this


def _is_own(table: Any, folded: Callable[[Any], str]) -> bool:
    """Return whether a name leads to a WITH of the text: those before it, or all where it is below.

    Within WITH a query does not see itself, nor what comes after it, unless WITH is RECURSIVE.
    """
    if table.args.get("db") is not None:
        return False
    name, below, above = folded(table.this), table, table.parent
    while above is not None:
        around = above.args.get("with_") or above.args.get("with")
        queries = around.expressions if around is not None and around is not below else ()
        if any(folded(_alias(query)) == name for query in queries):
            return True
        if above.key == "with":
            seen = above.expressions
            if not above.args.get("recursive"):
                seen = seen[: next((n for n, query in enumerate(seen) if query is below), None)]
            if any(folded(_alias(query)) == name for query in seen):
                return True
        below, above = above, above.parent
    return False


def _columns(tree: Any, folded: Callable[[Any], str]) -> Iterator[tuple[str, str]]:
    from sqlglot import exp

    for column in tree.find_all(exp.Column):
        before = folded(column.args.get("table"))
        yield before, WHOLE if isinstance(column.this, exp.Star) else folded(column.this)
    for query in tree.find_all(exp.Select):
        if any(isinstance(column, exp.Star) for column in query.expressions):
            yield "", WHOLE
    for join in tree.find_all(exp.Join):
        yield from (("", folded(_bare(name))) for name in join.args.get("using") or ())


def _bare(name: Any) -> Any:
    return name.this if name.key == "column" else name


def _calls(tree: Any, folded: Callable[[Any], str]) -> Iterator[Called]:
    from sqlglot import exp

    for call in tree.find_all(exp.Func):
        above = call.parent
        place = None
        if isinstance(above, exp.Dot) and above.expression is call:
            place = above.this
        elif isinstance(above, exp.Table):
            place = above.args.get("db")
        given = call.expressions if isinstance(call, exp.Anonymous) else [*call.iter_expressions()]
        names = [call.name] if isinstance(call, exp.Anonymous) else [*type(call).sql_names()]
        yield Called(folded(place) or None, tuple(n.lower() for n in names), len(given))
