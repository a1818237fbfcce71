"""Resumes runs with chunks that cover a query in one state only: row addresses, and windows.

An updated row has another address afterwards, so a chunk that is read in a later state may miss it,
or have it twice; windows shift with every row. So such a run is resumed in the state in which it
began, while a keeper holds that; else it restarts in another state if its rows are staged, and is
refused if they are not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_source
from mapper_dask.dialects.snapshot import Keeper
from mapper_dask.errors import ConfigurationError, SnapshotLostError
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.log import log
from mapper_dask.naming import session_tag
from mapper_dask.parallel_models import Chunk
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.run.resumed import Resumed


def rest_of(plan: ChunkPlan, resumed: Resumed, keeper: Keeper) -> tuple[Sequence[Chunk], bool]:
    """Return the chunks left of a stored run, in a state in which all of them cover the query.

    And whether these are all its chunks, because what it has staged is dropped.

    ``keeper.snapshot`` is the run's own afterwards, if that can still be read.

    Raises
    ------
    ConfigurationError
        When committed chunks were read in a state that is gone.
    """
    if not plan.one_state or keeper.snapshot is None:
        return resumed.left, False
    stored = resumed.stored
    if stored.snapshot is not None and _is_kept(stored, keeper, resumed.job.source):
        keeper.snapshot = stored.snapshot
        return resumed.left, False
    resumed = resumed.halted()  # what its workers still process is of that state
    committed = resumed.committed
    if not committed:
        return resumed.left, False
    if stored.plan.publication is None:
        raise ConfigurationError(_refusal(stored, committed), field="run_id", run_id=stored.run_id)
    note = f"{committed} staged chunks are of a state that is gone; all is read anew"
    log("run_restarted", logging.WARNING, run=stored.run_id, note=note)
    return resumed.chunks, True


def _is_kept(stored: StoredRun, keeper: Keeper, source: ConnectionRef) -> bool:
    """Return whether the state a run began in can still be read.

    A snapshot's name is not enough: after a restart, a server assigns the same names again.
    """
    if not keeper.source.dialect.capabilities.kept_snapshots:
        return True  # the server decides when a chunk is read
    name = f"{session_tag(stored.run_id)}:keeper"
    with keeper.source.errors():
        if not keeper.source.run("keepers", {"name": name}):
            return False
    try:
        with open_source(source, "source_conn") as session:
            session.begin_read(stored.snapshot, session_tag(stored.run_id))
    except SnapshotLostError:
        return False
    return True


def _refusal(stored: StoredRun, committed: int) -> str:
    return (
        f"run {stored.run_id!r} cannot go on: its chunks are by {stored.plan.strategy}, and "
        f"{committed} of them were read in a state of the source that is gone. Rows that were "
        "written since may stand elsewhere, and be lost or doubled. Remove what it has loaded, "
        "discard it, and run the job again; with a key_column, or staged (atomic=True or "
        "write_disposition='replace'), a run can go on or begin anew by itself"
    )
