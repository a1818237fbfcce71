"""Checks a run before its first row is moved, and returns the task of its chunks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import pyarrow as pa

from mapper_dask.chunk import extract, transform
from mapper_dask.chunk.blame import of_query
from mapper_dask.chunk.encode import incoming_of, series_to_arrow
from mapper_dask.chunk.measure import TIMES
from mapper_dask.chunk.task import ChunkTask, LoadTask, ReadTask
from mapper_dask.connections.param_references import opened_query
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.opening import open_target
from mapper_dask.dialects.snapshot import Keeper
from mapper_dask.errors import ConfigurationError, DatabaseError, MapperError, TargetError
from mapper_dask.ledger.evidence import caveats
from mapper_dask.ledger.rejects import REASON
from mapper_dask.mapper_job import MapperJob
from mapper_dask.naming import session_tag
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.plan import wire
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.preflight.appended_twice import doubled
from mapper_dask.preflight.grants import require_grants
from mapper_dask.preflight.misfits import remedy
from mapper_dask.preflight.misread import misread
from mapper_dask.preflight.missing_target import missing
from mapper_dask.preflight.staging import publication_for
from mapper_dask.preflight.target_hazards import hazard_notes
from mapper_dask.preflight.unfit_keys import unfit_keys
from mapper_dask.preflight.unlearned import Unlearned
from mapper_dask.resolved_job import ResolvedJob
from mapper_dask.retries import RetryPolicy
from mapper_dask.schema.batches import Most
from mapper_dask.schema.conversions import (
    Conversion,
    Exactness,
    Incoming,
    incoming_from_column,
    judge,
)
from mapper_dask.schema.facts import Column, Publication, SourceQuery, TargetTable, TypeFamily
from mapper_dask.users_code import code_of

SAMPLE_ROWS = 100
"""Rows on which the function is called beforehand, to learn the columns it returns."""

ASKING_LOCK_TIMEOUT = 1.0
"""Seconds to wait for a locked target when it is only checked."""

ADD = ": leave it out of source_sql or of what the function returns, or add it to the table"

PIECES = 2
"""A chunk up to this many times its size passes the function whole, since bounds are inexact."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that has passed all checks."""

    plan: ChunkPlan
    """With the facts of the target added."""
    task: ChunkTask
    publication: Publication | None = None
    """How staged rows are published; None if they are loaded directly."""

    @property
    def passes_bytes(self) -> bool:
        """Whether rows are sent undecoded from one database to the other."""
        return self.task.load is not None and self.task.load.relay is not None


def prepare(
    given: ResolvedJob, plan: ChunkPlan, keeper: Keeper, retry_policy: RetryPolicy
) -> Prepared:
    """Return the task of the chunks, after all checks.

    The function is called here once, on at most 100 rows of the first chunk, to learn its columns.

    Raises
    ------
    TargetError
        When the table is missing, lacks a column, has one of another kind, or needs one that is
        not filled.
    """
    job, source, target, run_id = given.job, given.source, given.target, given.run_id
    _require_own_mark(job, plan.query)
    task = _task(given, plan, keeper, retry_policy)
    if target is None:
        return Prepared(plan, task)
    _require_direct_path(job, target)
    known = plan.query.columns if job.transformation_logic is None else None
    require_grants(job, target, None if known is None else tuple(c.name for c in known))
    table = target_table(given, plan.query)
    learned = _outgoing(job, plan, keeper, table)
    if isinstance(learned, Unlearned) and job.staged:
        raise learned.refusal(job) from learned.cause
    outgoing = None if isinstance(learned, Unlearned) else learned
    same = dialect_for(target).name == keeper.source.dialect.name

    def mend(incoming: Incoming, column: Column) -> str:
        return remedy(incoming, column, plan.query, keeper.source.dialect, same=same)

    conversions = _checked(outgoing, table, mend) if outgoing is not None else ()
    notes = dict.fromkeys((*plan.warnings, *caveats(target, table)))
    plan = plan.evolve(target=table.quoted, conversions=conversions, warnings=tuple(notes))
    names = None if outgoing is None else tuple(outgoing)
    quote = dialect_for(target).quote
    publication = publication_for(
        job, table, names, run_id, quote, task.keys, lambda: unfit_keys(target, table)
    )
    twice = doubled(job, plan.query, source, target, table, run_id)
    about = (*hazard_notes(job, target, table, publication), *twice)
    plan = plan.evolve(warnings=(*plan.warnings, *about))
    ends = keeper.source.dialect, dialect_for(target)
    relay = wire.relay(job, plan, *ends, table)
    plan = plan.evolve(transport=wire.transport(job, plan, *ends, table, names))
    if publication is None and names:
        _require_taken(target, table, names)
    if publication is not None:
        name = publication.chunk_column
        chunk = dialect_for(target).chunk_column(name) if name else None
        table = replace(
            table, staging=publication.staging, chunk_column=chunk, staged_key=publication.key
        )
    load = LoadTask(run_id, target, table, names, relay, retry_policy.lock_timeout, job.direct_path)
    noted = frozenset(plan.notes)
    read = task.read
    if restarts(keeper.source.dialect, keeper.snapshot, publication):
        read = replace(read, needs_snapshot=True)
    return Prepared(plan, replace(task, read=read, load=load, known_notes=noted), publication)


def _task(
    given: ResolvedJob, plan: ChunkPlan, keeper: Keeper, retry_policy: RetryPolicy
) -> ChunkTask:
    """Return a task that reads and transforms, and does not load."""
    job = given.job
    read = ReadTask(
        given.source,
        plan.query,
        PIECES * plan.config.chunk_size,
        snapshot=keeper.snapshot,
        needs_snapshot=plan.one_state,
        one_state=plan.one_state and keeper.snapshot is not None,
        tag=session_tag(given.run_id),
    )
    return ChunkTask(
        read,
        None,
        job.transformation_logic,
        job.dtype_backend,
        code_of(job.transformation_logic),
        retry_policy.attempts,
        job.reject_limit,
        connection_wait=retry_policy.connection_wait,
    )


def restarts(dialect: Dialect, snapshot: str | None, publication: Publication | None) -> bool:
    """Return whether a run restarts when the source loses its snapshot.

    Staged rows can be dropped; loaded ones cannot. A snapshot that a session keeps is lost only
    with that session, and so would be the next.
    """
    kept = dialect.capabilities.kept_snapshots
    return snapshot is not None and publication is not None and not kept


def _require_own_mark(job: MapperJob, query: SourceQuery) -> None:
    """Refuse a query with a column of the name by which a function marks rows."""
    if job.transformation_logic is not None and any(c.name == REASON for c in query.columns):
        message = (
            f"source_sql: a function marks rows to be rejected in a column {REASON!r}, and the "
            "query has one of that name; name it otherwise, as in "
            f"{REASON} AS reason"
        )
        raise ConfigurationError(message, field="source_sql")


def _require_direct_path(job: MapperJob, target: ConnectionRef) -> None:
    dialect = dialect_for(target, "target_conn")
    if job.direct_path and not dialect.capabilities.direct_path:
        message = f"direct_path: {dialect.name} has none; leave it out, COPY is fast"
        raise TargetError(message, field="direct_path")


def target_table(given: ResolvedJob, query: SourceQuery) -> TargetTable:
    """Return the table that receives a job's rows.

    Raises
    ------
    TargetError
        When there is none; names what has its name, or a statement that creates it.
    """
    job, target = given.job, given.loads_into
    with open_target(target, "target_conn") as session:
        table = session.target_table(job.target_schema, str(job.target_table))
        if table is None:
            raise missing(given, session, query)
    return table


def _require_taken(target: ConnectionRef, table: TargetTable, names: Sequence[str]) -> None:
    """Check in the database that it takes rows with these columns, by loading none.

    Only the database knows of a view without a trigger, or a missing right. Transient errors, such
    as a lock, and interrupted checks, such as by a timeout, are left to the chunks.
    """
    columns = [column for name in names if (column := table.column(name)) is not None]
    no_rows = pa.table({column.name: pa.array([], column.arrow) for column in columns})
    try:
        with open_target(target, "target_conn") as session:
            session.begin_load("", ASKING_LOCK_TIMEOUT)
            session.load(table, no_rows)
    except DatabaseError as error:
        if not error.transient and not error.details.get("interrupted"):
            message = f"target_table {table.quoted} takes no rows: {error}"
            raise TargetError(message, field="target_table", sqlstate=error.sqlstate) from None


def _outgoing(
    job: MapperJob, plan: ChunkPlan, keeper: Keeper, table: TargetTable
) -> dict[str, Incoming] | Unlearned:
    """Return the incoming type of each column, or why the function's columns are not known."""
    if job.transformation_logic is None:
        return {column.name: incoming_from_column(column) for column in plan.query.columns}
    unlearned = None
    for rows in (SAMPLE_ROWS, 0):  # an empty frame only if the rows do not show the columns
        sample = _sample(plan, keeper, rows)
        try:
            frame = transform.to_frame(sample, plan.query.columns, job.dtype_backend)
            result = transform.apply(job.transformation_logic, frame)
            result = result.drop(columns=REASON, errors="ignore")
            as_text = extract.text_columns(plan.query.columns, sample)
            read = {column.name: column for column in plan.query.columns}
            return {
                name: misread(result[name], table.column(name), plan.query.columns, sample)
                or _one_outgoing(
                    result[name],
                    table.column(name),
                    read.get(name),
                    sample[name] if name in read else None,
                    as_text,
                )
                for name in result.columns
            }
        except MapperError as error:  # maybe of these rows only: then their chunk raises it
            if error.details.get("of_every_row"):  # of a mapping itself, whatever the rows
                raise ConfigurationError(error.message, field=error.details["field"]) from None
            unlearned = unlearned or Unlearned(error, sample.num_rows)
            if not sample.num_rows:
                break
    assert unlearned is not None  # noqa: S101 - each round returns, or has failed
    return unlearned


def _one_outgoing(
    series: pd.Series,
    target: Column | None,
    source: Column | None,
    given: pa.ChunkedArray | None,
    as_text: Collection[str],
) -> Incoming:
    """Return a column's incoming type: its source column's, if the function passed that on."""
    array, incoming = series_to_arrow(series, target)
    texts = incoming.family is TypeFamily.TEXT
    if source is None or target is None or not (texts or incoming.family in TIMES):
        return incoming
    if texts and source.name in as_text and source.family is not target.family:
        return Incoming(None, "text of the database's own")  # other chunks may have its own type
    if not _passed_on(array, given):
        return Incoming(None, "text") if texts and source.name in as_text else incoming
    if not texts:
        return incoming_of(array.type, source) if incoming.family is source.family else incoming
    sent = incoming_from_column(source)
    impossible = judge(sent, target).verdict is Exactness.IMPOSSIBLE
    # Without a value it is not known whether the function passes on its input.
    return incoming if impossible and array.null_count == len(array) else sent


def _passed_on(array: pa.ChunkedArray, given: pa.ChunkedArray | None) -> bool:
    """Return whether every value is one of the function's input."""
    return given is not None and set(array.to_pylist()) <= {None, *given.to_pylist()}


def _sample(plan: ChunkPlan, keeper: Keeper, rows: int) -> pa.Table:
    """Return some rows of the first chunk; a refused query has the same error as in a chunk."""
    source = keeper.source
    try:
        return _first_rows(plan, keeper, rows)
    except DatabaseError as error:
        remedy = partial(extract.remedy_of, source, plan.query.sql)
        raise of_query(error, source.dialect, remedy) from None


def _first_rows(plan: ChunkPlan, keeper: Keeper, rows: int) -> pa.Table:
    source, dialect = keeper.source, keeper.source.dialect
    with source.errors():
        query = opened_query(plan.query, dialect.literal)
        first = Chunk(0, ChunkKind.WHOLE) if plan.spooled else plan.chunks[0]
        sql = dialect.first_rows(source.chunk_query(query, first), rows)
        read = source.read(sql, plan.query.columns, most=Most(max(rows, 1)), strict=False)
        return next(read)


def _checked(
    outgoing: dict[str, Incoming], table: TargetTable, mend: Callable[[Incoming, Column], str]
) -> tuple[Conversion, ...]:
    """Return lossy conversions; refuse all columns that cannot be loaded in one error."""
    faults = _missing(list(outgoing), table)
    judged = []
    for name, incoming in outgoing.items():
        column = table.column(name)
        if column is None:
            continue
        judged.append(judge(incoming, column))
        if judged[-1].verdict is Exactness.IMPOSSIBLE:
            faults.append(f"{name!r}: {judged[-1].note}{mend(incoming, column)}")
    if faults:
        message = f"the rows do not fit target_table {table.quoted}: {'; '.join(faults)}"
        raise TargetError(message, field="target_table")
    return tuple(c for c in judged if c.verdict is Exactness.LOSSY)


def _missing(names: Sequence[str], table: TargetTable) -> list[str]:
    faults = [f"it has no column {name!r}" for name in names if table.column(name) is None]
    if faults:
        faults[-1] += f" (it has {', '.join(c.name for c in table.columns)}){ADD}"
    faults += [
        f"{c.name!r} is computed by the database and takes no values: leave it out of source_sql "
        "or of what the function returns"
        for c in table.columns
        if c.generated and c.name in names
    ]
    faults += [
        f"{c.name!r} is NOT NULL without a default and nothing fills it: add it to source_sql, or "
        "to what the function returns"
        for c in table.columns
        if _unfilled(c, names)
    ]
    return faults


def _unfilled(column: Column, names: Sequence[str]) -> bool:
    return (
        column.not_null
        and not column.has_default
        and not column.generated
        and column.name not in names
    )
