"""Rejects staged rows that the target refuses, in the transaction that publishes the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mapper_dask.errors import LoadCountError, PublishError
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.run_tables import RunTables
from mapper_dask.parallel_models import Reject
from mapper_dask.schema.facts import Publication
from mapper_dask.staging.refused import StagedRow

Written = Callable[[Iterable[tuple[str, Mapping[str, Any]]]], list[Reject]]
"""Returns refused rows, with why, as they are written down."""

XID = (1 << 32) - 1
"""The part of a transaction's number that is stored in a row."""


@dataclass(frozen=True, slots=True)
class RefusedStaged:
    """Rows of a publication on their way into the table of rejects."""

    ledger: RunTables
    run_id: str
    publication: Publication
    written: Written

    def reject(self) -> None:
        """Move the staged rows that the target refuses into the table of rejects.

        Raises
        ------
        RejectLimitError
            When there are more than the run may have.
        PublishError
            When the chunk of a row cannot be identified.
        """
        target, values = self.ledger.target, {"run_id": self.run_id}
        [(before,)] = target.run("ledger_rejected", values)
        most = max(0, self.publication.reject_limit - before)
        staged = target.staged_rows
        refused = staged.refused(self.publication, most)
        places = list(refused)
        if not places:
            return
        for chunk_id, rows in self._by_chunk(staged.read(self.publication, places)):
            self._reject(chunk_id, [(refused[row.place], row.values) for row in rows])
        removed = staged.remove(self.publication, places)
        if removed != len(places):
            message = f"{len(places)} staged rows are refused, {removed} could be taken out"
            raise LoadCountError(message, run_id=self.run_id)

    def _by_chunk(self, rows: Iterable[StagedRow]) -> list[tuple[int, list[StagedRow]]]:
        """Return rows by the chunks that staged them."""
        chunks: dict[int, list[StagedRow]] = {}
        writers: dict[int, int] | None = None
        for row in rows:
            chunk_id = row.chunk_id
            if chunk_id is None and row.written_by is not None:
                writers = self._writers() if writers is None else writers
                chunk_id = writers.get(row.written_by)
            if chunk_id is None:
                raise PublishError(_of_no_chunk(self.publication), run_id=self.run_id)
            chunks.setdefault(chunk_id, []).append(row)
        return sorted(chunks.items())

    def _writers(self) -> dict[int, int]:
        """Return the chunks that were staged in one transaction each, by its number on rows."""
        chunks = self.ledger.evidence.of(self.run_id).chunks
        return {number & XID: load.chunk_id for load in chunks for number in load.loads or ()}

    def _reject(self, chunk_id: int, refused: list[tuple[str, Mapping[str, Any]]]) -> None:
        limit = self.publication.reject_limit
        self.ledger.reject(self.run_id, chunk_id, self.written(refused), limit)
        counts = {"run_id": self.run_id, "chunk_id": chunk_id, "refused": len(refused)}
        if not self.ledger.target.run("ledger_count_rejected", counts):
            message = f"chunk {chunk_id} has not staged the {len(refused)} rows that are refused"
            raise LoadCountError(message, run_id=self.run_id, chunk_id=chunk_id)


def publish_apart(
    ledger: RunTables, run_id: str, publication: Publication, chunks: int, written: Written
) -> RunState:
    """End a run as ``RunTables.publish`` does, but for the rows that the target refuses."""
    aside = RefusedStaged(ledger, run_id, publication, written)
    return ledger.publish(run_id, publication, chunks, aside.reject)


def refused_again(
    ledger: RunTables, publication: Publication, loaded: int, written: Written
) -> list[Reject]:
    """Take out the waiting rows of a retry that the target refuses; return them."""
    staged = ledger.target.staged_rows
    limited = replace(publication, reject_limit=loaded)
    refused = staged.refused(limited, loaded)
    if not refused:
        return []
    rows = staged.read(limited, list(refused))
    staged.remove(limited, list(refused))
    return written([(refused[row.place], row.values) for row in rows])


def _of_no_chunk(publication: Publication) -> str:
    return (
        f"{publication.target} refuses a row that was staged while reject_limit was 0, so that "
        "nobody can tell of which chunk it is; nothing is changed. Mend what stands against it and "
        "resume, or discard the run and begin it anew with reject_limit"
    )
