"""Checks that what an incremental job has read is still in its target, before its next window.

When a window has been read to its end, the greatest value that the target then holds of the column
is noted, and how many rows it has above the greatest value before. A later run, or the same again,
compares: rows that were deleted, a table that was emptied, or an older copy that was restored, show
there. Where the target has no such column, only whether it is empty, and whether its storage is the
same, can be asked.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, NoReturn

from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.opening import open_target
from mapper_dask.dialects.watermarks import Holdings
from mapper_dask.errors import DatabaseError, RowsGoneError
from mapper_dask.flow import FlowJob
from mapper_dask.ledger.evidence import RowsState, Verdict, still_there
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.naming import session_tag
from mapper_dask.resolved_job import resolved
from mapper_dask.retries import DEFAULT_LOCK_TIMEOUT
from mapper_dask.schema.facts import Column, TargetTable


@dataclass(frozen=True, slots=True)
class Held:
    """What a target held when a window had been read to its end."""

    greatest: str | None
    """Of the column, as the target writes it."""
    above: str | None = None
    """Its greatest value before."""
    rows: int | None = None
    """Rows above that; all that have a value where there was none before."""
    run_id: str | None = None
    """The job's last run that has loaded rows, in its target's ledger."""

    def to_text(self) -> str:
        """Return it as the ledger stores it."""
        return json.dumps(asdict(self))

    @property
    def before(self) -> Held:
        """What was held before the window was read, as far as that is known."""
        return Held(self.above)


def from_text(text: str | None) -> Held | None:
    """Return what the ledger has stored; None for nothing."""
    return None if text is None else Held(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Read:
    """A window of a job that was read to its end, in some run of its flow."""

    flow_run_id: str
    run_id: str | None
    """The job's run in its target's ledger."""
    high: str | None
    rows: int | None
    """Rows it has loaded, where that is noted."""
    held: str | None


@dataclass(frozen=True, slots=True)
class _Target:
    """A job's target, queried in an open session."""

    table: TargetTable
    column: Column | None
    """The one of the incremental column's name, where its values can be compared."""
    holdings: Holdings


def comparable(job: FlowJob) -> str:
    """Return why a watermark cannot be compared with the target; empty if it can.

    Raises
    ------
    DatabaseError
        The error of the target.
    """
    found = _ask(job, lambda target: "" if target.column is not None else _no_column(job, target))
    return "the target was not found" if found is None else found


def _no_column(job: FlowJob, target: _Target) -> str:
    name = job.incremental.column if job.incremental else ""
    return (
        f"{target.table.quoted} has no column {name!r} whose values can be compared: rows that are "
        "deleted there one by one are not missed, only those that go all at once"
    )


def noted(job: FlowJob, before: str | None, run_id: str | None) -> str | None:
    """Return what a job's target holds now, as the ledger stores it; None if it cannot be queried.

    Parameters
    ----------
    before
        What was stored for the window before.
    run_id
        The run that has loaded rows; None: none were new.
    """
    if not _is_checked(job):
        return None
    last = from_text(before) or Held(None)
    above, by = last.greatest, run_id or last.run_id

    def look(target: _Target) -> str | None:
        if target.column is None:
            return Held(None, run_id=by).to_text()
        found = target.holdings.look(target.table, target.column, None, above, count=True)
        if found.greatest == last.greatest:  # rows counted above it before still count
            return replace(last, run_id=by).to_text()
        return Held(found.greatest, above, found.rows, by).to_text()

    try:
        text: str | None = _ask(job, look)
    except DatabaseError:  # the rows are committed, whether or not they can be queried
        return None
    return text


def require(job: FlowJob, read: Read) -> tuple[str, ...]:
    """Return notes on what a target holds; refuse if rows are missing.

    Raises
    ------
    RowsGoneError
        When the target does not hold what the job has read: says what is missing, and what to do.
    """
    if not _is_checked(job) or read.high is None:
        return ()
    held = from_text(read.held)
    verdict = _storage(job, read, held)
    if read.rows is None and verdict is not None:
        read = replace(read, rows=verdict.loaded)
    try:
        return _ask(job, lambda target: _compared(job, read, held, target, verdict)) or ()
    except DatabaseError as error:
        if error.transient:
            raise
        return (
            (
                f"whether {job.job.target_table} still holds what run {read.flow_run_id!r} has "
                f"loaded could not be asked: {error}"
            ),
        )


def _is_checked(job: FlowJob) -> bool:
    return (
        job.incremental is not None
        and job.incremental.check_target
        and job.job.target_conn is not None
    )


def _storage(job: FlowJob, read: Read, held: Held | None) -> Verdict | None:
    """Return what is known of the table's storage; None where no run is known to have loaded."""
    target, run_id = resolved(job.job).loads_into, read.run_id if held is None else held.run_id
    stored = None if run_id is None else RunLedger(target, run_id).find()
    if stored is None:
        return None
    verdict = still_there(target, stored)
    if not verdict.holds:
        found = "not counted" if verdict.found is None else f"{verdict.found:,}"
        _refuse(job, read, f"{verdict.seen}; of {verdict.loaded:,} rows {found} are there")
    return verdict


def _compared(
    job: FlowJob, read: Read, held: Held | None, target: _Target, verdict: Verdict | None
) -> tuple[str, ...]:
    if read.rows and target.holdings.is_empty(target.table):
        _refuse(job, read, f"{target.table.quoted} is empty; {read.rows:,} rows were loaded")
    column, held = target.column, held or _expected(job, read)
    if column is None or held is None or held.greatest is None:
        if verdict is not None and verdict.state is RowsState.PLAUSIBLE:
            _refuse(job, read, verdict.note)
        return ()
    replaced = verdict is not None and bool(verdict.seen)
    count = held.rows is not None and (replaced or held.above is not None)
    found = target.holdings.look(target.table, column, held.greatest, held.above, count=count)
    if not found.reaches:
        what = "no value" if found.greatest is None else f"{found.greatest} as the greatest value"
        _refuse(
            job,
            read,
            f"{target.table.quoted} has {what} of {column.name!r}, it had {held.greatest}",
        )
    if count and found.rows is not None and held.rows is not None and found.rows < held.rows:
        above = f" above {held.above}" if held.above is not None else ""
        _refuse(
            job,
            read,
            f"{target.table.quoted} has {found.rows:,} rows{above} of {column.name!r}, it had "
            f"{held.rows:,}",
        )
    return ()


def _expected(job: FlowJob, read: Read) -> Held | None:
    """Return what the target must hold for a window without a record, such as after a kill.

    Values of another database, or that a function may have changed, can't be compared.
    """
    given = resolved(job.job)
    kinds = {dialect_for(ref).name for ref in (given.source, given.loads_into)}
    if not read.rows or job.job.transformation_logic is not None or len(kinds) > 1:
        return None
    return Held(read.high)


def _ask(job: FlowJob, question: Any) -> Any:
    """Return the answer to a query about a job's target; None where there is no table."""
    name = job.incremental.column if job.incremental else ""
    with open_target(resolved(job.job).loads_into, "target_conn") as target:
        table = target.target_table(job.job.target_schema, str(job.job.target_table))
        if table is None:
            return None
        target.begin_load(f"{session_tag(job.name)}:held", DEFAULT_LOCK_TIMEOUT)
        holdings = target.holdings()
        column = table.column(name)
        if column is not None and not holdings.comparable(column):
            column = None
        answer = question(_Target(table, column, holdings))
        target.rollback()
    return answer


def _refuse(job: FlowJob, read: Read, what: str) -> NoReturn:
    message = (
        f"job {job.name!r}: rows that run {read.flow_run_id!r} has loaded are gone: {what}. To "
        "read on from there would lose them. Restore them; or delete what is left of that run's "
        f"rows and let them be read again: rewind({read.flow_run_id!r}), mapper-dask rewind "
        f"{read.flow_run_id}; or load all anew: empty the table and give the flow another name; "
        "or, where rows of the target are deleted on purpose, set check_target=False"
    )
    raise RowsGoneError(message, field="incremental", run_id=read.flow_run_id, job=job.name)
