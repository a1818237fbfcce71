"""One run under way in this process, and its changes of state in the target's ledger."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mapper_dask.connections.pool import close_idle
from mapper_dask.ledger import stored_job as job_record
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.run_record import NewRun, RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.limits.budget import Share
from mapper_dask.log import log
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.preflight.checks import Prepared
from mapper_dask.preflight.staging import stored_form
from mapper_dask.resolved_job import ResolvedJob
from mapper_dask.run import drift
from mapper_dask.run.entry import Entry
from mapper_dask.run.spooling import Spool


@dataclass(frozen=True, slots=True)
class Run:
    """One run under way in this process."""

    job: ResolvedJob
    prepared: Prepared
    chunks: Sequence[Chunk]
    """Those still to be processed."""
    new: bool = True
    """Whether it is to be entered in the ledger; else it is resumed."""
    restart: bool = False
    """Whether it is resumed without what it has staged: ``chunks`` are all of them."""
    spool: Spool | None = None
    """The files that hold its rows; None: they are read at the source."""
    note: str = ""
    """Why its query was read again, so that ``chunks`` differ from the ledger's."""
    entry: Entry | None = None
    """Its entry in the ledger, if it has been entered already."""

    @property
    def run_id(self) -> str:
        """Its name in the ledger."""
        return self.job.run_id

    @property
    def plan(self) -> ChunkPlan:
        """What is read, in which chunks."""
        return self.prepared.plan

    @property
    def ledger(self) -> RunLedger | None:
        """The run in its target's ledger, None for a dry run."""
        task, load = self.prepared.task, self.prepared.task.load
        if load is None:
            return None
        return RunLedger(load.target, self.run_id, load.lock_timeout, task.connection_wait)

    def enter(self, snapshot: str | None) -> bool:
        """Enter the run in the ledger, or resume it; return False if another has done that."""
        return self._open(snapshot) if self.new else self._reopen(snapshot)

    def _open(self, snapshot: str | None) -> bool:
        load, publication = self.prepared.task.load, self.prepared.publication
        if self.ledger is None or load is None:
            return True
        job, source = self.job.job, self.job.source
        plan = {
            **self.plan.to_json(),
            "job": job_record.record(job, source),
            "moves": job_record.moves(job, source, self.plan.target),
            drift.STORED: drift.target_as_stored(load.table),
            **({} if publication is None else {"publication": stored_form(publication)}),
        }
        fingerprint = job_record.job_fingerprint(job, source)
        staging = None if publication is None else publication.staging_name
        run = NewRun(self.run_id, fingerprint, plan, snapshot, staging)
        return self.ledger.open(run, self.chunks, load.table, publication)

    def _reopen(self, snapshot: str | None) -> bool:
        ledger = self.ledger
        if ledger is None:
            return True
        ledger.reopen(snapshot, self.prepared.publication)
        if self.note:
            ledger.stop(RunState.RESTARTING)
            log("run_restarted", logging.WARNING, run=self.run_id, note=self.note)
            return ledger.restart_with_chunks(snapshot, self._staging, self.note, self.plan.chunks)
        if self.restart:
            ledger.stop(RunState.RESTARTING)
            note = f"what it had staged was of another state; all was read in state {snapshot}"
            return ledger.restart(snapshot, self._staging, note)
        return True

    @property
    def _staging(self) -> str | None:
        return None if self.prepared.publication is None else self.prepared.publication.staging

    def begins(self) -> None:
        """Note that its chunks begin: from now on they decide its state."""
        if self.entry is not None:
            self.entry.begun = True

    def _reading(self, **changes: Any) -> Run:
        """Return the run with other options for reading its chunks."""
        task = self.prepared.task
        task = replace(task, read=replace(task.read, **changes))
        return replace(self, prepared=replace(self.prepared, task=task))

    def _planned(self, **changes: Any) -> Run:
        return replace(self, prepared=replace(self.prepared, plan=self.plan.evolve(**changes)))

    def over(self, spool: Spool) -> Run:
        """Return a run that has not begun with the files of its query's rows as its chunks."""
        rows = sum(chunk.limit or 0 for chunk in spool.chunks)
        config = replace(self.plan.config, total_rows=rows, num_chunks=len(spool.chunks))
        run = self._planned(chunks=spool.chunks, config=config)
        return replace(run, chunks=spool.chunks).from_files(spool)

    def from_files(self, spool: Spool) -> Run:
        """Return the run with its rows read from files."""
        folder, snapshot = str(spool.folder.path), spool.snapshot
        run = self._reading(spool=folder, snapshot=snapshot, needs_snapshot=False, one_state=False)
        return replace(run, spool=spool)

    def shipped(self, *, seen: bool) -> Run:
        """Return the run with its files sent to the workers, if those do not see them."""
        if self.spool is None or seen:
            return self
        note = "not every worker sees spool-folder, so each chunk's rows are sent with its task"
        log("spool_shipped", logging.WARNING, run=self.run_id, note=note)
        return self._reading(ships=True)

    def bounded(self, share: Share, note: str) -> Run:
        """Return the run within the connections it may hold, with a note on that."""
        if note:
            log("plan_note", logging.WARNING, run=self.run_id, note=note)
        run = self.noting(note) if note else self
        task = share.bounded(self.prepared.task)
        return replace(run, prepared=replace(run.prepared, task=task))

    def noting(self, note: str) -> Run:
        """Return the run with another note in its report."""
        return self._planned(warnings=(*self.plan.warnings, note))

    def stop(self, state: RunState) -> None:
        """Stop the run: reads and loads are broken off, and nothing commits any more."""
        if self.ledger is not None:
            self.ledger.stop(state)
        if not self.prepared.task.keep_connections:
            close_idle()  # the next connection may be the budget's last
        stored_runs.end_reading(self.job.source, self.run_id)

    @property
    def restarts(self) -> bool:
        """Whether it restarts when its snapshot is lost."""
        read = self.prepared.task.read
        staged = read.snapshot is not None and self.prepared.publication is not None
        return staged and read.needs_snapshot

    def restarted(self, snapshot: str | None) -> Run | None:
        """Return the run over the source as it is now, with nothing staged; None if cancelled.

        Call it on a run that was stopped as RESTARTING, when none of its chunks is running.

        Parameters
        ----------
        snapshot
            The snapshot that is kept for it now.
        """
        before = self.prepared.task.read.snapshot
        note = f"the source had lost its state {before}; all was read anew in state {snapshot}"
        log("run_restarted", logging.WARNING, run=self.run_id, note=note)
        if self.ledger is None or not self.ledger.restart(snapshot, self._staging, note):
            return None
        return replace(self._reading(snapshot=snapshot), chunks=self.plan.chunks)

    def breaks_off(self, result: ChunkResult) -> bool:
        """Return whether the run has to stop because of a chunk's result."""
        if result.state is not ChunkState.PROCESSED_WITH_ERROR:
            return False
        if self.ledger is not None and not result.worker:  # its worker died before it recorded that
            self.ledger.note_failure(result)
        return self.job.job.on_error == "abort" or result.stops_run


def fits_one_chunk(run: Run) -> bool:
    """Return whether a run is too small for workers to make it faster."""
    return len(run.chunks) == 1 or run.plan.config.total_rows <= run.plan.config.chunk_size


def log_plan(run: Run) -> None:
    """Log a run's plan."""
    config = run.plan.config
    log(
        "run_planned",
        run=run.run_id,
        chunks=len(run.chunks),
        rows=config.total_rows,
        strategy=config.strategy.name,
        cut=config.reason,
    )
    for note in run.plan.notes:
        log("plan_note", logging.WARNING, run=run.run_id, note=note)
