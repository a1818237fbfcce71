"""Lists the runs of a ledger, the newest first, and removes old ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_target
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.flow_tables import FlowTables
from mapper_dask.ledger.flows import FlowLedger, all_runs
from mapper_dask.ledger.records import seconds_between
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.run_tables import RunTables
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.retries import DEFAULT_LOCK_TIMEOUT
from mapper_dask.spool.folder import parent_of, remove, unused

FINISHED = (RunState.SUCCEEDED.value, RunState.DISCARDED.value)
"""Final states of a run; in the others it can be resumed."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as a line of a list."""

    run_id: str
    state: str
    target: str | None
    """Table that receives its rows, quoted."""
    write_disposition: str | None
    staging: str | None
    """Its staging table, unquoted; None where rows are loaded directly."""
    started_at: str
    """When it was entered, in UTC."""
    ended_at: str | None
    """When it ended, in UTC; None while it runs."""
    chunks: int
    chunks_done: int
    """Those whose rows are committed."""
    chunks_failed: int
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    quiet_seconds: float
    """Seconds since anything of it began or ended."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to resume."""
        return self.state in FINISHED


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was removed, or would be."""

    runs: tuple[RunSummary, ...]
    flows: tuple[str, ...]
    """Runs of flows."""
    tables: tuple[str, ...]
    """Staging tables that no run will use again, with their schemas."""
    kept: int
    """Runs that are kept."""
    folders: tuple[str, ...] = ()
    """Unused folders of this machine with rows of queries that were read once."""


@contextmanager
def _session(ref: ConnectionRef) -> Iterator[RunTables]:
    with open_target(ref, "ledger") as target:
        target.begin_load("mapper_dask:housekeeping", DEFAULT_LOCK_TIMEOUT)
        yield RunTables(target)
        target.commit()


def every_run(target: ConnectionRef) -> list[RunSummary]:
    """Return every run of a ledger, the newest first; none where there is no ledger."""
    with _session(target) as ledger:
        if not ledger.exists():
            return []
        return [_summary(row) for row in ledger.store.run("ledger_runs")]


def _summary(row: Sequence[Any]) -> RunSummary:
    run_id, state, target, disposition, *rest = row
    if disposition is None and target:  # all of the JSON, of a database that cannot look into it
        target, disposition = _from_plan(target)
    staging, started, ended, *counts, last, now = rest
    chunks, done, failed, read, loaded, rejected = counts
    return RunSummary(
        run_id=run_id,
        state=state,
        target=target,
        write_disposition=disposition,
        staging=staging,
        started_at=started,
        ended_at=ended,
        chunks=int(chunks),
        chunks_done=int(done),
        chunks_failed=int(failed),
        rows_read=int(read),
        rows_loaded=int(loaded),
        rows_rejected=int(rejected),
        quiet_seconds=max(0.0, seconds_between(last, now)),
    )


def chunk_times(target: ConnectionRef, run_id: str) -> dict[int, tuple[float, float]]:
    """Return when each chunk of a run that has ended began and ended, in seconds."""
    with _session(target) as ledger:
        rows = ledger.store.run("ledger_times", {"run_id": run_id})
    done = [(int(chunk), begun, ended) for chunk, begun, ended in rows if begun and ended]
    first = min((begun for _, begun, _ in done), default="")
    return {
        chunk: (seconds_between(first, begun), max(0.0, seconds_between(first, ended)))
        for chunk, begun, ended in done
    }


def _from_plan(plan: str) -> tuple[str | None, str | None]:
    """Return target and disposition from a plan; None where one is not a text."""
    found: list[Any] = [None, None]
    with suppress(ValueError, RecursionError, AttributeError):
        values = json.loads(plan)
        found[0] = values.get("target")
        found[1] = values.get("job").get("write_disposition")
    target, disposition = (text if isinstance(text, str) else None for text in found)
    return target, disposition


def require_ledger(target: ConnectionRef) -> None:
    """Check that the ledger exists or can be made; change nothing.

    Raises
    ------
    TargetError
        When it is missing and this login may not make it; names the grants.
    """
    with _session(target) as ledger:
        ledger.require_creatable()


def clean(
    target: ConnectionRef,
    *,
    older_than: float,
    unfinished: bool = False,
    keep: Collection[str] = (),
    dry_run: bool = False,
    spool_folder: str | None = None,
) -> Cleaned:
    """Remove old runs with their chunks and rejects, and staging tables that are not used again.

    What the runs have loaded stays in their targets.

    Parameters
    ----------
    older_than
        Seconds since anything of a run began or ended.
    unfinished
        Also runs that could be resumed; afterwards they cannot.
    keep
        Runs that are kept, however old.
    dry_run
        Remove nothing, only return what would be.
    spool_folder
        The folder for rows of queries that are read once; None: the system's temporary one.
    """
    runs = every_run(target)
    flows = _stale_flows(target, older_than, unfinished=unfinished)
    keep = {*keep, *_runs_of_flows(target, flows)}
    old = [
        run
        for run in runs
        if run.quiet_seconds >= older_than
        and run.run_id not in keep
        and (run.finished or unfinished)
    ]
    tables = _leftovers(target)
    parent = parent_of(spool_folder)
    folders = unused(parent, [run.run_id for run in old])
    if not dry_run:
        for run in old:
            _forget(target, run)
        for flow in flows:
            with _session(target) as ledger:
                ledger.store.run("ledger_flow_forget", {"flow_run_id": flow})
        _drop(target, tables)
        remove(folders)
    names = tuple(f"{schema}.{name}" for schema, name in tables)
    return Cleaned(tuple(old), flows, names, len(runs) - len(old), tuple(map(str, folders)))


def _stale_flows(target: ConnectionRef, seconds: float, *, unfinished: bool) -> tuple[str, ...]:
    """Return the runs of flows that may be removed: not the last one of an incremental job."""
    with _session(target) as ledger:
        if not FlowTables(ledger.store).exists():
            return ()
        rows = ledger.store.run("ledger_flow_stale", {"seconds": seconds})
    return tuple(run_id for run_id, state in rows if unfinished or state in FINISHED)


def _runs_of_flows(target: ConnectionRef, going: Collection[str]) -> Iterator[str]:
    """Yield the jobs' runs of flows that are kept."""
    for flow in all_runs(target):
        if flow.run_id not in going:
            jobs = FlowLedger(target, flow.run_id).jobs()
            yield from (job.run_id for job in jobs if job.run_id is not None)


def _forget(target: ConnectionRef, run: RunSummary) -> None:
    if run.finished:
        RunLedger(target, run.run_id).forget()
    else:
        stored_runs.discard(target, run.run_id)


def _leftovers(target: ConnectionRef) -> list[tuple[str, str]]:
    with _session(target) as ledger:
        if not ledger.exists():
            return []
        return [tuple(row) for row in ledger.store.run("ledger_leftovers")]


def _drop(target: ConnectionRef, tables: Sequence[tuple[str, str]]) -> None:
    for schema, name in tables:
        with _session(target) as ledger:
            quote = ledger.target.dialect.quote
            ledger.target.drop_table(f"{quote(schema)}.{quote(name)}")
