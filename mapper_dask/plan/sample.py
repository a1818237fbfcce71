"""A sample of a query's rows, from which its bounds are taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mapper_dask.dialects.source import Source
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.plan import key_space
from mapper_dask.plan.survey import Survey
from mapper_dask.schema.facts import SourceQuery

WALKED_ROWS = 400_000
"""Up to this many expected rows every key is walked, which takes about as long as a sample, 0.1 s,
and is exact; beyond, a sample is."""

SAMPLE_A_CHUNK = 300
"""Sampled keys a chunk: its size is then right within about 6% (one standard deviation)."""

LARGEST_SAMPLE = 1_000_000
"""Keys sampled at most."""

PLACES_A_CHUNK = 4
"""Places of the table that are sampled for each chunk. Where the key follows the order of the rows
on disk, a bound is right within one of them: a quarter of a chunk."""

FEWEST_PLACES, MOST_PLACES = 300, 2_000
"""Each is a part of one statement, and costs about 0.15 ms."""

LONGEST_SAMPLE = 1_000_000
"""Characters of such a statement, which repeats the user's text at each place."""

WORTH = 0.5
"""Share of the whole query's cost up to which sampling places is cheaper than a full sample."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A query for some of another's rows."""

    sql: str
    share: float
    """Of all rows; 1 for all of them."""


@dataclass(frozen=True, slots=True)
class SampledBlocks:
    """Where in a table a sample is taken: as many blocks behind each of some starts."""

    starts: Sequence[int]
    length: int
    share: float


def drawn(source: Source, seen: Survey, query: SourceQuery, size: int) -> Sample:
    """Return the sample by which the keys of a query are walked: all of it where it is small."""
    rows = seen.estimate.rows
    if rows <= WALKED_ROWS:
        return Sample(query.sql, 1.0)
    share = min(1.0, min(SAMPLE_A_CHUNK * rows / size, LARGEST_SAMPLE) / rows)
    if share == 1:
        return Sample(query.sql, 1.0)
    by_place = _by_place(source, seen, query, size)
    if by_place is not None:
        return by_place
    splice = seen.shape.splice if seen.has_row_addresses else None
    whole = SourceQuery(query.sql, query.columns, query.keys, splice)
    return Sample(source.dialect.sampled(whole, share * 100), share)


def places(rows: int, blocks: int, size: int) -> SampledBlocks | None:
    """Return evenly spaced places of a table that hold enough keys, None when they are too many.

    Random blocks would clump: with a key that follows the order of the rows on disk, chunks would
    be as uneven as the gaps between them.
    """
    chunks = math.ceil(rows / size)
    count = max(FEWEST_PLACES, PLACES_A_CHUNK * chunks)
    if count > MOST_PLACES or rows < blocks:
        return None
    length = math.ceil(SAMPLE_A_CHUNK * chunks / (count * (rows / blocks)))
    if count * length * 2 > blocks:
        return None
    middle = (blocks // count - length) // 2
    starts = [start + middle for start in key_space.block_starts(blocks, count)]
    return SampledBlocks(starts, length, count * length / blocks)


def _by_place(source: Source, seen: Survey, query: SourceQuery, size: int) -> Sample | None:
    """Return the rows at some places of a plain table, None where they are not cheap to reach."""
    if not (
        seen.relation and seen.has_row_addresses and source.dialect.capabilities.numbered_blocks
    ):
        return None
    found = places(seen.estimate.rows, seen.relation.blocks, size)
    if found is None or len(found.starts) * len(query.sql) > LONGEST_SAMPLE:
        return None
    narrow = SourceQuery(query.sql, query.keys, query.keys, seen.shape.splice)
    table = str(seen.shape.table)
    ends = [start + found.length for start in found.starts]
    lower = source.address_bounds(table, seen.relation.blocks, found.starts)
    upper = source.address_bounds(table, seen.relation.blocks, ends)
    place = Chunk(0, ChunkKind.ROWID_RANGE)
    parts = [
        source.chunk_query(narrow, replace(place, lower=a, upper=b))
        for a, b in zip(lower, upper, strict=True)
    ]
    cost = source.estimate(parts[0]).cost
    if cost is None or cost * len(parts) > WORTH * (seen.estimate.cost or 0.0):
        return None
    return Sample("\nUNION ALL ".join(parts), found.share)
