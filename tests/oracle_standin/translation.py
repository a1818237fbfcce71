"""Oracle's SQL into PostgreSQL's: what kind of statement it is, and what is run for it."""

from __future__ import annotations

import functools
import re
from typing import Any

import sqlglot
from sqlglot import exp

from tests.oracle_standin import plsql, synonyms, types
from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.guard import require_oracle
from tests.oracle_standin.rewrites import rewritten, sorted_by_language
from tests.oracle_standin.rownum import without_rownum
from tests.oracle_standin.too_long import filled_columns

Translated = dict[str, Any]
"""``kind``, ``sql`` with $1 … in the order of the binds, ``names`` of those, ``scn`` that is read,
``filled``: the table of an INSERT and which bind fills which column."""

BIND = re.compile(
    r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/|:\s*("?[A-Za-z][\w$#]*"?|\d+)""", re.DOTALL
)
FIRST_WORD = re.compile(r"\s*(?:/\*.*?\*/|--[^\n]*\n|\s)*\(*\s*(\w+)", re.DOTALL)

STORAGE = re.compile(
    r"\b(TABLESPACE\s+\S+|NOLOGGING|LOGGING|PCTFREE\s+\d+|INITRANS\s+\d+|SEGMENT\s+CREATION\s+\w+|"
    r"PARALLEL(\s+\d+)?|NOPARALLEL|PURGE|CASCADE\s+CONSTRAINTS|NOCACHE|VALIDATE|ENABLE|USING\s+INDEX)\b",
    re.IGNORECASE,
)
"""Clauses about storage, which mean nothing here."""

AS_IT_IS = {
    "SET": "set",
    "SAVEPOINT": "savepoint",
    "LOCK": "lock",
    "EXPLAIN": "explain",
    **dict.fromkeys(("ANALYZE", "GRANT", "REVOKE"), "nop"),
}
DEFINITIONS = frozenset({"CREATE", "DROP", "TRUNCATE", "ALTER"})
KINDS = {
    **dict.fromkeys(("SELECT", "WITH"), "query"),
    **dict.fromkeys(("INSERT", "UPDATE", "DELETE", "MERGE"), "dml"),
}


@functools.lru_cache(maxsize=4096)
def translate(
    sql: str,
    *,
    by_language: bool = False,
    known: tuple[synonyms.Synonym, ...] = (),
    user: str = "",
) -> Translated:
    """Return what is to be run for a statement.

    Parameters
    ----------
    by_language
        Whether the session orders and compares texts by NLS_SORT and NLS_COMP.
    known
        Synonyms there are.
    user
        Whose names are meant where no owner is written.

    Raises
    ------
    OracleError
        For what Oracle would refuse, and for what the stand-in cannot do.
    """
    for pattern, made in SPECIAL:
        found = re.match(pattern, sql, re.IGNORECASE | re.DOTALL)
        if found:
            return made(found)
    block = re.match(r"\s*(?:BEGIN|DECLARE|CALL)\b", sql, re.IGNORECASE)
    body, names = _numbered(sql if block else sql.strip().rstrip(";"))
    if block:
        return _block(body, names)
    first = FIRST_WORD.match(body)
    word = first.group(1).upper() if first else ""
    if word in AS_IT_IS:
        return _translated(AS_IT_IS[word], body, names)
    if word in DEFINITIONS:
        body = synonyms.CLOSED.sub("", STORAGE.sub(" ", body))
    body = types.renamed(body)
    return _statement(word, body, names, by_language=by_language, known=known, user=user)


def _translated(kind: str, sql: Any, names: list[str] | None = None, **facts: Any) -> Translated:
    return {"kind": kind, "sql": sql, "names": names or [], "scn": None, "filled": None, **facts}


# -- statements the parser has no part in ----------------------------------------------------------


def _end_session(found: re.Match[str]) -> Translated:
    return _translated("plsql", [f"SELECT pg_terminate_backend({found.group(1)}, 5000)"])


def _comment(found: re.Match[str]) -> Translated:
    return _translated("ddl", f"COMMENT ON TABLE {_upper(found.group(1))} IS {found.group(2)}")


def _check(found: re.Match[str]) -> Translated:
    table, condition = found.groups()
    query = translate(f"SELECT 1 FROM dual WHERE {condition}")["sql"]
    _, _, condition = query.partition(" WHERE ")
    return _translated("ddl", f"ALTER TABLE {_upper(table)} ADD CHECK ({condition})")


def _column(found: re.Match[str]) -> Translated:
    table, column, kind = found.groups()
    kind = types.renamed(kind)
    return _translated("ddl", f"ALTER TABLE {_upper(table)} ADD COLUMN {_upper(column)} {kind}")


def _nullability(found: re.Match[str]) -> Translated:
    table, column, word = found.groups()
    change = "SET NOT NULL" if word.upper() == "NOT NULL" else "DROP NOT NULL"
    return _translated("ddl", f"ALTER TABLE {_upper(table)} ALTER {_upper(column)} {change}")


def _setting(found: re.Match[str]) -> Translated:
    return _translated("setting", found.string)


def _inside(found: re.Match[str]) -> Translated:
    return _translated("savepoint", found.string)


def _synonym(found: re.Match[str]) -> Translated:
    made = synonyms.drop if found.group(0).strip()[:1] in "dD" else synonyms.create
    return _translated("ddl", made(found))


SPECIAL = (
    (synonyms.CREATE, _synonym),
    (synonyms.DROP, _synonym),
    (r"\s*(?:ROLLBACK\s+TO|SET\s+CONSTRAINTS?)\b", _inside),
    (r"\s*ALTER\s+SYSTEM\s+KILL\s+SESSION\s+'(\d+),", _end_session),
    (r"\s*ALTER\s+SESSION\b", _setting),
    (r"\s*COMMENT\s+ON\s+TABLE\s+(\S+)\s+IS\s+('.*')", _comment),
    (r"\s*ALTER\s+TABLE\s+(\S+)\s+ADD\s+CHECK\s*\((.*)\)\s*$", _check),
    (r"\s*ALTER\s+TABLE\s+(\S+)\s+ADD\s*\(\s*(\w+)\s+(\w+)\s*\)\s*$", _column),
    (
        r"\s*ALTER\s+TABLE\s+(\S+)\s+MODIFY\s*\(?\s*(\S+)\s+(NOT\s+NULL|NULL)\s*\)?\s*$",
        _nullability,
    ),
)


def _upper(name: str) -> str:
    """Return a name, with its schema, as PostgreSQL must write it."""
    parts = (part if part.startswith('"') else f'"{part.upper()}"' for part in name.split("."))
    return ".".join(parts)


def _numbered(sql: str) -> tuple[str, list[str]]:
    """Return a statement whose binds are called :ora_b1 and so on, and their own names."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found.group(1) is None:
            return found.group(0)
        names.append(found.group(1).strip('"').upper())
        return f":ora_b{len(names)} "

    return BIND.sub(number, sql), names


def _block(body: str, names: list[str]) -> Translated:
    """Return a block's calls; its binds are sent once a name."""
    distinct = list(dict.fromkeys(names))

    def number(found: re.Match[str]) -> str:
        return f":ora_b{distinct.index(names[int(found.group(1)) - 1]) + 1} "

    return _translated("plsql", plsql.calls(re.sub(r":ora_b(\d+) ", number, body)), distinct)


# -- statements that are parsed --------------------------------------------------------------------


def _statement(
    word: str,
    body: str,
    names: list[str],
    *,
    by_language: bool,
    known: tuple[synonyms.Synonym, ...],
    user: str,
) -> Translated:
    tree = _parsed(word, body)
    require_oracle(body, tree)
    used = synonyms.replaced(tree, known, user)
    scn = _taken_scn(tree)
    filled = _filled(tree)
    _name_results(tree, names)
    tree = without_rownum(tree)
    _name_subqueries(tree)
    if by_language:
        sorted_by_language(tree)
    tree = rewritten(tree)
    made = tree.sql("postgres", unsupported_level=sqlglot.ErrorLevel.IGNORE, comments=False)
    made = made.replace("'\x00EMPTY'", "''")
    kind = KINDS.get(word, "ddl")
    return _translated(kind, made, names, scn=scn, filled=filled, synonyms=used)


def _parsed(word: str, body: str) -> exp.Expression:
    text = re.sub(r"FOR\s+UPDATE\s+WAIT\s+\d+", "FOR UPDATE", body)  # the caller bounds the wait
    text = text.replace("serial#", '"SERIAL#"')  # which the parser takes for a comment
    text = re.sub(  # an index stands in its table's schema, and PostgreSQL wants it unnamed
        r"^(\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+)[\w\"$]+\.", r"\1", text, flags=re.IGNORECASE
    )
    try:
        tree = sqlglot.parse_one(text, read="oracle")
    except sqlglot.errors.ParseError as error:
        said = str(error).split("\n")[0][:120]
        message = f"SQL command not properly ended (stand-in parser: {said})"
        raise OracleError(933, message) from None
    if isinstance(tree, exp.Command):
        raise OracleError(900, f"invalid SQL statement (stand-in cannot run: {word})")
    return tree


def _taken_scn(tree: exp.Expression) -> str | None:
    """Take every AS OF SCN out; return the number, or the bind it comes in."""
    scn = None
    for version in list(tree.find_all(exp.Version)):
        kind = version.this if isinstance(version.this, str) else version.this.name
        if kind.upper() == "SCN":
            scn = version.args["expression"].sql("oracle")
        version.pop()
    return scn


def _filled(tree: exp.Expression) -> tuple[str, dict[str, int]] | None:
    """Return an INSERT's table and which bind fills which of its columns."""
    values = tree.args.get("expression") if isinstance(tree, exp.Insert) else None
    if not isinstance(values, exp.Values) or not isinstance(tree.this, exp.Schema):
        return None
    table = ".".join(f'"{_held(part)}"' for part in tree.this.this.parts)
    columns = [_held(name) for name in tree.this.expressions]
    texts = [value.sql("oracle") for value in values.expressions[0].expressions]
    return table, filled_columns(columns, texts)


def _held(name: exp.Expression) -> str:
    name = name.this if isinstance(name, exp.Column) else name
    return name.name if name.args.get("quoted") else name.name.upper()


def _name_results(tree: exp.Expression, names: list[str]) -> None:
    """Name expressions as Oracle does: by their text."""
    top = tree
    while isinstance(top, exp.SetOperation):
        top = top.this
    if not isinstance(top, exp.Select):
        return
    named = (exp.Alias, exp.Column, exp.Star, exp.Pseudocolumn)
    for result in list(top.expressions):
        if isinstance(result, named) or result.is_star:
            continue
        text = re.sub(r"ora_b(\d+)", lambda f: names[int(f.group(1)) - 1], result.sql("oracle"))
        alias = exp.Identifier(this=text.upper().replace(" ", "")[:128], quoted=True)
        result.replace(exp.Alias(this=result.copy(), alias=alias))


def _name_subqueries(tree: exp.Expression) -> None:
    """Name what stands unnamed in a FROM clause, which PostgreSQL once wanted."""
    unnamed = (
        query
        for query in tree.find_all(exp.Subquery)
        if isinstance(query.parent, (exp.From, exp.Join)) and not query.alias
    )
    for place, query in enumerate(list(unnamed), 1):
        name = exp.Identifier(this=f"ORA$SQ{place}", quoted=True)
        query.set("alias", exp.TableAlias(this=name))
