"""The GRANTs that a query lacks which was refused for missing rights, as statements to be run.

PostgreSQL names one object, without its schema. So the catalogue is asked where each name of the
query leads, what views read and as which role, and which of all this the role may not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from mapper_dask.near import listed
from mapper_dask.query_text.named import WHOLE, Called, Names

Run = Callable[[str, dict[str, Any]], list[tuple[Any, ...]]]

_DENIED = re.compile(
    r"permission denied for (schema|table|view|materialized view|foreign table|relation|sequence"
    r"|partitioned table|function|procedure|aggregate|routine|type|domain|foreign server|language"
    r"|foreign-data wrapper) (.+)$"
)

_CALLED = frozenset({"function", "procedure", "aggregate", "routine"})

_OTHER = {
    "type": "USAGE ON TYPE",
    "domain": "USAGE ON DOMAIN",
    "foreign server": "USAGE ON FOREIGN SERVER",
    "foreign-data wrapper": "USAGE ON FOREIGN DATA WRAPPER",
    "language": "USAGE ON LANGUAGE",
}

OF_OWNERS = "a view of the query reads what its owner may not; "
SELF = "let the owner run: "


class _Read(NamedTuple):
    """A table that a query reads, by itself or by its views."""

    place: int
    """Of the name in the query."""
    direct: bool
    schema: str
    table: str
    role: str
    """As which it is read. These three are as SQL writes them."""
    own: bool
    """Whether that is the session's role."""
    usable: bool
    readable: bool
    partly: bool
    """Whether some columns may be read."""
    names: list[str]
    """Columns that may not be; of one that a view reads, among those it reads."""
    quoted: list[str]

    def statements(self, columns: frozenset[str]) -> Iterator[str]:
        """Yield the GRANTs that it takes to read these columns."""
        if not self.usable:
            yield f"GRANT USAGE ON SCHEMA {self.schema} TO {self.role}"
        if self.readable:
            return
        whole = WHOLE in columns and self.direct
        lacking = [q for name, q in zip(self.names, self.quoted, strict=True)
                   if whole or not self.direct or name in columns]  # fmt: skip
        if not self.partly or (whole and lacking):
            yield f"GRANT SELECT ON {self.table} TO {self.role}"
        elif lacking:
            yield f"GRANT SELECT ({', '.join(lacking)}) ON {self.table} TO {self.role}"


class _Call(NamedTuple):
    """A function that may not be called."""

    place: str
    name: str
    visible: bool
    schema: str
    usable: bool
    signature: str
    least: int
    most: int | None
    role: str

    def is_meant(self, call: Called) -> bool:
        """Return whether the query may call it so."""
        fitting = self.least <= call.given and (self.most is None or call.given <= self.most)
        led = self.place == call.schema if call.schema else self.visible
        return fitting and led and self.name.lower() in call.names

    def statements(self) -> Iterator[str]:
        """Yield the GRANTs that it takes to call it."""
        if not self.usable:
            yield f"GRANT USAGE ON SCHEMA {self.schema} TO {self.role}"
        yield f"GRANT EXECUTE ON {self.signature} TO {self.role}"


def remedy(run: Run, names: Names, said: str) -> str:
    """Return every GRANT that a query needs, as statements, and which role is to run them.

    Parameters
    ----------
    said
        What PostgreSQL said, which names one thing of them.
    """
    denied = _DENIED.search(said)
    kind, name = denied.groups() if denied else ("", "")
    reads = _reads(run, names)
    statements = dict.fromkeys(
        statement
        for read in reads
        for statement in read.statements(names.columns_of(names.tables[read.place]))
    )
    of_owners = any(not read.own for read in reads if [*read.statements(frozenset())])
    statements |= dict.fromkeys(_of_calls(run, names, name if kind in _CALLED else ""))
    if kind == "schema":
        statements |= dict.fromkeys(_of_schema(run, name, statements))
    if statements:
        return f"{OF_OWNERS if of_owners else ''}{SELF}{'; '.join(statements)}"
    if not name:
        return ""
    if kind in _OTHER:
        [(role, quoted)] = run("quoted_names", {"name": name})
        return f"{SELF}GRANT {_OTHER[kind]} {quoted} TO {role}"
    return _of_the_name(run, kind, name)


def _reads(run: Run, names: Names) -> list[_Read]:
    asked = {
        "schemas": [table.schema for table in names.tables],
        "names": [table.name for table in names.tables],
    }
    return [_Read(*row) for row in run("read_rights", asked)] if names.tables else []


def _of_calls(run: Run, names: Names, denied: str) -> Iterator[str]:
    """Yield what functions need that the query calls, or the one that was denied."""
    asked = sorted({name for call in names.calls for name in call.names} | {denied.lower()} - {""})
    if not asked:
        return
    found = [_Call(*row) for row in run("call_rights", {"names": asked})]
    meant = [one for one in found if any(one.is_meant(call) for call in names.calls)]
    if denied and not any(one.name == denied for one in meant):
        meant += [one for one in found if one.name == denied]  # a view's, or another function's
    for one in meant:
        yield from one.statements()


def _of_schema(run: Run, name: str, known: Sequence[str] | dict[str, None]) -> Iterator[str]:
    """Yield what a schema needs that no table of the query is in, but a type or a function."""
    [(role, quoted)] = run("quoted_names", {"name": name})
    statement = f"GRANT USAGE ON SCHEMA {quoted} TO {role}"
    if statement not in known:
        yield statement


def _of_the_name(run: Run, kind: str, name: str) -> str:
    """Return what to do about a table that the query itself does not name: a function reads it."""
    rows = [row for row in run("near_sources", {"names": [name.lower()]}) if row[1] == name]
    lacking = [row for row in rows if not (row[3] and row[4])]
    if len(lacking) == 1:
        _, _, _, usable, readable, role, place, quoted = lacking[0]
        needed = [] if usable else [f"GRANT USAGE ON SCHEMA {place} TO {role}"]
        needed += [] if readable else [f"GRANT SELECT ON {place}.{quoted} TO {role}"]
        return f"a function of the query reads it; {SELF}{'; '.join(needed)}"
    there = listed([f"{row[6]}.{row[7]}" for row in lacking or rows])
    which = f" (there is {there})" if there else ""
    return (
        f"a view or a function of the query reads this {kind}{which} with the rights of its owner, "
        "or of this role: let the owner grant that one SELECT on it"
    )
