"""The transaction on the target: claim, load, account, commit; or nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from mapper_dask.chunk.blame import OF_TARGET, is_denied, is_duplicate, of_duplicate, of_right
from mapper_dask.chunk.broken_keys import broken_key
from mapper_dask.chunk.task import LoadTask
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.opening import open_target
from mapper_dask.dialects.target import Target
from mapper_dask.errors import DatabaseError
from mapper_dask.ledger.run_tables import RunTables, asides_of
from mapper_dask.naming import session_tag
from mapper_dask.parallel_models import ChunkResult
from mapper_dask.schema.facts import Aside, Needs, TargetTable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TargetSession:
    """A target connection inside a transaction."""

    session: Target
    ledger: RunTables


def worker_name() -> str:
    """Return the name of this process in the ledger."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextlib.contextmanager
def target_session(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Lend a connection inside a load transaction; commits at the end, rolls back on any error.

    A connection that failed is discarded rather than rolled back: on a dead link a rollback would
    only mask the cause. A wait for a lock that lasted too long may have been for a frozen
    copy of this chunk, which is ended then; the next attempt finds out.
    """
    tag = session_tag(task.run_id)
    try:
        with _session(task, f"{tag}:{chunk_id}") as target:
            yield target
            target.session.commit()
    except DatabaseError as error:
        if error.details.get("waited_for_lock"):
            with _session(task, tag) as session:
                session.ledger.store.end_frozen(tag, chunk_id, task.lock_timeout)
        if error.details.get("missing_table"):  # the target's, or the ledger's
            with _session(task, tag) as session:
                session.ledger.require_kept(task.run_id)
        if not error.details.get("of_source"):  # a relay reads within the load's transaction
            error.details[OF_TARGET] = True
        dialect = dialect_for(task.target)
        if is_denied(error, dialect) and (missing := _missing(task)):
            raise of_right(error, missing) from None
        if not is_duplicate(error, dialect):
            raise
        raise of_duplicate(error, task.table, _broken_key(task, error)) from None


def _missing(task: LoadTask) -> list[str]:
    """Return the grants for a load whose columns were not known beforehand; none if unknown."""
    table = task.table
    needs = Needs(table.schema, table.name, ("INSERT",), staged=False, rejects=False, names=())
    return _asked(task, lambda target: target.session.missing_grants(needs)) or []


def _broken_key(task: LoadTask, error: DatabaseError) -> tuple[str, ...]:
    """Return the columns of the unique key that an error names; none if unknown."""
    said = str(error.details.get("said", ""))
    return _asked(task, lambda target: broken_key(target.session, task.table, said)) or ()


def _asked(task: LoadTask, question: Callable[[TargetSession], T]) -> T | None:
    """Return the answer of another session about an error; None without one."""
    with contextlib.suppress(DatabaseError), _session(task, session_tag(task.run_id)) as session:
        return question(session)
    return None


@contextlib.contextmanager
def _session(task: LoadTask, application: str) -> Iterator[TargetSession]:
    with open_target(task.target) as target:
        target.begin_load(application, task.lock_timeout)
        yield TargetSession(target, RunTables(target))


@dataclass(frozen=True, slots=True)
class LoadsAside:
    """A connection beside a load's transaction, and the tables one attempt fills there."""

    session: Target
    prefix: str
    made: list[str]

    def load(self, table: TargetTable, rows: pa.Table) -> Aside:
        """Load rows into a new table."""
        name = f"{self.prefix}{uuid.uuid4().hex[:8]}"
        self.made.append(name)
        return self.session.load_aside(table, rows, name)

    def drop(self) -> None:
        """Drop the tables; those that cannot be dropped are when the run ends."""
        for name in self.made:
            with contextlib.suppress(DatabaseError), self.session.errors():
                self.session.drop_asides(name)


@contextlib.contextmanager
def loads_aside(task: LoadTask, chunk_id: int) -> Iterator[LoadsAside]:
    """Lend a connection whose direct path tables are dropped at the end in any case."""
    with _session(task, f"{session_tag(task.run_id)}:{chunk_id}") as target:
        loads = LoadsAside(target.session, asides_of(task.run_id), [])
        try:
            yield loads
        finally:
            loads.drop()


def assign(task: LoadTask, chunk_id: int) -> int | None:
    """Record in the ledger that this worker begins a chunk; return None if it is done already."""
    with target_session(task, chunk_id) as session:
        return session.ledger.assign(task.run_id, chunk_id, worker_name())


def note_failure(task: LoadTask, result: ChunkResult) -> None:
    """Record in the ledger why a chunk failed."""
    with target_session(task, result.chunk_id) as session:
        session.ledger.fail(task.run_id, result)
