"""Plans a query: surveys it, chooses a strategy, computes bounds in the database, cuts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mapper_dask.connections import param_references as references
from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.dialects.opening import open_source
from mapper_dask.dialects.source import Source
from mapper_dask.errors import ConfigurationError
from mapper_dask.ledger.run_record import StoredPlan
from mapper_dask.mapper_job import MapperJob, required_job
from mapper_dask.parallel_models import (
    AUTO,
    DEFAULT_CHUNK_SIZE,
    Chunk,
    ChunkConfig,
    ChunkingStrategy,
    ChunkKind,
    ChunkSize,
)
from mapper_dask.plan import wire
from mapper_dask.plan.blame import in_users_text, while_cut
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.plan.chunk_size import wanted
from mapper_dask.plan.cost import PlanCost
from mapper_dask.plan.cost_survey import before_walking, of_chunks
from mapper_dask.plan.cutting import Cut, cut
from mapper_dask.plan.params import bound
from mapper_dask.plan.strategy import (
    Choice,
    choose,
    costs,
    detect_key,
    read_again,
    warnings,
    without_ranges,
)
from mapper_dask.plan.survey import Survey, survey
from mapper_dask.schema.facts import Estimate, SourceQuery
from mapper_dask.tracebacks import without_frames

NO_SNAPSHOT = "no guarantee of one state is given"
"""Beginning of the note on a plan whose rows no snapshot holds."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How a query is cut, and what that costs."""

    choice: Choice
    query: SourceQuery
    cut: Cut
    cost: PlanCost


class ChunkManager:
    """Plans how a query is cut into chunks.

    Parameters
    ----------
    chunk_size
        Rows wanted a chunk, where a call or a job names no other; ``"auto"`` for about 32 MB.
    """

    def __init__(self, chunk_size: ChunkSize = DEFAULT_CHUNK_SIZE) -> None:
        self.chunk_size = chunk_size

    @without_frames
    def plan(self, job: MapperJob) -> ChunkPlan:
        """Return the plan of a job: printable, saveable, read-only on both databases.

        Raises
        ------
        ConfigurationError
            When the job cannot run as it is written.
        DatabaseError
            The error of the source: unreachable, or bad SQL with its position.
        """
        job = required_job(job).validated()
        ref = reference(job.source_conn)
        with in_users_text(job, ref), _planning(ref, "source_conn") as source:
            job = bound(job, ref)
            plan = self.plan_on(source, job).evolve(again=_again(job))
            return plan.evolve(transport=wire.foreseen(job, plan, source.dialect))

    def plan_on(self, source: Source, job: MapperJob, snapshot: str | None = None) -> ChunkPlan:
        """Return the plan of a validated job, made inside the transaction of an open connection.

        Parameters
        ----------
        snapshot
            The state that the chunks are going to read.
        """
        opened = references.opened(job.source_sql, source.dialect.literal)
        seen = survey(source, opened.sql)
        for key in job.key_columns:
            seen.column(key, "key_column")
        held = job.consistent and not seen.elsewhere
        job = job.evolve(consistent=held)
        size = wanted(job.chunk_size, _read_estimate(source, seen, job), seen.selected(job.columns))
        with while_cut(source.dialect):
            plan = _settled(source, job, seen, snapshot, size.rows)
        config = ChunkConfig(
            plan.choice.strategy or ChunkingStrategy.KEY_BASED,
            size.rows,
            plan.cut.total_rows,
            sum(c.kind is not ChunkKind.NULL_KEY for c in plan.cut.chunks),
            plan.choice.keys,
            opened.without_values("; ".join(filter(None, [plan.choice.reason, size.why]))),
        )
        unfrozen = source.dialect.unfreezable(job.source_sql) if job.consistent else ""
        of_cost = [
            *plan.cut.warnings,
            *costs(seen, plan.choice, plan.cost, asked=bool(job.key_columns or job.strategy)),
            *read_again(seen, plan.choice),
        ]
        notes = [
            *([f"{NO_SNAPSHOT}: {seen.elsewhere}"] if seen.elsewhere else []),
            *([f"each chunk reads what is committed then: {unfrozen}"] if unfrozen else []),
            *warnings(seen, plan.choice),
            *of_cost,
            *source.changed_to_read(plan.query),
        ]
        return ChunkPlan(
            _meant(source, opened.sealed_query(plan.query)),
            config,
            tuple(plan.cut.chunks),
            job.consistent and not unfrozen,
            _target_name(job),
            warnings=tuple(map(opened.without_values, notes)),
            one_state=_one_state(seen, plan.cut.chunks),
            of_cost=tuple(map(opened.without_values, of_cost)),
        )

    def restore(
        self, source: Source, job: MapperJob, stored: StoredPlan, chunks: Sequence[Chunk]
    ) -> ChunkPlan:
        """Return a stored plan over the source as it is now; its chunks are never cut again."""
        opened = references.opened(job.source_sql, source.dialect.literal)
        seen = survey(source, opened.sql)
        strategy = ChunkingStrategy[stored.strategy]
        spliced = any(chunk.kind is ChunkKind.ROWID_RANGE for chunk in chunks)
        query = seen.source_query(stored.keys, job.columns, spliced=spliced)
        config = ChunkConfig(
            strategy,
            stored.chunk_size,
            stored.total_rows,
            len(chunks),
            stored.keys,
            stored.reason,
        )
        return ChunkPlan(
            opened.sealed_query(query),
            config,
            tuple(chunks),
            job.consistent and not seen.elsewhere,
            _target_name(job),
            warnings=stored.warnings,
            one_state=_one_state(seen, chunks),
        )

    def estimate_total_rows(self, conn: Any, source_sql: str) -> int:
        """Return how many rows a query gives: counted by the database."""
        with _planning(reference(conn), "conn") as source:
            seen = survey(source, source_sql)
            with source.errors():
                return source.count(seen.shape.sql)[0]

    def detect_key_column(self, conn: Any, source_sql: str) -> tuple[str, ...]:
        """Return the columns to cut a query by: from ORDER BY, then a primary key or unique index.

        Empty when there is none.
        """
        with _planning(reference(conn), "conn") as source:
            return detect_key(survey(source, source_sql))[0]

    def calculate_chunk_config(
        self,
        conn: Any,
        source_sql: str,
        *,
        key_column: str | Sequence[str] | None = None,
        strategy: ChunkingStrategy | str | None = None,
        chunk_size: ChunkSize | None = None,
    ) -> ChunkConfig:
        """Return how a query would be cut, into how many chunks, and why."""
        job = MapperJob(
            source_conn=conn,
            source_sql=source_sql,
            key_column=key_column,
            strategy=strategy,
            chunk_size=self.chunk_size if chunk_size is None else chunk_size,
        )
        return self.plan(job).config

    @without_frames
    def create_chunked_query(self, conn: Any, plan: ChunkPlan, chunk: Chunk | int) -> str:
        """Return the SQL that reads one chunk of a plan: the user's text, wrapped.

        Raises
        ------
        ConfigurationError
            When the plan has no such chunk.
        DatabaseError
            When the source cannot be reached.
        """
        wanted = chunk if isinstance(chunk, Chunk) else _numbered(plan, chunk)
        with _planning(reference(conn), "conn") as source:
            return source.chunk_query(plan.query, wanted)


def _numbered(plan: ChunkPlan, number: Any) -> Chunk:
    if not isinstance(number, int) or not 0 <= number < len(plan.chunks):
        message = (
            f"chunk must be one of plan.chunks, or a number from 0 to {len(plan.chunks) - 1}; "
            f"got {number!r}"
        )
        raise ConfigurationError(message, field="chunk")
    return plan.chunks[number]


@contextlib.contextmanager
def _planning(ref: ConnectionRef, field: str) -> Iterator[Source]:
    with open_source(ref, field, kept=True) as source:
        with source.errors(masked=True):
            source.begin_read(None)
        yield source


def _meant(source: Source, query: SourceQuery) -> SourceQuery:
    """Return a query that means in every session what it does in this one."""
    return replace(query, settings=source.meaning())


def _one_state(seen: Survey, chunks: Sequence[Chunk]) -> bool:
    """Return whether chunks cover a query only when all of them read one state of it."""
    kinds = {chunk.kind for chunk in chunks}
    moving = ChunkKind.ROWID_RANGE in kinds and not seen.stable_addresses
    return len(chunks) > 1 and (moving or ChunkKind.WINDOW in kinds)


def _strategy(job: MapperJob) -> ChunkingStrategy | None:
    return job.strategy if isinstance(job.strategy, ChunkingStrategy) else None


AGAIN = (
    "a second run appends the same rows again; under one run_id it resumes the first, or reports it"
)


def _again(job: MapperJob) -> str:
    """Return a plan's note on running its job twice: only an append without a name doubles rows."""
    appends = job.target_table is not None and job.write_disposition == "append"
    return AGAIN if appends and job.run_id is None else ""


def _target_name(job: MapperJob) -> str | None:
    return ".".join(part for part in (job.target_schema, job.target_table) if part) or None


def _read_estimate(source: Source, seen: Survey, job: MapperJob) -> Estimate:
    """Return the estimate for the columns that are read."""
    if job.chunk_size != AUTO or job.columns is None:
        return seen.estimate
    query = seen.source_query((), job.columns, spliced=False)
    with source.errors():
        return source.estimate(source.chunk_query(query, Chunk(0, ChunkKind.WHOLE)))


def _settled(
    source: Source, job: MapperJob, seen: Survey, snapshot: str | None, size: int
) -> Settled:
    """Return how a query is cut: as the user says, else by ranges of a key where they are cheap."""
    choice = choose(seen, strategy=_strategy(job), keys=job.key_columns, consistent=job.consistent)
    by_range = choice.strategy is ChunkingStrategy.KEY_BASED
    free = by_range and job.strategy is None and not job.key_columns
    query = _query(seen, choice, job)
    if free:
        cost = before_walking(source, seen, query, size)
        if cost.is_too_much:
            return _read_once(source, job, seen, choice, cost, size)
    made = cut(source, seen, choice, source.dialect.as_of(query, snapshot), size)
    cost = of_chunks(source, seen, query, made.chunks)
    if free and cost.is_too_much:
        return _read_once(source, job, seen, choice, cost, size)
    return Settled(choice, query, made, cost)


def _read_once(
    source: Source, job: MapperJob, seen: Survey, choice: Choice, cost: PlanCost, size: int
) -> Settled:
    choice = without_ranges(seen, choice.keys, cost, consistent=job.consistent)
    query = _query(seen, choice, job)
    made = cut(source, seen, choice, query, size)
    return Settled(choice, query, made, PlanCost(1, 1.0, seen.estimate))


def _query(seen: Survey, choice: Choice, job: MapperJob) -> SourceQuery:
    """Return the query as the chunks of a choice read it."""
    spliced = choice.strategy is ChunkingStrategy.ROWID_BASED
    return seen.source_query(choice.keys, job.columns, spliced=spliced)
