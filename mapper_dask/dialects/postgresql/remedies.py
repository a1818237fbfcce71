"""What to do about what PostgreSQL refuses of a query: then its catalogue is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.dialects.postgresql.queries import quote
from mapper_dask.dialects.refusals import (
    PARAMS,
    Named,
    Refusal,
    closed_too_often,
    column_meant,
    comma_before,
    misspelt_beginning,
    tables_of,
    unclosed,
    unfilled,
)
from mapper_dask.errors import DatabaseError
from mapper_dask.near import listed, nearest

GRAMMAR = "postgres"

_HINT = re.compile(r"; (?:Perhaps you meant to reference|No \w+ matches|Perhaps you need)[^;]*")
_BETWEEN = re.compile(r"operator does not exist: (\w.*?) [-+*/<>=~!@#%^&|`?]+ (.+)")
"""An operator between two types, whose names may be of several words."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")

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
"""What to do about an SQLSTATE, whatever the query."""

Run = Callable[[str, dict[str, Any]], list[tuple[Any, ...]]]


OF_VALUES = frozenset({"21000", "22007", "22008", "22012", "22P02"})
"""Those that a query may be refused for at any of its rows."""

DUPLICATE = "23505"


def advice(code: str) -> str:
    """Return what to do about an error that a row of a query may lead to."""
    return KNOWN[code] if code in OF_VALUES else ""


def is_duplicate(code: str) -> bool:
    """Return whether a row was refused for its key."""
    return code == DUPLICATE


def remedy(conn: Any, sql: str, error: DatabaseError) -> Refusal:
    """Return what is told of a refused query.

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
    if error.sqlstate == "42501":
        return Refusal(plain, _grant(run, sql, said))
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
    return Refusal(said, "look at what stands before it" if "at or near" in said else "")


def _at_its_end(sql: str, *, comma: bool) -> Refusal:
    """Return what is told where the database stumbled behind the text: over what encloses it."""
    if closed_too_often(sql, GRAMMAR):
        return Refusal("syntax error", "a bracket is closed that was never opened")
    opened = unclosed(sql, GRAMMAR)
    why = "take out the comma at its end" if comma else "look at its last words"
    return Refusal(
        "syntax error: the query ends too early", f"{opened} is never closed" if opened else why
    )


def _of_users(said: str) -> str:
    """Return a message without what stood behind the user's text: it quotes to the end."""
    head, near, quoted = said.partition('at or near "')
    if "\n" not in quoted:
        return said
    return f'{head}{near}{quoted.partition(chr(10))[0]}"'


# -- tables ----------------------------------------------------------------------------------------


def _relation(run: Run, sql: str, said: str) -> str:
    if alias := re.search(r"FROM-clause entry for table \"([^\"]+)\"", said):
        calls = list(dict.fromkeys(table.called for table in tables_of(sql, GRAMMAR)))
        found = nearest(alias[1], calls, cutoff=0.5)
        if found is not None:
            return f"did you mean {found}?"
        return f"the query calls its tables {listed(calls)}" if calls else ""
    missing = re.search(r'relation "(.+?)" does not exist', said)
    if missing is None:
        return ""
    schema, _, name = missing[1].rpartition(".")
    rows = run("near_sources", {"names": [name.lower()]})
    tables = [(row[0], row[1], row[2]) for row in rows if row[3] and row[4]]
    found = _meant(schema, name, tables)
    if found is not None:
        return f"did you mean {found}?"
    return (
        f"the role {_name(rows[0][5])} can read {listed(_shown(tables))}"
        if tables
        else "check the database in source_conn: the role can read no table there"
    )


def _meant(schema: str, name: str, tables: Sequence[tuple[str, str, bool]]) -> str | None:
    """Return the table that was meant, as a query names it."""
    for place, other, reachable in tables:
        if other.lower() == name.lower():
            return _qualified(place, other, reachable and not schema)
    full = {f"{place}.{other}" if schema else other: (place, other, reachable)
            for place, other, reachable in reversed(tables)}  # fmt: skip
    found = nearest(f"{schema}.{name}" if schema else name, full, cutoff=0.75)
    if found is None:
        return None
    place, other, reachable = full[found]
    return _qualified(place, other, reachable and not schema)


def _shown(tables: Sequence[tuple[str, str, bool]]) -> list[str]:
    return [_qualified(*table) for table in tables]


def _qualified(schema: str, name: str, bare: bool) -> str:  # noqa: FBT001
    return _name(name) if bare else f"{_name(schema)}.{_name(name)}"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quote(name)


# -- columns and functions -------------------------------------------------------------------------


def _column(run: Run, sql: str, said: str, position: int | None) -> Refusal:
    plain = _HINT.sub("", said)
    missing = re.search(r'column (?:"(.+?)"|(\S+)) does not exist', plain)
    if missing is None:
        return Refusal(plain)
    name = missing[1] or missing[2]
    if position is not None and sql[position - 1 : position] == '"' and " " in name:
        return Refusal(plain, f"a text stands in single quotes, as in '{name}'")
    tables = tables_of(sql, GRAMMAR)
    rows = run("columns_named", {"names": [table.name for table in tables]}) if tables else []
    fitting = [(table, column) for place, table, column in rows if _is_named(place, table, tables)]
    meant = column_meant(name, fitting, tables)
    if not meant and (hint := re.search(r'reference the column "(.+?)"', said)):
        meant = f"did you mean {hint[1]}?"
    return Refusal(plain, meant)


def _is_named(place: str, table: str, tables: Sequence[Named]) -> bool:
    return any(named.name == table and named.schema in (None, place) for named in tables)


def _function(run: Run, said: str) -> Refusal:
    plain = _HINT.sub("", said).partition("; ")[0]
    if operator := _BETWEEN.search(plain):
        left, right = operator.groups()
        return Refusal(plain, f"cast one side: the left with ::{right}, or the right with ::{left}")
    missing = re.search(r"function (?:\w+\.)?(\S+?)\((.*)\) does not exist", plain)
    if missing is None:
        return Refusal(plain)
    name = missing[1]
    rows = run("functions_named", {"name": name})
    forms = sorted({f"{name}({takes})" for _, takes in rows if takes is not None})
    if forms:
        return Refusal(plain, f"cast what it is given; there is {listed(forms, 4)}")
    found = nearest(name, {other for other, _ in rows}, cutoff=0.75)
    remedy = f"did you mean {found}()?" if found else "no function on the search path is like it"
    return Refusal(plain, remedy)


# -- rights ----------------------------------------------------------------------------------------

_DENIED = re.compile(
    r"permission denied for (schema|table|view|materialized view|foreign table|relation|sequence"
    r"|function|type|foreign server|language) (\S+)"
)

_OTHER_GRANTS = {
    "function": "EXECUTE ON FUNCTION",
    "type": "USAGE ON TYPE",
    "foreign server": "USAGE ON FOREIGN SERVER",
    "language": "USAGE ON LANGUAGE",
}


def _grant(run: Run, sql: str, said: str) -> str:
    """Return every GRANT that the query needs, as statements."""
    denied = _DENIED.search(said)
    if denied is None:
        return "let the owner of what the query reads grant the role SELECT on it"
    kind, name = denied.groups()
    tables = tables_of(sql, GRAMMAR)
    named = [table.name for table in tables]
    rows = run("near_sources", {"names": [n.lower() for n in (*named, name)]})
    role = _name(rows[0][5]) if rows else "the role"
    if kind in _OTHER_GRANTS:
        forms = {t for _, t in run("functions_named", {"name": name}) if t is not None}
        takes = f"({forms.pop()})" if kind == "function" and len(forms) == 1 else ""
        return f"let its owner run: GRANT {_OTHER_GRANTS[kind]} {_name(name)}{takes} TO {role}"
    statements: dict[str, None] = {}
    for place, table, reachable, usable, readable, _ in rows:
        if not _reads(place, table, reachable or not usable, tables):
            continue
        if not usable:
            statements[f"GRANT USAGE ON SCHEMA {_name(place)} TO {role}"] = None
        if not readable:
            statements[f"GRANT SELECT ON {_name(place)}.{_name(table)} TO {role}"] = None
    if statements:
        return f"let the owner run: {'; '.join(statements)}"
    if kind == "schema":
        return f"let its owner run: GRANT USAGE ON SCHEMA {_name(name)} TO {role}"
    places = [_name(row[0]) for row in rows if row[1] == name]
    where = f"{places[0]}." if len(set(places)) == 1 else ""
    return (
        "a view of the query reads it with its own owner's rights; let the table's owner run: "
        f"GRANT SELECT ON {where}{_name(name)} TO the view's owner"
    )


def _reads(place: str, table: str, reachable: bool, tables: Sequence[Named]) -> bool:  # noqa: FBT001
    """Return whether a query names a table, with its schema or where its name alone leads there."""
    return any(t.name == table and (t.schema == place or (t.schema is None and reachable))
               for t in tables)  # fmt: skip


__all__ = ["PARAMS", "remedy"]
