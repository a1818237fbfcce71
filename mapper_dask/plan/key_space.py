"""Cutting a key space into chunks. Pure: opens no connection, compares no keys.

The order of keys is the database's affair (its collation, its numerics). Here bounds are opaque
texts that arrive in order; chunks made of them are disjoint and complete whatever they hold,
because each bound ends one range and begins the next, and the ends are open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mapper_dask.parallel_models import Bound, Chunk, ChunkKind
from mapper_dask.schema.facts import Histogram, KeyMark

FEWEST_MARKS = 3
"""Two are only the least and the greatest key."""


@dataclass(frozen=True, slots=True)
class Heavy:
    """A key that alone fills more than a chunk."""

    key: tuple[str, ...]
    rows: int
    """Rows it has at least."""


def distinct_marks(marks: Sequence[KeyMark]) -> list[KeyMark]:
    """Return the first mark of each run of equal keys, in order."""
    return [
        mark
        for before, mark in zip([None, *marks], marks, strict=False)
        if before is None or before.key != mark.key
    ]


def heavy_keys(marks: Sequence[KeyMark], rows_per_mark: int) -> list[Heavy]:
    """Return the keys that stand at two marks or more: a whole step of rows lies between those."""
    counts: dict[tuple[str, ...], int] = {}
    for mark in marks:
        counts[mark.key] = counts.get(mark.key, 0) + 1
    return [Heavy(key, (count - 1) * rows_per_mark) for key, count in counts.items() if count > 1]


def thinned(histogram: Histogram, *, rows: int, size: int) -> list[KeyMark]:
    """Return values of a histogram that lie about a chunk apart, with rows as positions.

    Empty when two of them lie further apart than a chunk and a half: then only a look at the rows
    can tell where to cut.
    """
    if len(histogram.marks) < FEWEST_MARKS or not histogram.total:
        return []
    scale = rows / histogram.total
    marks = [replace(mark, position=round(mark.position * scale)) for mark in histogram.marks]
    places = [*(mark.position for mark in marks), rows]
    if any(after - before > 1.5 * size for before, after in pairwise(places)):
        return []
    kept = [marks[0]]
    for mark in marks[1:]:
        if mark.position - kept[-1].position >= size:
            kept.append(mark)
    return kept


def key_chunks(
    marks: Sequence[KeyMark], *, rows: int, rows_per_position: float, nulls: int | None
) -> list[Chunk]:
    """Return ranges whose inner bounds are the marks' keys, and the chunk of NULL keys.

    Parameters
    ----------
    marks
        Keys in the database's order; the first one, which begins the space, is no bound.
    rows
        Rows that have a key, estimated.
    rows_per_position
        1 when the marks were counted over all rows, more over a sample.
    nulls
        Rows without a key, estimated; None when there can be none, then the chunk is left out.
    """
    bounds = [mark for mark in distinct_marks(marks) if mark.position > 0]
    starts = [0, *(round(mark.position * rows_per_position) for mark in bounds), rows]
    edges: list[Bound] = [None, *(mark.key for mark in bounds), None]
    ranges = [
        Chunk(
            i,
            ChunkKind.KEY_RANGE,
            lower=lower,
            upper=upper,
            estimated_rows=max(0, starts[i + 1] - starts[i]),
        )
        for i, (lower, upper) in enumerate(_pairs(edges))
    ]
    if nulls is None:
        return ranges
    return [*ranges, Chunk(len(ranges), ChunkKind.NULL_KEY, estimated_rows=nulls)]


def bounded_chunks(bounds: Sequence[Bound]) -> list[Chunk]:
    """Return the ranges between given bounds, open at both ends, and the chunk of NULL keys."""
    ranges = [
        Chunk(i, ChunkKind.KEY_RANGE, lower=a, upper=b)
        for i, (a, b) in enumerate(_pairs([None, *bounds, None]))
    ]
    return [*ranges, Chunk(len(ranges), ChunkKind.NULL_KEY)]


def block_chunks(blocks: Sequence[tuple[Bound, int]]) -> list[Chunk]:
    """Return ranges of row addresses from (first address, estimated rows) pairs, the last open."""
    sized = blocks or [(None, 0)]  # an empty table may have rows by the time it is read
    edges: list[Bound] = [None, *(bound for bound, _ in sized[1:]), None]
    return [
        Chunk(i, ChunkKind.ROWID_RANGE, lower=lower, upper=upper, estimated_rows=rows)
        for i, ((lower, upper), (_, rows)) in enumerate(zip(_pairs(edges), sized, strict=True))
    ]


def block_starts(blocks: int, parts: int) -> list[int]:
    """Return the first block of each of at most ``parts`` even ranges over ``blocks`` blocks."""
    parts = max(1, min(parts, blocks))
    return [blocks * part // parts for part in range(parts)]


def windows(rows: int, size: int) -> list[Chunk]:
    """Return windows of ``size`` rows; the last has no limit, so that a low count loses nothing."""
    offsets = range(0, max(rows, 1), size)
    chunks = [
        Chunk(
            i,
            ChunkKind.WINDOW,
            offset=offset,
            limit=size,
            estimated_rows=max(0, min(size, rows - offset)),
        )
        for i, offset in enumerate(offsets)
    ]
    return [*chunks[:-1], replace(chunks[-1], limit=None)]


def whole(rows: int | None) -> list[Chunk]:
    """Return the one chunk that is the whole query."""
    return [Chunk(0, ChunkKind.WHOLE, estimated_rows=rows)]


def _pairs(edges: Sequence[Bound]) -> Iterator[tuple[Bound, Bound]]:
    return pairwise(edges)
