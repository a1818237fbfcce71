"""A run whose query is read anew has other rows than before, and so other chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mapper_dask.errors import ConfigurationError
from mapper_dask.ledger import Ledger
from mapper_dask.ledger_runs import RunState
from mapper_dask.parallel_models import Chunk


def read_anew(
    ledger: Ledger,
    conn: Any,
    run_id: str,
    snapshot: str | None,
    staging: str | None,
    note: str,
    chunks: Sequence[Chunk],
) -> bool:
    """Forget what a run has staged, and let it do other chunks; return False when it was cancelled.

    The run was stopped for it, so that nothing of it commits meanwhile. All of it is one
    transaction: no row of the first reading can stand beside the second's.

    Raises
    ------
    ConfigurationError
        When rows of it are in the target for good: nothing is changed.
    """
    known = ledger.chunks(conn, run_id)
    if [chunk for chunk, _ in known] == list(chunks):  # it is done, and the answer was lost
        return ledger.find_run(conn, run_id).state is RunState.RUNNING
    loaded = sum(result.succeeded for _, result in known)
    if staging is None and loaded:
        message = f"run {run_id!r} cannot begin anew: {loaded} of its chunks are in the target"
        raise ConfigurationError(message, field="run_id", run_id=run_id)
    if not ledger.restart(conn, run_id, snapshot, staging, note):
        return False
    ledger.dialect.run(conn, "ledger_drop_chunks", {"run_id": run_id})
    ledger.open_chunks(conn, run_id, chunks)
    return True
