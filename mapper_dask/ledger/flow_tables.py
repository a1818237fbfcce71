"""The ledger's tables of flows: their jobs, and the windows of incremental ones.

Each job's own run is in its target's ledger, which alone knows what is committed; these tables
connect those runs. The caller commits.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mapper_dask.dialects.store import Store
from mapper_dask.errors import ConfigurationError, RunNotFoundError, TargetError
from mapper_dask.flow import JobState
from mapper_dask.ledger.records import as_json, notes_of, state_of
from mapper_dask.naming import fingerprint
from mapper_dask.near import did_you_mean
from mapper_dask.stored import of_ledger

FLOWS_VERSION = "1"
"""Layout of the tables; a version of the library that does not know it does not use them."""

TABLES = ("mapper_dask_flow", "mapper_dask_flow_job")

LONGEST_RUN_ID = 200
"""Characters of a job's run_id; Oracle's ledger takes 1,000 bytes."""


def job_run_id(flow_run_id: str, job: str) -> str:
    """Return the name of a job's run in its target's ledger: no two jobs of any runs share one.

    A dot separates the two as long as the job's name has none. Otherwise, and where the name would
    be too long, a digest of both is used.
    """
    plain = f"{flow_run_id}.{job}"
    if "." not in job and len(plain) <= LONGEST_RUN_ID:
        return plain
    return f"{flow_run_id[:80]}.{job[:80]}~{fingerprint(flow_run_id, job)}"


ENDED = frozenset({JobState.FAILED, JobState.PARTIAL, JobState.CANCELLED, JobState.SKIPPED})
"""States in which no coordinator runs a job, as recorded by the last one."""


class FlowState(enum.Enum):
    """The state of a flow's run."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DISCARDED = "DISCARDED"
    """Discarded by its user: it cannot be resumed."""


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A flow's run as the ledger holds it."""

    run_id: str
    name: str
    """The flow's name, which its runs have in common."""
    document: str | None
    """The job file it was made from, variables unresolved; None: it was made in Python."""
    directory: str | None
    """Where that file's relative paths begin."""
    state: FlowState
    started_at: dt.datetime
    """In UTC, by the ledger's clock; likewise below."""
    ended_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job of a flow's run as the ledger holds it."""

    name: str
    state: JobState
    run_id: str | None
    """Its run in its target's ledger."""
    low: str | None
    high: str | None
    opening: int | None
    """Number of its window; None while it has none."""
    edge: bool
    """Whether its window holds the rows at ``low`` itself."""
    rows: int | None
    seconds: float | None
    error: str | None
    notes: tuple[str, ...] = ()
    """Notes from when its window was opened."""
    held: str | None = None
    """What its target held after the window was read to its end, as JSON; None: not recorded."""


@dataclass(frozen=True, slots=True)
class Window:
    """The rows an incremental job reads or has read, in some run of its flow."""

    flow_run_id: str
    state: JobState
    run_id: str
    """The job's run in its target's ledger; empty where its window was rewound."""
    low: str | None
    high: str | None
    opening: int
    """Counts the windows of a flow's job."""
    rows: int | None = None
    """Rows it has loaded; None: not recorded."""
    held: str | None = None
    """What the target held when it had been read to its end, as JSON; None: not recorded."""


@dataclass(frozen=True, slots=True)
class FlowTables:
    """The ledger's tables of flows."""

    store: Store

    def create(self) -> None:
        """Create the tables if they are missing; if not, no right to create is needed.

        Raises
        ------
        TargetError
            When they are missing and this login may not make them, or may not use them.
        """
        if self.exists():
            self._require_rights()
            self.upgrade()
            return
        [(schema, user, path, allowed)] = self.store.run("ledger_schema")
        if not allowed:
            where = f"schema {schema}" if schema else f"any schema of the search path ({path})"
            message = (
                f"ledger_conn leads to no ledger of flows: {', '.join(TABLES)} are not there, and "
                f"{user} may not make them in {where}: GRANT CREATE ON SCHEMA {schema or '…'} TO "
                f"{user}; or let an administrator run one flow, and then this: it names each GRANT"
            )
            raise TargetError(message, field="ledger_conn")
        self.store.run("ledger_lock")
        self.store.run("ledger_flow_create")

    def _require_rights(self) -> None:
        missing = [str(statement) for (statement,) in self.store.run("ledger_flow_grants")]
        if missing:
            message = (
                "ledger_conn: permission denied for the ledger of flows. Let its owner run, all at "
                f"once: {'; '.join(missing)}"
            )
            raise TargetError(message, field="ledger_conn")

    def upgrade(self) -> None:
        """Give tables of an earlier library the columns that were added since.

        Raises
        ------
        TargetError
            When they are missing, and this login does not own the tables; names the statements.
        """
        lacking = self.store.run("ledger_flow_layout")
        if not lacking:
            return
        if not all(may for _, may, _ in lacking):
            names = ", ".join(str(name) for name, *_ in lacking)
            message = (
                f"ledger_conn: mapper_dask_flow_job was made by an earlier version and lacks "
                f"{names}; let its owner, {lacking[0][2]}, run one flow or "
                f"mapper_dask/dialects/sql/{self.store.dialect.name}/ledger_flow_upgrade.sql"
            )
            raise TargetError(message, field="ledger_conn")
        self.store.run("ledger_flow_upgrade")

    def exists(self) -> bool:
        """Return whether the tables exist."""
        return bool(self.store.run("ledger_flow_exists")[0][0])

    def open(
        self, run_id: str, name: str, document: str | None, directory: str | None
    ) -> StoredFlow:
        """Enter a run if the ledger does not have it; return it."""
        values = {
            "flow_run_id": run_id,
            "name": name,
            "document": document,
            "directory": directory,
            "version": FLOWS_VERSION,
        }
        self.store.run("ledger_flow_open", values)
        return self.find(run_id)

    def lock(self, name: str) -> None:
        """Lock a flow's run against other coordinators until this transaction ends.

        The run must have been entered, and committed, before.
        """
        self.store.run("ledger_flow_lock", {"name": name})

    def resume(self, run_id: str, jobs: Sequence[str]) -> list[StoredJob]:
        """Reset a run's jobs to waiting, except those that are done.

        Returns all of them in their state before. A run all of whose jobs are done stays as it is:
        there may be nothing left to do, or its resumption may be refused.
        """
        before = {job.name: job for job in self.jobs(run_id)}
        rows = [{"flow_run_id": run_id, "job": j, "place": n} for n, j in enumerate(jobs)]
        self.store.run_each("ledger_flow_open_job", rows)
        self.store.run_each("ledger_flow_await", rows)
        now = self.jobs(run_id)
        if any(job.state is not JobState.SUCCEEDED for job in now):
            self.set_state(run_id, FlowState.RUNNING)
        return [before.get(job.name, job) for job in now]

    def end(self, run_id: str, state: FlowState) -> None:
        """Move a run to the state it has ended in; one all of whose jobs are done has succeeded.

        One that was cancelled has not failed.
        """
        done = all(job.state is JobState.SUCCEEDED for job in self.jobs(run_id))
        state = FlowState.SUCCEEDED if done else state
        found = self.find(run_id).state
        if found is not state and not (found is FlowState.CANCELLED and not done):
            self.set_state(run_id, state)

    def find(self, run_id: str) -> StoredFlow:
        """Return a run.

        Raises
        ------
        RunNotFoundError
            When there is none of that name.
        ConfigurationError
            When another version of this library has entered it.
        """
        values = {"flow_run_id": run_id}
        rows = self.store.run("ledger_flow_run", values) if self._readable() else []
        if not rows:
            names = [run.run_id for run in self.runs()]
            rest = "; `mapper-dask status` shows those it has, and runs of single jobs"
            meant = did_you_mean(run_id, names, otherwise=rest)
            message = f"run_id: the ledger has no run {run_id!r} of a flow{meant}"
            raise RunNotFoundError(message, run_id=run_id, field="run_id")
        return _stored_flow(rows[0])

    def runs(self) -> list[StoredFlow]:
        """Return every run of every flow, the latest first, without the documents."""
        rows = self.store.run("ledger_flow_runs") if self._readable() else []
        return [_stored_flow(row) for row in rows]

    def _readable(self) -> bool:
        """Return whether the tables exist, with all the columns that are read here."""
        if not self.exists():
            return False
        self.upgrade()
        return True

    def jobs(self, run_id: str) -> list[StoredJob]:
        """Return the jobs of a run, in the order they were written."""
        rows = self.store.run("ledger_flow_jobs", {"flow_run_id": run_id})
        return [_stored_job(run_id, row) for row in rows]

    def set_state(self, run_id: str, state: FlowState) -> None:
        """Move a run to another state."""
        values = {"flow_run_id": run_id, "state": state.value}
        self.store.run("ledger_flow_state", values)

    def begin_job(self, run_id: str, job: str, job_run_id: str | None) -> None:
        """Record that a job begins, and the name of its run in its target's ledger."""
        values = {"flow_run_id": run_id, "job": job, "run_id": job_run_id}
        self.store.run("ledger_flow_begin_job", values)

    def end_job(
        self,
        run_id: str,
        job: str,
        *,
        state: JobState,
        error: str | None = None,
        read: int | None = None,
        rows: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Record a job's outcome. After a success the next window begins where its own ends."""
        values = {
            "flow_run_id": run_id,
            "job": job,
            "state": state.value,
            "error": error,
            "rows_read": read,
            "rows_loaded": rows,
            "seconds": seconds,
        }
        self.store.run("ledger_flow_end_job", values)

    def windows(self, run_id: str, name: str, job: str) -> list[Window]:
        """Return a job's windows in other runs of its flow, by their numbers.

        The last one that was read to its end, and those that were not and were not discarded.
        """
        values = {"flow_run_id": run_id, "name": name, "job": job}
        rows = self.store.run("ledger_flow_windows", values)
        return [
            Window(
                flow_run_id,
                state_of(flow_run_id, JobState, state),
                "" if job_run is None else job_run_id(flow_run_id, job),
                low,
                high,
                int(opening),
                loaded,
                held,
            )
            for flow_run_id, state, job_run, low, high, opening, loaded, held in rows
        ]

    def open_window(
        self,
        run_id: str,
        job: str,
        ends: tuple[str | None, str | None],
        opening: int,
        *,
        edge: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        """Record which rows a job is going to read, with notes on them."""
        values = {
            "flow_run_id": run_id,
            "job": job,
            "low": ends[0],
            "high": ends[1],
            "opening": opening,
            "edge": edge,
            "notes": as_json(self.store.dialect, list(notes)),
        }
        self.store.run("ledger_flow_open_window", values)

    def note_held(self, run_id: str, job: str, held: str | None) -> None:
        """Record what the target held when a job's window had been read to its end."""
        values = {"flow_run_id": run_id, "job": job, "held": held}
        self.store.run("ledger_flow_held", values)

    def rewind(self, name: str, job: StoredJob, held: str | None, note: str) -> None:
        """Rewind a job to the beginning of a window: what it has read since counts as not read."""
        values = {
            "name": name,
            "job": job.name,
            "opening": job.opening,
            "high": job.low,
            "held": held,
            "error": note,
        }
        self.store.run("ledger_flow_rewind", values)

    def settle(self, window: Window, job: str, state: JobState, note: str | None) -> bool:
        """Record the outcome of a window that another run left; False if that one was resumed."""
        values = {
            "flow_run_id": window.flow_run_id,
            "job": job,
            "expected": window.state.value,
            "state": state.value,
            "error": note,
        }
        return bool(self.store.run("ledger_flow_settle", values))

    def discard(self, run_id: str) -> None:
        """Discard a run: what it has not done, it never will; what it has done stays recorded."""
        self.store.run("ledger_flow_discard", {"flow_run_id": run_id})
        self.set_state(run_id, FlowState.DISCARDED)


def _stored_flow(row: Sequence[Any]) -> StoredFlow:
    run_id, name, document, directory, state, version, started, ended = row
    if version != FLOWS_VERSION:
        message = (
            f"run {run_id!r} was entered by a version of mapper_dask whose ledger has the layout "
            f"{version}, this one knows {FLOWS_VERSION}; use the version that began it"
        )
        raise ConfigurationError(message, field="ledger_conn", run_id=run_id)
    return StoredFlow(
        run_id,
        name,
        document,
        directory,
        state_of(run_id, FlowState, state),
        _utc(run_id, started),
        None if ended is None else _utc(run_id, ended),
    )


def _stored_job(flow_run_id: str, row: Sequence[Any]) -> StoredJob:
    """Return a job; its run's name is derived from the flow's run, not read from the row.

    Otherwise a login that may write the flows' ledger could name another run there, to have it
    cancelled or discarded.
    """
    name, state, run_id, low, high, opening, edge, rows, seconds, error, notes, held = row
    return StoredJob(
        name,
        state_of(flow_run_id, JobState, state),
        None if run_id is None else job_run_id(flow_run_id, name),
        low,
        high,
        None if opening is None else int(opening),
        bool(edge),
        rows,
        seconds,
        error,
        notes_of(flow_run_id, notes) if notes else (),
        held,
    )


def _utc(run_id: str, text: object) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(str(text)).replace(tzinfo=dt.UTC)
    except ValueError:
        of_ledger(run_id, {"started_at": text}).refuse("started_at", "a time")
