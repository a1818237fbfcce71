"""A gate in the target: chunks reach it in the middle of a load, and wait until it is opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tests.database import Database
from tests.fault.watch import UNDER_WAY, Watch, connected

LOCK = 1
"""Key of the advisory lock that is the gate."""

MAKE = f"""
CREATE OR REPLACE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN new; END $$;
CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON {{table}} FOR EACH ROW EXECUTE FUNCTION gate()
"""

WAITING = f"{UNDER_WAY} AND a.wait_event = 'advisory'"


class Gate:
    """A closed gate."""

    def __init__(self, target: Database, table: str = "d") -> None:
        self._watch = Watch(target)
        self._holder = connected(target)
        with self._holder.cursor() as cursor:
            cursor.execute(MAKE.format(table=table))
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))

    def waiting(self) -> list[tuple[int, int]]:
        """Return the server and worker processes that stand before it."""
        return self._watch.fetch(WAITING)

    def crowd(self, number: int, ended: Callable[[], bool]) -> list[int]:
        """Wait for so many worker processes before it and return them."""
        while len(found := self.waiting()) < number:
            assert not ended(), "the run ended before it came to the gate"
        return sorted(worker for _, worker in found)

    def open(self) -> None:
        """Let the chunks pass."""
        self._holder.close()
        self._watch.close()


@contextlib.contextmanager
def closed_gate(target: Database, table: str = "d") -> Iterator[Gate]:
    """Lend a gate in the way of every chunk into a table; it is open at the end."""
    gate = Gate(target, table)
    try:
        yield gate
    finally:
        gate.open()
