"""The coordinator's side of the ledger: enter a run, end it, read it back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mapper_dask.connections import ConnectionRef, engine_for, raw_connection
from mapper_dask.dialects import dialect_for
from mapper_dask.errors import RunNotFoundError
from mapper_dask.ledger import Ledger, RunState, StoredRun
from mapper_dask.parallel_models import Chunk, ChunkResult
from mapper_dask.retries import attempts

T = TypeVar("T")


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
            # Once only: it is the first contact, and a wrong address should be told at once.
            with self._session() as (ledger, conn):
                return ledger.find_run(conn, self.run_id)
        except RunNotFoundError:
            return None

    def open(self, run: StoredRun, chunks: Sequence[Chunk]) -> bool:
        """Enter the run, in tables made where they are missing; False when it stands already."""

        def enter(ledger: Ledger, conn: Any) -> bool:
            ledger.create(conn)
            return ledger.open_run(conn, run, chunks)

        return self._call(enter)

    def set_state(self, state: RunState, snapshot: str | None = None) -> None:
        """Move the run to another state."""
        self._call(lambda ledger, conn: ledger.set_state(conn, self.run_id, state, snapshot))

    def chunks(self) -> list[tuple[Chunk, ChunkResult]]:
        """Return every chunk with what became of it."""
        return self._call(lambda ledger, conn: ledger.chunks(conn, self.run_id))

    def note_failure(self, result: ChunkResult) -> None:
        """Note a failure that the worker could not, because it died."""
        self._call(lambda ledger, conn: ledger.fail(conn, self.run_id, result))

    def _call(self, work: Callable[[Ledger, Any], T]) -> T:
        """Return what some work on the ledger returns, done in one transaction that may be retried.

        All of it can be done twice: a commit whose answer was lost changes nothing the second time.
        """
        for attempt in attempts():
            with attempt, self._session() as (ledger, conn):
                return work(ledger, conn)
        raise AssertionError  # pragma: no cover - attempts return or raise
