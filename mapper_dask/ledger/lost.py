"""The error of a ledger that is lost in mid-run: dropped, truncated, or restored from a backup."""

from __future__ import annotations

from mapper_dask.errors import LedgerLostError


def lost(run_id: str, chunk_id: int | None = None) -> LedgerLostError:
    """Return the error that a run, or a chunk of it, is no longer in the ledger."""
    what = f"run {run_id!r}" if chunk_id is None else f"chunk {chunk_id} of run {run_id!r}"
    message = (
        f"the target's ledger has no {what} any more: it was dropped, emptied or restored from a "
        "backup while the run went on. Nothing more of the run is loaded; what its chunks had "
        "committed stays in the target, unless that was restored too, and nobody can tell any more "
        "which rows these are. Bring target and ledger to one state, and use a new run_id"
    )
    details = {} if chunk_id is None else {"chunk_id": chunk_id}
    return LedgerLostError(message, run_id=run_id, **details)
