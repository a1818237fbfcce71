"""One run under way: what it is, and its life in the target's ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapper_dask.connections import ConnectionRef
from mapper_dask.errors import FingerprintError, RunNotFoundError
from mapper_dask.ledger import RunState, StoredRun
from mapper_dask.parallel_models import Chunk, ChunkResult, MapperJob
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.run import job_record
from mapper_dask.run.preflight import Prepared
from mapper_dask.run.run_ledger import RunLedger
from mapper_dask.run.snapshot import Keeper


@dataclass(frozen=True, slots=True)
class Run:
    """One run under way in this process."""

    run_id: str
    job: MapperJob
    source: ConnectionRef
    target: ConnectionRef | None
    prepared: Prepared
    chunks: Sequence[Chunk]
    """Those still to be done."""

    @property
    def plan(self) -> ChunkPlan:
        """What is read, in which chunks."""
        return self.prepared.plan

    @property
    def ledger(self) -> RunLedger | None:
        """The run in its target's ledger, None for a dry run."""
        return None if self.target is None else RunLedger(self.target, self.run_id)

    def enter(self, snapshot: str | None) -> bool:
        """Enter a new run in the ledger; return False when another coordinator was quicker."""
        if self.ledger is None:
            return True
        plan = {**self.plan.to_json(), "job": job_record.record(self.job, self.source)}
        fingerprint = job_record.job_fingerprint(self.job, self.source)
        stored = StoredRun(self.run_id, fingerprint, plan, snapshot, RunState.RUNNING)
        return self.ledger.open(stored, self.chunks)

    def reenter(self, snapshot: str | None) -> bool:
        """Let a run that stands in the ledger go on."""
        if self.ledger is not None:
            self.ledger.set_state(RunState.RUNNING, snapshot)
        return True

    def end(self, state: RunState) -> None:
        """Stop the run: once this returns, no chunk of it can commit."""
        if self.ledger is not None:
            self.ledger.set_state(state)

    def stored(self) -> StoredRun:
        """Return the run as the ledger holds it.

        Raises
        ------
        RunNotFoundError
            When somebody removed it meanwhile.
        """
        found = self.ledger.find() if self.ledger is not None else None
        if found is None:
            message = f"run {self.run_id!r} vanished from the ledger"
            raise RunNotFoundError(message, run_id=self.run_id)
        return found

    def note_if_lost(self, result: ChunkResult) -> None:
        """Note a failure whose worker could not: one that died names no worker."""
        if self.ledger is not None and not result.worker:
            self.ledger.note_failure(result)


def replanned(
    job: MapperJob, stored: StoredRun, keeper: Keeper, chunks: Sequence[Chunk]
) -> ChunkPlan:
    """Return the stored plan over the source as it is now.

    Raises
    ------
    FingerprintError
        When the query has other columns now.
    """
    manager = ChunkManager()
    plan = manager.restore(keeper.dialect, keeper.conn, job, stored.plan, chunks)
    columns = [[c.name, c.type_name] for c in plan.query.columns]
    if columns != [list(pair) for pair in stored.plan["columns"]]:
        message = (
            f"run {stored.run_id!r} cannot go on: the query's columns were "
            f"{stored.plan['columns']}, now they are {columns}"
        )
        raise FingerprintError(message, run_id=stored.run_id)
    return plan
