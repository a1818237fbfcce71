"""Why a target is not found by its name, and by which name it would be. Pure.

A name is taken as it is written, as the database holds it: ``mart.x`` is one name with a point in
it. So what looks like the same name to a person is looked for, and said in the words of the call.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

TABLE, SCHEMA = "table", "schema"

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


@dataclass(frozen=True, slots=True)
class Near:
    """An object of the catalogue: a table, something else, or a schema."""

    schema: str
    name: str | None
    """None: it is the schema itself."""
    kind: str
    """``table`` for what rows may go into, ``schema``, or in words: ``a sequence``."""
    reachable: bool
    """Whether its name alone leads there."""


@dataclass(frozen=True, slots=True)
class MissingTarget:
    """A target that was not found."""

    schema: str | None
    name: str
    place: str
    """The database, as errors show it."""
    columns: str
    """Columns of the query, as CREATE TABLE takes them."""
    quote: Callable[[str], str]
    """Quotes a name for a statement."""
    spelled: Callable[[str], str] = str
    """Writes a name of the catalogue as a call's argument."""

    @property
    def head(self) -> str:
        """The subject of the message."""
        return f"target_table {self.quoted(self.name)}"

    @property
    def absent(self) -> str:
        """The beginning of the message where nothing has that name."""
        return f"{self.head} does not exist in {self.place}"

    def quoted(self, name: str, schema: str | None = None) -> str:
        """Return a table's name for a statement."""
        return ".".join(self.quote(part) for part in (schema or self.schema, name) if part)

    def create(self, name: str, schema: str | None = None) -> str:
        """Return the CREATE TABLE statement for the query's columns."""
        return f"CREATE TABLE {self.quoted(name, schema)} ({self.columns})"

    def call(self, thing: Near, *, with_schema: bool) -> str:
        """Return the arguments that name a table."""
        schema = f"target_schema={self.spelled(thing.schema)!r}, " if with_schema else ""
        return f"{schema}target_table={self.spelled(str(thing.name))!r}"


def candidates(name: str) -> list[str]:
    """Return the names, in lower case, that a table meant by this one may have."""
    parts = parts_of(name)
    return sorted({name.lower(), parts[-1].lower()} if parts else {name.lower()})


def why_missing(wanted: MissingTarget, found: Sequence[Near]) -> str:
    """Return the message why a target is not found, with one remedy."""
    tables = [thing for thing in found if thing.kind == TABLE]
    for reason in (_another_kind(wanted, found), _elsewhere(wanted, tables),
                   _in_parts(wanted, found), _in_other_letters(wanted, tables),
                   _no_schema(wanted, found)):  # fmt: skip
        if reason:
            return reason
    names = [wanted.spelled(str(t.name)) for t in tables if _within(wanted, t)]
    near = difflib.get_close_matches(wanted.name, names, n=1, cutoff=0.75)
    hint = f"did you mean {near[0]!r}? Else, " if near else ""
    columns = f"for the query's own columns create it with: {wanted.create(wanted.name)}"
    return f"{wanted.absent}; {hint}{columns}"


def _within(wanted: MissingTarget, thing: Near) -> bool:
    """Return whether a thing is where the target is looked for."""
    return thing.reachable if wanted.schema is None else _same(thing.schema, wanted.schema)


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.lower() == other.lower()


def _another_kind(wanted: MissingTarget, found: Sequence[Near]) -> str:
    """Return what has the name, where it is no table: then a table cannot have it, either."""
    for thing in found:
        if thing.name is None or thing.kind == TABLE or wanted.spelled(thing.name) != wanted.name:
            continue
        if thing.kind.startswith("a temporary") and wanted.schema in (None, thing.schema):
            return (
                f"{wanted.head} is {thing.kind}. Make an ordinary one, with: "
                f"{wanted.create(wanted.name, 'public')}"
            )
        if _within(wanted, thing):
            new = _free(f"{wanted.name}_rows", found)
            return (
                f"{wanted.head} is {thing.kind} in {wanted.place}, and no rows can be loaded into "
                "it. Load a table of another name; for the query's own columns create one with: "
                f"{wanted.create(new)}"
            )
    return ""


def _free(name: str, found: Sequence[Near]) -> str:
    taken = {str(thing.name).lower() for thing in found}
    return next(n for n in (name, *(f"{name}{i}" for i in range(2, 9999))) if n not in taken)


def _elsewhere(wanted: MissingTarget, tables: Sequence[Near]) -> str:
    """Return the schema that has a table of exactly this name."""
    places = [t.schema for t in tables if wanted.spelled(str(t.name)) == wanted.name]
    if not places:
        return ""
    there = " or ".join(f"target_schema={wanted.spelled(place)!r}" for place in places)
    if wanted.schema is None:
        return (
            f"{wanted.absent} where a name without a schema is looked for; there is one elsewhere: "
            f"give {there}"
        )
    return f"{wanted.absent}; there is one in another schema: give {there}"


def _in_parts(wanted: MissingTarget, found: Sequence[Near]) -> str:
    """Return how to pass a name that was written as in SQL, with a schema or quotes."""
    parts = parts_of(wanted.name)
    if not parts or parts == [wanted.name]:
        return ""
    *schemas, name = parts
    schema = schemas[-1] if schemas else wanted.schema
    said = f"{wanted.absent}: the name is taken as it is written, points and quotes and all"
    for thing in _alike(found, name):
        if schema is None:
            return f"{said}. Give {wanted.call(thing, with_schema=not thing.reachable)}"
        if _same(thing.schema, schema):
            return f"{said}. Give {wanted.call(thing, with_schema=True)}"
    if other := _another_kind(replace(wanted, schema=schema, name=name), found):
        return other
    if schema is None:
        return f"{said}. Give target_table={name!r}, and create that with: {wanted.create(name)}"
    known = [
        wanted.spelled(p.schema) for p in found if p.kind == SCHEMA and _same(p.schema, schema)
    ]
    place = known[0] if known else schema
    first = "" if known else f"CREATE SCHEMA {wanted.quote(place)}; "
    return (
        f"{said}. Give target_schema={place!r}, target_table={name!r}, and create that with: "
        f"{first}{wanted.create(name, place)}"
    )


def _in_other_letters(wanted: MissingTarget, tables: Sequence[Near]) -> str:
    """Return the table whose name differs in upper and lower case only."""
    for thing in _alike(tables, wanted.name):
        if wanted.schema is None or _same(thing.schema, wanted.schema):
            with_schema = not thing.reachable or wanted.schema is not None
            call = wanted.call(thing, with_schema=with_schema)
            return f"{wanted.absent}: names are taken as they are written. Give {call}"
    return ""


def _alike(found: Sequence[Near], name: str) -> Iterator[Near]:
    """Yield the tables of that name, those with the same case first."""
    alike = [thing for thing in found if thing.kind == TABLE and _same(thing.name, name)]
    yield from sorted(alike, key=lambda thing: (thing.name != name, not thing.reachable))


def _no_schema(wanted: MissingTarget, found: Sequence[Near]) -> str:
    """Return that there is no such schema."""
    schemas = [thing.schema for thing in found if thing.kind == SCHEMA]
    known = [wanted.spelled(schema) for schema in schemas]
    if wanted.schema is None or wanted.schema in (*known, *schemas):
        return ""
    near = [s for s in known if s.lower() == wanted.schema.lower()]
    near = near or difflib.get_close_matches(wanted.schema, known, n=1)
    if wanted.schema.startswith("pg_temp"):
        remedy = "it would be that of one session's temporary tables: leave target_schema out"
    elif near:
        remedy = f"did you mean target_schema={near[0]!r}?"
    else:
        remedy = (
            f"create both with: CREATE SCHEMA {wanted.quote(wanted.schema)}; "
            f"{wanted.create(wanted.name)}"
        )
    return f"{wanted.absent}, which has no schema {wanted.quote(wanted.schema)}; {remedy}"


def parts_of(name: str) -> list[str] | None:
    """Return the names that a text would be in SQL, the table's last; None when it is none."""
    names, rest = [], name
    while rest:
        part = _PART.match(rest)
        if part is None:
            return None
        names.append(part[1].replace('""', '"') if part[1] else part[2].strip())
        rest = rest[part.end() :]
        if rest and not (rest.startswith(".") and rest != "."):
            return None
        rest = rest[1:]
    return names if names and all(names) else None
