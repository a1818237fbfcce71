"""A stored run that is resumed: what the ledger has of it, and what is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from mapper_dask.ledger.run_record import RunState, StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.parallel_models import Chunk, ChunkResult
from mapper_dask.resolved_job import ResolvedJob


@dataclass(frozen=True, slots=True)
class Resumed:
    """A stored run, with its job as it is now."""

    job: ResolvedJob
    stored: StoredRun
    ledger: RunLedger
    known: Sequence[tuple[Chunk, ChunkResult]]
    """Its chunks, and what became of each."""

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
        """How many are committed."""
        return len(self.known) - len(self.left)

    def halted(self) -> Self:
        """Return it as it is once nothing of what its workers still have in hand can commit."""
        if self.stored.state is not RunState.RUNNING:
            return self
        self.ledger.stop(RunState.FAILED)
        return replace(self, known=self.ledger.chunks())
