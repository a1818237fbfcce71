"""Checks whether loaded rows are still in the target, when a run is resumed or asked for again.

The ledger and its target are tables of one database, so a crash, a failover or a restore of the
whole leaves both in one state. They differ after changes to the target alone: TRUNCATE, DROP, a
table restored or rewritten, an unlogged table after a crash. So the target's storage is recorded
with the run. While it is the same, the ledger is believed, at the cost of one catalogue query.
Otherwise rows are counted, by the transactions that wrote them if rows have their numbers.

Rows that were deleted one by one are not looked for: ``reconcile`` counts.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_target
from mapper_dask.dialects.target import Evidence, Target
from mapper_dask.errors import DatabaseError, RowsGoneError
from mapper_dask.ledger.evidence_tables import ChunkLoad, EvidenceTables, StoredEvidence
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.ledger.staging import staging_of
from mapper_dask.naming import session_tag
from mapper_dask.retries import DEFAULT_LOCK_TIMEOUT
from mapper_dask.schema.facts import TableMark, TargetTable


class RowsState(enum.Enum):
    """How far the ledger's account of a run's rows can be trusted."""

    UNTOUCHED = "UNTOUCHED"
    """Nothing has happened that removes all rows at once. They were not counted."""
    PROVED = "PROVED"
    """The table was rewritten, or a crash may have emptied it: all its rows were counted there."""
    PLAUSIBLE = "PLAUSIBLE"
    """The same, and as many rows are there; but whose they are cannot be proved."""
    GONE = "GONE"
    """Rows are missing, or the whole table is."""
    UNKNOWN = "UNKNOWN"
    """The table was rewritten, and this login may not count its rows."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings of one check of a run's rows."""

    state: RowsState
    loaded: int
    """Rows according to the ledger."""
    found: int | None = None
    """Rows found that may be the run's; None: not counted."""
    seen: str = ""
    """What happened to the table; empty when nothing did."""
    mark: TableMark | None = None
    """The table's storage now."""
    changed: bool = False
    """Whether it was emptied or rewritten since; else a crash may have emptied it in place."""

    @property
    def holds(self) -> bool:
        """Whether the ledger's account may be reported as it is."""
        return self.state in (RowsState.UNTOUCHED, RowsState.PROVED, RowsState.PLAUSIBLE)

    @property
    def note(self) -> str:
        """A note that a report must add to it; empty where it is proved."""
        if self.state is not RowsState.PLAUSIBLE:
            return ""
        return (
            f"{self.seen}; {self.found:,} rows are there that can be this run's {self.loaded:,}, "
            "but no row tells by whom it was loaded"
        )


def still_there(target: ConnectionRef, stored: StoredRun) -> Verdict:
    """Return whether the target still holds what a run has loaded, as far as can be proved.

    Costs a catalogue query, and a scan of the table only where that was emptied or
    rewritten since, or is unlogged.

    Parameters
    ----------
    target
        Where the ledger and the table are.
    stored
        The run, as ``RunLedger.find`` returns it.
    """
    with open_target(target, "target_conn") as session:
        verdict = _Look(session, stored).settled()
        session.rollback()
    return verdict


def caveats(target: ConnectionRef, table: TargetTable) -> tuple[str, ...]:
    """Return a plan's notes on the durability of its target's rows, and on its session."""
    with open_target(target, "target_conn") as session:
        changed = session.changed_to_load(table.columns)
        mark = session.evidence.mark(table.schema, table.name)
        session.rollback()
    if mark is None or not mark.unlogged:
        return changed
    note = (
        f"target {table.quoted} is unlogged: a crash of the server empties it, and not the ledger. "
        "A run that ends, goes on or is asked again counts whether its rows are there. "
        "ALTER TABLE … SET LOGGED keeps them"
    )
    return (*changed, note)


def require_still_there(target: ConnectionRef, stored: StoredRun) -> Verdict:
    """Return the findings, if they agree with the ledger.

    Raises
    ------
    RowsGoneError
        When they do not: with the findings, the rows counted, and the remedy.
    """
    verdict = still_there(target, stored)
    if not verdict.holds:
        raise gone(stored, verdict)
    return verdict


def gone(stored: StoredRun, verdict: Verdict) -> RowsGoneError:
    """Return the error that describes the missing rows of a run."""
    return RowsGoneError(_explanation(stored, verdict), field="run_id", run_id=stored.run_id)


def accepted(ledger: RunLedger, stored: StoredRun, verdict: Verdict) -> StoredRun:
    """Record where a run's rows were found again; return the run with that note."""
    if verdict.mark is None or (verdict.state is RowsState.UNTOUCHED and verdict.loaded):
        return stored
    ledger.accept(verdict.mark, verdict.note)
    if not verdict.note or verdict.note in stored.notes:
        return stored
    return replace(stored, notes=(*stored.notes, verdict.note))


def _explanation(stored: StoredRun, verdict: Verdict) -> str:
    head = f"run {stored.run_id!r} is not claimed: {verdict.seen}"
    if verdict.state is RowsState.UNKNOWN:
        return (
            f"{head}, and this login may not count whether its {verdict.loaded:,} rows are there. "
            "GRANT it SELECT on the table, or use a new run_id"
        )
    return (
        f"{head}. Its ledger says {verdict.loaded:,} rows were loaded, {verdict.found or 0:,} are "
        "there that can be those. Load them again under a new run_id; or let "
        "reconcile(repair=True) load what is missing, where it can tell the chunks' rows; or "
        "discard the run"
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """One check of the table that holds a run's rows."""

    target: Target
    stored: StoredRun

    @property
    def ledger(self) -> EvidenceTables:
        return EvidenceTables(self.target)

    def settled(self) -> Verdict:
        """Return the findings; check again if the run has continued between two queries."""
        noted = self._noted()
        while True:
            found = self._verdict(noted)
            if found.holds:
                return found
            before, noted = noted, self._noted()
            if noted == before:
                return found

    def _noted(self) -> StoredEvidence:
        tag = f"{session_tag(self.stored.run_id)}:coordinator"
        self.target.begin_load(tag, DEFAULT_LOCK_TIMEOUT)
        return self.ledger.of(self.stored.run_id)

    def _verdict(self, noted: StoredEvidence) -> Verdict:
        loaded = sum(part.rows for part in noted.parts)
        table = self._table(noted)
        now = None
        if table is not None:
            now = self.target.evidence.mark(table.schema, table.name)
        if not loaded:
            return Verdict(RowsState.UNTOUCHED, 0, mark=now)
        if table is None or now is None:
            return Verdict(RowsState.GONE, loaded, 0, f"its table {self._name} is not there")
        if noted.mark == now and now.steady:
            return Verdict(RowsState.UNTOUCHED, loaded, mark=now)
        return self._counted(table, noted, now, loaded)

    @property
    def _name(self) -> str:
        return str(self.stored.plan.target)

    def _table(self, noted: StoredEvidence) -> TargetTable | None:
        """Return the table that holds the rows; its name is looked up, never run as SQL."""
        job, publication = self.stored.plan.job, self.stored.plan.publication
        if publication is not None and not noted.succeeded:
            schema, name = publication.schema, staging_of(self.stored.run_id)
        else:
            schema, name = job["target_schema"], job["target_table"]
        return self.target.target_table(schema, name)

    def _counted(
        self, table: TargetTable, noted: StoredEvidence, now: TableMark, loaded: int
    ) -> Verdict:
        seen = _seen(table, noted.mark, now)
        own = numbers_of(self.target.evidence, noted.parts, noted.mark, now)
        others = self._others(now)
        try:
            with self.target.errors():
                count = self.target.evidence.counted(table, own or (), others)
        except DatabaseError as error:
            if error.transient:
                raise
            state = RowsState.UNTOUCHED if noted.mark is None else RowsState.UNKNOWN
            return Verdict(state, loaded, None, seen, now, noted.mark != now)
        if own is not None and count.own == loaded:
            return Verdict(RowsState.PROVED, loaded, loaded, seen, now)
        possible = count.rows - count.others
        state = RowsState.PLAUSIBLE if possible >= loaded else RowsState.GONE
        return Verdict(state, loaded, possible, seen, now)

    def _others(self, now: TableMark) -> list[int]:
        """Return the transactions whose rows are proved to be other runs'."""
        if not self.ledger.is_current():
            return []
        found = self.ledger.others(self.stored.run_id, now.cluster)
        return [number for number in found if self.target.evidence.is_known(number, now)]


def numbers_of(
    evidence: Evidence, parts: Sequence[ChunkLoad], noted: TableMark | None, now: TableMark
) -> list[int] | None:
    """Return the numbers of the transactions that wrote some parts; None where rows have none.

    They mean nothing in another server's data, nor where that cannot be identified.
    """
    if noted is None or not _is_same_cluster(noted, now):
        return None
    numbers: list[int] = []
    for part in parts:
        if part.loads is None:
            if part.rows:
                return None
            continue
        numbers += part.loads
    known = evidence.is_known
    return numbers if all(known(number, now) for number in numbers) else None


def _is_same_cluster(noted: TableMark, now: TableMark) -> bool:
    if noted.cluster is None or now.cluster is None:
        return noted == now
    return noted.cluster == now.cluster


def _seen(table: TargetTable, noted: TableMark | None, now: TableMark) -> str:
    if noted is None:
        return f"{table.quoted} was not looked at when the run began (an earlier version did it)"
    if noted.cluster != now.cluster or noted.database != now.database:
        return f"{table.quoted} stands in another database than when it was loaded: a restored one"
    if noted.storage != now.storage:
        return f"{table.quoted} was truncated, rewritten, restored or made anew since it was loaded"
    return f"{table.quoted} is unlogged, so a crash of the server empties it"
