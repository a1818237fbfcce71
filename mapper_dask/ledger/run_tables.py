"""The ledger's tables of runs, from which every report is made.

A chunk's rows and its ledger row commit in one transaction, or neither does. The order inside that
transaction matters: the run's state is share-locked first, so that a stopped run commits nothing
more; then the chunk's row is locked, so that a second copy of the chunk waits and then finds it
PROCESSED. The caller commits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mapper_dask.errors import (
    LoadCountError,
    RejectLimitError,
    RunNotFoundError,
    RunStoppedError,
    TargetChangedError,
    TargetError,
)
from mapper_dask.ledger.evidence_tables import EvidenceTables, TargetTables
from mapper_dask.ledger.lost import lost
from mapper_dask.ledger.records import (
    as_json,
    as_texts,
    chunk_of,
    notes_of,
    plan_of,
    reject_of,
    state_of,
)
from mapper_dask.ledger.run_record import NewRun, RunState, StoredRun
from mapper_dask.ledger.staging import drop_staged, require_staged
from mapper_dask.naming import fingerprint
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState, Reject
from mapper_dask.schema.definition import target_difference
from mapper_dask.schema.facts import Publication

LEDGER_VERSION = "2"
"""Layout of the tables; a later version of the library that changes it reads this first."""


def asides_of(run_id: str) -> str:
    """Return the prefix of the tables that a run's attempts load by direct path."""
    return f"mapper_dask_load_{fingerprint(run_id)}_"


TABLES = ("mapper_dask_run", "mapper_dask_chunk", "mapper_dask_reject")


@dataclass(frozen=True, slots=True)
class RunTables(TargetTables):
    """The ledger's tables of runs."""

    @property
    def evidence(self) -> EvidenceTables:
        """The part of it that identifies a run's rows."""
        return EvidenceTables(self.target)

    def create(self) -> None:
        """Create the tables if they are missing; if not, no right to create is needed.

        Tables of an earlier version of the library are upgraded.
        """
        if not self.require_creatable():
            self.evidence.upgrade()
            return
        self.store.run("ledger_lock")
        self.store.run("ledger_create")

    def require_creatable(self) -> bool:
        """Return whether the tables are missing and can be created; False if they exist.

        Raises
        ------
        TargetError
            When they are missing, and this login may not make them.
        """
        if self.exists():
            return False
        [(schema, user, path, allowed)] = self.store.run("ledger_schema")
        if not allowed:
            where = f"schema {schema}" if schema else f"any schema of the search path ({path})"
            message = (
                f"target_conn leads to no ledger: {', '.join(TABLES)} are not there, and "
                f"{user} may not make them in {where}: GRANT CREATE ON SCHEMA {schema or '…'} TO "
                f"{user}; or let an administrator run one, and then this: it names each GRANT"
            )
            raise TargetError(message, field="target_conn")
        return True

    def exists(self) -> bool:
        """Return whether the tables exist."""
        return self.store.run("ledger_exists") == [(True,)]

    def open_run(self, run: NewRun, chunks: Sequence[Chunk]) -> bool:
        """Enter a run and its chunks; return False if another coordinator has entered it."""
        values = {
            "run_id": run.run_id,
            "fingerprint": run.fingerprint,
            "plan": as_json(self.target.dialect, run.plan),
            "snapshot": run.snapshot,
            "staging": run.staging,
            "version": LEDGER_VERSION,
        }
        if not self.store.run("ledger_open_run", values):
            return False
        self.open_chunks(run.run_id, chunks)
        return True

    def open_chunks(self, run_id: str, chunks: Sequence[Chunk]) -> None:
        """Enter chunks of a run."""
        rows = [
            {
                "run_id": run_id,
                "chunk_id": c.chunk_id,
                "bounds": as_json(self.target.dialect, c.to_json()),
            }
            for c in chunks
        ]
        self.store.run_each("ledger_open_chunks", rows)

    def find_run(self, run_id: str) -> StoredRun:
        """Return a run.

        Raises
        ------
        RunNotFoundError
            When the ledger has none of that name.
        LedgerError
            When its record is not as this library writes it.
        """
        rows = self.store.run("ledger_run", {"run_id": run_id}) if self.exists() else []
        if not rows:
            message = f"the target's ledger has no run {run_id!r}"
            raise RunNotFoundError(message, run_id=run_id)
        digest, plan, snapshot, state, staging, notes = rows[0]
        return StoredRun(
            run_id,
            digest,
            plan_of(run_id, plan),
            snapshot,
            state_of(run_id, RunState, state),
            staging,
            notes_of(run_id, notes),
        )

    def knows(self, run_id: str) -> bool:
        """Return whether a run is in the ledger, even if its record cannot be read."""
        values = {"run_id": run_id}
        return self.exists() and bool(self.store.run("ledger_state", values))

    def require_kept(self, run_id: str) -> None:
        """Check that the tables of a run under way still exist.

        Raises
        ------
        LedgerLostError
            When they do not exist.
        """
        if not self.exists():
            raise lost(run_id)

    def set_state(self, run_id: str, state: RunState, snapshot: str | None = None) -> None:
        """Move a run to another state, once the chunks being loaded have ended.

        None commits afterwards unless the state is RUNNING. A run that has ended already keeps its
        state, unless it is resumed.
        """
        self.store.run(
            "ledger_set_state", {"run_id": run_id, "state": state.value, "snapshot": snapshot}
        )

    def note(self, run_id: str, note: str) -> None:
        """Add to what every report of a run says."""
        self.store.run(
            "ledger_note", {"run_id": run_id, "note": as_json(self.target.dialect, note)}
        )

    def is_done(self, run_id: str) -> bool:
        """Return whether a run has succeeded with every one of its chunks."""
        [(missing, _)] = self.store.run("ledger_totals", {"run_id": run_id})
        return not missing and self.find_run(run_id).state is RunState.SUCCEEDED

    def restart(self, run_id: str, snapshot: str | None, staging: str | None, note: str) -> bool:
        """Drop what a run has staged, and restart it; return False if it was cancelled.

        All of it in one transaction: rows of the two readings are never mixed.
        """
        values = {"run_id": run_id, "snapshot": snapshot}
        if not self.store.run("ledger_restart", values):
            found = self.find_run(run_id)  # it may be done, and the answer was lost
            return found.state is RunState.RUNNING and found.snapshot == snapshot
        self.store.run("ledger_unassign_all", values)
        if staging is not None:
            self.target.empty_table(staging)
        self.note(run_id, note)
        return True

    def chunks(self, run_id: str) -> list[tuple[Chunk, ChunkResult]]:
        """Return every chunk of a run with its result, in the plan's order."""
        rows = self.store.run("ledger_chunks", {"run_id": run_id})
        return [chunk_of(run_id, row) for row in rows]

    def assign(self, run_id: str, chunk_id: int, worker: str) -> int | None:
        """Record that a worker begins a chunk; return the attempt's number, None if it is done.

        Raises
        ------
        RunStoppedError
            When the run is no longer running.
        LedgerLostError
            When the ledger does not know the run or the chunk any more.
        """
        values = {"run_id": run_id, "chunk_id": chunk_id, "worker": worker}
        rows = self.store.run("ledger_assign", values)
        if rows:
            return int(rows[0][0])
        self._require_running(self.store.run("ledger_state", values), run_id, chunk_id)
        if not self.store.run("ledger_claim", values):
            raise lost(run_id, chunk_id)
        return None

    def claim(self, run_id: str, chunk_id: int) -> bool:
        """Lock a chunk until this transaction ends; return False if it is done already.

        Raises
        ------
        RunStoppedError
            When the run is no longer running: this transaction must be rolled back.
        LedgerLostError
            When the ledger does not know the run or the chunk any more: likewise.
        """
        values = {"run_id": run_id, "chunk_id": chunk_id}
        self._require_running(self.store.run("ledger_share_run", values), run_id, chunk_id)
        claimed = self.store.run("ledger_claim", values)
        if not claimed:
            raise lost(run_id, chunk_id)
        return claimed != [(ChunkState.PROCESSED.value,)]

    def _require_running(self, state: list[tuple[Any, ...]], run_id: str, chunk_id: int) -> None:
        if not state:
            raise lost(run_id)
        if state != [(RunState.RUNNING.value,)]:
            message = f"run {run_id!r} was stopped; chunk {chunk_id} commits nothing"
            raise RunStoppedError(message, run_id=run_id, chunk_id=chunk_id)

    def reject(self, run_id: str, chunk_id: int, rejects: Sequence[Reject], limit: int) -> None:
        """Store rejected rows, in the transaction that loads the others of their chunk.

        Chunks that do so commit one after the other, so that the limit of the run is exact.

        Raises
        ------
        RejectLimitError
            When the run would have more rejects than its limit: this transaction must be rolled
            back.
        """
        [(before,)] = self.store.run("ledger_rejected", {"run_id": run_id})
        if before + len(rejects) > limit:
            message = (
                f"{len(rejects)} rows are refused here after {before} in other chunks, over "
                f"reject_limit={limit}. First, in stage {rejects[0].stage}: {rejects[0].reason}"
            )
            raise RejectLimitError(message, run_id=run_id, chunk_id=chunk_id)
        rows = [{"run_id": run_id, "chunk_id": chunk_id, **as_texts(r)} for r in rejects]
        self.store.run_each("ledger_reject", rows)

    def rejects(self, run_id: str) -> list[tuple[int, Reject]]:
        """Return every rejected row of a run, with its chunk, in the plan's order."""
        rows = self.store.run("ledger_rejects", {"run_id": run_id})
        return [
            (chunk_id, reject_of(run_id, stage, reason, key, row))
            for chunk_id, stage, reason, key, row in rows
        ]

    def rejects_of(self, run_id: str, chunk_id: int) -> list[Reject]:
        """Return the rejected rows of one chunk."""
        values = {"run_id": run_id, "chunk_id": chunk_id}
        return [
            reject_of(run_id, stage, reason, key, row)
            for stage, reason, key, row in self.store.run("ledger_chunk_rejects", values)
        ]

    def retried(self, run_id: str, chunk_id: int, loaded: int, still: Sequence[Reject]) -> None:
        """Count rejected rows of a chunk as loaded, and store again those that remain.

        In the transaction that loads them, which has locked the chunk (see ``claim``).

        Raises
        ------
        LoadCountError
            When the chunk is not committed (any more).
        """
        values = {"run_id": run_id, "chunk_id": chunk_id}
        self.store.run("ledger_drop_rejects", values)
        rows = [{**values, **as_texts(reject)} for reject in still]
        self.store.run_each("ledger_reject", rows)
        counts = {**values, "loaded": loaded, "rejected": len(still)}
        if not self.store.run("ledger_recount", counts):
            message = f"chunk {chunk_id} is not committed; its rejects are not retried"
            raise LoadCountError(message, run_id=run_id, chunk_id=chunk_id)

    def publish(
        self,
        run_id: str,
        publication: Publication | None,
        chunks: int,
        first: Callable[[], None] | None = None,
    ) -> RunState:
        """End a run all of whose chunks are committed, publishing staged rows; return its state.

        It is published once, whoever calls this and how often: the state changes in the same
        transaction.

        Parameters
        ----------
        first
            Called first, to reject staged rows that the target refuses.

        Raises
        ------
        PublishError
            When the target does not take the staged rows.
        LoadCountError
            When other rows are staged than the chunks account for.
        LedgerLostError
            When the ledger does not know the run, or one of its ``chunks``, any more.
        """
        held = self.store.run("ledger_hold_run", values := {"run_id": run_id})
        if not held or self.store.run("ledger_counted", values) != [(chunks,)]:
            raise lost(run_id)
        state = state_of(run_id, RunState, held[0][0])
        [(missing, _)] = self.store.run("ledger_totals", values)
        cancelled = publication is not None and state is not RunState.RUNNING
        if state is RunState.SUCCEEDED or missing or cancelled:  # nothing enters after a cancel
            return state
        if publication is not None:
            require_staged(self.target, run_id, publication)
            if first is not None:
                first()
            [(_, loaded)] = self.store.run("ledger_totals", values)
            rows = self._publish(run_id, publication, loaded)
            target = (publication.schema, publication.target_name)
            by_key = publication.by_key
            self.evidence.note_published(run_id, target, rows, by_key=by_key)
        self.store.run("ledger_succeeded", {"run_id": run_id})
        if publication is not None:  # last: where DDL commits, it must commit all of the above
            self.target.drop_table(publication.staging)
        self.target.drop_asides(asides_of(run_id))
        return RunState.SUCCEEDED

    def _publish(self, run_id: str, publication: Publication, loaded: int) -> int:
        published = self.target.publish(publication, loaded)
        self._require_same_target(publication)
        if publication.newest_by:
            note = f"merged {published:,} rows; {loaded - published:,} had a newer row of their key"
            self.note(run_id, note)
        elif published != loaded:
            message = (
                f"{loaded} rows were staged for {publication.target}, {published} entered it; "
                "nothing is changed"
            )
            raise LoadCountError(message, run_id=run_id)
        return published

    def _require_same_target(self, publication: Publication) -> None:
        """Refuse a target that was altered since; the publication has locked it."""
        if not publication.definition:
            return
        now = self.target.target_definition(publication.target)
        if found := target_difference(publication.definition, now):
            message = f"{publication.target} was altered under the run: {found}"
            raise TargetChangedError(message, field="target_table")

    def sweep(self, publication: Publication, seconds: float) -> list[str]:
        """Drop the staging tables beside a target that no run will use again; return them."""
        values = {"schema": publication.schema, "seconds": seconds}
        stale = [name for (name,) in self.store.run("ledger_stale", values)]
        for name in stale:
            quoted = (
                f"{self.target.dialect.quote(publication.schema)}.{self.target.dialect.quote(name)}"
            )
            self.target.drop_table(quoted)
            self.store.run("ledger_discarded", {"staging": name})
        return stale

    def forget(self, run_id: str) -> None:
        """Remove a run, its chunks, its rejects and the rows it has staged.

        What is dropped is found in the catalogue by the run's name, not read from the ledger.
        """
        drop_staged(self.target, run_id)
        self.target.drop_asides(asides_of(run_id))
        self.store.run("ledger_forget", {"run_id": run_id})

    def account(self, run_id: str, result: ChunkResult, *, apart: bool = False) -> None:
        """Enter a chunk's counts in the transaction that holds its rows.

        Parameters
        ----------
        apart
            Whether its rows were loaded between savepoints, and so do not carry this
            transaction's number.

        Raises
        ------
        LoadCountError
            When the chunk was accounted for meanwhile, or the counts do not add up.
        """
        values = {
            **_counts(run_id, result),
            "snapshot": result.snapshot,
            "warnings": as_json(self.target.dialect, result.warnings),
            "rows_out": result.rows_out,
            "rows_loaded": result.rows_loaded,
            "rows_rejected": result.rows_rejected,
            "apart": apart,
        }
        balanced = result.rows_out == result.rows_loaded + result.rows_rejected
        if not balanced or not self.store.run("ledger_account", values):
            message = (
                f"chunk {result.chunk_id} cannot be accounted for: {result.rows_out} rows out, "
                f"{result.rows_loaded} loaded, {result.rows_rejected} rejected"
            )
            raise LoadCountError(message, run_id=run_id, chunk_id=result.chunk_id)

    def fail(self, run_id: str, result: ChunkResult) -> None:
        """Record why a chunk failed, unless another copy has committed it."""
        self.store.run("ledger_fail", {**_counts(run_id, result), "error": result.error})


def _counts(run_id: str, result: ChunkResult) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "chunk_id": result.chunk_id,
        "rows_read": result.rows_read,
        "worker": result.worker,
        "seconds": result.processing_time,
    }
