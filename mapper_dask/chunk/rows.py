"""Processes one batch of rows: function, conversion to the target's types, rejection."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from mapper_dask.chunk import bisect, extract, transform
from mapper_dask.chunk.encode import Encoded, encode_frame, encode_table
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.errors import EncodeError, RejectLimitError, TransformError
from mapper_dask.ledger import rejects
from mapper_dask.parallel_models import Reject
from mapper_dask.rendering import counted
from mapper_dask.schema.facts import Column, TargetTable


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is ready to load."""

    encoded: Encoded
    out: int
    """Rows the function returned, or refused."""
    rejects: tuple[Reject, ...] = ()


def process_batch(task: ChunkTask, rows: pa.Table, most: int) -> Batch:
    """Return a batch ready to load, with its rejected rows.

    Parameters
    ----------
    most
        Rows that may still be rejected in this chunk.

    Raises
    ------
    TransformError, SchemaDriftError, EncodeError
        When the batch is refused, and not because of single rows, or none may be rejected.
    RejectLimitError
        When more rows would be rejected than ``most`` allows.
    """
    if task.function is None:
        return _unchanged(task, rows, most)
    if not rows.num_rows:  # an empty range, no NULL key: nothing for a function to look at
        return _nothing(task)
    frame, refused = _transformed(task, rows, most)
    if frame is None:
        _require_within(refused, most)
        return replace(_nothing(task), out=len(refused), rejects=tuple(refused))
    out = len(frame) + len(refused)
    frame, marked = rejects.split_marked(frame)
    refused += rejects.as_rejects("transform", marked, task.keys)
    _require_within(refused, most)
    if task.load is None:
        return Batch(Encoded(rows, ()), out, tuple(refused))
    frame = transform.in_expected_order(frame, task.load.expected)
    as_text = _as_text(task, rows)
    try:
        encoded = encode_frame(frame, task.load.table, as_text=as_text)
    except EncodeError:
        left = most - len(refused)
        if left <= 0:
            raise
        bad = bisect.refused_in_frame(frame, task.load.table, as_text=as_text, most=left)
        refused += _encode_rejects(bad, frame, task)
        kept = bisect.without(frame, bad, len(frame))
        encoded = encode_frame(kept, task.load.table, as_text=as_text)
    return Batch(encoded, out, tuple(refused))


def _nothing(task: ChunkTask) -> Batch:
    """Return a batch without rows, of the columns the function is known to return."""
    load = task.load
    columns = [] if load is None else [load.table.column(name) for name in load.expected or ()]
    known = [column for column in columns if column is not None]
    schema = pa.schema([(column.name, column.arrow) for column in known])
    return Batch(Encoded(schema.empty_table(), ()), 0)


def _transformed(
    task: ChunkTask, rows: pa.Table, most: int
) -> tuple[pd.DataFrame | None, list[Reject]]:
    """Return what the function makes of the rows at which it does not raise, and the others.

    It is called once more on all the rows that pass, so that it never depends on the halving; of
    none it makes None.
    """
    function = task.function
    assert function is not None  # noqa: S101 - for the type checker
    frame = transform.to_frame(rows, task.read.query.columns, task.dtype_backend)
    try:
        return transform.apply(function, frame, task.code), []
    except TransformError as error:
        if most <= 0 or "raised" not in error.details:
            raise
        whole = error
    frame = transform.to_frame(rows, task.read.query.columns, task.dtype_backend)
    try:
        bad = bisect.refused_by_function(function, frame, most)
    except RejectLimitError as beyond:  # more likely the function's fault than the rows'
        message = f"{beyond.message}\nWith all rows, {whole.message}"
        raise RejectLimitError(message, origin=whole.details.get("origin")) from None
    passed = bisect.without(frame, bad, len(frame))
    kept = transform.apply(function, passed, task.code) if len(passed) else None
    named = [(why, rows.slice(place, 1).to_pylist()[0]) for place, why in sorted(bad.items())]
    return kept, rejects.as_rejects("transform", named, task.keys)


def _unchanged(task: ChunkTask, rows: pa.Table, most: int) -> Batch:
    if task.load is None:
        return Batch(Encoded(rows, ()), rows.num_rows)
    columns, table = task.read.query.columns, task.load.table
    as_text = _as_text(task, rows)
    try:
        return Batch(encode_table(rows, table, columns, as_text=as_text), rows.num_rows)
    except EncodeError:
        if most <= 0:
            raise
    bad = bisect.refused_in_table(rows, table, columns, as_text=as_text, most=most)
    named = [(why, rows.slice(place, 1).to_pylist()[0]) for place, why in sorted(bad.items())]
    refused = rejects.as_rejects("encode", named, task.keys)
    kept = bisect.without(rows, bad, rows.num_rows)
    encoded = encode_table(kept, table, columns, as_text=as_text)
    return Batch(encoded, rows.num_rows, tuple(refused))


def _encode_rejects(bad: dict[int, str], frame: pd.DataFrame, task: ChunkTask) -> list[Reject]:
    places = sorted(bad)
    named = zip((bad[place] for place in places), rejects.records(frame.iloc[places]), strict=True)
    return rejects.as_rejects("encode", named, task.keys)


def _require_within(refused: list[Reject], most: int) -> None:
    if len(refused) > most:
        message = (
            f"reject_limit: {counted(len(refused), 'row')} of this chunk refused by the function, "
            f"and room for {most} is left; give a greater one, also to resume. First: "
            f"{refused[0].reason}"
        )
        raise RejectLimitError(message, field="reject_limit")


def refused_by_target(task: ChunkTask, rows: pa.Table, refused: dict[int, str]) -> list[Reject]:
    """Return the rows the database refused as rejects."""
    places = sorted(refused)
    sent = bisect.taken(rows, places).to_pylist()
    named = zip((refused[place] for place in places), sent, strict=True)
    return rejects.as_rejects("load", named, task.keys)


def with_chunk(table: TargetTable, rows: pa.Table, chunk_id: int) -> tuple[TargetTable, pa.Table]:
    """Return staged rows with the column of their chunk, and their table with it.

    It is needed at publication, when the target may refuse some of them.
    """
    column = table.chunk_column
    if column is None:
        return table, rows
    value = pa.scalar(chunk_id, column.arrow)
    rows = rows.append_column(column.name, pa.repeat(value, rows.num_rows))
    return replace(table, columns=(*table.columns, column)), rows


def _as_text(task: ChunkTask, rows: pa.Table) -> dict[str, Column]:
    """Return the columns that came as the source's own text, as they are there."""
    columns = task.read.query.columns
    names = extract.text_columns(columns, rows)
    return {column.name: column for column in columns if column.name in names}
