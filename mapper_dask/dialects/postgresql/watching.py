"""What a target's triggers and rules may do, and whether loaded rows are there once all fired.

A COPY counts the rows it has put in, before AFTER triggers and those deferred to the commit have
run. What they then remove is found by the session's own counters of rows inserted and deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import LoadCountError, PublishError
from mapper_dask.schema.facts import TargetTable
from mapper_dask.schema.hazards import (
    AFTER,
    BEFORE,
    INSTEAD,
    Hazards,
    Rule,
    Trigger,
    Unwatched,
    blame,
)

ROW, FIRST, INSERTS, DELETES, UPDATES, IN_PLACE, LATE = 1, 2, 4, 8, 16, 64, 256
"""Bits of ``pg_trigger.tgtype``; the last one is our query's own."""

EVENTS = {INSERTS: "INSERT", UPDATES: "UPDATE", DELETES: "DELETE"}

RULED = {2: "UPDATE", 3: "INSERT", 4: "DELETE"}
"""What ``pg_rewrite.ev_type`` means."""

XID_COUNT = 2**32
"""A row bears the number of its transaction without the epoch."""


def hazards(conn: Driver, table: str | int) -> Hazards:
    """Return what may keep rows out of a table or remove them.

    Parameters
    ----------
    table
        Its quoted name, or its object id, which is looked up without a right on its schema.
    """
    facts = named_queries.run(conn, "target_hazards", {"table": table})
    named: dict[str, list[str]] = {}
    for fact, name, *_ in facts:
        named.setdefault(fact, []).append(name)
    triggers = (_trigger(name, place, bits) for fact, name, place, bits in facts
                if fact == "trigger")  # fmt: skip
    return Hazards(
        view="view" in named,
        behind=", ".join(named.get("view", ())),
        insertable=all(bits for fact, _, _, bits in facts if fact == "view"),
        copied=True,
        foreign=tuple(named.get("foreign", ())),
        children=tuple(named.get("child", ())),
        row_security=tuple(named.get("policy", ())),
        rules=tuple(Rule(name, RULED[bits]) for fact, name, _, bits in facts if fact == "rule"),
        triggers=_once(trigger for trigger in triggers if trigger.events),
        settings=tuple(named.get("setting", ())),
    )


def _trigger(name: str, place: str, bits: int) -> Trigger:
    timing = INSTEAD if bits & IN_PLACE else BEFORE if bits & FIRST else AFTER
    events = tuple(event for bit, event in EVENTS.items() if bits & bit)
    may_drop = timing == BEFORE and bool(bits & ROW)
    return Trigger(name, place, timing, events, bool(bits & ROW), bool(bits & LATE), may_drop)


def _once(triggers: Iterable[Trigger]) -> tuple[Trigger, ...]:
    """Return triggers without the copies that each partition has of its parent's."""
    seen: dict[tuple[Any, ...], Trigger] = {}
    for t in triggers:
        seen.setdefault((t.name, t.timing, t.events, t.each_row, t.deferred), t)
    return tuple(seen.values())


MOST_ROUNDS = 50
"""Most rounds in which deferred triggers may defer others."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows a session has inserted, updated and deleted in a table and its partitions."""

    inserted: int
    updated: int
    deleted: int
    counting: bool
    """Whether the server counts (``track_counts``)."""

    def since(self, before: Touched) -> Touched:
        """Return the rows touched since an earlier moment of the transaction."""
        return Touched(
            self.inserted - before.inserted,
            self.updated - before.updated,
            self.deleted - before.deleted,
            self.counting,
        )


@dataclass(slots=True)
class LoadWatch:
    """Looks after rows from a moment of a transaction on."""

    conn: Driver
    quoted: str
    hazards: Hazards
    before: Touched
    subtransactions: bool = False
    """Whether rows are loaded between savepoints, so that they bear other numbers."""

    def again(self, first: str) -> None:
        """Begin again, after a statement such as one that undoes part of the transaction."""
        self.before = touched(self.conn, self.quoted, first)

    def require(self, loaded: int, first: str = "") -> None:
        """Run what is deferred; raise LoadCountError unless the rows are shown to be there."""
        settle(self.conn)
        now = touched(self.conn, self.quoted, first)
        done = now.since(self.before)
        self.before = now
        if done.counting and done.inserted >= loaded and done.deleted == 0:
            return
        if self._all_there(done, loaded):
            return
        message = (
            f"{loaded} rows were loaded into {self.quoted}; in the same transaction "
            f"{done.deleted} of its rows were deleted again, so it does not hold them all; nothing "
            f"is committed{blame(self.hazards, ('INSERT',))}. ALTER TABLE … DISABLE TRIGGER, or "
            "load a table without it"
        )
        if not done.counting:
            message = (
                f"{self.quoted} has triggers, and with track_counts = off nobody can tell whether "
                f"they took rows away{blame(self.hazards, ('INSERT',))}"
            )
        raise LoadCountError(message, stops_run=not done.counting)

    def _all_there(self, done: Touched, loaded: int) -> bool:
        """Return whether all rows are there that this transaction inserted, by their own marks.

        A trigger may delete rows of others, such as old ones. Rows that were updated bear the
        mark too, and so would hide what was deleted.
        """
        if self.subtransactions or self.hazards.view or (done.counting and done.updated):
            return False
        with self.conn.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.has_table_privilege(%s, 'SELECT')", (self.quoted,))
            (may_look,) = cursor.fetchone()
            if not may_look:
                return False
            cursor.execute(
                f"SELECT pg_catalog.count(*) FROM {self.quoted} WHERE xmin OPERATOR(pg_catalog.=) "
                f"pg_catalog.mod(pg_catalog.txid_current(), {XID_COUNT})::pg_catalog.text"
                "::pg_catalog.xid"
            )
            (there,) = cursor.fetchone()
        return bool(there >= max(loaded, done.inserted))


def settle(conn: Driver) -> None:
    """Run what is deferred until nothing is left: a trigger may defer another again.

    Raises
    ------
    LoadCountError
        When it does not come to an end.
    """
    before = None
    for _ in range(MOST_ROUNDS):
        [(now,)] = named_queries.run(conn, "settle")
        if now == before:
            return
        before = now
    message = (
        "deferred triggers of the target defer others again and again, so nobody can tell what it "
        "holds once they are done; nothing is committed"
    )
    raise LoadCountError(message, stops_run=True)


def touched(conn: Driver, quoted: str, first: str = "") -> Touched:
    """Return a session's counters for a table, after a statement that is sent along."""
    with conn.cursor() as cursor:
        cursor.execute(f"{first}\n{named_queries.text('touched_rows')}", {"table": quoted})
        return Touched(*cursor.fetchone())


def watch(
    conn: Driver, table: TargetTable, *, subtransactions: bool = False
) -> LoadWatch | Unwatched:
    """Return a watch over the rows that are loaded from now on.

    It costs nothing where no trigger fires: what waits in a staging table has none.
    """
    if table.staging is not None or not is_watched(table.hazards):
        return Unwatched()
    before = touched(conn, table.quoted)
    return LoadWatch(conn, table.quoted, table.hazards, before, subtransactions)


def is_watched(known: Hazards) -> bool:
    """Return whether triggers may take inserted rows away, which the counters would show."""
    fired = known.fired_by(("INSERT",))
    return bool(fired) and not any(t.timing == INSTEAD for t in fired)


def require_untouched(done: Touched, quoted: str, why: str) -> None:
    """Refuse a publication during which triggers deleted rows of the target; name them."""
    if done.counting and done.deleted:
        message = (
            f"{done.deleted} rows of {quoted} were deleted while rows entered it, which no "
            f"statement of this run did; nothing is changed{why}"
        )
        raise PublishError(message)
