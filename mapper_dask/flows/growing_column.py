"""The growing column of a source: its requirements, and how a user's values are parsed."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation, localcontext
from typing import Any, NoReturn

from mapper_dask.connections import param_references as references
from mapper_dask.dialects.snapshot import keep_snapshot
from mapper_dask.dialects.watermarks import Watermarks
from mapper_dask.errors import ConfigurationError
from mapper_dask.flow import FlowJob
from mapper_dask.incremental import MOST_DIGITS, Incremental, is_counted
from mapper_dask.near import did_you_mean
from mapper_dask.plan.survey import described
from mapper_dask.resolved_job import resolved
from mapper_dask.schema.facts import Column, TypeFamily

TIMES = (TypeFamily.DATE, TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ)

NUMBERS = (TypeFamily.INTEGER, TypeFamily.DECIMAL)

MICROSECONDS = 6
"""Digits of a second behind which no writer's clock sees two rows at a time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A column at the source, queried in an open session."""

    sql: str
    """The user's query, without a closing semicolon."""
    column: Column
    never_null: bool
    marks: Watermarks
    opened: references.Opened
    """What hides the values of references in it again."""


@contextlib.contextmanager
def looking(job: FlowJob, incremental: Incremental, run_id: str) -> Iterator[Seen]:
    """Lend the column at the source, in one session."""
    source = resolved(job.job).source
    with keep_snapshot(source, consistent=False, run_id=run_id) as keeper:
        session = keeper.source
        hidden = references.opened(job.job.source_sql, session.dialect.literal)
        shape, columns = described(session, hidden.sql)
        column = _column(job, incremental, columns)
        with session.errors():
            # What a join adds may be NULL, whatever the table it comes from says.
            never_null = shape.table is not None and column.not_null
            yield Seen(shape.sql, column, never_null, session.watermarks(), hidden)


def _column(job: FlowJob, incremental: Incremental, columns: Sequence[Column]) -> Column:
    found = next((column for column in columns if column.name == incremental.column), None)
    if found is None:
        names = [column.name for column in columns]
        meant = did_you_mean(incremental.column, names)
        what = f"{incremental.column!r} is no column; it has: {', '.join(names)}"
        refuse(job, "incremental.column", f"{what}{meant}")
    if found.family not in (*TIMES, *NUMBERS) or not found.key_type:
        refuse(
            job,
            "incremental.column",
            f"{found.name!r} is of the type {found.type_name}; it must be a date, a timestamp, an "
            "integer or an exact decimal. Cast it in the query, where that keeps its order",
        )
    overlap = incremental.overlap
    if incremental.overlaps and isinstance(overlap, dt.timedelta) is not (found.family in TIMES):
        wanted = "a time" if found.family in TIMES else "a number"
        refuse(
            job,
            "incremental.overlap",
            f"must be {wanted}, as {found.name!r} is of the type {found.type_name}: {overlap!r}",
        )
    _require_edge(job, incremental, found)
    return found


def is_coarse(column: Column) -> bool:
    """Return whether rows that come later can have the greatest value that there is."""
    digits = column.precision if column.family is not TypeFamily.DATE else 0
    return column.family in TIMES and digits is not None and digits < MICROSECONDS


def _require_edge(job: FlowJob, incremental: Incremental, column: Column) -> None:
    """Refuse a column whose last value may get more rows, if they could not be distinguished."""
    appends = job.job.target_conn is not None and job.job.write_disposition != "merge"
    if appends and is_coarse(column) and incremental.range_end == "closed":
        refuse(
            job,
            "incremental.column",
            f"{column.name!r} is of the type {column.type_name}: rows that come later can have the "
            "greatest value that was read, and append can't tell them from those that are there. "
            "Use write_disposition='merge' with a primary_key, which reads that value again; or a "
            "column with microseconds; or range_end='open', which leaves the greatest value out "
            "until there is a greater one",
        )


def require_values(job: FlowJob, seen: Seen) -> None:
    """Refuse rows without a value if they would be lost, or doubled by each run."""
    if job.job.write_disposition == "merge" or seen.never_null:
        return
    rows, name = seen.marks.nulls(seen.sql, seen.column), seen.column.name
    if rows:
        refuse(
            job,
            "incremental.column",
            f"{name!r} is NULL in {rows:,} rows, of which nobody can tell whether they are new. "
            f"Give them a value (COALESCE), leave them out (WHERE {name} IS NOT NULL), or use "
            "write_disposition='merge', which reads them in each run",
        )


def start_of(job: FlowJob, incremental: Incremental, seen: Seen) -> str | None:
    """Return where the first run begins, as the database writes it."""
    if incremental.start is None:
        return None
    try:
        text = _start_text(incremental.start, seen.column)
    except ValueError as error:
        refuse(
            job,
            "incremental.start",
            f"{str(incremental.start)[:100]!r} is no value of {seen.column.type_name}: {error}; "
            f"{_as_start(seen.column)}",
        )
    return seen.marks.canonical(seen.column, text)


def _as_start(column: Column) -> str:
    """Return how a start is written that the column could hold."""
    if column.family in NUMBERS:
        return "write a number, as in start=1000, or leave start out to begin with every row"
    return (
        "write a time, as in start='2024-01-31' or start='2024-01-31 23:59:00', or leave start out "
        "to begin with every row"
    )


def _start_text(start: Any, column: Column) -> str:
    """Return a user's value as text that both databases read; raise ValueError for what is none."""
    if column.family in NUMBERS:
        return _number_text(start, whole=column.family is TypeFamily.INTEGER)
    return _time_text(start, column)


def _number_text(start: Any, *, whole: bool) -> str:
    what = "it is no number"
    if isinstance(start, (bool, dt.date)):
        raise ValueError(what)  # noqa: TRY004 - of a value, not of an argument
    try:
        number = Decimal(str(start).strip())
    except InvalidOperation:
        raise ValueError(what) from None
    if not number.is_finite():
        raise ValueError(what)
    if not is_counted(number):
        what = "it has too many digits"
        raise ValueError(what)
    with localcontext(prec=2 * MOST_DIGITS):
        return f"{number.to_integral_value(ROUND_FLOOR) if whole else number:f}"


def _time_text(start: Any, column: Column) -> str:
    what = ""
    if isinstance(start, str):
        what = "it has more than six digits of a second" if re.search(r"[.,]\d{7}", start) else ""
        start = _read_time(start)
    if isinstance(start, dt.date) and not isinstance(start, dt.datetime):
        start = dt.datetime.combine(start, dt.time())
    if not isinstance(start, dt.datetime):
        what = "it is no time"
    elif start.tzinfo is not None and column.family is not TypeFamily.TIMESTAMP_TZ:
        what = "it has a zone, the column has none"
    if what:
        raise ValueError(what)
    if start.tzinfo is not None:
        start = start.astimezone(dt.UTC).replace(tzinfo=None)
    whole = column.family is TypeFamily.DATE or column.key_type == "date"
    return str(start.isoformat(" ", "seconds" if whole else "microseconds"))


def _read_time(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text.strip())
    except ValueError:
        what = "it is no time"
        raise ValueError(what) from None


def refuse(job: FlowJob, field: str, what: str) -> NoReturn:
    """Raise what is wrong with a field of a job."""
    message = f"job {job.name!r}: {field} {what}"
    raise ConfigurationError(message, field=field, job=job.name)
