"""Remedies for queries that PostgreSQL refuses, found in its catalogue after the refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from mapper_dask.dialects.postgresql import grants, named_queries
from mapper_dask.dialects.postgresql.faults import DENIED
from mapper_dask.dialects.postgresql.grants import Run
from mapper_dask.dialects.postgresql.names import shown
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import DatabaseError
from mapper_dask.near import listed, nearest
from mapper_dask.query_text.named import names_in, tables_of
from mapper_dask.query_text.refusals import (
    Refusal,
    closed_too_often,
    column_meant,
    comma_before,
    misspelt_beginning,
    unclosed,
    unfilled,
)

GRAMMAR = "postgres"

_HINT = re.compile(r"; (?:Perhaps you meant to reference|No \w+ matches|Perhaps you need)[^;]*")
_BETWEEN = re.compile(r"operator does not exist: ([\w\"].*?) [-+*/<>=~!@#%^&|`?]+ (.+)")
"""An operator between two types, whose names may be of several words."""

DATES = "write a date as 'YYYY-MM-DD', a time as 'YYYY-MM-DD HH:MM:SS'"

KNOWN = {
    "21000": "let the subquery give one row, by an aggregate or LIMIT 1",
    "22007": DATES,
    "22008": DATES,
    "22012": "divide by NULLIF(…, 0)",
    "22P02": "compare it with a value of its own type, or cast the column to text",
    "42702": "write the table's name or alias before the column",
    "42804": "cast one of the two, as in …::text",
    "42846": "cast it by way of text, as in …::text::…",
    "42P18": "cast it, as in …::text",
}
"""What to do about an SQLSTATE, in any query."""

OF_VALUES = frozenset({"21000", "22007", "22008", "22012", "22P02"})
"""SQLSTATEs with which a query may be refused at any of its rows."""

DUPLICATE = "23505"


def advice(code: str) -> str:
    """Return what to do about an error that a row of a query may lead to."""
    return KNOWN[code] if code in OF_VALUES else ""


def is_duplicate(code: str) -> bool:
    """Return whether a row was refused for its key."""
    return code == DUPLICATE


def is_denied(code: str) -> bool:
    """Return whether a statement was refused for rights that are lacking."""
    return code == DENIED


def constraint_of(said: str) -> str:
    """Return the constraint that such a refusal names; or nothing."""
    found = re.search(r"[\"»«„“](.+?)[\"«»“”](?:;|$| )", said)
    return found[1] if found else ""


def remedy(conn: Driver, sql: str, error: DatabaseError) -> Refusal:
    """Return the refusal of a query: its message and what to do.

    Its transaction, which the error has ended, is left; the catalogue is asked in another.
    """
    said, position = str(error.details["said"]), error.details.get("position")

    def run(name: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        conn.rollback()
        return named_queries.run(conn, name, params)

    match error.sqlstate:
        case "42601" | "42P02":
            return _syntax(sql, said, position)
        case "42703":
            return _column(run, sql, said, position)
        case "42883":
            return _function(run, said)
    plain = _HINT.sub("", said)
    if error.sqlstate in ("42P01", "3F000"):
        return Refusal(plain, _relation(run, sql, said))
    if is_denied(str(error.sqlstate)):
        return Refusal(plain, grants.remedy(run, names_in(sql, GRAMMAR), plain))
    return Refusal(plain, KNOWN.get(str(error.sqlstate), ""))


# -- the text itself -------------------------------------------------------------------------------


def _syntax(sql: str, said: str, position: int | None) -> Refusal:
    found = unfilled(sql, position)
    if found is not None:
        return found
    said = _of_users(said)
    if beginning := misspelt_beginning(sql):
        return Refusal(said, beginning)
    if "unterminated" in said:
        quote = "close the quote; a quote within a text is written twice ('')"
        return Refusal(said, "end the comment by */" if "unterminated /*" in said else quote)
    comma = position is not None and comma_before(sql, position)
    if position is not None and position > len(sql.rstrip()):
        return _at_its_end(sql, comma=comma)
    if comma:
        return Refusal(said, "take out the comma before it")
    return Refusal(said, "look at what comes before it" if "at or near" in said else "")


def _at_its_end(sql: str, *, comma: bool) -> Refusal:
    """Return the refusal where the error lies behind the text, in the SQL that encloses it."""
    if closed_too_often(sql, GRAMMAR):
        return Refusal("syntax error", "a bracket is closed that was never opened")
    opened = unclosed(sql, GRAMMAR)
    why = "take out the comma at its end" if comma else "look at its last words"
    return Refusal(
        "syntax error: the query ends too early", f"{opened} is never closed" if opened else why
    )


def _of_users(said: str) -> str:
    """Return a message without the SQL behind the user's text: it quotes to the end."""
    head, near, quoted = said.partition('at or near "')
    if "\n" not in quoted:
        return said
    return f'{head}{near}{quoted.partition(chr(10))[0]}"'


# -- tables ----------------------------------------------------------------------------------------


class _Near(NamedTuple):
    """A table of the database that may be meant."""

    schema: str
    name: str
    reachable: bool
    """Whether its name alone leads there."""
    usable: bool
    readable: bool
    role: str
    """The session's. This and what follows are as SQL writes them."""
    place: str
    called: str

    def shown(self, *, bare: bool) -> str:
        """Return how a query names it."""
        return self.called if bare and self.reachable else f"{self.place}.{self.called}"


def _relation(run: Run, sql: str, said: str) -> str:
    if alias := re.search(r"FROM-clause entry for table \"(.+?)\"(?:;|$)", said):
        if hint := re.search(r'reference the table alias "(.+?)"(?=\.|;|$)', said):
            return f"did you mean {shown(hint[1])}?"
        calls = list(dict.fromkeys(table.called for table in tables_of(sql, GRAMMAR)))
        found = nearest(alias[1], calls, cutoff=0.5)
        if found is not None:
            return f"did you mean {shown(found)}?"
        return f"the query calls its tables {listed([*map(shown, calls)])}" if calls else ""
    if missing := re.search(r'relation "(.+)" does not exist', said):
        schema, _, name = missing[1].rpartition(".")
        near = [_Near(*row) for row in run("near_sources", {"names": [name.lower()]})]
        return _hidden(run, sql, schema, name) or _meant(schema, name, near)
    if missing := re.search(r'schema "(.+)" does not exist', said):
        near = [_Near(*row) for row in run("near_sources", {"names": []})]
        places = {table.schema: table.place for table in near if table.usable}
        found = nearest(missing[1], places, cutoff=0.75)
        return f"did you mean the schema {places[found]}?" if found else ""
    return ""


def _hidden(run: Run, sql: str, schema: str, name: str) -> str:
    """Return what to grant where the search path leads to a table whose schema may not be used.

    PostgreSQL passes over such a schema, and says that there is no table.
    """
    if schema:
        return ""
    names = names_in(sql, GRAMMAR)
    asked = [table for table in names.tables if table.schema is None and table.name == name]
    found = grants.remedy(run, replace(names, tables=tuple(asked), calls=()), "") if asked else ""
    return f"the search path leads to it, but its schema may not be used; {found}" if found else ""


def _meant(schema: str, name: str, near: Sequence[_Near]) -> str:
    """Return the table that was meant, as a query names it; or those there are."""
    tables = [table for table in near if table.usable and table.readable]
    full = {f"{t.schema}.{t.name}" if schema else t.name: t for t in reversed(tables)}
    same = next((table for table in tables if table.name.lower() == name.lower()), None)
    found = nearest(f"{schema}.{name}" if schema else name, full, cutoff=0.75)
    if same is not None or found is not None:
        return f"did you mean {(same or full[str(found)]).shown(bare=not schema)}?"
    if not tables:
        return "check the database in source_conn: the role can read no table there"
    there = listed([table.shown(bare=True) for table in tables])
    return f"the role {tables[0].role} can read {there}"


# -- columns and functions -------------------------------------------------------------------------

_COLUMN = re.compile(r"column (?:\"(.+?)\"|(.+?)) does not exist")
_MEANT = re.compile(r"(?:reference|or) the column \"(.+?)\"(?= or |\.|;|$)")


def _column(run: Run, sql: str, said: str, position: int | None) -> Refusal:
    plain = _HINT.sub("", said)
    missing = _COLUMN.search(plain)
    if missing is None:
        return Refusal(plain)
    name = missing[1] or missing[2]
    quoted = position is not None and sql[position - 1 : position] == '"' and '"."' not in name
    text = f"a text goes in single quotes, as in '{name}'"
    if quoted and re.search(r"[^\w$]", name):
        return Refusal(plain, text)
    meant = _hinted(said) or _column_meant(run, sql, name, near_alone=quoted)
    return Refusal(plain, "; ".join(filter(None, (meant, text if quoted else ""))))


def _hinted(said: str) -> str:
    """Return what PostgreSQL believes was meant, which knows which columns there are."""
    found = [_dotted(name) for name in _MEANT.findall(said)]
    return f"did you mean {' or '.join(found)}?" if found else ""


def _dotted(name: str) -> str:
    """Return a column as SQL writes it, with its qualifier."""
    before, dot, column = name.partition(".")
    return f"{shown(before)}.{shown(column)}" if dot else shown(name)


def _column_meant(run: Run, sql: str, name: str, *, near_alone: bool) -> str:
    names = names_in(sql, GRAMMAR)
    asked = {"names": [table.name for table in names.tables]}
    rows = run("columns_named", asked) if names.tables else []
    fitting = [(t, column) for t in names.tables for place, table, column in rows
               if t.name == table and t.schema in (None, place)]  # fmt: skip
    return column_meant(name, fitting, shown, listing=not (near_alone or names.derived))


def _function(run: Run, said: str) -> Refusal:
    plain = _HINT.sub("", said).partition("; ")[0]
    if operator := _BETWEEN.search(plain):
        left, right = operator.groups()
        return Refusal(plain, f"cast one side: the left with ::{right}, or the right with ::{left}")
    missing = re.search(r"function (?:(.+)\.)?(.+?)\((.*)\) does not exist", plain)
    if missing is None:
        return Refusal(plain)
    schema, name = missing[1], missing[2].strip('"')
    rows = run("functions_named", {"name": name, "schema": schema and schema.strip('"')})
    head = f"{schema}." if schema else ""
    forms = sorted({f"{head}{shown(name)}({takes})" for _, takes in rows if takes is not None})
    if forms:
        return Refusal(plain, f"cast what it is given; there is {listed(forms, 4)}")
    found = nearest(name, {other for other, _ in rows}, cutoff=0.75)
    if found:
        return Refusal(plain, f"did you mean {head}{shown(found)}()?")
    where = f"in the schema {schema}" if schema else "on the search path"
    return Refusal(plain, f"no function {where} is like it")
