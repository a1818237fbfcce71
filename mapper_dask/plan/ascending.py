"""Checks that stored bounds ascend in the database's order.

It is not enough that each chunk begins where another ends: from the lowest to 100, to 50, to the
highest is such a chain too, and reads the rows between twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from mapper_dask.dialects.source import Source
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.schema.facts import SourceQuery

BATCH = 200
"""Bounds that are compared in one query."""

_BLOCK = re.compile(r"\(([0-9]{1,10}),0\)")


def require_ascending(source: Source, query: SourceQuery, chunks: Sequence[Chunk]) -> None:
    """Refuse ranges whose bounds do not ascend.

    Raises
    ------
    PlanError
        When they do not, or are not written as the database writes them.
    """
    ranges = [chunk for chunk in chunks if chunk.lower is not None]
    bounds = [chunk.lower for chunk in ranges if chunk.lower is not None]
    if not bounds:
        return
    by_key = ranges[0].kind is ChunkKind.KEY_RANGE
    if by_key or source.dialect.capabilities.numbered_blocks:
        sure = _keys_ascend(source, query, bounds) if by_key else _blocks_ascend(bounds)
        if not sure:
            message = "the plan's bounds do not ascend, so rows would be read twice. Plan it again"
            raise PlanError(message, field="plan")


def _keys_ascend(source: Source, query: SourceQuery, bounds: Sequence[tuple[str, ...]]) -> bool:
    if len(set(bounds)) < len(bounds):
        return False
    with source.errors():
        return all(
            source.sorted_bounds(query, bounds[start : start + BATCH])
            == list(bounds[start : start + BATCH])
            for start in range(0, max(1, len(bounds) - 1), BATCH - 1)
        )


def _blocks_ascend(bounds: Sequence[tuple[str, ...]]) -> bool:
    found = [_BLOCK.fullmatch(bound[0]) for bound in bounds]
    numbers = [int(match[1]) for match in found if match is not None]
    return len(numbers) == len(bounds) and all(a < b for a, b in pairwise(numbers))
