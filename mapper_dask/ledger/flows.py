"""The coordinator's access to a flow's ledger: enters a run, records its jobs, reads it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.dialects.opening import open_store
from mapper_dask.errors import ConfigurationError, DatabaseError, FingerprintError, RunStoppedError
from mapper_dask.flow import Flow, JobState
from mapper_dask.ledger import incremental_evidence as held
from mapper_dask.ledger.flow_tables import FlowState, FlowTables, StoredFlow, StoredJob
from mapper_dask.ledger.lost import lost
from mapper_dask.naming import session_tag
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.retries import DEFAULT_LOCK_TIMEOUT, attempts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FlowLedger:
    """One run of a flow in the ledger of one database."""

    conn: ConnectionRef
    run_id: str
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    """Seconds to wait for a lock."""

    @contextlib.contextmanager
    def _session(self) -> Iterator[FlowTables]:
        with open_store(self.conn, "ledger_conn") as store:
            store.begin_load(f"{session_tag(self.run_id)}:flow", self.lock_timeout)
            yield FlowTables(store)
            store.commit()

    def _require_kept(self, error: DatabaseError) -> None:
        """Raise LedgerLostError if a table is missing because the ledger is gone."""
        if error.details.get("missing_table"):
            with self._session() as ledger:
                if not ledger.exists():
                    raise lost(self.run_id)

    def call(self, work: Callable[[FlowTables], T]) -> T:
        """Return what some work on the ledger returns, done in one transaction that may be retried.

        So the work must be idempotent.
        """
        for attempt in attempts():
            with attempt:
                try:
                    with self._session() as ledger:
                        return work(ledger)
                except DatabaseError as error:
                    self._require_kept(error)
                    raise
        raise AssertionError  # pragma: no cover - attempts return or raise

    def _locked(self, ledger: FlowTables) -> StoredFlow:
        """Lock the run until this transaction ends, so that other coordinators wait; return it."""
        ledger.lock(ledger.find(self.run_id).name)
        return ledger.find(self.run_id)

    def target_of(self, job: StoredJob, flow: Flow | None) -> ConnectionRef:
        """Return the ledger of a job's run: this one, if the flow is not given.

        Parameters
        ----------
        flow
            As it was given; None if it was not.
        """
        given = {one.name: one.job.target_conn for one in (flow.jobs if flow else ())}
        return reference(given.get(job.name) or self.conn, "target_conn")

    def prepare(self) -> None:
        """Create the tables if they are missing."""
        with self._session() as ledger:  # not retried: a wrong address should fail at once
            ledger.create()

    def open(self, flow: Flow) -> dict[str, StoredJob]:
        """Enter or resume the run; return the states of its jobs.

        Raises
        ------
        FingerprintError
            When the run belongs to another flow.
        ConfigurationError
            When it was discarded.
        """
        names = [job.name for job in flow.jobs]
        stored = self.call(
            lambda ledger: ledger.open(self.run_id, flow.name, flow.document, flow.directory)
        )
        _require_same(flow, stored)

        def resume(ledger: FlowTables) -> Sequence[StoredJob]:
            ledger.lock(flow.name)
            return ledger.resume(self.run_id, names)

        return {job.name: job for job in self.call(resume)}

    def find(self) -> StoredFlow:
        """Return the run as it is stored."""
        with self._session() as ledger:
            return ledger.find(self.run_id)

    def jobs(self) -> list[StoredJob]:
        """Return its jobs as they are stored."""
        return self.call(lambda ledger: ledger.jobs(self.run_id))

    def begin_job(self, job: str, run_id: str | None) -> None:
        """Record that a job begins.

        Raises
        ------
        RunStoppedError
            When somebody has cancelled the flow's run.
        """

        def begin(ledger: FlowTables) -> None:
            _require_going(self._locked(ledger))  # a later cancel sees the job
            ledger.begin_job(self.run_id, job, run_id)

        self.call(begin)

    def require_going(self) -> None:
        """Raise if the run was cancelled.

        Raises
        ------
        RunStoppedError
            When it was.
        """
        _require_going(self.call(lambda ledger: ledger.find(self.run_id)))

    def end_job(
        self,
        job: str,
        state: JobState,
        error: str | None = None,
        result: ParallelProcessingResult | None = None,
    ) -> None:
        """Record the outcome of a job."""
        counts: dict[str, Any] = {}
        if result is not None:
            counts = {
                "read": result.total_rows_processed,
                "rows": result.total_rows_successful,
                "seconds": result.processing_time,
            }
        self.call(
            lambda ledger: ledger.end_job(self.run_id, job, state=state, error=error, **counts)
        )

    def put_back(self, stored: StoredJob) -> None:
        """Restore the previous state of a job that was refused."""
        self.call(
            lambda ledger: ledger.end_job(
                self.run_id,
                stored.name,
                state=stored.state,
                error=stored.error,
                rows=stored.rows,
                seconds=stored.seconds,
            )
        )

    def end(self, state: FlowState) -> None:
        """Move the run to the state it has ended in."""
        self.call(lambda ledger: ledger.end(self.run_id, state))

    def cancel(self) -> list[StoredJob]:
        """Cancel a run that is under way, so that no more jobs begin; return its jobs.

        Empty for a run that has ended.
        """

        def cancel(ledger: FlowTables) -> list[StoredJob]:
            if self._locked(ledger).state is not FlowState.RUNNING:
                return []
            ledger.end(self.run_id, FlowState.CANCELLED)
            return ledger.jobs(self.run_id)

        return self.call(cancel)

    def discard(self) -> None:
        """Discard the run."""

        def discard(ledger: FlowTables) -> None:
            self._locked(ledger)
            ledger.discard(self.run_id)

        self.call(discard)

    def rewind(self) -> tuple[str, ...]:
        """Rewind the windows of this run and of later ones; return the names of their jobs."""

        def rewind(ledger: FlowTables) -> tuple[str, ...]:
            name = self._locked(ledger).name
            read = [
                job
                for job in ledger.jobs(self.run_id)
                if job.opening is not None
                and job.state is JobState.SUCCEEDED
                and not (job.run_id is None and job.error)  # it was rewound already
            ]
            for job in read:
                kept = held.from_text(job.held)
                before = None if kept is None else kept.before.to_text()
                note = f"to be read again: rewound to where run {self.run_id} began"
                ledger.rewind(name, job, before, note)
            return tuple(job.name for job in read)

        names = self.call(rewind)
        if not names:
            message = (
                f"run {self.run_id!r} has no incremental job that was read to its end, or they are "
                "rewound already: what was read before is another run's"
            )
            raise ConfigurationError(message, field="run_id", run_id=self.run_id)
        return names


def all_runs(conn: ConnectionRef) -> list[StoredFlow]:
    """Return every run of every flow that a ledger holds, the latest first."""
    return FlowLedger(conn, "").call(lambda ledger: ledger.runs())


def _require_going(stored: StoredFlow) -> None:
    if stored.state is FlowState.CANCELLED:
        message = f"flow {stored.name!r}, run {stored.run_id!r}, is cancelled"
        raise RunStoppedError(message, run_id=stored.run_id)


def _require_same(flow: Flow, stored: StoredFlow) -> None:
    if stored.name != flow.name:
        message = (
            f"run_id {stored.run_id!r} belongs to the flow {stored.name!r}, not to {flow.name!r}; "
            "use a new run_id"
        )
        raise FingerprintError(message, field="run_id", run_id=stored.run_id)
    if stored.state is FlowState.DISCARDED:
        message = f"run_id {stored.run_id!r} was given up; use a new run_id"
        raise ConfigurationError(message, field="run_id", run_id=stored.run_id)
