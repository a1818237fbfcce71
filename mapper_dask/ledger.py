"""What the target remembers of each run: the truth of every report.

A chunk's rows and its ledger row commit in one transaction, or neither does. The order inside that
transaction matters: the run's state is share-locked first, so that a stopped run commits nothing
more; then the chunk's row is locked, so that a second copy of the chunk waits and then finds it
PROCESSED. Every method works on a driver connection it is given; the caller commits.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapper_dask.dialects.base import Dialect
from mapper_dask.errors import LoadCountError, RunNotFoundError, RunStoppedError
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState

LEDGER_VERSION = "1"
"""Layout of the tables; a later library that changes it reads this first."""


class RunState(enum.Enum):
    """Where a run stands."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the ledger holds it."""

    run_id: str
    fingerprint: str
    """Digest of what the job reads and where it writes."""
    plan: Mapping[str, Any]
    """The plan without its chunks, as it was saved."""
    snapshot: str | None
    state: RunState


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger's tables, spoken to in the target's dialect."""

    dialect: Dialect

    def create(self, conn: Any) -> None:
        """Create the tables where they are missing; needs no right to create where they stand."""
        if self.dialect.run(conn, "ledger_exists") == [(True,)]:
            return
        self.dialect.run(conn, "ledger_lock")
        self.dialect.run(conn, "ledger_create")

    def exists(self, conn: Any) -> bool:
        """Return whether the tables stand."""
        return self.dialect.run(conn, "ledger_exists") == [(True,)]

    def open_run(self, conn: Any, run: StoredRun, chunks: Sequence[Chunk]) -> bool:
        """Enter a run and its chunks; return False when another coordinator has entered it."""
        values = {
            "run_id": run.run_id,
            "fingerprint": run.fingerprint,
            "plan": json.dumps(run.plan),
            "snapshot": run.snapshot,
            "version": LEDGER_VERSION,
        }
        if not self.dialect.run(conn, "ledger_open_run", values):
            return False
        stored = json.dumps([chunk.to_json() for chunk in chunks])
        self.dialect.run(conn, "ledger_open_chunks", {"run_id": run.run_id, "chunks": stored})
        return True

    def find_run(self, conn: Any, run_id: str) -> StoredRun:
        """Return a run.

        Raises
        ------
        RunNotFoundError
            When the ledger has none of that name.
        """
        rows = self.dialect.run(conn, "ledger_run", {"run_id": run_id}) if self.exists(conn) else []
        if not rows:
            message = f"the target's ledger has no run {run_id!r}"
            raise RunNotFoundError(message, run_id=run_id)
        fingerprint, plan, snapshot, state = rows[0]
        return StoredRun(run_id, fingerprint, json.loads(plan), snapshot, RunState(state))

    def set_state(
        self, conn: Any, run_id: str, state: RunState, snapshot: str | None = None
    ) -> None:
        """Move a run to another state, once the chunks being loaded have ended.

        None commits afterwards unless the state is RUNNING.
        """
        self.dialect.run(
            conn, "ledger_set_state", {"run_id": run_id, "state": state.value, "snapshot": snapshot}
        )

    def chunks(self, conn: Any, run_id: str) -> list[tuple[Chunk, ChunkResult]]:
        """Return every chunk of a run with what became of it, in the plan's order."""
        rows = self.dialect.run(conn, "ledger_chunks", {"run_id": run_id})
        return [_chunk_and_result(row) for row in rows]

    def assign(self, conn: Any, run_id: str, chunk_id: int, worker: str) -> int | None:
        """Note that a worker begins a chunk; return which attempt it is, None when it is done."""
        values = {"run_id": run_id, "chunk_id": chunk_id, "worker": worker}
        rows = self.dialect.run(conn, "ledger_assign", values)
        return int(rows[0][0]) if rows else None

    def claim(self, conn: Any, run_id: str, chunk_id: int) -> bool:
        """Hold a chunk until this transaction ends; return False when it is done already.

        Raises
        ------
        RunStoppedError
            When the run is no longer running: this transaction must be rolled back.
        """
        shared = self.dialect.run(conn, "ledger_share_run", {"run_id": run_id})
        if shared != [(RunState.RUNNING.value,)]:
            message = f"run {run_id!r} was stopped; chunk {chunk_id} commits nothing"
            raise RunStoppedError(message, run_id=run_id, chunk_id=chunk_id)
        claimed = self.dialect.run(conn, "ledger_claim", {"run_id": run_id, "chunk_id": chunk_id})
        return claimed != [(ChunkState.PROCESSED.value,)]

    def account(self, conn: Any, run_id: str, result: ChunkResult) -> None:
        """Enter a chunk's counts in the transaction that holds its rows.

        Raises
        ------
        LoadCountError
            When the chunk was accounted for meanwhile, or the counts do not add up.
        """
        values = {
            **_counts(run_id, result),
            "snapshot": result.snapshot,
            "warnings": json.dumps(result.warnings),
            "rows_out": result.rows_out,
            "rows_loaded": result.rows_loaded,
            "rows_rejected": result.rows_rejected,
        }
        balanced = result.rows_out == result.rows_loaded + result.rows_rejected
        if not balanced or not self.dialect.run(conn, "ledger_account", values):
            message = (
                f"chunk {result.chunk_id} cannot be accounted for: {result.rows_out} rows out, "
                f"{result.rows_loaded} loaded, {result.rows_rejected} rejected"
            )
            raise LoadCountError(message, run_id=run_id, chunk_id=result.chunk_id)

    def fail(self, conn: Any, run_id: str, result: ChunkResult) -> None:
        """Note why a chunk failed, unless another copy has committed it."""
        self.dialect.run(conn, "ledger_fail", {**_counts(run_id, result), "error": result.error})


def _counts(run_id: str, result: ChunkResult) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "chunk_id": result.chunk_id,
        "rows_read": result.rows_read,
        "worker": result.worker,
        "seconds": result.processing_time,
    }


def _chunk_and_result(row: Sequence[Any]) -> tuple[Chunk, ChunkResult]:
    (
        bounds,
        state,
        read,
        out,
        loaded,
        rejected,
        attempts,
        worker,
        seconds,
        snapshot,
        warnings,
        error,
    ) = row
    chunk = Chunk.from_json(json.loads(bounds))
    return chunk, ChunkResult(
        chunk_id=chunk.chunk_id,
        state=ChunkState(state),
        bounds=chunk.describe(),
        rows_read=read,
        rows_out=out,
        rows_loaded=loaded,
        rows_rejected=rejected,
        attempts=attempts,
        worker=worker,
        processing_time=seconds,
        snapshot=snapshot,
        warnings=tuple(json.loads(warnings)),
        error=error,
    )
