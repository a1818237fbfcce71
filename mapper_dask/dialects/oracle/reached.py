"""Looks names up in Oracle's dictionary: all names of a query in one statement."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from mapper_dask.dialects.oracle import builtins, session, settings
from mapper_dask.dialects.oracle.texts import Chain, Name
from mapper_dask.dialects.session import Driver

MOST_NAMES = 900
"""Most names in one list; a statement takes a thousand."""

HERE = "SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')"
PUBLIC = "PUBLIC"
NOTHING = ("-", "-")
"""Owner and name that no object has."""

Held = tuple[str, str]
"""Owner and name of an object, as the dictionary has them."""

_Written = tuple[str, dict[str, str | None]]
"""A list as SQL writes it, and its bound values."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    relations: Collection[Name]
    functions: Collection[Name] = ()
    """Functions and packages."""
    procedures: Collection[str] = ()
    """Functions in those packages."""
    columns: Collection[str] = ()

    @property
    def is_too_much(self) -> bool:
        """Whether it is more than one statement asks for."""
        lists = (self.functions, self.procedures, self.columns)
        return 2 * len(self.relations) > MOST_NAMES or max(map(len, lists)) > MOST_NAMES


@dataclass(slots=True)
class Found:
    """What the dictionary knows."""

    schema: str = ""
    """Where names without an owner are looked for."""
    kinds: dict[Held, set[str]] = field(default_factory=dict)
    """Kinds of objects of a name."""
    tables: dict[Held, str] = field(default_factory=dict)
    """``plain``, ``temporary`` or ``external``."""
    synonyms: dict[Held, tuple[str, str, str]] = field(default_factory=dict)
    """Owner, name and link of what each leads to."""
    needs: dict[Held, list[tuple[str, str, str]]] = field(default_factory=dict)
    """Type, owner and name of what each view relies on."""
    policies: dict[Held, list[str]] = field(default_factory=dict)
    columns: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Type and scale of the columns of each name, in whichever table."""
    functions: dict[Held, list[tuple[str, str, bool]]] = field(default_factory=dict)
    """By its name or its package's: its own in a package, what it is, whether it repeats."""

    def add(self, fact: str, owner: str, name: str, a: str, b: str, c: str) -> None:
        """Take one row of the dictionary's in."""
        place = (owner, name)
        match fact:
            case "schema":
                self.schema = owner
            case "object":
                self.kinds.setdefault(place, set()).add(a)
            case "table":
                self.tables[place] = a
            case "synonym":
                self.synonyms[place] = (a, b, c)
            case "needs":
                self.needs.setdefault(place, []).append((a, b, c))
            case "policy":
                self.policies.setdefault(place, []).append(a)
            case "column":
                self.columns.setdefault(a, []).append((b, c))
            case _:
                self.functions.setdefault(place, []).append((a, b, c == "YES"))

    def synonym(self, name: Name) -> tuple[str, str, str] | None:
        """Return what a name leads to, by a synonym of its owner's or a public one."""
        owner, own = name
        private = self.synonyms.get((owner or self.schema, own))
        return private or (self.synonyms.get((PUBLIC, own)) if owner is None else None)

    def repeats(self, chain: Chain, owner: str | None) -> bool | None:
        """Return whether a function answers the same each time; None where none is known.

        Parameters
        ----------
        owner
            The owner of names that a text writes without one; None: the session's.
        """
        for place, procedure in _places(chain, owner):
            known = self.functions.get((place[0] or self.schema, place[1]), [])
            kind = "FUNCTION" if procedure == "-" else "PACKAGE"
            mine = [f for f in known if f[1].startswith(f"{kind} ")]
            if mine:
                return any(f[0] == procedure for f in mine) and all(
                    repeats or f"{what}.{own}".removeprefix("PACKAGE ") in builtins.OF_PACKAGES
                    for own, what, repeats in mine
                    if own == procedure
                )
        return None


def _places(chain: Chain, owner: str | None) -> list[tuple[Name, str]]:
    """Return where a function may be, and under which name in a package, the nearest first."""
    if len(chain) == 1:
        return [((owner, chain[0]), "-"), ((PUBLIC, chain[0]), "-")]
    first, second, *rest = chain
    if rest:
        return [((first, second), rest[0])]
    near: list[tuple[Name, str]] = [((owner, first), second), ((PUBLIC, first), second)]
    return [*near, ((first, second), "-")]


def functions_of(chains: Iterable[Chain], owner: str | None) -> tuple[set[Name], set[str]]:
    """Return the functions and packages that calls may mean, and the names in packages."""
    places = [place for chain in chains for place in _places(chain, owner)]
    return {name for name, _ in places}, {own for _, own in places if own != "-"}


def look(conn: Driver, wanted: Wanted, found: Found) -> None:
    """Add what the dictionary knows of names, by one statement."""
    public = [(PUBLIC, name) for owner, name in wanted.relations if owner is None]
    asked = {
        "relations": _pairs("r", [*wanted.relations, *public]),
        "functions": _pairs("f", wanted.functions),
        "procedures": _list("p", wanted.procedures),
        "columns": _list("c", wanted.columns),
    }
    for row in _run(conn, "reached", asked):
        found.add(*map(str, row))


def texts(conn: Driver, views: Collection[Held]) -> dict[Held, str | None]:
    """Return the queries of views, as far as they are shown to the login."""
    rows = _run(conn, "view_texts", {"relations": _pairs("r", views)})
    return {(str(owner), str(name)): text for owner, name, text in rows}


def _pairs(mark: str, names: Collection[Name]) -> _Written:
    """Return pairs of owner and name as a list of SQL's, which may not be empty."""
    binds: dict[str, str | None] = {}
    parts = []
    for place, (owner, name) in enumerate(sorted(names or {NOTHING}, key=_in_order)):
        binds[f"{mark}o{place}"], binds[f"{mark}n{place}"] = owner, name
        parts.append(f"(NVL(:{mark}o{place}, {HERE}), :{mark}n{place})")
    return ", ".join(parts), binds


def _in_order(name: Name) -> tuple[str, str]:
    return name[0] or "", name[1]


def _list(mark: str, names: Collection[str]) -> _Written:
    binds = {f"{mark}{place}": name for place, name in enumerate(sorted(names or NOTHING[:1]))}
    return ", ".join(f":{name}" for name in binds), dict(binds)


def _run(conn: Driver, name: str, lists: dict[str, _Written]) -> list[tuple[Any, ...]]:
    (statement,) = session.statements(name)
    binds: dict[str, str | None] = {}
    for place, (text, values) in lists.items():
        statement = statement.replace(f"{{{place}}}", text)
        binds.update(values)
    with settings.by_bytes(conn), conn.cursor() as cursor:
        cursor.execute(statement, binds, fetch_lobs=False)
        return list(cursor.fetchall())
