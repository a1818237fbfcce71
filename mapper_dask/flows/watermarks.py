"""Which rows of an incremental job are new: its window, noted before a row of it moves.

A window begins where the last one ended that was read to its end, if the target still holds what
it has brought (:mod:`mapper_dask.ledger.incremental_evidence`). It ends at the column's greatest
value as it is when the window is opened, or below that where transactions in progress may still
commit rows there (:mod:`mapper_dask.flows.late_commits`). A run that is resumed reads the very same
window. A flow's job has one window open at a time:

- one whose rows are all in the target counts as read, whatever its coordinator came to note;
- one that is being read, or was left by a coordinator that was killed, is in the way of a new one,
  and so is one that was broken off half loaded: it must be resumed, or given up by its user;
- one that was broken off before any of its rows were in the target (because none was loaded, or all
  of them wait in a staging table) is passed over: it is given up, its staged rows are dropped, and
  the new window begins where it began.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NoReturn

from mapper_dask.dialects import dialect_for
from mapper_dask.errors import ConfigurationError, RunNotFoundError
from mapper_dask.flow import FlowJob, JobState
from mapper_dask.flows import late_commits
from mapper_dask.flows.growing_column import (
    Seen,
    is_coarse,
    looking,
    refuse,
    require_values,
    start_of,
)
from mapper_dask.incremental import Incremental
from mapper_dask.ledger import incremental_evidence as held
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.flow_tables import ENDED, FlowTables, StoredJob, Window
from mapper_dask.ledger.flows import FlowLedger
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.log import log
from mapper_dask.plan.params import with_params
from mapper_dask.plan.query import analyse
from mapper_dask.resolved_job import resolved
from mapper_dask.schema.facts import CommitOrder

ENDLESS = frozenset({"infinity", "-infinity", "nan"})
"""Values above, or beside, all that could come later."""


@dataclass(frozen=True, slots=True)
class WindowReading:
    """The rows that a job reads in this run."""

    sql: str
    low: str | None
    high: str | None
    notes: tuple[str, ...] = ()
    """Notes on them."""


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where a window begins and ends."""

    low: str | None
    high: str | None
    edge: bool = False
    """Whether the rows at ``low`` itself are read again."""
    notes: tuple[str, ...] = ()


def opened(
    flow: str,
    job: FlowJob,
    ledger: FlowLedger,
    stored: StoredJob,
    sleep: Callable[[float], Any] = time.sleep,
) -> WindowReading:
    """Return what a job reads: its run's own window again, or a new one.

    Parameters
    ----------
    sleep
        Called to wait, with seconds, while transactions at the source are in progress.

    Raises
    ------
    ConfigurationError
        When the column cannot identify new rows, rows without a value would be lost, or another
        run's window blocks this one.
    RowsGoneError
        When rows of the last window are missing from the target.
    """
    incremental = job.incremental
    if incremental is None:
        return WindowReading(job.job.source_sql, None, None)
    if stored.state is JobState.SUCCEEDED and (sql := _read_already(job, stored)):
        return WindowReading(sql, stored.low, stored.high, stored.notes)
    with looking(job, incremental, ledger.run_id) as seen:
        if stored.opening is None:
            require_values(job, seen)
            stored = _open(flow, job, incremental, ledger, seen, sleep)
        nulls = job.job.write_disposition == "merge" and not seen.never_null
        sql = seen.marks.window(
            seen.sql, seen.column, stored.low, stored.high, nulls=nulls, edge=stored.edge
        )
        return WindowReading(seen.opened.sealed(sql), stored.low, stored.high, stored.notes)


def _read_already(job: FlowJob, stored: StoredJob) -> str | None:
    """Return what a finished job has read, so that its source need not be queried again.

    None where that was another query, or nobody knows any more.
    """
    if job.job.target_conn is None or stored.run_id is None:
        return None
    ledger = RunLedger(resolved(job.job).loads_into, stored.run_id)
    run = ledger.find()
    if run is not None and not all(result.succeeded for _, result in ledger.chunks()):
        return None  # something is to be read: that is never what the ledger says
    dialect = dialect_for(resolved(job.job).source)
    shape = analyse(job.job.source_sql, dialect.grammar, dialect.folded)
    sql = None if run is None else str(run.plan.job["source_sql"])
    return sql if sql is not None and f"(\n{shape.sql}\n)" in sql else None


def check(job: FlowJob) -> tuple[str, ...]:
    """Return how an incremental job's new rows are found, with notes; changes nothing.

    Raises
    ------
    ConfigurationError
        When the column does not exist, is of another kind, or cannot identify all new rows.
    """
    if job.incremental is None:
        return ()
    given = replace(job, job=with_params(resolved(job.job)).job)
    with looking(given, job.incremental, "check") as seen:
        require_values(given, seen)
        start_of(given, job.incremental, seen)
        order = _commit_order(given, job.incremental, seen)
    return (*_explained(given, job.incremental, seen, order), *_explained_target(given))


def _explained(
    job: FlowJob, incremental: Incremental, seen: Seen, order: CommitOrder
) -> tuple[str, ...]:
    name, merges = seen.column.name, job.job.write_disposition == "merge"
    lines = late_commits.explained(incremental, order)
    if incremental.range_end == "open":
        edge = "the greatest value itself is left to the run that finds a greater one"
    elif is_coarse(seen.column) and merges:
        edge = "rows at the last mark are read again, and those that are there found by their key"
    else:
        edge = "it rests on this: no row comes later that equals the last mark"
    nulls = "rows where it is NULL are read by each run" if merges else "NULL is refused"
    return (
        f"incremental by {name!r} ({seen.column.type_name}): {lines[0]}",
        *lines[1:],
        f"{edge}; {nulls}",
        f"never seen: rows that are deleted, and rows that are changed without a higher {name!r}",
    )


def _explained_target(job: FlowJob) -> tuple[str, ...]:
    """Return how a job's watermark is compared with its target."""
    if job.job.target_conn is None:
        return ()
    if not (job.incremental and job.incremental.check_target):
        return ("the target is not asked whether it still holds what was loaded (check_target)",)
    missing = held.comparable(job)
    return (missing,) if missing else ()


def _commit_order(job: FlowJob, incremental: Incremental, seen: Seen) -> CommitOrder:
    """Return how rows of a column become visible.

    Raises
    ------
    ConfigurationError
        When its values are handed out in another order, and nothing makes up for that.
    """
    order = seen.marks.commit_order(seen.sql, seen.column)
    made_up = incremental.overlaps or incremental.in_progress == "ignore"
    if order.problem and not made_up:
        refuse(job, "incremental.column", order.problem)
    return order


def require_no_other(flow: str, job: FlowJob, ledger: FlowLedger) -> None:
    """Refuse if another run's window blocks this one; changes nothing.

    Raises
    ------
    ConfigurationError
        Names that run, and what to do.
    """
    for window in _unread(_windows(flow, job, ledger)):
        _verdict(job, window)


def _open(
    flow: str,
    job: FlowJob,
    incremental: Incremental,
    ledger: FlowLedger,
    seen: Seen,
    sleep: Callable[[float], Any],
) -> StoredJob:
    """Open a window; return the job as it is stored then.

    Source and target are asked before the ledger is locked; should another window have been read
    to its end meanwhile, they are asked again.
    """
    start = start_of(job, incremental, seen)
    stored = None
    while stored is None:
        read = _last(job, _windows(flow, job, ledger))
        known = () if read is None else _require_held(job, read)
        last = None if read is None else read.high
        ends = _ends(job, incremental, seen, last, start, sleep)
        stored = _enter(flow, job, ledger, last, replace(ends, notes=(*known, *ends.notes)))
    return stored


def _require_held(job: FlowJob, window: Window) -> tuple[str, ...]:
    """Return notes on the last window's rows in the target; refuse if some are missing."""
    return held.require(
        job,
        held.Read(window.flow_run_id, window.run_id or None, window.high, window.rows, window.held),
    )


def require_held(job: FlowJob, flow_run_id: str, stored: StoredJob) -> None:
    """Refuse to report a job as done whose rows are gone from its target.

    Raises
    ------
    RowsGoneError
        Says what is missing, and what to do.
    """
    if job.incremental is not None and stored.run_id is not None:
        held.require(
            job,
            held.Read(flow_run_id, stored.run_id, stored.high, stored.rows, stored.held),
        )


def note_held(
    flow: str, job: FlowJob, ledger: FlowLedger, run_id: str | None, rows: int | None
) -> None:
    """Record what a job's target holds after its window was read completely."""
    own = _own(ledger.jobs(), job.name)
    read = _last(job, _windows(flow, job, ledger))
    if own.opening is None or (read is not None and read.opening > own.opening):
        return
    text = held.noted(job, None if read is None else read.held, run_id if rows else None)
    ledger.call(lambda tables: tables.note_held(ledger.run_id, job.name, text))


def _ends(
    job: FlowJob,
    incremental: Incremental,
    seen: Seen,
    last: str | None,
    start: str | None,
    sleep: Callable[[float], Any],
) -> _Ends:
    """Return where a window begins that follows one which ended at ``last``, and where it ends."""
    floor = last if last is not None else start
    top = seen.marks.high(seen.sql, seen.column, floor)
    if top is not None and top.strip().lower() in ENDLESS:
        refuse(
            job,
            "incremental.column",
            f"has {top} as the greatest value of {seen.column.name!r}: no row that comes later "
            "would be new. Leave such rows out of the query",
        )
    order = _commit_order(job, incremental, seen)
    read = late_commits.Range(seen.sql, seen.column, seen.marks, floor)
    mark = late_commits.settled(read, top, incremental, order, sleep=sleep)
    for note in mark.notes:
        log("rows_held_back", logging.WARNING, note=note)
    if last is None or not incremental.overlaps:
        again = incremental.range_end == "closed" and last not in (None, start)
        return _Ends(floor, mark.high, again and is_coarse(seen.column), mark.notes)
    overlap = incremental.overlap
    less = overlap if isinstance(overlap, dt.timedelta) else Decimal(str(overlap))
    low = seen.marks.lowered(seen.column, last, less, start)
    return _Ends(low, mark.high, notes=mark.notes)


def _enter(
    flow: str, job: FlowJob, ledger: FlowLedger, last: str | None, ends: _Ends
) -> StoredJob | None:
    """Record a window if no other is open; None if the last one is not ``last`` any more."""

    def enter(tables: FlowTables) -> StoredJob | None:
        tables.lock(flow)
        own = _own(tables.jobs(ledger.run_id), job.name)
        if own.opening is not None:  # another coordinator of this run was quicker
            return own
        windows = tables.windows(ledger.run_id, flow, job.name)
        for window in _unread(windows):
            _settle(tables, job, window, ledger.run_id)
        read = _last(job, tables.windows(ledger.run_id, flow, job.name))
        if (None if read is None else read.high) != last:
            return None
        opening = 1 + max((window.opening for window in windows), default=0)
        tables.open_window(
            ledger.run_id, job.name, (ends.low, ends.high), opening, edge=ends.edge,
            notes=ends.notes,
        )  # fmt: skip
        return _own(tables.jobs(ledger.run_id), job.name)

    return ledger.call(enter)


def _settle(tables: FlowTables, job: FlowJob, window: Window, run_id: str) -> None:
    """Record the outcome of a window that another run has left open."""
    state = _verdict(job, window)
    if state is JobState.DISCARDED:
        state = _given_up(job, window)
    if state is not None:
        passed = f"passed over by run {run_id}, which reads these rows too"
        note = passed if state is JobState.DISCARDED else None
        tables.settle(window, job.name, state, note)


def _own(jobs: Sequence[StoredJob], name: str) -> StoredJob:
    return next(job for job in jobs if job.name == name)


def _windows(flow: str, job: FlowJob, ledger: FlowLedger) -> list[Window]:
    return ledger.call(lambda tables: tables.windows(ledger.run_id, flow, job.name))


def _unread(windows: Sequence[Window]) -> list[Window]:
    return [window for window in windows if window.state is not JobState.SUCCEEDED]


def _last(job: FlowJob, windows: Sequence[Window]) -> Window | None:
    """Return the last window that was read completely, whether that was recorded or not."""
    read = [
        window
        for window in windows
        if window.state is JobState.SUCCEEDED or _verdict(job, window) is JobState.SUCCEEDED
    ]
    return read[-1] if read else None


def _verdict(job: FlowJob, window: Window) -> JobState | None:
    """Return the outcome of a window that another run has left open; None: it stays open.

    Raises
    ------
    ConfigurationError
        When it blocks this run.
    """
    if job.job.target_conn is None:  # a dry run may be repeated
        return None
    stored = RunLedger(resolved(job.job).loads_into, window.run_id).find()
    if stored is not None and stored.state is RunState.SUCCEEDED:
        return JobState.SUCCEEDED
    nothing_loaded = stored is None or stored.plan.publication is not None
    if window.state not in ENDED or not nothing_loaded:
        _refuse_window(job, window)
    return JobState.DISCARDED


def _given_up(job: FlowJob, window: Window) -> JobState:
    """Drop what a window's run has staged, unless it was published meanwhile."""
    ledger = RunLedger(resolved(job.job).loads_into, window.run_id)
    with contextlib.suppress(RunNotFoundError):
        stored_runs.require_known(ledger)
        ledger.stop(RunState.CANCELLED)
        stored = stored_runs.found(ledger.target, window.run_id)
        if stored.state is RunState.SUCCEEDED:
            return JobState.SUCCEEDED
        ledger.forget()
    return JobState.DISCARDED


def _refuse_window(job: FlowJob, window: Window) -> NoReturn:
    how = "is being run, or was killed" if window.state not in ENDED else "may be half loaded"
    message = (
        f"job {job.name!r} of run {window.flow_run_id!r} {how} ({window.state.value}); new rows "
        f"can be told when that is done: resume({window.flow_run_id!r}). Or delete what it has "
        f"loaded and give it up: discard({window.flow_run_id!r})"
    )
    raise ConfigurationError(message, field="run_id", run_id=window.flow_run_id, job=job.name)
