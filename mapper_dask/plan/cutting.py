"""Cutting a query into chunks, by bounds the database is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mapper_dask.dialects.source import Source
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import Chunk, ChunkingStrategy
from mapper_dask.plan import key_space, sample
from mapper_dask.plan.chunk_plan import MANY_CHUNKS
from mapper_dask.plan.strategy import Choice
from mapper_dask.plan.survey import Survey, attempt
from mapper_dask.schema.facts import KeyMark, SourceQuery

COUNTED_COST = 20_000.0
"""Cost, about a twentieth of a second, up to which a query of several tables is run a second time
when it is planned, only to count its rows without a key."""

HEAVY_NAMED = 3
"""Heavy keys named in a plan."""


MOVING = (
    "row addresses move when rows are updated: once its snapshot is lost, such a run begins anew "
    "where its rows are staged (atomic=True, replace), and else cannot go on"
)
"""A plan's note on chunks that cover the query in one state only."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The chunks of a query."""

    chunks: Sequence[Chunk]
    total_rows: int
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Walk:
    """Keys at even distances, and the rows they were taken from."""

    marks: Sequence[KeyMark]
    keyed: int
    """Rows that have a key."""
    nulls: int | None
    """Rows that have none; None: not counted."""


def cut(source: Source, seen: Survey, choice: Choice, query: SourceQuery, size: int) -> Cut:
    """Return the chunks of a query for a choice; ``size`` rows are wanted in each."""
    with source.errors():
        match choice.strategy:
            case ChunkingStrategy.KEY_BASED:
                return _cut_by_key(source, seen, query, size)
            case ChunkingStrategy.ROWID_BASED:
                return _cut_by_block(source, seen, size)
            case ChunkingStrategy.OFFSET_LIMIT:
                return _cut_by_offset(source, seen, query, size)
    return Cut(key_space.whole(seen.estimate.rows), seen.estimate.rows)


def _cut_by_key(source: Source, seen: Survey, query: SourceQuery, size: int) -> Cut:
    _require_order(source, query)
    known = _from_statistics(source, seen, query, size)
    if known is not None:
        return known
    looked_at = sample.drawn(source, seen, query, size)
    walk = _walk(source, seen, query, looked_at, size)
    if looked_at.share < 1 and walk.keyed + (walk.nulls or 0) < sample.SAMPLE_A_CHUNK:
        looked_at = sample.Sample(query.sql, 1.0)  # the estimate was far too high
        walk = _walk(source, seen, query, looked_at, size)
    return _cut_by_walk(walk, looked_at.share, size, nullable=not seen.never_null(_names(query)))


def _cut_by_walk(walk: Walk, share: float, size: int, *, nullable: bool) -> Cut:
    nulls = None if walk.nulls is None else round(walk.nulls / share)
    chunks = key_space.key_chunks(
        walk.marks,
        rows=round(walk.keyed / share),
        rows_per_position=1 / share,
        nulls=(nulls or 0) if nullable else None,
    )
    if nullable:
        chunks[-1] = replace(chunks[-1], estimated_rows=nulls)
    heavy = key_space.heavy_keys(walk.marks, size)
    return Cut(
        chunks,
        round((walk.keyed + (walk.nulls or 0)) / share),
        [*_heavy_warning(heavy, size), *_null_warning(nulls, size), *_many(chunks)],
    )


def _walk(
    source: Source, seen: Survey, query: SourceQuery, looked_at: sample.Sample, size: int
) -> Walk:
    """Return the keys of a sample at even distances, each a chunk's worth of rows from the next.

    Where the marks give its size well enough it is not run a second time to count it: where no key
    can be NULL, and where that would take long.
    """
    step = max(1, round(size * looked_at.share))
    never_null = seen.never_null(_names(query))
    costly = not seen.is_table and (seen.estimate.cost or 0.0) > COUNTED_COST
    if costly or (never_null and looked_at.share < 1):
        marks = source.key_marks(looked_at.sql, query.keys, step)
        keyed = marks[-1].position + (step + 1) // 2 if marks else 0
        return Walk(marks, keyed, 0 if never_null else None)
    total, keyed = source.count(looked_at.sql, _names(query))
    marks = source.key_marks(looked_at.sql, query.keys, step)
    return Walk(marks, keyed, total - keyed)


def _names(query: SourceQuery) -> list[str]:
    return [key.name for key in query.keys]


def _from_statistics(source: Source, seen: Survey, query: SourceQuery, size: int) -> Cut | None:
    """Return what the table's statistics allow without reading it, None when too coarse."""
    names = _names(query)
    column = seen.shape.table_column(names[0])
    if seen.estimate.rows <= sample.WALKED_ROWS or not seen.shape.whole_table or len(names) > 1:
        return None
    if column is None:
        return None
    with attempt(source) as refusals:
        histogram = source.histogram(str(seen.shape.table), column)
    rows = seen.estimate.rows
    marks = [] if refusals else key_space.thinned(histogram, rows=rows, size=size)
    if not marks:
        return None
    nulls = None if seen.never_null(names) else 0
    chunks = key_space.key_chunks(marks, rows=rows, rows_per_position=1, nulls=nulls)
    return Cut(chunks, rows, _many(chunks))


def _require_order(source: Source, query: SourceQuery) -> None:
    """Check in the database that it can order by the key, before anything is built on it."""
    with attempt(source) as refusals:
        source.key_marks(source.dialect.first_rows(query.sql, 0), query.keys, 1)
    unfit = [key for key in query.keys if not key.key_type]
    if refusals or unfit:
        names = ", ".join(f"{key.name} ({key.type_name})" for key in unfit or query.keys)
        message = f"key_column {names} cannot be cut by: {[*refusals, 'it is a row type'][0]}"
        raise PlanError(message, field="key_column")


def _cut_by_block(source: Source, seen: Survey, size: int) -> Cut:
    blocks = seen.relation.blocks if seen.relation else 0
    rows = seen.estimate.rows
    starts = key_space.block_starts(blocks, math.ceil(rows / size)) if blocks else []
    bounds = source.address_bounds(str(seen.shape.table), blocks, starts)
    even = len(bounds) == len(starts)
    ends = [*starts[1:], blocks] if starts else []
    shares = [(b - a) / blocks for a, b in zip(starts, ends, strict=True)]
    sized = [
        (bound, round(rows * (share if even else 1 / len(bounds))))
        for bound, share in zip(bounds, shares, strict=False)
    ]
    chunks = key_space.block_chunks(sized)
    moving = [] if seen.stable_addresses else [MOVING]
    return Cut(chunks, rows, [*moving, *_many(chunks)])


def _cut_by_offset(source: Source, seen: Survey, query: SourceQuery, size: int) -> Cut:
    names = tuple(key.name for key in query.keys)
    proven = any(set(key) <= set(names) for key in seen.unique_keys)
    _require_order(source, query)
    if not proven and source.has_duplicates(query.sql, names):
        message = (
            f"OFFSET_LIMIT needs a unique order, and rows share the same {', '.join(names)}; "
            "pass key_column with columns that tell all rows apart, or use KEY_BASED"
        )
        raise PlanError(message, field="key_column")
    total, _ = source.count(query.sql)
    chunks = key_space.windows(total, size)
    return Cut(chunks, total, [_growth_warning(len(chunks), total), *_many(chunks)])


def _growth_warning(windows: int, rows: int) -> str:
    """Return the note on the cost of windows: n of them read about n * n / 2 windows of rows."""
    times = f"{windows:,} windows read {rows:,} rows {(windows + 1) / 2:,.1f} times over"
    return (
        f"OFFSET_LIMIT reads and drops all rows before each window: {times}; the cost grows with "
        "the square of the table, that of KEY_BASED and ROWID_BASED does not"
    )


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
