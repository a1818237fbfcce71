"""What can keep loaded rows out of a table, or delete them, unnoticed by the load. Pure.

A trigger may drop a row or remove it again, a rule may put another statement in the place of one, a
policy may hide rows from it, and a table that others inherit from holds rows that are not its own.
The dialects query these; here is decided which of them end a run before a row moves, and what the
plan says of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BEFORE, AFTER, INSTEAD = "BEFORE", "AFTER", "INSTEAD OF"

SHOWN = 5
"""Triggers that a message lists; a table may have hundreds."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that fires for this session."""

    name: str
    table: str
    """Table that bears it, quoted: the target, one of its partitions, or what a view shows."""
    timing: str
    """``BEFORE``, ``AFTER`` or ``INSTEAD OF``."""
    events: tuple[str, ...]
    """``INSERT``, ``UPDATE``, ``DELETE``."""
    each_row: bool = True
    """Whether it fires for each row; else once a statement."""
    deferred: bool = False
    """Whether it waits for the end of the transaction."""
    may_drop: bool = False
    """Whether it can keep a row out by its return value."""

    def __str__(self) -> str:
        how = "row" if self.each_row else "statement"
        late = ", at commit" if self.deferred else ""
        return f"{self.name} ({self.timing} {' OR '.join(self.events)}, {how}{late})"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that replaces or adds to the statements of one event."""

    name: str
    event: str


@dataclass(frozen=True, slots=True)
class Hazards:
    """The triggers, rules, policies and other hazards of a target table."""

    view: bool = False
    behind: str = ""
    """The tables of a view, quoted; empty where the catalogue does not show them."""
    insertable: bool = True
    """Whether it is a view that accepts INSERT."""
    copied: bool = False
    """Whether rows are loaded by COPY, which accepts no view and no policy."""
    kind: str = ""
    """Why no rows can be loaded into it or stay there, for messages."""
    foreign: tuple[str, ...] = ()
    """Foreign tables: itself, or those among its partitions; quoted."""
    children: tuple[str, ...] = ()
    """Tables that inherit from it and are no partitions; quoted."""
    row_security: tuple[str, ...] = ()
    """Policies that hide rows from this login."""
    rules: tuple[Rule, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    settings: tuple[str, ...] = ()
    """Settings of the server under which a commit may be lost."""

    def fired_by(self, events: Sequence[str]) -> tuple[Trigger, ...]:
        """Return the triggers that statements of some kinds fire."""
        return tuple(t for t in self.triggers if set(t.events) & set(events))

    def ruled(self, events: Sequence[str]) -> tuple[Rule, ...]:
        """Return the rules that apply to statements of some kinds."""
        return tuple(rule for rule in self.rules if rule.event in events)


NONE_KNOWN = Hazards()


class Unwatched:
    """Checks nothing: the table has no hazard, or the database cannot count its rows."""

    def require(self, loaded: int) -> None:
        """Assume that the rows were kept."""
        del loaded


def statements_of(disposition: str, *, by_key: bool) -> tuple[str, ...]:
    """Return the kinds of statements by which rows enter a table."""
    if disposition == "append":
        return ("INSERT",)
    if disposition == "merge":
        return ("INSERT", "UPDATE")
    return ("INSERT", "UPDATE", "DELETE") if by_key else ("INSERT", "DELETE")


def refusal(hazards: Hazards, disposition: str, *, by_key: bool, staged: bool) -> str:
    """Return why a table cannot receive rows this way, and what to do; empty when it can.

    Parameters
    ----------
    staged
        Whether rows wait and enter all at once.
    """
    events = statements_of(disposition, by_key=by_key)
    if hazards.foreign:
        return (
            f"{', '.join(hazards.foreign)} is a foreign table, which commits apart from the ledger:"
            " a crash between the two would load rows twice or lose them. Load a local table, and "
            "copy from there"
        )
    if hazards.kind:
        return f"it is {hazards.kind}. Load a table of another name"
    if rules := hazards.ruled(events):
        named = ", ".join(f"{rule.name} (ON {rule.event})" for rule in rules)
        return (
            f"it has rules that change what {' and '.join(events)} do: {named}. What they do with "
            "the rows cannot be counted. DROP RULE or ALTER TABLE … DISABLE RULE, or load a table "
            "without"
        )
    if view := _refusal_of_view(hazards, staged=staged):
        return view
    if hazards.copied and hazards.row_security and not staged:
        return (
            f"policies bind this login there ({_few(hazards.row_security)}), and COPY does not go "
            f"with them. {_UNBOUND}"
        )
    return _refusal_at_once(hazards, disposition, events) if staged else ""


_UNBOUND = (
    "Use a login that they do not bind, such as the table's owner without FORCE, or a role with "
    "BYPASSRLS"
)


def _refusal_of_view(hazards: Hazards, *, staged: bool) -> str:
    """Return why rows do not go through a view; those with a trigger of their own are others."""
    if not hazards.view or any(t.timing == INSTEAD for t in hazards.fired_by(("INSERT",))):
        return ""
    behind = f", {hazards.behind}" if hazards.behind else ""
    remedy = f"Name the table behind it{behind}, by target_schema and target_table"
    if not hazards.insertable:
        return f"it is a view through which no INSERT finds its way. {remedy}"
    if hazards.copied and not staged:
        return f"it is a view, and COPY loads no rows into one. {remedy}"
    return ""


def _refusal_at_once(hazards: Hazards, disposition: str, events: Sequence[str]) -> str:
    """Return why rows cannot enter all at once; empty if they can."""
    if hazards.row_security:
        return (
            f"policies hide some of its rows from this login ({_few(hazards.row_security)}), so "
            f"{disposition} would leave or count others than it should. {_UNBOUND}"
        )
    if hazards.children and disposition != "append":
        return (
            f"other tables inherit from it ({_few(hazards.children)}): their rows would be "
            f"{'removed' if disposition == 'replace' else 'taken for its own'}. Load it by append, "
            "load another table, or end it with ALTER TABLE … NO INHERIT"
        )
    instead = [t for t in hazards.fired_by(events) if t.timing == INSTEAD]
    if instead:
        return (
            f"it is a view with INSTEAD OF triggers ({_few(instead)}), and what they do with the "
            "rows cannot be counted. Name the table behind it"
        )
    return ""


def notes(
    hazards: Hazards, table: str, disposition: str, *, by_key: bool, counted: bool
) -> tuple[str, ...]:
    """Return a plan's notes on the hazards of its target.

    Parameters
    ----------
    table
        The target, quoted.
    counted
        Whether rows that are taken away again are found out.
    """
    said = []
    fired = hazards.fired_by(statements_of(disposition, by_key=by_key))
    if fired:
        through_view = any(t.timing == INSTEAD for t in fired)
        end = (
            "rows are counted after them, and a load whose rows they drop or remove fails"
            if counted and not through_view
            else "the rows they took are counted, not what they made of them"
        )
        said.append(f"{table}: triggers may change or drop rows: {_few(fired)}; {end}")
    if hazards.settings:
        said.append(
            f"{table}: the server runs with {', '.join(hazards.settings)}: a crash of its system "
            "may lose rows that the ledger counts as loaded"
        )
    return tuple(said)


def blame(hazards: Hazards, events: Sequence[str]) -> str:
    """Return the likely cause, as the end of a sentence; empty when none is known."""
    fired = hazards.fired_by(events)
    if not fired:
        return ""
    named = f"; its triggers: {_few(fired)}"
    dropping = [t for t in fired if t.may_drop and "INSERT" in t.events]
    if not dropping:
        return named
    quoted = dropping[0].name.replace('"', '""')
    return (
        f"{named}. A BEFORE row trigger keeps a row out where it returns NULL: let "
        f"{_few([t.name for t in dropping])} return NEW, or switch it off by ALTER TABLE "
        f'{dropping[0].table} DISABLE TRIGGER "{quoted}"'
    )


def _few(things: Sequence[object]) -> str:
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return ", ".join(map(str, things[:SHOWN])) + more
