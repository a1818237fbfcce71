"""Replaces the chunks of a run whose query is read again, since it may return other rows."""

from __future__ import annotations

from collections.abc import Sequence

from mapper_dask.errors import ConfigurationError
from mapper_dask.ledger.lost import lost
from mapper_dask.ledger.records import state_of
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.run_tables import RunTables
from mapper_dask.parallel_models import Chunk, ChunkState


def restart_with_chunks(
    ledger: RunTables,
    run_id: str,
    snapshot: str | None,
    staging: str | None,
    note: str,
    chunks: Sequence[Chunk],
) -> bool:
    """Drop what a run has staged, and give it other chunks; return False if it was cancelled.

    The run was stopped before, so that nothing of it commits meanwhile. All of this is one
    transaction: rows of the two readings are never mixed.

    Raises
    ------
    ConfigurationError
        When rows of it are committed in the target: nothing is changed.
    """
    state = _held(ledger, run_id)
    known = ledger.chunks(run_id)
    if state is not RunState.RESTARTING:  # cancelled; or done already, by whomever
        return state is RunState.RUNNING and [chunk for chunk, _ in known] == list(chunks)
    loaded = sum(result.succeeded for _, result in known)
    if staging is None and loaded:
        message = f"run {run_id!r} cannot begin anew: {loaded} of its chunks are in the target"
        raise ConfigurationError(message, field="run_id", run_id=run_id)
    if not ledger.restart(run_id, snapshot, staging, note):
        return False
    _replace(ledger, run_id, chunks)
    return True


def take_chunks(
    ledger: RunTables,
    run_id: str,
    snapshot: str | None,
    before: Sequence[Chunk],
    chunks: Sequence[Chunk],
    note: str,
) -> bool:
    """Give a run the chunks of a new reading; return False if its chunks have changed meanwhile.

    The run is locked meanwhile: it is not stopped, and no chunk of it commits.

    Parameters
    ----------
    before
        Its chunks when the reading began: another coordinator's would be of another reading.
    note
        A note for every further report of it; empty for none.

    Raises
    ------
    LedgerLostError
        When the run is no longer in the ledger.
    """
    if _held(ledger, run_id) is not RunState.RUNNING:
        return False
    known = ledger.chunks(run_id)
    now = [chunk for chunk, _ in known]
    if now == list(chunks):  # done already: the reply of the commit was lost
        return True
    if now != list(before) or any(result.succeeded for _, result in known):
        return False
    ledger.set_state(run_id, RunState.RUNNING, snapshot)
    _replace(ledger, run_id, chunks)
    if note:
        ledger.note(run_id, note)
    return True


def withdraw(ledger: RunTables, run_id: str) -> bool:
    """Delete a run of which no chunk has begun; return False if one has."""
    if _held(ledger, run_id) is not RunState.RUNNING:
        return False
    if any(r.state is not ChunkState.UNASSIGNED for _, r in ledger.chunks(run_id)):
        return False
    ledger.forget(run_id)
    return True


def _held(ledger: RunTables, run_id: str) -> RunState:
    """Lock a run until this transaction ends; return its state."""
    held = ledger.store.run("ledger_hold_run", {"run_id": run_id})
    if not held:
        raise lost(run_id)
    return state_of(run_id, RunState, held[0][0])


def _replace(ledger: RunTables, run_id: str, chunks: Sequence[Chunk]) -> None:
    ledger.store.run("ledger_drop_chunks", {"run_id": run_id})
    ledger.open_chunks(run_id, chunks)
