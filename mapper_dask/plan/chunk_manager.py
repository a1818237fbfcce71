"""From a query to its plan: surveys it, chooses a way, asks the database for bounds, cuts."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapper_dask.connections import ConnectionRef, engine_for, raw_connection, reference
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.facts import SourceQuery
from mapper_dask.errors import PlanError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import (
    DEFAULT_CHUNK_SIZE,
    Chunk,
    ChunkConfig,
    ChunkingStrategy,
    ChunkKind,
)
from mapper_dask.plan import key_space
from mapper_dask.plan.chunk_plan import MANY_CHUNKS, ChunkPlan
from mapper_dask.plan.strategy import Choice, choose, detect_key, warnings
from mapper_dask.plan.survey import Survey, attempt, survey

COUNTED_ROWS = 1_000_000
"""Up to this many expected rows every key is walked (about 0.3 s); beyond, a sample is."""

SAMPLE_A_CHUNK = 300
"""Sampled keys a chunk: its size is then right within about 6% (one standard deviation)."""

LARGEST_SAMPLE = 1_000_000
"""Keys sampled at most."""

MIN_RANGES = 4
"""With fewer chunks, reading the whole query once for each is no matter."""

MIN_ROWS = 10_000
"""Smaller tables are read whole in the time an index would take."""

COSTLY_SHARE = 0.5
"""A chunk that costs half of all is not reached through an index."""

HEAVY_NAMED = 3
"""Heavy keys named in a plan."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What cutting a query gave."""

    chunks: Sequence[Chunk]
    total_rows: int
    warnings: Sequence[str] = ()


class ChunkManager:
    """Plans how a query is cut into chunks.

    Parameters
    ----------
    chunk_size
        Rows wanted a chunk, where a call or a job names no other.
    """

    def __init__(self, chunk_size: int = DEFAULT_CHUNK_SIZE) -> None:
        self.chunk_size = chunk_size

    def plan(self, job: MapperJob) -> ChunkPlan:
        """Return the plan of a job: printable, saveable, read-only on both databases.

        Raises
        ------
        ConfigurationError
            When the job cannot run as it is written.
        DatabaseError
            What the source answered: unreachable, or bad SQL with its position.
        """
        job = job.validated()
        with _planning(reference(job.source_conn)) as (dialect, conn):
            return self.plan_on(dialect, conn, job)

    def plan_on(
        self, dialect: Dialect, conn: Any, job: MapperJob, snapshot: str | None = None
    ) -> ChunkPlan:
        """Return the plan of a validated job, made inside the transaction of an open connection.

        Parameters
        ----------
        snapshot
            The state that the chunks are going to read.
        """
        seen = survey(dialect, conn, job.source_sql)
        for key in job.key_columns:
            seen.column(key, "key_column")
        choice = choose(
            seen, strategy=_strategy(job), keys=job.key_columns, consistent=job.consistent
        )
        spliced = choice.strategy is ChunkingStrategy.ROWID_BASED
        query = seen.source_query(choice.keys, job.columns, spliced=spliced)
        frozen = dialect.as_of(query, snapshot)
        cut = _cut(dialect, conn, seen, choice, frozen, job.chunk_size)
        config = ChunkConfig(
            choice.strategy or ChunkingStrategy.KEY_BASED,
            job.chunk_size,
            cut.total_rows,
            sum(c.kind is not ChunkKind.NULL_KEY for c in cut.chunks),
            choice.keys,
            choice.reason,
        )
        unfrozen = dialect.unfreezable(job.source_sql) if job.consistent else ""
        notes = [
            *([f"each chunk reads what is committed then: {unfrozen}"] if unfrozen else []),
            *warnings(seen, choice),
            *cut.warnings,
            *_cost_warning(dialect, conn, seen, query, cut.chunks),
        ]
        return ChunkPlan(
            query,
            config,
            tuple(cut.chunks),
            job.consistent and not unfrozen,
            _target_name(job),
            warnings=tuple(notes),
        )

    def restore(
        self,
        dialect: Dialect,
        conn: Any,
        job: MapperJob,
        stored: Mapping[str, Any],
        chunks: Sequence[Chunk],
    ) -> ChunkPlan:
        """Return a stored plan over the source as it is now; its chunks are never cut anew."""
        seen = survey(dialect, conn, job.source_sql)
        strategy = ChunkingStrategy[stored["strategy"]]
        spliced = any(chunk.kind is ChunkKind.ROWID_RANGE for chunk in chunks)
        query = seen.source_query(stored["keys"], job.columns, spliced=spliced)
        config = ChunkConfig(
            strategy,
            stored["chunk_size"],
            stored["total_rows"],
            len(chunks),
            tuple(stored["keys"]),
            stored["reason"],
        )
        return ChunkPlan(
            query,
            config,
            tuple(chunks),
            job.consistent,
            _target_name(job),
            warnings=tuple(stored["warnings"]),
        )

    def estimate_total_rows(self, conn: Any, source_sql: str) -> int:
        """Return how many rows a query gives: counted by the database."""
        with _planning(reference(conn)) as (dialect, raw):
            seen = survey(dialect, raw, source_sql)
            with dialect.errors():
                return dialect.count(raw, seen.shape.sql)[0]

    def detect_key_column(self, conn: Any, source_sql: str) -> tuple[str, ...]:
        """Return the columns to cut a query by: from ORDER BY, then a primary key or unique index.

        Empty when nothing offers itself.
        """
        with _planning(reference(conn)) as (dialect, raw):
            return detect_key(survey(dialect, raw, source_sql))[0]

    def calculate_chunk_config(
        self,
        conn: Any,
        source_sql: str,
        *,
        key_column: str | Sequence[str] | None = None,
        strategy: ChunkingStrategy | str | None = None,
        chunk_size: int | None = None,
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

    def create_chunked_query(self, conn: Any, plan: ChunkPlan, chunk: Chunk | int) -> str:
        """Return the SQL that reads one chunk of a plan: the user's text, wrapped."""
        wanted = plan.chunks[chunk] if isinstance(chunk, int) else chunk
        with _planning(reference(conn)) as (dialect, raw):
            return dialect.chunk_query(raw, plan.query, wanted)


@contextlib.contextmanager
def _planning(ref: ConnectionRef) -> Iterator[tuple[Dialect, Any]]:
    dialect = dialect_for(ref)
    with raw_connection(engine_for(ref, connect_args=dialect.connect_args())) as conn:
        with dialect.errors(ref.resolve()):
            dialect.begin_read(conn, None)
        yield dialect, conn


def _strategy(job: MapperJob) -> ChunkingStrategy | None:
    return job.strategy if isinstance(job.strategy, ChunkingStrategy) else None


def _target_name(job: MapperJob) -> str | None:
    return ".".join(part for part in (job.target_schema, job.target_table) if part) or None


def _cut(
    dialect: Dialect, conn: Any, seen: Survey, choice: Choice, query: SourceQuery, size: int
) -> Cut:
    with dialect.errors():
        match choice.strategy:
            case ChunkingStrategy.KEY_BASED:
                return _cut_by_key(dialect, conn, seen, query, size)
            case ChunkingStrategy.ROWID_BASED:
                return _cut_by_block(dialect, conn, seen, size)
            case ChunkingStrategy.OFFSET_LIMIT:
                return _cut_by_offset(dialect, conn, seen, query, size)
    return Cut(key_space.whole(seen.estimate.rows), seen.estimate.rows)


def _cut_by_key(dialect: Dialect, conn: Any, seen: Survey, query: SourceQuery, size: int) -> Cut:
    _require_order(dialect, conn, query)
    names = [key.name for key in query.keys]
    share = _share(seen.estimate.rows, size)
    known = _from_statistics(dialect, conn, seen, query, size) if share < 1 else None
    if known is not None:
        return known
    sql = query.sql if share == 1 else _sampled(dialect, seen, query, share)
    total, keyed = dialect.count(conn, sql, names)
    if (
        share < 1 and total < SAMPLE_A_CHUNK
    ):  # the estimate was far too high: walk every key instead
        share, sql = 1.0, query.sql
        total, keyed = dialect.count(conn, sql, names)
    marks = dialect.key_marks(conn, sql, query.keys, max(1, round(size * share)))
    nulls = None if seen.never_null(names) else round((total - keyed) / share)
    rows = round(keyed / share)
    chunks = key_space.key_chunks(marks, rows=rows, rows_per_position=1 / share, nulls=nulls)
    heavy = key_space.heavy_keys(marks, size)
    return Cut(
        chunks,
        round(total / share),
        [*_heavy_warning(heavy, size), *_null_warning(nulls, size), *_many(chunks)],
    )


def _from_statistics(
    dialect: Dialect, conn: Any, seen: Survey, query: SourceQuery, size: int
) -> Cut | None:
    """Return what the table's statistics allow without reading it, None when too coarse."""
    names = [key.name for key in query.keys]
    column = seen.shape.table_column(names[0])
    if not seen.shape.whole_table or len(names) > 1 or column is None:
        return None
    with attempt(dialect, conn) as refusals:
        histogram = dialect.histogram(conn, str(seen.shape.table), column)
    rows = seen.estimate.rows
    marks = [] if refusals else key_space.thinned(histogram, rows=rows, size=size)
    if not marks:
        return None
    nulls = None if seen.never_null(names) else 0
    chunks = key_space.key_chunks(marks, rows=rows, rows_per_position=1, nulls=nulls)
    return Cut(chunks, rows, _many(chunks))


def _sampled(dialect: Dialect, seen: Survey, query: SourceQuery, share: float) -> str:
    splice = seen.shape.splice if seen.has_row_addresses else None
    return dialect.sampled(SourceQuery(query.sql, query.columns, query.keys, splice), share * 100)


def _share(rows: int, size: int) -> float:
    if rows <= COUNTED_ROWS:
        return 1.0
    return min(1.0, min(SAMPLE_A_CHUNK * rows / size, LARGEST_SAMPLE) / rows)


def _require_order(dialect: Dialect, conn: Any, query: SourceQuery) -> None:
    """Let the database say whether it can order by the key, before anything is built on it."""
    with attempt(dialect, conn) as refusals:
        dialect.key_marks(conn, dialect.first_rows(query.sql, 0), query.keys, 1)
    unfit = [key for key in query.keys if not key.key_type]
    if refusals or unfit:
        names = ", ".join(f"{key.name} ({key.type_name})" for key in unfit or query.keys)
        message = f"key_column {names} cannot be cut by: {[*refusals, 'it is a row type'][0]}"
        raise PlanError(message, field="key_column")


def _cut_by_block(dialect: Dialect, conn: Any, seen: Survey, size: int) -> Cut:
    blocks = seen.relation.blocks if seen.relation else 0
    rows = seen.estimate.rows
    starts = key_space.block_starts(blocks, math.ceil(rows / size)) if blocks else []
    bounds = dialect.address_bounds(conn, str(seen.shape.table), blocks, starts)
    even = len(bounds) == len(starts)
    ends = [*starts[1:], blocks] if starts else []
    shares = [(b - a) / blocks for a, b in zip(starts, ends, strict=True)]
    sized = [
        (bound, round(rows * (share if even else 1 / len(bounds))))
        for bound, share in zip(bounds, shares, strict=False)
    ]
    chunks = key_space.block_chunks(sized)
    return Cut(
        chunks,
        rows,
        [
            "row addresses move when rows are updated: a resumed run reads the table as it is then",
            *_many(chunks),
        ],
    )


def _cut_by_offset(dialect: Dialect, conn: Any, seen: Survey, query: SourceQuery, size: int) -> Cut:
    names = tuple(key.name for key in query.keys)
    proven = any(set(key) <= set(names) for key in seen.unique_keys)
    _require_order(dialect, conn, query)
    if not proven and dialect.has_duplicates(conn, query.sql, names):
        message = (
            f"OFFSET_LIMIT needs a unique order, and rows share the same {', '.join(names)}; "
            "pass key_column with columns that tell all rows apart, or use KEY_BASED"
        )
        raise PlanError(message, field="key_column")
    total, _ = dialect.count(conn, query.sql)
    return Cut(key_space.windows(total, size), total)


def _heavy_warning(heavy: Sequence[key_space.Heavy], size: int) -> list[str]:
    if not heavy:
        return []
    largest = sorted(heavy, key=lambda h: -h.rows)[:HEAVY_NAMED]
    named = ", ".join(f"{', '.join(h.key)} (over {h.rows:,} rows)" for h in largest)
    return [f"{len(heavy)} key(s) alone fill more than a chunk of {size:,}: {named}"]


def _null_warning(nulls: int | None, size: int) -> list[str]:
    return (
        [f"about {nulls:,} rows have a NULL key and form one chunk"]
        if nulls and nulls > size
        else []
    )


def _many(chunks: Sequence[Chunk]) -> list[str]:
    if len(chunks) <= MANY_CHUNKS:
        return []
    return [f"{len(chunks):,} chunks: a larger chunk_size would spend less on each"]


def _cost_warning(
    dialect: Dialect, conn: Any, seen: Survey, query: SourceQuery, chunks: Sequence[Chunk]
) -> list[str]:
    """Ask the planner whether one chunk costs about as much as the whole query does."""
    ranges = [chunk for chunk in chunks if chunk.lower is not None and chunk.upper is not None]
    if len(ranges) < MIN_RANGES or seen.estimate.rows < MIN_ROWS:
        return []
    middle = dialect.chunk_query(conn, query, ranges[len(ranges) // 2])
    with attempt(dialect, conn) as refusals:
        cost = dialect.estimate(conn, middle).cost
    if refusals:
        message = f"the query cannot be read in chunks: {refusals[0]}"
        raise PlanError(message, field="source_sql")
    if not cost or not seen.estimate.cost or cost < seen.estimate.cost * COSTLY_SHARE:
        return []
    names = ", ".join(key.name for key in query.keys)
    share = f"each chunk costs about {cost / seen.estimate.cost:.0%} of the whole query"
    return [f"{share}: {names} has no index the database can use here"]
