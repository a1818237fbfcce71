"""Analysis of a query's text before it runs. Pure: opens no connection.

The text is parsed to be understood, not to be rewritten. Where a table must be replaced, its place
in the text is found by the parser and the text around it stays the user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol, TypeVar

import sqlglot
from sqlglot import exp

from mapper_dask.errors import PlanError
from mapper_dask.query_text import doubts, lexers
from mapper_dask.query_text.refusals import no_query
from mapper_dask.schema.facts import Splice

T = TypeVar("T")

_NOT_ALONE = (
    "joins",
    "only",
    "pivots",
    "sample",
    "laterals",
    "when",
    "version",
    "partition",
    "changes",
)
"""Clauses after a table's name whose meaning a restriction to row addresses would change."""

_JOINED = (
    "joins",
    "laterals",
    "group",
    "having",
    "distinct",
    "with_",
    "with",
    "windows",
    "qualify",
    "locks",
    "into",
    "sample",
    "pivots",
    "match",
    "connect",
)
"""Parts of a SELECT that change which rows it returns."""


class Fold(Protocol):
    """How a database folds the case of a name that is written without quotes."""

    def __call__(self, identifier: str, *, quoted: bool) -> str:
        """Return the name as a result shows it."""
        ...


@dataclass(frozen=True, slots=True)
class QueryShape:
    """A query's properties, from its text."""

    sql: str
    """The user's text without a closing semicolon."""
    parsed: bool
    """Whether the parser understood it; when not, everything below but ``problem`` is empty."""
    problem: str = ""
    """Why it is not one query, as the parser sees it: what to say when the database refuses it."""
    doubt: str = ""
    """What may return other rows each time, according to its text."""
    order_by: tuple[str, ...] = ()
    """Result columns it is ordered by, up to the first that is an expression."""
    table: str | None = None
    """The one table it reads row by row, as written; None for joins, groups, unions and such."""
    splice: Splice | None = None
    """The place of that table in the text; None if row addresses cannot be restricted there."""
    column_of: tuple[tuple[str, str], ...] = ()
    """Result column → column of that table, where it is passed on unchanged; a star passes all."""
    passes_all: bool = False
    """Whether a star passes every column of that table."""
    limited: bool = False
    """Whether a LIMIT, FETCH or OFFSET cuts the result."""
    limited_inside: bool = False
    """Whether one cuts a part of the query, where its order is not looked at."""
    clocks: bool = False
    """Whether it asks for the time, which is another one in each chunk's transaction."""
    sampled: bool = False
    """Whether a TABLESAMPLE draws other rows each time."""
    functions: tuple[str, ...] = ()
    """Names before a parenthesis, and names with a package, which need none: they are looked up in
    the catalogue."""
    windows: bool = False
    """Whether it has window functions, which the database may compute again for each chunk."""
    outer_joins: bool = False
    """Whether it has joins that add NULLs."""
    whole_table: bool = False
    """Whether every row of that table gives exactly one row of the result."""

    def without_table(self) -> QueryShape:
        """Return the shape of a query whose rows are not one table's, as an aggregate's are not."""
        return replace(
            self, table=None, splice=None, column_of=(), passes_all=False, whole_table=False
        )

    def table_column(self, name: str) -> str | None:
        """Return the table's column behind a result column, None where there is none."""
        return dict(self.column_of).get(name, name if self.passes_all else None)


def _lower_case(identifier: str, *, quoted: bool) -> str:
    return identifier if quoted else identifier.lower()


def analyse(sql: str, grammar: str, fold: Fold = _lower_case) -> QueryShape:
    """Analyse a query's text.

    Parameters
    ----------
    sql
        The user's query.
    grammar
        Name under which sqlglot knows the database.
    fold
        How the database folds the case of names.

    Raises
    ------
    PlanError
        When the text contains a NUL, where a database would end it.
    """
    if "\0" in sql:
        message = "source_sql holds a NUL character, which no database reads"
        raise PlanError(message, field="source_sql")
    text = sql.strip()
    try:
        statements = [
            s
            for s in _from_the_top(lambda: sqlglot.parse(text, read=grammar))
            if s is not None and not isinstance(s, exp.Semicolon)
        ]
    except (sqlglot.errors.SqlglotError, RecursionError):  # it is nested deeper than it can follow
        return _unread(*_ended(text, grammar))
    problem = _too_many(len(statements))
    text = _without_semicolon(text, grammar)
    if problem or lexers.differ(text, grammar):
        return _unread(text, problem)
    tree = statements[0]
    if isinstance(tree, (exp.Command, exp.Values)):
        return _unread(text, "")
    if not isinstance(tree, exp.Expression) or not isinstance(tree, exp.Query):
        return _unread(text, no_query(text, tree.key.upper()))
    for identifier in tree.find_all(exp.Identifier):
        quoted = bool(identifier.args.get("quoted"))
        identifier.meta["folded"] = fold(identifier.name, quoted=quoted)
    return _shape(text, tree, grammar)


def _from_the_top(work: Callable[[], T]) -> T:
    """Return the result of work on a stack of its own.

    So the depth at which nesting fails does not depend on the caller.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _ended(text: str, grammar: str) -> tuple[str, str]:
    """Return a text that does not parse, up to its last semicolon, and what is wrong with it."""
    try:
        text = _without_semicolon(text, grammar)
    except sqlglot.errors.SqlglotError:
        text = text.rstrip("; \t\r\n")
    return text, _too_many(_semicolons(text, grammar) + 1)


def _unread(text: str, problem: str) -> QueryShape:
    """Return the shape of a text that is left to the database, which decides what it is."""
    return QueryShape(text, parsed=False, problem=problem, doubt="its text is not understood")


def _too_many(statements: int) -> str:
    if statements == 1:
        return ""
    return f"source_sql must hold one query, found {statements} statements; leave the others out"


def _semicolons(text: str, grammar: str) -> int:
    """Count semicolons outside quotes and comments; 0 if that is not clear.

    The count is only for an error: the database accepts one statement, whatever it is.
    """
    try:
        tokens = sqlglot.tokenize(text, read=grammar)
    except sqlglot.errors.SqlglotError:
        return 0
    return sum(token.token_type is sqlglot.TokenType.SEMICOLON for token in tokens)


def _without_semicolon(text: str, grammar: str) -> str:
    """Return a text up to the semicolon that ends it.

    It ends the text for every lexer: only blanks and plain comments follow it, in which no string
    ends. If it were inside a string, the rest would be one that never ends, an error.
    """
    tokens = sqlglot.tokenize(text, read=grammar)
    end = None
    while tokens and tokens[-1].token_type is sqlglot.TokenType.SEMICOLON:
        end = tokens.pop().start
    if end is None or lexers.NOTHING.fullmatch(text, end) is None:
        return text.rstrip()
    return text[:end].rstrip()


def _shape(text: str, tree: exp.Expression, grammar: str) -> QueryShape:
    limits = list(tree.find_all(exp.Limit, exp.Fetch, exp.Offset))
    limited = any(limit.parent is tree for limit in limits)
    inner = _filtered(tree)
    table = (
        None
        if any(limit.parent is not tree for limit in limits) and inner is not tree
        else (_single_table(inner))
    )
    return QueryShape(
        sql=text,
        parsed=True,
        order_by=tuple(_order_by(tree)) or tuple(_order_by(inner)),
        table=None if table is None else _text_of(text, table),
        splice=None
        if table is None or limited or _takes_whole_rows(tree, table)
        else _splice(text, table, grammar),
        column_of=tuple(_passed_columns(inner)) if table is not None else (),
        passes_all=table is not None and any(e.is_star for e in inner.expressions),
        limited=limited,
        limited_inside=any(limit.parent is not tree for limit in limits)
        or _numbers_rows(tree, grammar),
        doubt=doubts.of_text(tree),
        clocks=doubts.asks_time(tree),
        sampled=tree.find(exp.TableSample) is not None,
        functions=tuple(sorted(_called(text, grammar) | _called_in_packages(text, tree, grammar))),
        windows=tree.find(exp.Window) is not None,
        outer_joins=any(join.args.get("side") for join in tree.find_all(exp.Join)),
        whole_table=table is not None
        and not limits
        and not any(query.args.get("where") for query in (tree, inner)),
    )


def _filtered(tree: exp.Expression) -> exp.Expression:
    """Return the query of whose rows the tree passes on all or some, unchanged.

    The window of an incremental job is put around a query like this, so that what is known of the
    query's rows and columns is known of those in the window.
    """
    source = tree.args.get("from_") or tree.args.get("from")
    query = source.this if isinstance(source, exp.From) else None
    named = query.args.get("alias") if isinstance(query, exp.Subquery) else None
    passes = (
        isinstance(tree, exp.Select)
        and isinstance(query, exp.Subquery)
        and isinstance(query.this, exp.Select)
        and [type(e) for e in tree.expressions] == [exp.Star]
        and not any(tree.args.get(part) for part in (*_JOINED, "order"))
        and not any(query.args.get(part) for part in _NOT_ALONE)
        and not (named is not None and named.args.get("columns"))
    )
    return _filtered(query.this) if passes and query is not None else tree


def _numbers_rows(tree: exp.Expression, grammar: str) -> bool:
    """Return whether rows are numbered as they come, which limits them in no order."""
    known = sqlglot.Dialect.get_or_raise(grammar).PSEUDOCOLUMNS
    names = tree.find_all(exp.Column, exp.Pseudocolumn)
    return "ROWNUM" in known and any(
        name.name.upper() == "ROWNUM" and not name.args.get("table") for name in names
    )


def _single_table(tree: exp.Expression) -> exp.Table | None:
    """Return the table whose every row gives at most one row of the result, each on its own."""
    if not isinstance(tree, exp.Select):
        return None
    if any(tree.args.get(part) for part in _JOINED):
        return None
    if any(e.find(exp.AggFunc, exp.Window, exp.UDTF, exp.Explode) for e in tree.expressions):
        return None
    source = tree.args.get("from_") or tree.args.get("from")
    table = source.this if isinstance(source, exp.From) else None
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        return None
    if any(table.args.get(part) for part in _NOT_ALONE):
        return None
    alias = table.args.get("alias")
    return None if alias is not None and alias.args.get("columns") else table


def _takes_whole_rows(tree: exp.Expression, table: exp.Table) -> bool:
    """Return whether a table's row is one value somewhere, whose type a subselect's row has not."""
    name = _folded(table.args["alias"].this if table.alias else table.this)
    return any(
        not column.table and _folded(column.this) == name
        if not isinstance(column.this, exp.Star)
        else not isinstance(column.parent, exp.Select)
        for column in tree.find_all(exp.Column)
    )


def _span(table: exp.Table) -> tuple[int, int] | None:
    parts = [
        part.meta
        for part in (table.args.get("catalog"), table.args.get("db"), table.this)
        if part is not None
    ]
    if not all("start" in part and "end" in part for part in parts):
        return None
    return min(p["start"] for p in parts), max(p["end"] for p in parts) + 1


def _text_of(text: str, table: exp.Table) -> str | None:
    span = _span(table)
    return None if span is None else text[span[0] : span[1]]


def _splice(text: str, table: exp.Table, grammar: str) -> Splice | None:
    """Return the text around the table, checked: what is cut out parses as that very table."""
    span = _span(table)
    if span is None:
        return None
    written = text[span[0] : span[1]]
    try:
        again = exp.to_table(written, dialect=grammar)
    except (sqlglot.errors.SqlglotError, ValueError):
        return None
    if [p.name for p in again.parts] != [p.name for p in table.parts]:
        return None
    alias = "" if table.alias else text[table.this.meta["start"] : table.this.meta["end"] + 1]
    return Splice(text[: span[0]], written, text[span[1] :], alias)


def _order_by(tree: exp.Expression) -> Iterator[str]:
    order = tree.args.get("order")
    for ordered in order.expressions if order is not None else ():
        name = _ordered_column(tree, ordered.this)
        if name is None:
            return
        yield name


def _ordered_column(tree: exp.Expression, term: exp.Expression) -> str | None:
    """Return the result column that an ORDER BY term means, None for an expression."""
    named = [_output_name(e) for e in getattr(tree, "selects", [])]
    if isinstance(term, exp.Literal) and term.is_int:
        place = int(term.this) - 1
        return named[place] if 0 <= place < len(named) and named[place] else None
    if not isinstance(term, exp.Column):
        return None
    name = _folded(term.this)
    if term.table and not any(e.is_star for e in getattr(tree, "selects", [])):
        return next((n for e, n in _plain(tree, named) if _same_column(e, term)), None)
    if name not in named:
        for expression, output in zip(getattr(tree, "selects", []), named, strict=True):
            inner = expression.unalias()
            if isinstance(inner, exp.Column) and _same_column(inner, term):
                return output
    return name


def _plain(
    tree: exp.Expression, named: list[str | None]
) -> Iterator[tuple[exp.Column, str | None]]:
    """Yield the result columns that are columns passed on, with their names."""
    for expression, output in zip(getattr(tree, "selects", []), named, strict=True):
        inner = expression.unalias()
        if isinstance(inner, exp.Column):
            yield inner, output


def _same_column(one: exp.Column, other: exp.Column) -> bool:
    if isinstance(one.this, exp.Star):
        return False
    return _folded(one.this) == _folded(other.this) and (
        not one.table or not other.table or one.table == other.table
    )


def _passed_columns(tree: exp.Expression) -> Iterator[tuple[str, str]]:
    for expression in tree.expressions:
        inner = expression.unalias()
        if isinstance(inner, exp.Column) and not isinstance(inner.this, exp.Star):
            yield _output_name(expression) or "", _folded(inner.this)


def _output_name(expression: exp.Expression) -> str | None:
    if isinstance(expression, exp.Alias):
        return _folded(expression.args["alias"])
    if isinstance(expression, exp.Column) and isinstance(expression.this, exp.Identifier):
        return _folded(expression.this)
    return None


def _folded(identifier: exp.Expression) -> str:
    """Return a name as the result shows it."""
    return str(identifier.meta.get("folded", identifier.name))


def _called_in_packages(text: str, tree: exp.Expression, grammar: str) -> set[str]:
    """Return every ``owner.name`` whose owner is no table of the query: a package's function.

    Oracle's need no parentheses, nor does a sequence's next number.
    """
    tokens = sqlglot.tokenize(text, read=grammar)
    sources = {
        source.alias_or_name.lower() for source in tree.find_all(exp.Table, exp.Subquery, exp.CTE)
    }
    return {
        f"{_name_of(owner)}.{_name_of(name)}"
        for owner, dot, name in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if dot.token_type is sqlglot.TokenType.DOT and owner.text.lower() not in sources
    }


def _called(text: str, grammar: str) -> set[str]:
    """Return every name before a parenthesis: read off the text, so that no function is missed.

    The parser knows some functions by other names than the database does, and others not at all.
    """
    tokens = sqlglot.tokenize(text, read=grammar)
    opened = sqlglot.TokenType.L_PAREN
    return {
        _name_of(name)
        for name, after in pairwise(tokens)
        if after.token_type is opened and name.text
    }


def _name_of(token: sqlglot.Token) -> str:
    quoted = token.token_type is sqlglot.TokenType.IDENTIFIER
    return token.text if quoted else token.text.lower()
