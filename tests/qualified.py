"""Which names of a statement PostgreSQL looks up by the search path, by PostgreSQL's own parser.

Whoever may create objects in a schema of the search path can make such a name mean another object,
which then runs as whoever runs the statement. Only the ledger's tables are meant to be found so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pgparse

PARAMETER = re.compile(r"%\(\w+\)s|%s")

OLD_BODIES = frozenset({"obj_description", "col_description", "shobj_description"})
"""Functions of PostgreSQL's own that are written in SQL: until version 13 their bodies look
operators up by the search path of the caller."""

LEDGER = re.compile(r"mapper_dask_(run|chunk|reject|flow|flow_job)")
"""Tables whose place is where the search path leads: docs/privileges.md."""

REMEDY = {
    "AEXPR_DISTINCT": "write OPERATOR(pg_catalog.=) with IS NULL in place of IS DISTINCT FROM",
    "AEXPR_NOT_DISTINCT": "write OPERATOR(pg_catalog.=) with IS NULL in place of IS NOT DISTINCT",
    "AEXPR_NULLIF": "write CASE WHEN … OPERATOR(pg_catalog.=) … in place of NULLIF",
    "AEXPR_IN": "write OPERATOR(pg_catalog.=) ANY ('{…}') in place of IN, <> ALL for NOT IN",
    "AEXPR_LIKE": "write OPERATOR(pg_catalog.~~) or pg_catalog.starts_with in place of LIKE",
    "AEXPR_ILIKE": "write OPERATOR(pg_catalog.~~*) in place of ILIKE",
    "AEXPR_SIMILAR": "write OPERATOR(pg_catalog.~) in place of SIMILAR TO",
    **dict.fromkeys(
        (
            "AEXPR_BETWEEN",
            "AEXPR_NOT_BETWEEN",
            "AEXPR_BETWEEN_SYM",
            "AEXPR_NOT_BETWEEN_SYM",
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


UNNAMED = {
    "typeName": "TypeName",
    "relation": "RangeVar",
    "rel": "RangeVar",
    "pktable": "RangeVar",
    "collClause": "CollateClause",
}
"""Fields whose nodes the parser writes without their names, and these."""

Node = dict[str, Any]


def findings(sql: str) -> list[Finding]:
    """Return every name in some statements that is looked up by the search path.

    Parameters
    ----------
    sql
        PostgreSQL's, its parameters as psycopg2 writes them.
    """
    text = PARAMETER.sub(lambda found: "NULL".ljust(len(found.group())), sql)
    return [
        finding
        for statement in pgparse.parse(text)
        for finding in _of_statement(text.encode(), statement)
    ]


def _of_statement(text: bytes, statement: Node) -> Iterator[Finding]:
    nodes = list(_nodes(statement))
    named = {node["ctename"] for kind, node in nodes if kind == "CommonTableExpr"}
    for kind, node in nodes:
        if kind == "RangeVar" and node["relname"] in named:
            continue
        # A statement's place is before the comment that precedes it.
        place = node.get("location", statement.get("stmt_location", 0))
        for said in CHECKS.get(kind, _nothing)(node):
            yield Finding(text[:place].count(b"\n") + 1, said)


def _nodes(tree: Any, field: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node of a parsed statement with the name of its kind."""
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)
    elif isinstance(tree, dict):
        wrapped = len(tree) == 1 and next(iter(tree))[:1].isupper()
        if field in UNNAMED and not wrapped:
            yield UNNAMED[field], tree
        for name, inner in tree.items():
            if name[:1].isupper() and isinstance(inner, dict):
                yield name, inner
            yield from _nodes(inner, name)


def _nothing(_node: Node) -> Iterator[str]:
    return iter(())


def _function(node: Node) -> Iterator[str]:
    name, parts = _written(node["funcname"]), node["funcname"]
    if len(parts) == 1:
        yield f"function {name}: write pg_catalog.{name}"
    if _text(parts[-1]) in OLD_BODIES:
        yield f"function {name}: read pg_catalog.pg_description, see OLD_BODIES"


def _operator(node: Node) -> Iterator[str]:
    if len(node["name"]) > 1:
        return
    name = _written(node["name"])
    yield f"operator {name}: " + REMEDY.get(node["kind"], f"write OPERATOR(pg_catalog.{name})")


def _subquery(node: Node) -> Iterator[str]:
    if "testexpr" in node and len(node.get("operName", ())) <= 1:
        yield "operator = of IN (SELECT …): write OPERATOR(pg_catalog.=) ANY (SELECT …)"


def _type(node: Node) -> Iterator[str]:
    if len(node.get("names", ())) == 1:
        name = _written(node["names"])
        yield f"type {name}: write pg_catalog.{name}"


def _case(node: Node) -> Iterator[str]:
    if "arg" in node:
        yield "operator = of CASE x WHEN y: write CASE WHEN x OPERATOR(pg_catalog.=) y"


def _join(node: Node) -> Iterator[str]:
    if node.get("isNatural") or node.get("usingClause"):
        yield "operator = of JOIN … USING: write ON a.x OPERATOR(pg_catalog.=) b.x"


def _relation(node: Node) -> Iterator[str]:
    name = node["relname"]
    if not node.get("schemaname") and not LEDGER.fullmatch(name):
        yield f"relation {name}: write pg_catalog.{name}, or its schema"


def _sort(node: Node) -> Iterator[str]:
    if len(node.get("useOp", ())) == 1:
        yield "operator of ORDER BY … USING: write ASC or DESC"


def _index(node: Node) -> Iterator[str]:
    if len(node.get("opclass", ())) == 1:
        yield f"operator class {_written(node['opclass'])}: write pg_catalog.…"


def _collation(node: Node) -> Iterator[str]:
    if len(node["collname"]) == 1:
        yield f"collation {_written(node['collname'])}: write pg_catalog.…"


def _sample(node: Node) -> Iterator[str]:
    if len(node["method"]) == 1:
        yield f"function {_written(node['method'])}: write TABLESAMPLE pg_catalog.…"


CHECKS: dict[str, Callable[[Node], Iterator[str]]] = {
    "FuncCall": _function,
    "A_Expr": _operator,
    "SubLink": _subquery,
    "TypeName": _type,
    "CaseExpr": _case,
    "JoinExpr": _join,
    "RangeVar": _relation,
    "SortBy": _sort,
    "IndexElem": _index,
    "CollateClause": _collation,
    "RangeTableSample": _sample,
}


def _written(name: list[Node]) -> str:
    return ".".join(map(_text, name))


def _text(part: Node) -> str:
    return str(part["String"]["sval"])


def functions_and_operators(sql: str) -> tuple[set[str], set[str]]:
    """Return the names of all functions and operators in some statements, however written."""
    nodes = list(_nodes(pgparse.parse(PARAMETER.sub("NULL", sql))))
    functions = {_text(node["funcname"][-1]) for kind, node in nodes if kind == "FuncCall"}
    operators = {_text(node["name"][-1]) for kind, node in nodes if kind == "A_Expr"}
    return functions, operators
