"""Batches of rows, bounded by rows and by bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

BATCH_BYTES = 64 << 20
"""Bytes a function sees at a time, but for a single row that has more: as many as are kept in
memory of a chunk, so that a chunk of ordinary size is seen whole."""


@dataclass(frozen=True, slots=True)
class Most:
    """The limits of a batch."""

    rows: int
    bytes: int | None = BATCH_BYTES
    """Bytes at most, unless a single row has more; None: unlimited."""


def cut(rows: pa.Table, most_bytes: int) -> Iterator[pa.Table]:
    """Yield batches of at most so many bytes, each of at least one row; an empty table as one."""
    if rows.num_rows <= 1 or rows.nbytes <= most_bytes:
        yield rows
        return
    half = rows.num_rows // 2
    yield from cut(rows.slice(0, half), most_bytes)
    yield from cut(rows.slice(half), most_bytes)


def pieces(rows: pa.Table, at_most: int, most_bytes: int) -> Iterator[pa.Table]:
    """Yield batches of at most so many rows and bytes, none of them empty."""
    for start in range(0, rows.num_rows, at_most):
        yield from cut(rows.slice(start, at_most), most_bytes)


def regrouped(
    tables: Iterator[pa.Table], at_most: int, most_bytes: int | None = None
) -> Iterator[pa.Table]:
    """Regroup tables into tables of ``at_most`` rows; the last may have fewer, a lone one none.

    Parameters
    ----------
    most_bytes
        Bytes one has at most, unless a single row has more; None: any.
    """
    held: list[pa.Table] = []
    count = size = 0
    for table in _cut(tables, most_bytes):
        over = most_bytes is not None and size + table.nbytes > most_bytes
        if over and count and table.num_rows:
            yield pa.concat_tables(held)
            held, count, size = [], 0, 0
        held = [*held, table] if count else [table]
        count += table.num_rows
        size += table.nbytes
        while count > at_most:
            whole = pa.concat_tables(held)
            yield whole.slice(0, at_most)
            held = [whole.slice(at_most)]
            count -= at_most
            size = held[0].nbytes
    if held:
        yield pa.concat_tables(held)


def _cut(tables: Iterator[pa.Table], most_bytes: int | None) -> Iterator[pa.Table]:
    for table in tables:
        yield from (table,) if most_bytes is None else cut(table, most_bytes)
