"""Puts ``AS OF SCN`` behind every table of a query. Pure: works on the text, opens no connection.

Only the clause is added: the parser finds the places, the user's text around them stays, and the
result is parsed again and must be the same query but for the clauses.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

GRAMMAR = "oracle"

DICTIONARY = ("ALL_", "USER_", "DBA_", "CDB_", "V$", "GV$", "V_$", "GV_$", "SESSION_")
"""Prefixes of the names of views over the server's present state."""

_BEHIND_A_NAME = frozenset({"PARTITION", "SUBPARTITION", "SAMPLE"})
"""Words that may come between a table's name and the clause."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the clause goes in a text."""

    ends: tuple[int, ...] = ()
    """Positions behind tables, from the left."""
    problem: str = ""
    """Why it cannot go behind all of them; empty when it can."""


def with_clause(sql: str, ends: tuple[int, ...], scn: str) -> str:
    """Return the text with the clause at some places."""
    clause, parts, start = f" AS OF SCN {int(scn)}", [], 0
    for end in ends:
        parts += [sql[start:end], clause]
        start = end
    return "".join([*parts, sql[start:]])


@functools.lru_cache(maxsize=256)
def places(sql: str) -> Places:
    """Return where the clause goes in a query, or why the query cannot be read as of an SCN."""
    try:
        tree = _parsed(sql)
        problem, tables = _tables(tree)
        ends = () if problem else tuple(sorted(_end(sql, table) for table in tables))
    except (sqlglot.errors.SqlglotError, ValueError) as error:
        return Places(problem=f"its text is not understood ({str(error).splitlines()[0]})")
    if problem:
        return Places(problem=problem)
    return (
        Places(ends)
        if _same_but_for_clauses(sql, tree, ends)
        else Places(problem="the query is another one when it is parsed with AS OF SCN")
    )


def _parsed(sql: str) -> exp.Expression:
    tree = sqlglot.parse_one(sql, read=GRAMMAR)
    if not isinstance(tree, exp.Expression) or not isinstance(tree, exp.Query):
        message = "it is no query"
        raise ValueError(message)  # noqa: TRY004 - of a text, not of an argument
    return tree


def _tables(tree: exp.Expression) -> tuple[str, list[exp.Table]]:
    """Return the tables that take the clause, or a problem."""
    named = {cte.alias.upper() for cte in tree.find_all(exp.CTE)}
    found = []
    for table in tree.find_all(exp.Table):
        if table.args.get("version") or _is_dual(table):
            continue
        if not isinstance(table.this, exp.Identifier):
            return f"{table.sql(GRAMMAR)} is no table", []
        name = table.name.upper()
        if name in named and not table.db:
            if any(cte.alias.upper() == name for cte in _enclosing(table)):
                return f"WITH {name} reads {name}", []
            continue
        if problem := _problem(table, name):
            return problem, []
        found.append(table)
    return "", found


def _enclosing(table: exp.Table) -> list[exp.CTE]:
    found, node = [], table.parent
    while node is not None:
        if isinstance(node, exp.CTE):
            found.append(node)
        node = node.parent
    return found


def _is_dual(table: exp.Table) -> bool:
    return table.name.upper() == "DUAL" and table.db.upper() in ("", "SYS")


def _problem(table: exp.Table, name: str) -> str:
    if "@" in name:
        return f"{table.name} is behind a database link"
    if name.startswith(DICTIONARY) or table.db.upper() == "SYS":
        return f"{table.name} shows the server's present state"
    return ""


def _end(sql: str, table: exp.Table) -> int:
    """Return the position behind a table's name, its partition and its sample."""
    end = int(table.this.meta["end"]) + 1
    tokens = [t for t in sqlglot.tokenize(sql, read=GRAMMAR) if t.start >= end]
    while tokens and tokens[0].text.upper() in _BEHIND_A_NAME:
        depth, opened = 0, False
        while tokens and not (opened and depth == 0):
            depth += {"(": 1, ")": -1}.get(tokens[0].text, 0)
            opened = opened or depth > 0
            end = tokens.pop(0).end + 1
        if tokens and tokens[0].text.upper() == "SEED":
            message = "SAMPLE with SEED is not looked into"
            raise ValueError(message)
    return end


def _same_but_for_clauses(sql: str, tree: exp.Expression, ends: tuple[int, ...]) -> bool:
    again = _parsed(with_clause(sql, ends, "1"))
    added = [t for t in again.find_all(exp.Table) if _is_ours(t.args.get("version"))]
    for table in added:
        table.set("version", None)
    return len(added) == len(ends) and again == tree


def _is_ours(version: exp.Expression | None) -> bool:
    return version is not None and version.sql(GRAMMAR, comments=False).upper().endswith("SCN 1")
