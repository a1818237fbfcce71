"""The coordinator's side of the ledger: enter a run, end it, read it back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mapper_dask.connections import ConnectionRef, engine_for, raw_connection
from mapper_dask.dialects import dialect_for
from mapper_dask.errors import RunNotFoundError
from mapper_dask.ledger import Ledger, RunState, StoredRun
from mapper_dask.parallel_models import Chunk, ChunkResult


@dataclass(frozen=True, slots=True)
class RunLedger:
    """One run in the ledger of one target."""

    target: ConnectionRef
    run_id: str

    @contextlib.contextmanager
    def _session(self) -> Iterator[tuple[Ledger, Any]]:
        dialect = dialect_for(self.target)
        engine = engine_for(self.target, connect_args=dialect.connect_args())
        with raw_connection(engine) as conn, dialect.errors(engine.url):
            dialect.begin_load(conn, f"mapper_dask:{self.run_id}:coordinator")
            yield Ledger(dialect), conn
            conn.commit()

    def find(self) -> StoredRun | None:
        """Return the run as it is stored, None when the ledger does not know it."""
        try:
            with self._session() as (ledger, conn):
                return ledger.find_run(conn, self.run_id)
        except RunNotFoundError:
            return None

    def open(self, run: StoredRun, chunks: Sequence[Chunk]) -> bool:
        """Enter the run, in tables made where they are missing; False when it stands already."""
        with self._session() as (ledger, conn):
            ledger.create(conn)
            return ledger.open_run(conn, run, chunks)

    def set_state(self, state: RunState, snapshot: str | None = None) -> None:
        """Move the run to another state."""
        with self._session() as (ledger, conn):
            ledger.set_state(conn, self.run_id, state, snapshot)

    def chunks(self) -> list[tuple[Chunk, ChunkResult]]:
        """Return every chunk with what became of it."""
        with self._session() as (ledger, conn):
            return ledger.chunks(conn, self.run_id)

    def note_failure(self, result: ChunkResult) -> None:
        """Note a failure that the worker could not, because it died."""
        with self._session() as (ledger, conn):
            ledger.fail(conn, self.run_id, result)
