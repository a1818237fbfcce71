"""One job as a value: what to read, what to do to it, where it goes. Frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from mapper_dask import job_fields as kinds
from mapper_dask.errors import ConfigurationError
from mapper_dask.job_fields import declared, metadata_of, require
from mapper_dask.options import with_known_options
from mapper_dask.parallel_models import (
    DEFAULT_CHUNK_SIZE,
    ChunkingStrategy,
    ChunkSize,
    DtypeBackend,
    Transformation,
)

OnError = Literal["abort", "continue"]
WriteDisposition = Literal["append", "replace", "merge"]


@with_known_options
@dataclass(frozen=True, slots=True, kw_only=True)
class MapperJob:
    """One job as a value: what to read, what to do to it, where it goes.

    All fields are given by name. They are checked when the job is used, or by
    :meth:`validated`. ``job.evolve(run_id="…")`` is a copy with some of them changed.

    Parameters
    ----------
    source_conn
        Where rows are read: a URL, a SQLAlchemy URL or Engine, or a reference (``env:NAME``,
        ``profile:NAME``), which leaves the password where it is.
    source_sql
        Any query; it is wrapped, never edited.
    transformation_logic
        Function DataFrame → DataFrame, called once a chunk; it may return other rows, fewer or
        more, and other columns. None moves the rows as they are.
    target_conn
        Where they go, as ``source_conn``; None makes a dry run that extracts, transforms and
        counts.
    target_schema
        Schema of the target table; None: the connection's search path decides.
    target_table
        Table that receives the rows, and which is there; None only for a dry run.
    key_column
        Column(s) to cut by; None: detected.
    strategy
        How to cut, ``"KEY_BASED"``, ``"ROWID_BASED"``, ``"OFFSET_LIMIT"`` or a
        :class:`~mapper_dask.ChunkingStrategy`; None: chosen, and the plan says why.
    chunk_size
        Rows wanted a chunk, 50,000; ``"auto"`` for as many as make about 32 MB.
    columns
        Columns of the query to read; None: all.
    write_disposition
        How the rows enter the target: ``"append"`` adds them, ``"replace"`` puts them in place of
        all its rows, ``"merge"`` each in place of the row with its key.
    atomic
        Whether rows that are appended appear all at once, at the end; the others always do.
    direct_path
        Whether an Oracle target is loaded by the direct path, which is faster for large chunks
        and knows no rejects. It commits, so each attempt fills a table of its own.
    primary_key
        Column(s) by which rows are merged; None: the target's primary key.
    newest_by
        Column: of several rows with one key to merge, the one with the greatest value here wins.
        None: they are an error, as is a tie.
    on_error
        ``"abort"``: a failed chunk stops the run; ``"continue"``: it is counted and passed over.
    reject_limit
        Rows the run may reject into ``mapper_dask_reject``. 0: the first one fails its chunk.
    consistent
        Whether all chunks must read one snapshot.
    dtype_backend
        Dtypes the function sees: ``"pyarrow"``, or pandas' own nullable ones,
        ``"numpy_nullable"``.
    params
        Values for the places that the query marks ``:name``, by name, written into it as
        literals; None: it has none. A list is for use after IN. ``env:NAME`` is a text that stays a
        reference: it is looked up by the process that reads, and shown nowhere.
    run_id
        Name of the run; one the ledger knows is continued, and one that is done is not done
        again. None: a new one.

    Raises
    ------
    UnknownOptionError
        When an option is misspelt; it names the one that was meant, and is a ``TypeError``, too.

    See Also
    --------
    ParallelProcessor : runs a job, on how many workers, with how many attempts.
    """

    source_conn: Any = field(repr=False, metadata=metadata_of(kinds.CONNECTION, digest=1))
    source_sql: str = field(metadata=metadata_of(kinds.QUERY, digest=2))
    transformation_logic: Transformation | None = declared(kinds.FUNCTION, None, digest=13)
    target_conn: Any = declared(kinds.CONNECTION, None, hidden=True)
    target_schema: str | None = declared(kinds.NAME, None, "target.schema_", digest=7)
    target_table: str | None = declared(kinds.TARGET, None, "target.table", digest=8)
    key_column: str | Sequence[str] | None = declared(
        kinds.key("to have it detected"), None, "chunking.key", digest=3
    )
    strategy: ChunkingStrategy | str | None = declared(
        kinds.STRATEGY, None, "chunking.strategy", digest=4
    )
    chunk_size: ChunkSize = declared(
        kinds.CHUNK_SIZE, DEFAULT_CHUNK_SIZE, "chunking.size", digest=5
    )
    columns: Sequence[str] | None = declared(kinds.COLUMNS, None, "source.columns", digest=6)
    write_disposition: WriteDisposition = declared(
        kinds.one_of(WriteDisposition), "append", "target.write_disposition", digest=9
    )
    atomic: bool = declared(kinds.FLAG, default=False, key="target.atomic", digest=10)
    direct_path: bool = declared(kinds.FLAG, default=False, key="target.direct_path")
    primary_key: str | Sequence[str] | None = declared(
        kinds.key("for the target's primary key"), None, "target.primary_key", digest=11
    )
    newest_by: str | None = declared(kinds.COLUMN, None, "target.newest_by", digest=12)
    on_error: OnError = declared(kinds.one_of(OnError), "abort", "execution.on_error")
    reject_limit: int = declared(kinds.ROWS, 0, "execution.reject_limit")
    consistent: bool = declared(kinds.FLAG, default=True, key="source.consistent")
    dtype_backend: DtypeBackend = declared(
        kinds.one_of(DtypeBackend), "pyarrow", "transform.dtype_backend"
    )
    params: Mapping[str, Any] | None = declared(kinds.PARAMS, None, "source.params", hidden=True)
    run_id: str | None = declared(kinds.RUN, None)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """``key_column`` as a tuple, empty when it is to be detected."""
        return kinds.key_of(self.key_column)

    @property
    def merge_key(self) -> tuple[str, ...]:
        """``primary_key`` as a tuple, empty when it is the target's."""
        return kinds.key_of(self.primary_key)

    @property
    def staged(self) -> bool:
        """Whether rows are gathered in a staging table and published at the end."""
        return self.atomic or self.write_disposition != "append"

    def evolve(self, **changes: Any) -> MapperJob:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def validated(self) -> MapperJob:
        """Return the job with its fields in their canonical types.

        Raises
        ------
        ConfigurationError
            When a field has a value that no run could use; names the field and the remedy.
        """
        values = {name: one.checked(name, getattr(self, name)) for name, one in FIELDS.items()}
        require(
            (self.target_conn is None) == (self.target_table is None),
            "target_table",
            "and target_conn go together: give both, or neither for a dry run",
        )
        require(
            not (self.direct_path and self.reject_limit),
            "direct_path",
            "loads all rows of a chunk or none; it goes with reject_limit=0 only",
        )
        require(
            self.write_disposition == "append" or self.target_table is not None,
            "target_table",
            f"is needed to {self.write_disposition} rows",
        )
        require(
            self.newest_by is None or self.write_disposition == "merge",
            "newest_by",
            "says which of several rows with one key is merged; it needs write_disposition='merge'",
        )
        return self.evolve(**values)


FIELDS: Mapping[str, kinds.JobField] = {f.name: f.metadata["job"] for f in fields(MapperJob)}
"""What there is to know of each field."""


def required_job(given: object, whose: str = "") -> MapperJob:
    """Return a job; refuse anything else, such as a query.

    Parameters
    ----------
    whose
        A prefix of the field's name in messages, where it is one of several jobs.

    Raises
    ------
    ConfigurationError
        Says how a job is made.
    """
    if isinstance(given, MapperJob):
        return given
    message = (
        f"{whose}job must be a MapperJob, got {type(given).__name__}; write "
        "MapperJob(source_conn=…, source_sql=…, target_conn=…, target_table=…)"
    )
    raise ConfigurationError(message, field="job")
