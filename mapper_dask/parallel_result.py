"""The outcome of a run. Frozen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import pandas as pd

from mapper_dask.errors import RunFailedError
from mapper_dask.parallel_models import ChunkResult, ChunkState
from mapper_dask.rendering import BESIDE, Line, as_html, as_text, chunks, rejected, taken

TRACEBACK = "\nTraceback (most recent call last):\n"
"""Separates a chunk's error from the user's lines that led to it."""

ERRORS_SHOWN = 3
"""Failures printed with a result; the first ones usually explain the others."""

NOT_BEGUN = ChunkResult(-1, ChunkState.UNASSIGNED)


def _failure(chunk: ChunkResult) -> str:
    return f"chunk {chunk.chunk_id} {chunk.bounds}: {chunk.error}"


@dataclass(frozen=True, slots=True)
class ParallelProcessingResult:
    """The outcome of a run, summed over its chunks. Never depends on their order."""

    chunk_results: tuple[ChunkResult, ...]
    """One a chunk of the plan, by chunk_id; those never begun are UNASSIGNED."""
    run_id: str | None = None
    """The run in the target's ledger; None for a dry run."""
    processing_time: float = 0.0
    """Seconds from the first chunk to the last, in this process."""
    consistent: bool = False
    """Whether all rows were read from one snapshot of the source."""
    warnings: tuple[str, ...] = ()
    """Warnings of the plan, and every lossy conversion."""
    total_time: float = 0.0
    """Seconds of the whole call: with planning, the start of workers and publication; 0.0 for a
    result read from a ledger."""
    rows_this_run: int = 0
    """Rows read in this process: a resumed run does not count those of earlier calls."""
    error: str | None = None
    """The error of the run as a whole, not of a chunk: its rows could not be published, or it was
    cancelled."""
    published: bool = True
    """Whether committed rows are in the target; False while they are in a staging table."""

    @property
    def total_rows_processed(self) -> int:
        """Rows read from the source."""
        return sum(chunk.rows_read for chunk in self.chunk_results)

    @property
    def total_rows_successful(self) -> int:
        """Rows committed in the target; for a dry run, rows the function returned."""
        return self._rows_committed if self.published else 0

    @property
    def _rows_committed(self) -> int:
        done = (chunk for chunk in self.chunk_results if chunk.succeeded)
        return sum(chunk.rows_loaded if self.run_id else chunk.rows_out for chunk in done)

    @property
    def total_rows_failed(self) -> int:
        """Rejected rows, and rows read by chunks that failed."""
        return sum(
            chunk.rows_rejected if chunk.succeeded else chunk.rows_read
            for chunk in self.chunk_results
        )

    @property
    def total_rows_rejected(self) -> int:
        """Rows in the reject table."""
        return sum(chunk.rows_rejected for chunk in self.chunk_results if chunk.succeeded)

    @property
    def chunks_total(self) -> int:
        """Chunks of the plan."""
        return len(self.chunk_results)

    @property
    def chunks_succeeded(self) -> int:
        """Chunks whose rows are committed."""
        return sum(chunk.succeeded for chunk in self.chunk_results)

    @property
    def chunks_failed(self) -> int:
        """Chunks that ended in an error."""
        return sum(c.state is ChunkState.PROCESSED_WITH_ERROR for c in self.chunk_results)

    @property
    def succeeded(self) -> bool:
        """Whether every chunk of the plan is committed, and published where rows are staged."""
        complete = self.chunks_succeeded == self.chunks_total
        return complete and self.published and self.error is None

    @property
    def errors(self) -> tuple[str, ...]:
        """The run's error, and a text for each failed chunk: its id, its bounds and its error."""
        whole = () if self.error is None else (self.error,)
        failed = [c for c in self.chunk_results if c.error]
        return (*whole, *map(_failure, failed))

    @property
    def rows_per_second(self) -> float:
        """Rows read a second by this process while chunks ran; see ``processing_time``."""
        return self.rows_this_run / self.processing_time if self.processing_time else 0.0

    def raise_for_status(self) -> ParallelProcessingResult:
        """Return the result itself when every chunk is committed.

        Raises
        ------
        RunFailedError
            When a chunk failed or was never begun; the message names the first failure.
        """
        if self.succeeded:
            return self
        missing = self.chunks_total - self.chunks_succeeded
        first, cause = self._first()
        how = self._remedy if self.run_id else ""
        what = f"{missing} of {self.chunks_total} chunks are not committed" if missing else "failed"
        message = f"{what}{how}. First: {first}"
        raise RunFailedError(message, run_id=self.run_id, result=self) from cause

    @property
    def needs_another_job(self) -> bool:
        """Whether its query or an option must be changed, which makes it another run."""
        return self.error is None and not self.succeeded and self._first_failed().of_the_job

    @property
    def _remedy(self) -> str:
        if not self.needs_another_job:
            return f"; finish with resume({self.run_id!r})"
        left = f" and take out the {self._rows_committed:,} rows it has left there"
        return (
            "; mend the job and run it again, under a run_id of its own if it has one"
            f"{left if self.published and self._rows_committed else ''}"
        )

    @property
    def cause(self) -> BaseException | None:
        """The first exception of the user's function; None for a result read from a ledger."""
        raised = None if self.error is not None else self._first_failed().raised
        return None if raised is None else raised.revived()

    def _first_failed(self) -> ChunkResult:
        """Return the first failed chunk with an exception, else the first failed chunk."""
        failed = [c for c in self.chunk_results if c.error] or [NOT_BEGUN]
        return next((c for c in failed if c.raised is not None), failed[0])

    def _first(self) -> tuple[str, BaseException | None]:
        """Return a failure as a text, and its cause; only one of them has the user's lines."""
        chunk, cause = self._first_failed(), self.cause
        if cause is None or chunk.raised is None:
            return (self.errors[0] if self.errors else "not begun"), None
        where = f" ({chunk.raised.place})" if chunk.raised.place else ""
        return f"{_failure(chunk).partition(TRACEBACK)[0]}{where}", cause

    def to_frame(self) -> pd.DataFrame:
        """Return the chunk results as a pandas frame, one row a chunk."""
        rows = [{**asdict(c), "state": c.state.value} for c in self.chunk_results]
        return pd.DataFrame(rows, columns=[f.name for f in fields(ChunkResult) if f.repr])

    def __str__(self) -> str:
        notes = [f"{label}: {text}" for label, text in self._notes()]
        return as_text(self._headline, self._lines(), notes=notes)

    def _repr_html_(self) -> str:
        return as_html(self._headline, [*self._lines(), *self._notes()])

    @property
    def _headline(self) -> str:
        if not self.succeeded:
            return "run FAILED"
        return f"run succeeded{rejected(self.total_rows_rejected)}"

    def _lines(self) -> list[Line]:
        return [
            ("run", self.run_id or "dry run"),
            ("chunks", f"{self.chunks_succeeded:,} of {self.chunks_total:,} {self._done}"),
            ("rows read", f"{self.total_rows_processed:,}"),
            ("rows successful", f"{self.total_rows_successful:,}{self._waiting}"),
            ("rows failed", f"{self.total_rows_failed:,}{self._not_counted}"),
            ("rows rejected", f"{self.total_rows_rejected:,}"),
            ("time", self._time),
            ("one snapshot", self._snapshot),
        ]

    @property
    def _time(self) -> str:
        """How long it took; a dry run publishes nothing."""
        beside = BESIDE if self.run_id else "start-up and planning"
        return taken(self.processing_time, self.total_time, self.rows_this_run, beside=beside)

    @property
    def _snapshot(self) -> str:
        if not self.chunks_succeeded and self.chunks_total:
            return "not known: no chunk is committed"
        return "yes" if self.consistent else "no"

    @property
    def _not_counted(self) -> str:
        """Explains the rows of chunks that are not committed, whose number is not known."""
        missing = self.chunks_total - self.chunks_succeeded
        unread = missing - sum(not c.succeeded and c.rows_read > 0 for c in self.chunk_results)
        return f", and those of {chunks(unread)} that were not read to their end" if unread else ""

    @property
    def _waiting(self) -> str:
        waiting = f" ({self._rows_committed:,} wait in a staging table, not published)"
        return "" if self.published else waiting

    @property
    def _done(self) -> str:
        missing = self.chunks_total - self.chunks_succeeded
        unbegun = missing - self.chunks_failed
        parts = [f"{self.chunks_failed:,} failed"] if self.chunks_failed else []
        parts += [f"{unbegun:,} not done"] if unbegun else []
        return ", ".join(["committed" if self.run_id else "read", *parts])

    def _notes(self) -> list[Line]:
        errors = [("error", text) for text in self.errors[:ERRORS_SHOWN]]
        more = len(self.errors) - ERRORS_SHOWN
        rest = [("error", f"and {more} more")] if more > 0 else []
        return [*(("warning", text) for text in self.warnings), *errors, *rest]
