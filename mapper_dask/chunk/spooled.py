"""Reads a chunk whose rows are in a file, which holds exactly one reading of the query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from mapper_dask.chunk.task import ChunkTask, ReadTask
from mapper_dask.errors import SpoolError
from mapper_dask.parallel_models import Chunk
from mapper_dask.schema.batches import regrouped
from mapper_dask.spool.files import REMEDY, fault_of, file_name, in_file, mapped


class SpooledReading:
    """The reading of a chunk from its file; same interface as one at the source.

    Parameters
    ----------
    task
        How to read any chunk of the run.
    chunk
        Which one.
    """

    def __init__(self, task: ReadTask, chunk: Chunk) -> None:
        self._task, self._chunk = task, chunk
        self._rows: list[pa.Table] = []
        self.snapshot = task.snapshot
        """The snapshot that was read when the file was written."""

    def wait(self) -> None:
        """Return when the rows are here.

        Raises
        ------
        SpoolError
            When they are not those that were read.
        """
        self._rows.append(rows_of(self._task, self._chunk))

    def batches(self, following: Chunk | None = None) -> Iterator[pa.Table]:
        """Yield the chunk's rows, at least one table, without holding on to them."""
        del following  # a file needs no reading ahead
        yield from regrouped(
            iter([self._rows.pop()]), self._task.batch_rows, self._task.batch_bytes
        )


def rows_of(task: ReadTask, chunk: Chunk) -> pa.Table:
    """Return a chunk's rows, from its file or from the bytes that came with the task.

    Raises
    ------
    SpoolError
        When they are not those that were read.
    """
    data = task.cargo if task.cargo is not None else mapped(Path(str(task.spool)), chunk)
    if fault := fault_of(data, chunk.spooled):
        message = f"chunk {chunk.chunk_id}: its file {file_name(chunk.chunk_id)} {fault}. {REMEDY}"
        raise SpoolError(message, chunk_id=chunk.chunk_id)
    with pa.ipc.open_stream(data) as stream:
        rows = stream.read_all()
    if rows.num_rows != chunk.limit:
        message = f"chunk {chunk.chunk_id}: its file holds {rows.num_rows} rows, not {chunk.limit}"
        raise SpoolError(message, chunk_id=chunk.chunk_id)
    return rows


def carrying(task: ChunkTask, chunk: Chunk) -> ChunkTask:
    """Return the task of one chunk as it is sent: with its bytes, where workers see no file."""
    if not task.read.ships or not in_file(chunk):
        return task
    data = mapped(Path(str(task.read.spool)), chunk).to_pybytes()
    return replace(task, read=replace(task.read, spool=None, ships=False, cargo=data))
