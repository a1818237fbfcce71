"""Stored runs: find one, end it, stop it, discard it, read its rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mapper_dask.connections.pool import redacted
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_source
from mapper_dask.errors import LedgerLostError, MapperError, RowsGoneError
from mapper_dask.halting import is_halted
from mapper_dask.ledger import report
from mapper_dask.ledger.evidence import RowsState, gone, still_there
from mapper_dask.ledger.lost import lost
from mapper_dask.ledger.run_record import RunState, StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.ledger.unknown_runs import unknown
from mapper_dask.naming import session_tag
from mapper_dask.parallel_models import ChunkResult
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.schema.facts import Publication

CANCELLED = "the run was cancelled; what is committed stays accounted for"
"""The error in the result of a cancelled run."""


def found(target: ConnectionRef, run_id: str) -> StoredRun:
    """Return a run.

    Raises
    ------
    RunNotFoundError
        When the ledger has none of that name.
    """
    stored = RunLedger(target, run_id).find()
    if stored is None:
        raise unknown(target, run_id)
    return stored


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    error: str | None
    """Why it failed as a whole, beyond its chunks."""
    published: bool
    """Whether its rows are in the target; False while they are in a staging table."""
    notes: tuple[str, ...]
    """The ledger's notes on it."""


def finish(ledger: RunLedger, publication: Publication | None, chunks: int) -> Outcome:
    """End a run, publishing its staged rows; return how it ended.

    Its chunks are counted in the ledger, and once it has left RUNNING no straggler can commit.

    Parameters
    ----------
    chunks
        How many it has: a ledger that knows fewer is not the one it was begun in.

    Raises
    ------
    LedgerLostError
        When the ledger does not know the run any more.
    """
    error = None
    try:
        _require_there(ledger)
        ledger.publish(publication, chunks)
    except LedgerLostError:
        raise
    except RowsGoneError as missing:
        error = str(missing)
    except MapperError as unpublished:
        error = (
            "all chunks are staged, and the target did not take them: "
            f"{redacted(str(unpublished))}. It is as it was; mend what prevents it and resume"
        )
    if is_halted():
        ledger.stop(RunState.CANCELLED)
    ledger.set_state(RunState.FAILED)  # does nothing to a run that has ended
    stored = ledger.find()
    if stored is None:
        raise lost(ledger.run_id)
    if stored.state is RunState.CANCELLED:
        error = CANCELLED
    published = publication is None or stored.state is RunState.SUCCEEDED
    return Outcome(error, published, stored.notes)


def _require_there(ledger: RunLedger) -> None:
    """Refuse to end a run as done whose rows are missing from its table."""
    stored = found(ledger.target, ledger.run_id)
    verdict = still_there(ledger.target, stored)
    unknown = verdict.state is RowsState.UNKNOWN and verdict.changed
    if unknown or verdict.state is RowsState.GONE:
        raise gone(stored, verdict)


def folded(
    stored: StoredRun,
    known: Sequence[ChunkResult],
    outcome: Outcome | None = None,
    seconds: float = 0.0,
) -> ParallelProcessingResult:
    """Return the result of a stored run: how it ended, or else how it is now."""
    if outcome is None:
        published = stored.plan.publication is None or stored.state is RunState.SUCCEEDED
        outcome = Outcome(None, published, stored.notes)
    return report.fold(
        known,
        run_id=stored.run_id,
        seconds=seconds,
        rows_this_run=0,
        warnings=[*stored.plan.warnings, *outcome.notes],
        error=outcome.error,
        published=outcome.published,
    )


def result_of(
    ledger: RunLedger,
    stored: StoredRun,
    known: Sequence[ChunkResult],
    publication: Publication | None,
) -> ParallelProcessingResult:
    """Return the result of a run all of whose chunks are committed, publishing it if need be."""
    if stored.state is RunState.SUCCEEDED:
        return folded(stored, known)
    # Its coordinator died after the last chunk. Whoever asks for it wants it to be resumed, unless
    # it was cancelled just before that; afterwards, the ledger says so.
    ledger.set_state(RunState.RUNNING)
    if is_halted():
        ledger.stop(RunState.CANCELLED)
    outcome = finish(ledger, publication, len(known))
    known = [result for _, result in ledger.chunks()]  # the target may have refused some rows
    return folded(stored, known, outcome)


def cancel(target: ConnectionRef, source: ConnectionRef | None, run_id: str) -> None:
    """Stop a run at once; nothing of it commits once this returns."""
    ledger = RunLedger(target, run_id)
    require_known(ledger)
    ledger.stop(RunState.CANCELLED)
    if source is not None:
        end_reading(source, run_id)


def end_reading(source: ConnectionRef, run_id: str) -> None:
    """End the sessions that read chunks of a run."""
    with open_source(source) as session:
        session.end_sessions(session_tag(run_id))


def discard(target: ConnectionRef, run_id: str) -> None:
    """Stop a run, drop what it has staged, and remove it from the ledger, whatever its record."""
    ledger = RunLedger(target, run_id)
    require_known(ledger)
    ledger.stop(RunState.CANCELLED)
    ledger.forget()


def require_known(ledger: RunLedger) -> None:
    """Check that the ledger has a run; its record is not read.

    Raises
    ------
    RunNotFoundError
        When it has none of that name.
    """
    if not ledger.is_known():
        raise unknown(ledger.target, ledger.run_id)


def rejects(target: ConnectionRef, run_id: str) -> pd.DataFrame:
    """Return the rejected rows of a run."""
    found(target, run_id)
    rows = [
        (chunk_id, reject.stage, reject.reason, reject.key, reject.row)
        for chunk_id, reject in RunLedger(target, run_id).rejects()
    ]
    return pd.DataFrame(rows, columns=["chunk_id", "stage", "reason", "key", "row"])
