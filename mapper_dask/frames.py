"""Dask DataFrames whose partitions are a plan's chunks."""

from __future__ import annotations

import contextlib
import numbers
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from mapper_dask.chunk import extract, transform
from mapper_dask.chunk.drift import require_same_source
from mapper_dask.chunk.task import ReadTask
from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.errors import ConfigurationError, DatabaseError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import DEFAULT_CHUNK_SIZE, Chunk, ChunkSize, DtypeBackend
from mapper_dask.plan import key_space
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.tracebacks import without_frames

UNBOUNDED = 2**62
"""Rows a partition holds at most: a partition is one frame, so it is never cut in pieces."""

DATA_EXCEPTION = "22"
"""Class of the SQLSTATEs by which a database refuses a text as a value of a type."""

REMEDY = "call read_sql_query again"
"""What to do when a source was altered since the frame was made."""

_ARGUMENTS = {"source_conn": "con", "source_sql": "sql", "key_column": "index_col"}
"""What a job's fields are called here."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one chunk as a pandas frame; what each task of the graph calls."""

    task: ReadTask
    index: str | None
    dtype_backend: DtypeBackend

    def __call__(self, chunk: Chunk) -> pd.DataFrame:
        with extract.source_session(self.task, chunk) as session:
            rows = next(extract.read_batches(session, self.task, strict=True))
            require_same_source(session, self.task, REMEDY)
        return self._frame(rows)

    def empty(self, schema: Any) -> pd.DataFrame:
        """Return a partition without rows: what all of them look like."""
        return self._frame(schema.empty_table())

    def _frame(self, rows: Any) -> pd.DataFrame:
        frame = transform.to_frame(rows, self.task.query.columns, self.dtype_backend)
        return frame if self.index is None else frame.set_index(self.index)


@without_frames
def read_sql_query(
    sql: str | sa.sql.expression.Selectable,
    con: Any,
    index_col: str | None = None,
    divisions: Sequence[Any] | None = None,
    npartitions: int | None = None,
    *,
    chunk_size: ChunkSize | None = None,
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
        the key is detected; a table without one is a single partition. Rows with a NULL here have
        a partition of their own, so the divisions are not known.
    divisions
        Inner bounds of the partitions, in any order: the database sorts them. They bound
        nothing: the first and the last partition are open. They say more than ``npartitions``.
    npartitions
        Partitions wanted, beside the one of NULL keys: fewer where the rows or keys are few. None:
        as many as ``chunk_size`` gives.
    chunk_size
        Rows wanted a partition, 50,000 by default; ``"auto"`` for about 32 MB.
    columns
        Columns to read; None: all.
    strategy
        As for :class:`~mapper_dask.MapperJob`. OFFSET_LIMIT is refused, and ROWID_BASED where rows
        move: they need one snapshot.
    dtype_backend
        ``pyarrow`` (exact) or ``numpy_nullable``.

    Returns
    -------
    dask.dataframe.DataFrame
        One task a partition. Each computation reads the source again, and each partition reads
        what is committed then: for one state of the source use ``ParallelProcessor``.

    Raises
    ------
    ConfigurationError
        Names the argument that cannot be used.
    DatabaseError
        What the database answered to the query.

    Warns
    -----
    UserWarning
        What the plan says of the rows, such as that some may be lost or doubled because the query
        is cut and may give others each time it is asked. What it says of costs is in the plan.

    When it is computed, a partition of a table that was altered since raises SourceChangedError.
    """
    source = reference(con, "con")
    _require_name(index_col)
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
    with _own_names():
        plan = _plan(job.validated(), divisions, npartitions)
    if index_col is not None and index_col not in [c.name for c in plan.query.columns]:
        message = f"index_col {index_col!r} must be among columns"
        raise ConfigurationError(message, field="columns")
    for note in plan.warnings:
        if note not in plan.of_cost:
            warnings.warn(note, UserWarning, stacklevel=3)  # 2 is what shortens tracebacks
    return _frame(
        plan, _Reader(ReadTask(source, plan.query, UNBOUNDED, None), index_col, dtype_backend)
    )


def _frame(plan: ChunkPlan, reader: _Reader) -> dd.DataFrame:
    meta = reader.empty(pa.schema([(c.name, c.arrow) for c in plan.query.columns]))
    # Dask would turn every object column into text, and exact numerics with them.
    with dask.config.set({"dataframe.convert-string": False}):
        frame: dd.DataFrame = dd.from_map(
            reader, list(plan.chunks), meta=meta, label="mapper-read", enforce_metadata=True
        )
    return frame


def _plan(job: MapperJob, divisions: Iterable[Any] | None, npartitions: int | None) -> ChunkPlan:
    if npartitions is not None:
        _require_count(npartitions)
    manager = ChunkManager()
    plan = manager.plan(job)
    if divisions is not None:
        return plan.evolve(chunks=tuple(_divided(job.source_conn, plan, divisions)))
    if npartitions is None:
        return plan
    size = max(1, -(-plan.config.total_rows // int(npartitions)))
    return manager.plan(job.evolve(chunk_size=size))


def _require_name(index_col: Any) -> None:
    if index_col is not None and not isinstance(index_col, str):
        message = f"index_col must be the name of one column, got {index_col!r}"
        raise ConfigurationError(message, field="index_col")


def _require_count(npartitions: Any) -> None:
    whole = isinstance(npartitions, numbers.Integral) and not isinstance(npartitions, bool)
    if not whole or npartitions < 1:
        message = f"npartitions must be at least 1, and an integer; got {npartitions!r}"
        raise ConfigurationError(message, field="npartitions")


def _divided(source: ConnectionRef, plan: ChunkPlan, divisions: Any) -> list[Chunk]:
    """Return the ranges between divisions. Out of order, they would overlap."""
    if len(plan.query.keys) != 1:
        message = "divisions need one key that they divide; name it with index_col"
        raise ConfigurationError(message, field="divisions")
    if isinstance(divisions, (str, bytes)) or not isinstance(divisions, Iterable):
        message = f"divisions must be a list of keys, got {type(divisions).__name__}"
        raise ConfigurationError(message, field="divisions")
    bounds = [(str(value),) for value in divisions]
    task = ReadTask(source, plan.query, UNBOUNDED)
    try:
        with extract.source_session(task, plan.chunks[0]) as session:
            ordered = session.session.sorted_bounds(plan.query, bounds)
    except DatabaseError as error:
        if not (error.sqlstate or "").startswith(DATA_EXCEPTION):
            raise
        [key] = plan.query.keys
        said = str(error.details.get("said", error.message))
        answer = said.partition(" (at character")[0]  # a place in our text, not theirs
        message = f"divisions must be keys of {key.name} ({key.type_name}): {answer}"
        raise ConfigurationError(message, field="divisions") from error
    return key_space.bounded_chunks(ordered)


@contextlib.contextmanager
def _own_names() -> Iterator[None]:
    """Let an error name the argument that was passed, not the field of the job made of it."""
    try:
        yield
    except (ConfigurationError, DatabaseError) as error:
        field = error.details.get("field")
        if field not in _ARGUMENTS:
            raise
        message = error.message.replace(field, _ARGUMENTS[field])
        details = {**error.details, "field": _ARGUMENTS[field]}
        raise type(error)(message, **details) from error.__cause__


def _text(sql: Any, source: ConnectionRef) -> str:
    if isinstance(sql, str):
        return sql
    if not isinstance(sql, (sa.sql.expression.Selectable, sa.sql.elements.TextClause)):
        message = f"sql must be a query, as text or from SQLAlchemy; got {type(sql).__name__}"
        raise ConfigurationError(message, field="sql")
    # With psycopg2's own style every percent sign would be doubled, in literals too.
    make_dialect: Any = source.resolve().get_dialect()
    dialect = make_dialect(paramstyle="named")
    try:
        sql.compile(dialect=dialect).construct_params()  # a parameter without a value is no NULL
        return str(sql.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except sa.exc.SQLAlchemyError as error:
        message = f"sql cannot be written as text with its values: {error}"
        raise ConfigurationError(message, field="sql") from error
