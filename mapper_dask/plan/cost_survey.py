"""Queries the database for the cost of a query's chunks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from mapper_dask.dialects.source import Source
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.plan.cost import FEWEST_CHUNKS, LITTLE, PlanCost
from mapper_dask.plan.survey import Survey, attempt
from mapper_dask.schema.facts import SourceQuery

RANGES = (ChunkKind.KEY_RANGE, ChunkKind.ROWID_RANGE)

ASKED = 3
"""Chunks that are estimated; the median is taken, since a heavy key costs more."""

DEAR = 20_000.0
"""Cost, about a twentieth of a second, from which a query is not run only to find where to cut it
before the database was asked whether ranges of it are cheap at all."""

MANY_NULLS = 0.1
"""With a larger share of NULL keys their chunk is costly because of their number alone."""


def of_chunks(
    source: Source, seen: Survey, query: SourceQuery, chunks: Sequence[Chunk]
) -> PlanCost:
    """Return what the chunks cost together, by some of them.

    Raises
    ------
    PlanError
        When the database does not read a chunk.
    """
    ranges = [chunk for chunk in chunks if chunk.kind in RANGES]
    if len(ranges) < FEWEST_CHUNKS or not _may_matter(seen, len(ranges)):
        return PlanCost(1, 1.0, seen.estimate)
    inner = ranges[1:-1]
    places = {len(inner) * place // (ASKED + 1) for place in range(1, ASKED + 1)}
    costs = [_cost(source, query, inner[place]) for place in sorted(places)]
    return PlanCost(len(ranges), _share(seen, statistics.median(costs)), seen.estimate)


def before_walking(source: Source, seen: Survey, query: SourceQuery, size: int) -> PlanCost:
    """Return what chunks would cost, as far as that can be estimated without reading rows.

    The chunk of NULL keys has no bounds, and its predicate reaches as far into the query as a
    range does: but not below an outer join, which may add the NULLs.
    """
    nothing = PlanCost(1, 1.0, seen.estimate)
    chunks = math.ceil(seen.estimate.rows / size)
    informative = source.dialect.capabilities.indexed_nulls and not seen.shape.outer_joins
    if seen.is_table or not informative or (seen.estimate.cost or 0.0) < DEAR:
        return nothing
    with attempt(source):
        nulls = source.estimate(source.chunk_query(query, Chunk(0, ChunkKind.NULL_KEY)))
        if nulls.rows <= MANY_NULLS * seen.estimate.rows:
            return PlanCost(chunks, _share(seen, nulls.cost or 0.0), seen.estimate)
    return nothing


def _may_matter(seen: Survey, chunks: int) -> bool:
    return (seen.estimate.cost or 0.0) * chunks >= LITTLE


def _share(seen: Survey, cost: float) -> float:
    return cost / (seen.estimate.cost or math.inf)


def _cost(source: Source, query: SourceQuery, chunk: Chunk) -> float:
    cost: float | None = None
    with attempt(source) as refusals:
        cost = source.estimate(source.chunk_query(query, chunk)).cost
    if refusals:
        message = f"the query cannot be read in chunks: {refusals[0]}"
        raise PlanError(message, field="source_sql")
    return cost or 0.0
