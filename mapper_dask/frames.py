"""Dask DataFrames whose partitions are a plan's chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from mapper_dask.chunk import extract, transform
from mapper_dask.chunk.task import ReadTask
from mapper_dask.connections import ConnectionRef, reference
from mapper_dask.errors import ConfigurationError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import DEFAULT_CHUNK_SIZE, Chunk, DtypeBackend
from mapper_dask.plan import key_space
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.chunk_plan import ChunkPlan

UNBOUNDED = 2**62
"""Rows a partition holds at most: a partition is one frame, so it is never cut in pieces."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one chunk as a pandas frame; what each task of the graph calls."""

    task: ReadTask
    index: str | None
    dtype_backend: DtypeBackend

    def __call__(self, chunk: Chunk) -> pd.DataFrame:
        with extract.source_session(self.task, chunk) as session:
            rows = next(extract.read_batches(session, self.task, strict=True))
        return self._frame(rows)

    def empty(self, schema: Any) -> pd.DataFrame:
        """Return a partition without rows: what all of them look like."""
        return self._frame(schema.empty_table())

    def _frame(self, rows: Any) -> pd.DataFrame:
        frame = transform.to_frame(rows, self.task.query.columns, self.dtype_backend)
        return frame if self.index is None else frame.set_index(self.index)


def read_sql_query(
    sql: str | sa.sql.expression.Selectable,
    con: Any,
    index_col: str | None = None,
    divisions: Sequence[Any] | None = None,
    npartitions: int | None = None,
    *,
    chunk_size: int | None = None,
    columns: Sequence[str] | None = None,
    strategy: str | None = None,
    dtype_backend: DtypeBackend = "pyarrow",
) -> dd.DataFrame:
    """Return the result of a query as a Dask DataFrame, every row once.

    Parameters
    ----------
    sql
        A query, as text or as SQLAlchemy makes it. It is wrapped, never edited: a LIMIT, a
        window or an alias means what it means by itself.
    con
        A URL, a SQLAlchemy URL or Engine, ``env:NAME`` or ``profile:NAME``. A password never
        enters the graph.
    index_col
        Column that becomes the index, and by which the query is cut. None: no index is set, and
        the key is detected. Rows with a NULL here have a partition of their own, so the divisions
        are not known.
    divisions
        Inner bounds of the partitions, in the database's order. They bound nothing: the first
        and the last partition are open.
    npartitions
        Partitions wanted; None: as many as ``chunk_size`` gives.
    chunk_size
        Rows wanted a partition, 50,000 by default.
    columns
        Columns to read; None: all.
    strategy
        As for :class:`~mapper_dask.MapperJob`.
    dtype_backend
        ``pyarrow`` (exact) or ``numpy_nullable``.

    Returns
    -------
    dask.dataframe.DataFrame
        One task a partition. It reads when it is computed, each time anew, and each partition
        reads what is committed then: for one state of the source use ``ParallelProcessor``.

    Raises
    ------
    ConfigurationError
        Names the argument that cannot be used.
    DatabaseError
        What the database answered to the query.
    """
    source = reference(con, "con")
    job = MapperJob(
        source_conn=source,
        source_sql=_text(sql, source),
        key_column=index_col,
        columns=columns,
        strategy=strategy,
        chunk_size=DEFAULT_CHUNK_SIZE if chunk_size is None else chunk_size,
        dtype_backend=dtype_backend,
        consistent=False,
    )
    plan = _plan(job.validated(), divisions, npartitions)
    if index_col is not None and index_col not in [c.name for c in plan.query.columns]:
        message = f"index_col {index_col!r} must be among columns"
        raise ConfigurationError(message, field="columns")
    return _frame(plan, _Reader(ReadTask(source, plan.query, UNBOUNDED), index_col, dtype_backend))


def _frame(plan: ChunkPlan, reader: _Reader) -> dd.DataFrame:
    meta = reader.empty(pa.schema([(c.name, c.arrow) for c in plan.query.columns]))
    # Dask would turn every object column into text, and exact numerics with them.
    with dask.config.set({"dataframe.convert-string": False}):
        frame: dd.DataFrame = dd.from_map(
            reader, list(plan.chunks), meta=meta, label="mapper-read", enforce_metadata=True
        )
    return frame


def _plan(job: MapperJob, divisions: Sequence[Any] | None, npartitions: int | None) -> ChunkPlan:
    manager = ChunkManager()
    plan = manager.plan(job)
    if divisions is not None:
        bounds = [(str(value),) for value in divisions]
        return plan.evolve(chunks=tuple(key_space.bounded_chunks(bounds)))
    if npartitions is None:
        return plan
    if npartitions < 1:
        message = f"npartitions must be at least 1, got {npartitions}"
        raise ConfigurationError(message, field="npartitions")
    size = max(1, -(-plan.config.total_rows // npartitions))
    return manager.plan(job.evolve(chunk_size=size))


def _text(sql: Any, source: ConnectionRef) -> str:
    if isinstance(sql, str):
        return sql
    if isinstance(sql, (sa.sql.expression.Selectable, sa.sql.elements.TextClause)):
        dialect = source.resolve().get_dialect()()
        return str(sql.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    message = f"sql must be a query, as text or from SQLAlchemy; got {type(sql).__name__}"
    raise ConfigurationError(message, field="sql")
