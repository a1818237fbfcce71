"""A stored run that is resumed: what is left of it, and whether its plan is still valid."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from mapper_dask.connections.param_references import opened_query
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.snapshot import Keeper
from mapper_dask.errors import FingerprintError, LedgerError, PlanError
from mapper_dask.ledger.run_record import RunState, StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import Chunk, ChunkResult
from mapper_dask.plan.ascending import require_ascending
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.plan.saved_plan import require_complete, require_keys
from mapper_dask.preflight.checks import Prepared
from mapper_dask.resolved_job import ResolvedJob
from mapper_dask.stored import of_ledger


@dataclass(frozen=True, slots=True)
class Resumed:
    """A stored run, with its job as it is now."""

    job: ResolvedJob
    stored: StoredRun
    ledger: RunLedger
    known: Sequence[tuple[Chunk, ChunkResult]]
    """Its chunks, each with its result."""

    @property
    def chunks(self) -> list[Chunk]:
        """All of its chunks."""
        return [chunk for chunk, _ in self.known]

    @property
    def left(self) -> tuple[Chunk, ...]:
        """Those that are not committed."""
        return tuple(chunk for chunk, result in self.known if not result.succeeded)

    @property
    def committed(self) -> int:
        """Number of its committed chunks."""
        return len(self.known) - len(self.left)

    def halted(self) -> Self:
        """Return its state after a stop, so that nothing its workers still process can commit."""
        if self.stored.state is not RunState.RUNNING:
            return self
        self.ledger.stop(RunState.FAILED)
        return replace(self, known=self.ledger.chunks())


def replanned(
    job: MapperJob, stored: StoredRun, keeper: Keeper, chunks: Sequence[Chunk]
) -> ChunkPlan:
    """Return the stored plan over the source as it is now.

    Raises
    ------
    FingerprintError
        When the query has other columns now.
    LedgerError
        When the stored chunks would omit rows, read them twice, or cannot be read at all.
    """
    require_chunks(stored, chunks)
    manager = ChunkManager()
    plan = manager.restore(keeper.source, job, stored.plan, chunks)
    columns = [[c.name, c.type_name] for c in plan.query.columns]
    before = [list(pair) for pair in stored.plan.columns]
    if columns != before:
        message = (
            f"run {stored.run_id!r} cannot go on: the query's columns were "
            f"{before}, now they are {columns}"
        )
        raise FingerprintError(message, run_id=stored.run_id)
    with _of_ledger(stored):
        query = opened_query(plan.query, keeper.source.dialect.literal)
        require_ascending(keeper.source, query, chunks)
    return plan


KEPT_FORM = re.compile(r"[0-9A-F]{8}-[0-9A-F]{8}-[0-9]{1,10}")
"""Name of a snapshot that a session keeps."""

NUMBER_FORM = re.compile(r"[0-9]{1,30}")
"""Number of a state that the server knows for a while."""


def require_snapshot(stored: StoredRun, source: Dialect) -> None:
    """Refuse a stored snapshot if its form is not that of the source's database.

    Raises
    ------
    LedgerError
        When it has another form.
    """
    form = KEPT_FORM if source.capabilities.kept_snapshots else NUMBER_FORM
    if stored.snapshot is not None and not form.fullmatch(stored.snapshot):
        entry = of_ledger(stored.run_id, {"snapshot": stored.snapshot})
        entry.refuse("snapshot", f"a snapshot of {source.name}")


def require_chunks(stored: StoredRun, chunks: Sequence[Chunk]) -> None:
    """Refuse stored chunks that overlap, leave a gap, or have other keys than the plan.

    Raises
    ------
    LedgerError
        Names the chunk.
    """
    with _of_ledger(stored):
        require_complete(chunks)
        require_keys(chunks, stored.plan.keys)


@contextlib.contextmanager
def _of_ledger(stored: StoredRun) -> Iterator[None]:
    """Raise the error of a plan as one of the ledger's record."""
    try:
        yield
    except PlanError as error:
        message = f"run {stored.run_id!r} cannot go on: in the ledger, {error}"
        raise LedgerError(message, field="chunk.bounds", run_id=stored.run_id) from None


def require_same_columns(prepared: Prepared, stored: StoredRun) -> None:
    """Refuse to stage rows with other columns than those that are staged already.

    Raises
    ------
    FingerprintError
        When the function, changed meanwhile, returns other columns.
    """
    before, now = stored.plan.publication, prepared.publication
    if before is None or now is None or set(before.columns) == set(now.columns):
        return
    message = (
        f"run {stored.run_id!r} cannot go on: its staged rows have the columns "
        f"{', '.join(before.columns)}, the function now returns {', '.join(now.columns)}"
    )
    raise FingerprintError(message, run_id=stored.run_id)
