"""Remedies for queries that Oracle refuses, found in its dictionary after the refusal.

The dictionary shows only what the login may see. So it hides a table that may not be read, and
Oracle itself reports such a table as missing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from mapper_dask.dialects.oracle import flashback, session
from mapper_dask.dialects.oracle.names import written
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import DatabaseError
from mapper_dask.near import nearest
from mapper_dask.query_text.named import Named, tables_of
from mapper_dask.query_text.refusals import (
    PARAMS,
    Refusal,
    comma_before,
    misspelt_beginning,
    unclosed,
    unfilled,
)

ENDS_EARLY = frozenset({"ORA-00907", "ORA-00936", "ORA-00921", "ORA-01756"})
SYNTAX = ENDS_EARLY | {"ORA-00900", "ORA-00911", "ORA-00923", "ORA-00933", "ORA-00903", "ORA-01008"}

DATES = "write a date as DATE 'YYYY-MM-DD', a time as TIMESTAMP 'YYYY-MM-DD HH24:MI:SS'"

KNOWN = {
    "ORA-00904": "check how the column is spelt, and its table's alias",
    "ORA-00918": "write the table's name or alias before the column",
    "ORA-00932": "cast one of the two, as in CAST(… AS VARCHAR2(4000))",
    "ORA-01031": "let the owner of what the query reads grant the login READ on it",
    "ORA-01427": "let the subquery give one row, by an aggregate or FETCH FIRST 1 ROW ONLY",
    "ORA-01476": "divide by NULLIF(…, 0)",
    "ORA-01722": "compare it with a value of its own type, or cast the column to text",
    "ORA-01830": DATES,
    "ORA-01858": DATES,
    "ORA-01861": DATES,
}
"""What to do about a code, in any query."""


OF_VALUES = frozenset(
    {"ORA-01427", "ORA-01476", "ORA-01722", "ORA-01830", "ORA-01858", "ORA-01861"}
)
"""Codes with which a query may be refused at any of its rows."""

DUPLICATE = "ORA-00001"

DENIED = frozenset({"ORA-00942", "ORA-01031"})
"""Oracle mostly reports a table that may not be read as missing."""


def advice(code: str) -> str:
    """Return what to do about an error that a row of a query may lead to."""
    return KNOWN[code] if code in OF_VALUES else ""


def is_duplicate(code: str) -> bool:
    """Return whether a row was refused for its key."""
    return code == DUPLICATE


def is_denied(code: str) -> bool:
    """Return whether a statement was refused for rights that are lacking."""
    return code in DENIED


def constraint_of(said: str) -> str:
    """Return the constraint that such a refusal names; or nothing."""
    found = re.search(r"\((?:[^()]+\.)?([^().]+)\)", said)
    return found[1] if found else ""


def remedy(conn: Driver, sql: str, error: DatabaseError) -> Refusal:
    """Return the refusal of a query: its message and what to do."""
    said, code = str(error.details["said"]), error.sqlstate
    position = place_of(sql, said, error.details.get("position"))
    return replace(_remedy(conn, sql, said, str(code), position), position=position)


def _remedy(conn: Driver, sql: str, said: str, code: str, position: int | None) -> Refusal:
    if code in SYNTAX:
        return _syntax(sql, said, code, position)
    if code == "ORA-00942":
        return Refusal(said, _relation(conn, sql))
    return Refusal(said, KNOWN.get(code, ""))


def place_of(sql: str, said: str, position: int | None) -> int | None:
    """Return the character at which an error was met, from 1; None where that is not certain.

    Oracle counts bytes of the text, as it was sent. A driver, or a server of another encoding, may
    count characters. Where the two differ, the one counts that leads to a word's beginning: to the
    name in the message, if there is one.
    """
    if position is None or sql[: position - 1].isascii():
        return position
    before = sql.encode()[: position - 1].decode("utf-8", "replace")
    ways = [way for way in (len(before) + 1, position) if _begins_a_word(sql, way)]
    named = re.search(r'"([^"]+)": invalid identifier|"([^"]+)" does not exist', said)
    if named is not None:
        word = (named[1] or named[2]).rpartition(".")[2].lower()
        ways = [way for way in ways if sql[way - 1 :].lstrip('"').lower().startswith(word)]
    return ways[0] if ways else None


def _begins_a_word(sql: str, position: int) -> bool:
    before, here = sql[position - 2 : position - 1], sql[position - 1 : position]
    return not (re.match(r"\w", before) and re.match(r"\w", here)) and not here.isspace()


def _syntax(sql: str, said: str, code: str, position: int | None) -> Refusal:
    found = unfilled(sql, position)
    if found is not None and (code == "ORA-01008" or found.field == PARAMS):
        return found
    if beginning := misspelt_beginning(sql):
        return Refusal(said, beginning)
    opened = unclosed(sql, flashback.GRAMMAR) if code in ENDS_EARLY else ""
    if opened:
        return Refusal(said, f"{opened} is never closed")
    if position is not None and comma_before(sql, position):
        return Refusal(said, "take out the comma before it")
    return Refusal(said, "look at what comes before it" if position is not None else "")


def _relation(conn: Driver, sql: str) -> str:
    """Return which table was meant: of those that the query names, the first that is not there."""
    for table in tables_of(sql, flashback.GRAMMAR, upper=True):
        rows = _near(conn, table)
        there = [(str(place), str(name), bool(reachable)) for place, name, kind, reachable in rows
                 if kind == "table"]  # fmt: skip
        if any(_is(table, *one) for one in there):
            continue
        for place, name, reachable in there:
            if name.lower() == table.name.lower():
                return f"did you mean {_shown(place, name, reachable)}?"
        names = {name: (place, reachable) for place, name, reachable in reversed(there)}
        found = nearest(table.name, names, cutoff=0.75)
        if found is not None:
            place, reachable = names[found]
            return f"did you mean {_shown(place, found, reachable)}?"
        return _unseen(conn, table)
    return "a view of the query reads what is not there, or may not be read with its owner's rights"


def _unseen(conn: Driver, table: Named) -> str:
    """Return what to grant, if a table is there that the dictionary does not show this login."""
    name = ".".join(written(part) for part in (table.schema, table.name) if part)
    [(login,)] = session.run(conn, "own_login", {})
    grant = f"GRANT READ ON {name} TO {written(str(login))}"
    return f"{name} is not there, or the login may not read it: let its owner run: {grant}"


def _near(conn: Driver, table: Named) -> list[tuple[Any, ...]]:
    values = {"schema": table.schema, "name": table.name, "part": table.name, "names": None}
    return session.run(conn, "near_targets", values)


def _is(table: Named, place: str, name: str, reachable: bool) -> bool:  # noqa: FBT001
    return table.name == name and (table.schema == place or (table.schema is None and reachable))


def _shown(place: str, name: str, reachable: bool) -> str:  # noqa: FBT001 - the dictionary's word
    return written(name) if reachable else f"{written(place)}.{written(name)}"
