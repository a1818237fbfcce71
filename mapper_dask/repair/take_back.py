"""Deletes the rows of chunks from a target, but only rows that are proved to be the run's.

Another run or a person may write into the same range of keys. A row of the run that somebody has
changed looks like one that somebody has added; if its chunk were loaded again, the row would exist
twice. So a chunk is deleted only if all rows that were loaded are found, or if each row in its
range is proved to be this run's or another's; else that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_target
from mapper_dask.dialects.target import Target
from mapper_dask.errors import ConfigurationError, TargetError
from mapper_dask.ledger.evidence import numbers_of
from mapper_dask.ledger.evidence_tables import ChunkLoad, EvidenceTables, StoredEvidence
from mapper_dask.naming import session_tag
from mapper_dask.parallel_models import Chunk, ChunkState
from mapper_dask.retries import DEFAULT_LOCK_TIMEOUT
from mapper_dask.schema.facts import Counted, SourceQuery, TableMark, TargetTable

SHOWN = 5
"""Chunks that a refusal lists."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """The evidence that identifies a run's chunks in the target, at one moment."""

    target: Target
    table: TargetTable
    noted: StoredEvidence
    now: TableMark | None
    others: Sequence[int]
    """Transactions that are proved to be other runs'."""

    @classmethod
    def of(cls, target: Target, table: TargetTable, run_id: str) -> Proofs:
        """Return the evidence of now."""
        ledger = EvidenceTables(target)
        noted, now = ledger.of(run_id), target.evidence.mark(table.schema, table.name)
        others: list[int] = []
        if now is not None and now.stamped and ledger.is_current():
            found = ledger.others(run_id, now.cluster)
            others = [number for number in found if target.evidence.is_known(number, now)]
        return cls(target, table, noted, now, others)

    def load(self, chunk: Chunk) -> ChunkLoad | None:
        """Return how a committed chunk was loaded; None for one that is not committed."""
        return next((c for c in self.noted.chunks if c.chunk_id == chunk.chunk_id), None)

    def numbers(self, chunk: Chunk) -> list[int] | None:
        """Return the transactions that wrote a chunk's rows; None if they are not known."""
        load = self.load(chunk)
        if load is None or load.loads is None or self.now is None:
            return None
        return numbers_of(self.target.evidence, [load], self.noted.mark, self.now)

    def in_range(self, query: SourceQuery, chunk: Chunk) -> Counted:
        """Count the rows in a chunk's range: all, its own, other runs'."""
        own = self.numbers(chunk) or []
        return self.target.evidence.in_range(self.table, query.keys, chunk, own, self.others)


@dataclass(frozen=True, slots=True)
class Repairer:
    """Deletes chunks of one run, so that a resumed run loads exactly the rows that are missing."""

    run_id: str
    target: ConnectionRef
    table: TargetTable
    query: SourceQuery

    def clear(self, chunks: Sequence[Chunk]) -> None:
        """Delete the rows of some chunks, and mark these as not loaded, in one transaction.

        Raises
        ------
        ConfigurationError
            When rows in a chunk's range cannot be proved to be the run's, nor to be another's;
            nothing is changed.
        """
        with open_target(self.target, "target_conn") as target:
            self._require_no_triggers()
            target.begin_load(f"{session_tag(self.run_id)}:repair", DEFAULT_LOCK_TIMEOUT)
            EvidenceTables(target).upgrade()
            held = [chunk for chunk in chunks if self._held(target, chunk)]
            self._take_back(target, held)
            target.commit()

    def _require_no_triggers(self) -> None:
        """Refuse a target with a trigger that may keep, or insert again, deleted rows."""
        if fired := self.table.hazards.fired_by(("DELETE",)):
            message = (
                f"repair would delete rows of {self.table.quoted}, whose triggers may keep them or "
                f"put others there: {', '.join(map(str, fired))}. Disable them first (ALTER "
                "TABLE … DISABLE TRIGGER)"
            )
            raise ConfigurationError(message, field="repair")

    def _held(self, target: Target, chunk: Chunk) -> bool:
        """Lock a chunk until the end; return whether it is committed, and so has rows."""
        values = {"run_id": self.run_id, "chunk_id": chunk.chunk_id}
        return target.store.run("ledger_claim", values) == [(ChunkState.PROCESSED.value,)]

    def _take_back(self, target: Target, chunks: Sequence[Chunk]) -> None:
        proofs = Proofs.of(target, self.table, self.run_id)
        own, expected, refused = [], 0, []
        for chunk in chunks:
            count = proofs.in_range(self.query, chunk)
            if why := self._unproved(proofs, chunk, count):
                refused.append(f"{chunk.chunk_id} {chunk.describe()}: {why}")
            own += proofs.numbers(chunk) or []
            expected += count.own
        if refused:
            raise ConfigurationError(self._refusal(refused), field="repair", run_id=self.run_id)
        # More than were counted: a trigger gave rows of the load other keys. They are the run's.
        if own and target.evidence.remove(self.table, own) < expected:
            message = f"somebody changed rows of {self.table.quoted} meanwhile; repair again"
            raise TargetError(message, field="repair", run_id=self.run_id)
        for chunk in chunks:
            values = {"run_id": self.run_id, "chunk_id": chunk.chunk_id}
            target.store.run("ledger_unassign", values)

    def _unproved(self, proofs: Proofs, chunk: Chunk, count: Counted) -> str:
        """Return why a chunk's rows cannot be deleted; empty if they can."""
        load, strange = proofs.load(chunk), count.rows - count.own - count.others
        loaded = 0 if load is None else load.rows
        if proofs.numbers(chunk) is None:
            if not strange:
                return ""
            return f"{strange:,} rows in its range, of which none tells by whom it was loaded"
        if count.own > loaded:
            return f"{count.own:,} rows seem to be its own, {loaded:,} were loaded"
        # All of the run's rows are found: the others in its range are not deleted.
        if not strange or count.own == loaded:
            return ""
        return (
            f"{strange:,} of {count.rows:,} rows in its range are not as the run loaded them: "
            "others', or changed since"
        )

    def _refusal(self, refused: Sequence[str]) -> str:
        more = f" (and {len(refused) - SHOWN} chunks more)" if len(refused) > SHOWN else ""
        return (
            f"repair of run {self.run_id!r} deletes only rows that are shown to be its own. Chunk "
            f"{'; chunk '.join(refused[:SHOWN])}{more}. Nothing is changed. Remove those rows from "
            f"{self.table.quoted} yourself where they are to be loaded anew, and repair again; or "
            "leave it as it is"
        )
