"""How many rows a chunk has when the user leaves it open. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from mapper_dask.parallel_models import AUTO, ChunkSize
from mapper_dask.schema.facts import Column, Estimate

CHUNK_BYTES = 32 << 20
"""Bytes wanted a chunk: over half a second of work, compared with which a chunk's fixed cost (two
transactions, a task in Dask) is small; and a worker that holds it four times over stays small."""

LEAST_BYTES = 4 << 20
"""Bytes a chunk of a smaller table has at least: a tenth of a second, still ten times its fixed
cost."""

PARTS = 12
"""Chunks wanted of a table that is worth it: two, three, four or six workers have as many each, so
that none is idle while another has the last one. What is larger than ``PARTS * CHUNK_BYTES`` has
more."""

FEWEST_ROWS, MOST_ROWS = 1_000, 1_000_000
"""Bounds of the rows: an estimate of a row's width may be far off."""

FIELD_BYTES = 4
"""Bytes each field takes on the wire beside its value."""

TEXT_BYTES = 32
"""Bytes assumed for a text of unknown length."""

FIXED_BYTES = 8
"""Bytes assumed for a value of any other type."""


@dataclass(frozen=True, slots=True)
class Size:
    """Rows wanted a chunk."""

    rows: int
    why: str = ""
    """How they were chosen; empty when the user said."""


def wanted(asked: ChunkSize, estimate: Estimate, columns: Sequence[Column]) -> Size:
    """Return the rows a chunk is to have: as asked, or as many as make a good share of the bytes.

    Parameters
    ----------
    estimate
        Of the query; its width counts only where all of its columns are read.
    columns
        What is read.
    """
    if asked != AUTO:
        return Size(int(asked))
    width = max(1, estimate.row_bytes or sum(map(_width, columns))) + FIELD_BYTES * len(columns)
    share = min(max(width * estimate.rows // PARTS, LEAST_BYTES), CHUNK_BYTES)
    rows = min(max(share // width, FEWEST_ROWS), MOST_ROWS)
    return Size(rows, f"chunk_size chosen by bytes: about {_megabytes(rows * width)} a chunk")


def _width(column: Column) -> int:
    if not pa.types.is_string(column.arrow):
        return FIXED_BYTES
    return min(column.precision or TEXT_BYTES, TEXT_BYTES)


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.{0 if size >= 10 << 20 else 1}f} MB"
