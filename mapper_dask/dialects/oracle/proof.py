"""Asks Oracle whether a query gives the same rows in each statement that reads it.

Its plans do not show it: no row of PLAN_TABLE holds what is picked by an order, or which functions
are called. So the query's names are looked up in the dictionary, the texts of views are read level
by level, and all they rely on must be known to hold the same rows each time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mapper_dask.dialects.oracle import folded_rows, reached, settings, texts
from mapper_dask.dialects.oracle.flashback import DICTIONARY
from mapper_dask.dialects.oracle.names import folded
from mapper_dask.dialects.oracle.reached import Found, Held, Wanted
from mapper_dask.dialects.oracle.texts import Name, Reading
from mapper_dask.dialects.session import Driver

MOST_LEVELS = 32
"""Levels of views within views that are looked into."""

_KEPT = frozenset({"TABLE", "MATERIALIZED VIEW"})
_RELATIONS = _KEPT | {"VIEW"}
_JUDGED_BY_TEXT = frozenset({"FUNCTION", "PACKAGE", "TYPE", "NON-EXISTENT", "XML SCHEMA"})
"""Kinds that a view may rely on, and that are judged by the names in its text."""

_ONE_ROW = {("SYS", "DUAL"), (reached.PUBLIC, "DUAL")}

_KINDS = {
    "plain": "",
    "temporary": "{} is a temporary table, of whose rows each session has its own",
    "external": "{} is an external table, whose rows lie in files outside of the database",
    "": "{} is a table of a kind that nothing is known of",
}
"""The doubt about each kind of table; none about one that holds its rows."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A query's or a view's text."""

    reading: Reading
    view: Held | None = None
    """The view it makes; None: the query's own."""

    @property
    def owner(self) -> str | None:
        """The owner of names that it writes without one."""
        return self.view[0] if self.view else None

    def said(self, why: str) -> str:
        """Return a doubt with the view it lies in."""
        return f"in the view {_shown(self.view)}: {why}" if why and self.view else why


@dataclass(slots=True)
class _Walk:
    """A look at a query and at what lies behind it."""

    conn: Driver
    found: Found = field(default_factory=Found)
    texts: list[_Text] = field(default_factory=list)
    """All that were read."""
    seen: set[Name] = field(default_factory=set)


def doubt(conn: Driver, sql: str) -> str:
    """Return why a query may give other rows in another statement, beside its own text's doubts.

    It is empty when all it names is known to hold the same rows each time. Costs one look at the
    dictionary; where there are views, two more for each level of them.
    """
    walk = _Walk(conn)
    own = texts.read(sql)
    fresh, names = [_Text(own)], list(own.relations)
    for _ in range(MOST_LEVELS):
        if said := next((t.said(t.reading.problem) for t in fresh if t.reading.problem), ""):
            return said
        if said := _looked(walk, fresh, names):
            return said
        views = [place for name in names if (place := _view(walk.found, name)) is not None]
        if said := _first(_unfollowed(walk.found, view) for view in views):
            return said
        names = list(dict.fromkeys(_behind(walk, names, views)))
        fresh = _read(conn, views)
        if not names and not fresh:
            return _first(_folds(walk, text) for text in walk.texts)
    return f"it reads views behind more than {MOST_LEVELS} others"


def _looked(walk: _Walk, fresh: Sequence[_Text], names: Collection[Name]) -> str:
    """Return the doubt about texts that were just read, and about what names mean."""
    walk.texts += fresh
    walk.seen |= set(names)
    wanted = _wanted(walk, fresh, names)
    if wanted.is_too_much:
        return "it names more tables, functions or columns than the dictionary is asked for at once"
    reached.look(walk.conn, wanted, walk.found)
    return (
        _first(_unexplained(walk.found, text) for text in fresh)
        or _first(_calls(walk.found, text) for text in fresh)
        or _first(_relation(walk.found, name) for name in names)
    )


def _wanted(walk: _Walk, fresh: Sequence[_Text], names: Collection[Name]) -> Wanted:
    functions: set[Name] = set()
    procedures: set[str] = set()
    for text in fresh:
        near, own = reached.functions_of([*text.reading.calls, *_words(text)], text.owner)
        functions |= near | set(_functions_needed(walk.found, text))
        procedures |= own
    columns = {name for text in walk.texts for name in text.reading.columns}
    return Wanted(set(names), functions, procedures, columns)


def _folds(walk: _Walk, text: _Text) -> str:
    """Return the doubt about rows that a text folds into one, once its columns are known."""
    by_language = settings.compares_by_language(walk.conn)
    return text.said(
        folded_rows.added(text.reading, walk.found.columns)
        or folded_rows.picked(text.reading, by_language=by_language)
    )


def _first(said: Iterator[str]) -> str:
    return next(filter(None, said), "")


# -- functions ------------------------------------------------------------------------------------


def _words(text: _Text) -> list[tuple[str, ...]]:
    """Return names that may be functions without a bracket; a view is known to rely on such."""
    return [] if text.view else [(word,) for word in text.reading.words]


def _functions_needed(found: Found, text: _Text) -> Iterator[Held]:
    needs = found.needs.get(text.view, []) if text.view else []
    yield from ((owner, name) for kind, owner, name in needs if kind == "FUNCTION")


def _calls(found: Found, text: _Text) -> str:
    """Return the doubt about the functions that a text calls."""
    for chain in (*text.reading.calls, *_functions_needed(found, text)):
        repeats = found.repeats(chain, text.owner)
        if not repeats and not (repeats is None and chain in text.reading.keywords):
            return text.said(_unsure(chain, known=repeats is not None))
    for chain in _words(text):
        if chain[0] not in found.columns and found.repeats(chain, text.owner) is False:
            return _unsure(chain, known=True)
    return ""


def _unsure(chain: tuple[str, ...], *, known: bool) -> str:
    name = f"{'.'.join(map(folded, chain))}()"
    varies = "may answer otherwise in each statement"
    return (
        f"{name} is not declared DETERMINISTIC, and {varies}"
        if known
        else f"nothing is known of {name}, which {varies}"
    )


# -- tables and views -----------------------------------------------------------------------------


def _place(found: Found, name: Name) -> Held:
    return name[0] or found.schema, name[1]


def _is_relation(found: Found, name: Name) -> bool:
    return not found.kinds.get(_place(found, name), set()).isdisjoint(_RELATIONS)


def _relation(found: Found, name: Name) -> str:
    """Return the doubt about the object of a name; empty for a view, which is looked into."""
    place, shown = _place(found, name), _shown(name)
    if policies := found.policies.get(place):
        return f"policies choose the rows of {shown} again in each statement: {', '.join(policies)}"
    if not _is_relation(found, name):
        return _synonym(found, name)
    if place in _ONE_ROW:
        return ""
    if place[0] == "SYS":
        return f"{shown} shows the server's present state"
    if found.kinds[place] & {"VIEW", "MATERIALIZED VIEW"}:
        return ""
    return _KINDS[found.tables.get(place, "")].format(shown)


def _synonym(found: Found, name: Name) -> str:
    target = found.synonym(name)
    if target is None:
        dictionary = name[1].startswith(DICTIONARY)
        return (
            f"{_shown(name)} shows the server's present state"
            if dictionary
            else f"the dictionary does not show to this login what {_shown(name)} is"
        )
    return "" if target[2] == "-" else f"{_shown(name)} is behind a database link"


def _view(found: Found, name: Name) -> Held | None:
    place = _place(found, name)
    return place if "VIEW" in found.kinds.get(place, ()) else None


def _unfollowed(found: Found, view: Held) -> str:
    """Return the doubt about a view that relies on what cannot be looked at."""
    needs = found.needs.get(view, [])
    if not needs:
        return f"the dictionary does not show to this login what the view {_shown(view)} relies on"
    for kind, owner, name in needs:
        if "@" in name:
            return f"the view {_shown(view)} reads from another database, by a link"
        if kind not in _RELATIONS | _JUDGED_BY_TEXT | {"SYNONYM"}:
            thing = f"{kind.lower()} {_shown((owner, name))}"
            return f"the view {_shown(view)} relies on the {thing}, which is not looked into"
    return ""


def _behind(walk: _Walk, names: Collection[Name], views: Sequence[Held]) -> Iterator[Name]:
    """Yield what synonyms lead to and views rely on, but for views that were looked into.

    Tables are looked at again: a view may name other columns of them.
    """
    found = walk.found
    synonyms = (found.synonym(name) for name in names if not _is_relation(found, name))
    behind = [target[:2] for target in synonyms if target is not None]
    for view in views:
        behind += [
            (owner, name)
            for kind, owner, name in found.needs[view]
            if kind in _RELATIONS | {"SYNONYM"}
        ]
    for name in behind:
        known = name in walk.seen and found.kinds.get(name, set()).isdisjoint(_KEPT)
        if not known and name not in _ONE_ROW:
            yield name


def _read(conn: Driver, views: Sequence[Held]) -> list[_Text]:
    found = reached.texts(conn, set(views)) if views else {}
    return [_Text(texts.view(found.get(view)), view) for view in dict.fromkeys(views)]


def _unexplained(found: Found, text: _Text) -> str:
    """Return the doubt about a view whose text names a table that it is not known to rely on."""
    if text.view is None:
        return ""
    known = {name for _, _, name in found.needs.get(text.view, [])}
    other = next((name for _, name in text.reading.relations if name not in known), None)
    return text.said(f"it is not shown what {folded(other)} in it is") if other else ""


def _shown(name: Name | None) -> str:
    owner, own = name or (None, "")
    return folded(own) if owner is None else f"{folded(owner)}.{folded(own)}"
