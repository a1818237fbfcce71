"""The coordinator's access to the ledger: enters a run, ends it, reads it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_target
from mapper_dask.errors import DatabaseError, LedgerError, RunNotFoundError
from mapper_dask.ledger.records import state_of
from mapper_dask.ledger.refused_staged import publish_apart
from mapper_dask.ledger.rejects import as_rejects
from mapper_dask.ledger.replan import restart_with_chunks, take_chunks, withdraw
from mapper_dask.ledger.run_record import NewRun, RunState, StoredRun
from mapper_dask.ledger.run_tables import RunTables
from mapper_dask.ledger.staging import require_staged
from mapper_dask.log import log
from mapper_dask.naming import session_tag
from mapper_dask.parallel_models import Chunk, ChunkResult, Reject
from mapper_dask.retries import (
    DEFAULT_ATTEMPTS,
    DEFAULT_CONNECTION_WAIT,
    DEFAULT_LOCK_TIMEOUT,
    attempts,
)
from mapper_dask.schema.facts import Publication, TableMark, TargetTable
from mapper_dask.spool.folder import KEPT_SECONDS

T = TypeVar("T")

STOP_ATTEMPTS = 12
"""Attempts at stopping a run: a chunk may have locked its row between two of them."""

STOP_LOCK_TIMEOUT = 0.25
"""Seconds to wait for the run's row before the sessions that hold it are looked for again."""


@dataclass(frozen=True, slots=True)
class RunLedger:
    """One run in the ledger of one target."""

    target: ConnectionRef
    run_id: str
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    """Seconds to wait for a lock, before a frozen worker's session is looked for and ended."""
    connection_wait: float = DEFAULT_CONNECTION_WAIT
    """Seconds to wait for a connection while others hold all of the target's."""

    @contextlib.contextmanager
    def _session(self, lock_timeout: float | None = None) -> Iterator[RunTables]:
        with open_target(self.target, "target_conn") as target:
            name = f"{session_tag(self.run_id)}:coordinator"
            target.begin_load(name, lock_timeout or self.lock_timeout)
            yield RunTables(target)
            target.commit()

    def find(self) -> StoredRun | None:
        """Return the run as it is stored, None when the ledger does not know it."""
        try:
            # Not retried: it is the first contact, and a wrong address should fail at once.
            return self._call(lambda ledger: ledger.find_run(self.run_id), number=1)
        except RunNotFoundError:
            return None

    def state(self) -> RunState | None:
        """Return the run's state; None if the ledger does not have it."""

        def look(ledger: RunTables) -> RunState | None:
            values = {"run_id": self.run_id}
            found = ledger.store.run("ledger_state", values) if ledger.exists() else []
            return state_of(self.run_id, RunState, found[0][0]) if found else None

        return self._call(look, number=1)

    def is_known(self) -> bool:
        """Return whether the ledger has the run, even if its record cannot be read."""
        return self._call(lambda ledger: ledger.knows(self.run_id), number=1)

    def open(
        self,
        run: NewRun,
        chunks: Sequence[Chunk],
        table: TargetTable,
        publication: Publication | None = None,
    ) -> bool:
        """Enter the run, creating missing tables; False if the ledger has it already.

        Its staging table is created in the same transaction, and those of dead runs are removed.
        The storage of the table that receives the rows is recorded.
        """
        takes = (table.schema, table.name)
        if publication is not None:
            takes = (publication.schema, publication.staging_name)

        def enter(ledger: RunTables) -> bool:
            ledger.create()
            with_run = ledger.target.dialect.capabilities.transactional_ddl
            if publication is not None and not with_run:  # the run must not exist without it
                ledger.target.create_staging(publication)
            if not ledger.open_run(run, chunks):
                return False
            if publication is not None:
                for name in ledger.sweep(publication, KEPT_SECONDS):
                    log("staging_dropped", logging.WARNING, run=self.run_id, table=name)
                if with_run:
                    ledger.target.create_staging(publication)
            ledger.evidence.note_table(run.run_id, *takes)
            return True

        return self._call(enter, new=True)

    def reopen(self, snapshot: str | None, publication: Publication | None = None) -> None:
        """Resume the run, unless another coordinator has it under way.

        Raises
        ------
        LedgerError
            When the staging table is not its own.
        """

        def reopen(ledger: RunTables) -> None:
            ledger.evidence.upgrade()
            if publication is not None and not self._waits(ledger, publication):
                return
            if ledger.find_run(self.run_id).state is not RunState.RUNNING:
                ledger.set_state(self.run_id, RunState.RUNNING, snapshot)

        self._call(reopen)

    def _waits(self, ledger: RunTables, publication: Publication) -> bool:
        """Return whether rows are staged; not once another coordinator has published them."""
        try:
            require_staged(ledger.target, self.run_id, publication)
        except LedgerError:
            if ledger.is_done(self.run_id):  # asked last: it is said before the table goes
                return False
            raise
        return True

    def accept(self, mark: TableMark, note: str) -> None:
        """Record that the run's rows are in this mark's table, with a note for every report."""

        def accept(ledger: RunTables) -> None:
            ledger.evidence.accept(self.run_id, mark)
            if note and note not in ledger.find_run(self.run_id).notes:
                ledger.note(self.run_id, note)

        self._call(accept)

    def set_state(self, state: RunState) -> None:
        """Move the run to another state."""
        self._call(lambda ledger: ledger.set_state(self.run_id, state))

    def restart(self, snapshot: str | None, staging: str | None, note: str) -> bool:
        """Restart a stopped run in another snapshot; False if it was cancelled."""
        return self._call(lambda ledger: ledger.restart(self.run_id, snapshot, staging, note))

    def restart_with_chunks(
        self, snapshot: str | None, staging: str | None, note: str, chunks: Sequence[Chunk]
    ) -> bool:
        """Restart a stopped run with other chunks; False if it was cancelled."""
        return self._call(
            lambda ledger: restart_with_chunks(ledger, self.run_id, snapshot, staging, note, chunks)
        )

    def take_chunks(
        self, snapshot: str | None, before: Sequence[Chunk], chunks: Sequence[Chunk], note: str
    ) -> bool:
        """Give the run the chunks of a reading; False if its chunks are not as ``before``."""
        return self._call(
            lambda ledger: take_chunks(ledger, self.run_id, snapshot, before, chunks, note)
        )

    def withdraw(self) -> bool:
        """Delete the run if no chunk of it has begun; return whether it was deleted."""
        return self._call(lambda ledger: withdraw(ledger, self.run_id))

    def stop(self, state: RunState) -> None:
        """Stop the run at once: chunks being loaded are interrupted, nothing commits afterwards.

        A chunk that is being loaded has locked the run's row. So its session is ended, repeatedly
        until no other one has taken its place.
        """
        for attempt in attempts(STOP_ATTEMPTS, self.connection_wait):
            with attempt:
                self.end_sessions()
                try:
                    with self._session(STOP_LOCK_TIMEOUT) as ledger:
                        ledger.set_state(self.run_id, state)
                except DatabaseError as error:
                    self._require_kept(error)
                    raise

    def end_sessions(self) -> int:
        """End the sessions that load chunks of the run; return how many there were."""
        with self._session() as ledger:
            return ledger.store.end_sessions(session_tag(self.run_id))

    def publish(self, publication: Publication | None, chunks: int) -> RunState:
        """End the run if all its chunks are committed, publishing staged rows; return its state.

        If the target refuses what may be single rows, and the run may reject some, it is all done
        once more without those.
        """
        try:
            return self._call(lambda ledger: ledger.publish(self.run_id, publication, chunks))
        except DatabaseError as error:
            refused = error.details.get("refused_rows")
            if publication is None or not publication.reject_limit or not refused:
                raise
        return self._publish_apart(publication, chunks)

    def _publish_apart(self, publication: Publication, chunks: int) -> RunState:
        """Publish the staged rows, except those that the target refuses, which are rejected."""
        log("rows_refused", logging.WARNING, run=self.run_id, table=publication.target)
        keys = publication.reject_keys
        return self._call(
            lambda ledger: publish_apart(
                ledger,
                self.run_id,
                publication,
                chunks,
                lambda refused: as_rejects("load", refused, keys),
            )
        )

    def forget(self) -> None:
        """Remove the run and what it has staged."""
        self._call(lambda ledger: ledger.forget(self.run_id))

    def chunks(self) -> list[tuple[Chunk, ChunkResult]]:
        """Return every chunk with its result."""
        return self._call(lambda ledger: ledger.chunks(self.run_id))

    def rejects(self) -> list[tuple[int, Reject]]:
        """Return every rejected row, with its chunk."""
        return self._call(lambda ledger: ledger.rejects(self.run_id))

    def note_failure(self, result: ChunkResult) -> None:
        """Record a failure that the worker could not record, because it died."""
        self._call(lambda ledger: ledger.fail(self.run_id, result))

    def _call(
        self, work: Callable[[RunTables], T], number: int = DEFAULT_ATTEMPTS, *, new: bool = False
    ) -> T:
        """Run work on the ledger in one transaction that may be retried, and return its result.

        It is idempotent: after a commit whose reply was lost, the second try changes nothing.
        """
        for attempt in attempts(number, self.connection_wait):
            with attempt:
                try:
                    with self._session() as ledger:
                        return work(ledger)
                except DatabaseError as error:
                    self._end_frozen(error)
                    if not new:
                        self._require_kept(error)
                    raise
        raise AssertionError  # pragma: no cover - attempts return or raise

    def _require_kept(self, error: DatabaseError) -> None:
        """Raise LedgerLostError if a table is missing because the ledger is gone."""
        if error.details.get("missing_table"):
            with self._session() as ledger:
                ledger.require_kept(self.run_id)

    def _end_frozen(self, error: DatabaseError) -> None:
        """End the sessions of frozen workers if a lock was not granted in time."""
        if error.details.get("waited_for_lock"):
            with self._session() as ledger:
                tag = session_tag(self.run_id)
                ledger.store.end_frozen(tag, None, self.lock_timeout)
