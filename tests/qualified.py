"""Which names of a statement PostgreSQL looks up by the search path, by PostgreSQL's own parser.

Whoever may create objects in a schema of the search path can make such a name mean another object,
which then runs as whoever runs the statement. Only the ledger's tables are meant to be found so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind as Kind
from pglast.visitors import Visitor

PARAMETER = re.compile(r"%\(\w+\)s|%s")

OLD_BODIES = frozenset({"obj_description", "col_description", "shobj_description"})
"""Functions of PostgreSQL's own that are written in SQL: until version 13 their bodies look
operators up by the search path of the caller."""

LEDGER = re.compile(r"mapper_dask_(run|chunk|reject|flow|flow_job)")
"""Tables whose place is where the search path leads: docs/privileges.md."""

REMEDY = {
    Kind.AEXPR_DISTINCT: "write OPERATOR(pg_catalog.=) with IS NULL in place of IS DISTINCT FROM",
    Kind.AEXPR_NOT_DISTINCT: "write OPERATOR(pg_catalog.=) with IS NULL in place of IS NOT DISTINCT",
    Kind.AEXPR_NULLIF: "write CASE WHEN … OPERATOR(pg_catalog.=) … in place of NULLIF",
    Kind.AEXPR_IN: "write OPERATOR(pg_catalog.=) ANY ('{…}') in place of IN, <> ALL for NOT IN",
    Kind.AEXPR_LIKE: "write OPERATOR(pg_catalog.~~) or pg_catalog.starts_with in place of LIKE",
    Kind.AEXPR_ILIKE: "write OPERATOR(pg_catalog.~~*) in place of ILIKE",
    Kind.AEXPR_SIMILAR: "write OPERATOR(pg_catalog.~) in place of SIMILAR TO",
    **dict.fromkeys(
        (
            Kind.AEXPR_BETWEEN,
            Kind.AEXPR_NOT_BETWEEN,
            Kind.AEXPR_BETWEEN_SYM,
            Kind.AEXPR_NOT_BETWEEN_SYM,
        ),
        "write OPERATOR(pg_catalog.>=) and OPERATOR(pg_catalog.<=) in place of BETWEEN",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A name that the search path decides."""

    line: int
    """In the text, from 1; 0 where the parser does not say."""
    text: str
    """The name and what to write instead."""


def findings(sql: str) -> list[Finding]:
    """Return every name in some statements that is looked up by the search path.

    Parameters
    ----------
    sql
        PostgreSQL's, its parameters as psycopg2 writes them.
    """
    text = PARAMETER.sub(lambda found: "NULL".ljust(len(found.group())), sql)
    found: list[Finding] = []
    for statement in parse_sql(text):
        walk = _Walk(text, statement.stmt_location or 0)
        walk(statement)
        found += walk.found
    return found


class _Walk(Visitor):  # type: ignore[misc]  # pglast has no types
    def __init__(self, text: str, start: int) -> None:
        self._bytes, self._start = text.encode(), start
        self._named: set[str] = set()
        self.found: list[Finding] = []

    def visit(self, _ancestors: Any, node: Any) -> None:
        if isinstance(node, ast.RawStmt):
            self._named = {cte.ctename for cte in _all(node, ast.CommonTableExpr)}
            return
        for said in CHECKS.get(type(node), _nothing)(node):
            if isinstance(node, ast.RangeVar) and node.relname in self._named:
                continue
            self._add(node, said)

    def _add(self, node: Any, said: str) -> None:
        place = getattr(node, "location", None)
        place = self._start if place is None or place < 0 else place
        # A statement's place is before the comment that precedes it.
        self.found.append(Finding(self._bytes[:place].count(b"\n") + 1, said))


def _all(root: Any, kind: type) -> list[Any]:
    found: list[Any] = []

    class Collect(Visitor):  # type: ignore[misc]
        def visit(self, _ancestors: Any, node: Any) -> None:
            if isinstance(node, kind):
                found.append(node)

    Collect()(root)
    return found


def _nothing(_node: Any) -> Iterator[str]:
    return iter(())


def _function(node: Any) -> Iterator[str]:
    name = _written(node.funcname)
    if len(node.funcname) == 1:
        yield f"function {name}: write pg_catalog.{name}"
    if node.funcname[-1].sval in OLD_BODIES:
        yield f"function {name}: read pg_catalog.pg_description, see OLD_BODIES"


def _operator(node: Any) -> Iterator[str]:
    if len(node.name) > 1:
        return
    name = _written(node.name)
    yield f"operator {name}: " + REMEDY.get(Kind(node.kind), f"write OPERATOR(pg_catalog.{name})")


def _subquery(node: Any) -> Iterator[str]:
    if node.testexpr is not None and (node.operName is None or len(node.operName) == 1):
        yield "operator = of IN (SELECT …): write OPERATOR(pg_catalog.=) ANY (SELECT …)"


def _type(node: Any) -> Iterator[str]:
    if node.names is not None and len(node.names) == 1:
        name = _written(node.names)
        yield f"type {name}: write pg_catalog.{name}"


def _case(node: Any) -> Iterator[str]:
    if node.arg is not None:
        yield "operator = of CASE x WHEN y: write CASE WHEN x OPERATOR(pg_catalog.=) y"


def _join(node: Any) -> Iterator[str]:
    if node.isNatural or node.usingClause:
        yield "operator = of JOIN … USING: write ON a.x OPERATOR(pg_catalog.=) b.x"


def _relation(node: Any) -> Iterator[str]:
    if node.schemaname is None and not LEDGER.fullmatch(node.relname):
        yield f"relation {node.relname}: write pg_catalog.{node.relname}, or its schema"


def _sort(node: Any) -> Iterator[str]:
    if node.useOp is not None and len(node.useOp) == 1:
        yield "operator of ORDER BY … USING: write ASC or DESC"


def _index(node: Any) -> Iterator[str]:
    if node.opclass is not None and len(node.opclass) == 1:
        yield f"operator class {_written(node.opclass)}: write pg_catalog.…"


def _collation(node: Any) -> Iterator[str]:
    if len(node.collname) == 1:
        yield f"collation {_written(node.collname)}: write pg_catalog.…"


def _sample(node: Any) -> Iterator[str]:
    if len(node.method) == 1:
        yield f"function {_written(node.method)}: write TABLESAMPLE pg_catalog.…"


CHECKS: dict[type, Callable[[Any], Iterator[str]]] = {
    ast.FuncCall: _function,
    ast.A_Expr: _operator,
    ast.SubLink: _subquery,
    ast.TypeName: _type,
    ast.CaseExpr: _case,
    ast.JoinExpr: _join,
    ast.RangeVar: _relation,
    ast.SortBy: _sort,
    ast.IndexElem: _index,
    ast.CollateClause: _collation,
    ast.RangeTableSample: _sample,
}


def _written(name: Any) -> str:
    return ".".join(part.sval for part in name)


def functions_and_operators(sql: str) -> tuple[set[str], set[str]]:
    """Return the names of all functions and operators in some statements, however written."""
    tree = parse_sql(PARAMETER.sub("NULL", sql))
    functions = {node.funcname[-1].sval for s in tree for node in _all(s, ast.FuncCall)}
    operators = {node.name[-1].sval for s in tree for node in _all(s, ast.A_Expr)}
    return functions, operators
