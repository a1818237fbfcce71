"""The task of a worker: everything a chunk needs, and no secret."""

from __future__ import annotations

from dataclasses import dataclass, field

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.parallel_models import DtypeBackend, Transformation
from mapper_dask.retries import (
    DEFAULT_ATTEMPTS,
    DEFAULT_CONNECTION_WAIT,
    DEFAULT_LOCK_TIMEOUT,
)
from mapper_dask.schema.batches import BATCH_BYTES
from mapper_dask.schema.facts import SourceQuery, TargetTable
from mapper_dask.users_code import NO_CODE, Code


@dataclass(frozen=True, slots=True)
class ReadTask:
    """How to read any chunk of a plan."""

    source: ConnectionRef
    query: SourceQuery
    batch_rows: int
    """Rows the function sees at most: a chunk with more, such as one heavy key, comes in pieces."""
    batch_bytes: int | None = BATCH_BYTES
    """Bytes it sees at most, unless a single row has more; None: any."""
    snapshot: str | None = None
    """Snapshot that the run's keeper holds open; None: each chunk reads what is committed."""
    needs_snapshot: bool = False
    """Whether the chunk must not be read without it: windows shift, ranges of keys do not; and a
    run that can be restarted should be, rather than mix two states."""
    one_state: bool = False
    """Whether the chunk must be of the state that the ledger says its run is read in."""
    tag: str = ""
    """Name the reading sessions of the run have in common."""
    memory_limit: int | None = None
    """Bytes the process that reads may hold, where somebody limits it."""
    ahead: bool = True
    """Whether the next chunk may be read while one is loaded: that takes a connection more."""
    spool: str | None = None
    """Folder of the files that hold the rows of a query that was read once; None: there is none."""
    ships: bool = False
    """Whether a chunk's file is sent along with its task: not every worker sees the folder."""
    cargo: bytes | None = field(default=None, repr=False)
    """The chunk's file, where it was sent along."""


@dataclass(frozen=True, slots=True)
class LoadTask:
    """Where the rows of a run go."""

    run_id: str
    target: ConnectionRef
    table: TargetTable
    expected: tuple[str, ...] | None = None
    """Columns every chunk must return; None when the run could not learn them beforehand."""
    relay: str | None = None
    """Wire format in which bytes pass undecoded; None: they are decoded."""
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    """Seconds to wait for a lock, before the chunk is retried."""
    direct_path: bool = False
    """Whether rows are first loaded into tables of their own, by direct path, which commits."""


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """One run's work, the same for each of its chunks."""

    read: ReadTask
    load: LoadTask | None = None
    """None for a dry run."""
    function: Transformation | None = None
    dtype_backend: DtypeBackend = "pyarrow"
    code: Code = field(default_factory=lambda: NO_CODE, repr=False)
    """The text of the function and of those it calls, where they are sent by value."""
    retries: int = DEFAULT_ATTEMPTS
    """Attempts at a chunk whose error is transient."""
    reject_limit: int = 0
    """Rows the run may reject."""
    known_notes: frozenset[str] = field(default_factory=frozenset)
    """Lossy conversions that the plan has reported already."""
    connection_wait: float = DEFAULT_CONNECTION_WAIT
    """Seconds to wait for a connection while others hold all of a server's."""
    gives_back: bool = False
    """Whether a chunk whose worker cannot reach a database is given back soon, for another worker
    to do; else it is tried as often as any."""
    keep_connections: bool = True
    """Whether a worker keeps its connections for its next chunk; else they are closed after each,
    so that other workers may open theirs."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that identify a row of the source."""
        return tuple(column.name for column in self.read.query.keys)
