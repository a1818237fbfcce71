"""A function whose module, imported by a worker, changes that worker's loader.

The variable ``SABOTAGE`` names a folder of orders: a file called like a kill point makes the next
worker that gets there die, once. A run is loaded as its name says: the part before the dash is
``honest``, or one of three mutants of the loader. With those, a death at the same point must lose
or double rows, or the tests that use this prove nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mapper_dask.chunk import chunk_processor
from mapper_dask.chunk.load import TargetSession, target_session
from mapper_dask.chunk.task import LoadTask
from mapper_dask.ledger.run_tables import RunTables
from mapper_dask.parallel_models import ChunkResult, ChunkState
from tests.fault.moving import shout

ORDERS = "SABOTAGE"
""":func:`sabotaged` sets it. It matters to a process that has it when it imports this module: a
worker. The test's own process is as it was."""

Loader = Callable[[LoadTask, int], AbstractContextManager[TargetSession]]


def doomed(frame: pd.DataFrame) -> pd.DataFrame:
    """Do what ``shout`` does; its home is this module."""
    return shout(frame)


def order(folder: Path, point: str) -> Path:
    """Order one death at a point; the file that is returned vanishes with it."""
    (folder / point).touch()
    return folder / point


def die_if_ordered(point: str) -> None:
    if ORDERS not in os.environ:
        return
    with contextlib.suppress(FileNotFoundError):
        (Path(os.environ[ORDERS]) / point).unlink()  # of several workers, one succeeds
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def honest(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Load as the library does."""
    with target_session(task, chunk_id) as session:
        yield session
        die_if_ordered("before_commit")
    die_if_ordered("after_commit")


@dataclass(frozen=True)
class NoLedger(RunTables):
    """Neither asks what is done nor says so."""

    def claim(self, _run_id: str, _chunk_id: int) -> bool:
        return True

    def account(self, run_id: str, result: ChunkResult, *, apart: bool = False) -> None:
        pass


@contextlib.contextmanager
def no_ledger(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Mutant: commit the rows, and trust Dask to run each chunk once."""
    with target_session(task, chunk_id) as session:
        yield replace(session, ledger=NoLedger(session.session))
    die_if_ordered("after_commit")


@dataclass(frozen=True)
class LateLedger(RunTables):
    """Keeps the account for later."""

    accounts: list[ChunkResult] = ()

    def account(self, _run_id: str, result: ChunkResult, *, apart: bool = False) -> None:
        del apart
        self.accounts.append(result)


@contextlib.contextmanager
def ledger_after(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Mutant: commit the rows, then account for them in a transaction of its own."""
    accounts: list[ChunkResult] = []
    with target_session(task, chunk_id) as session:
        yield replace(session, ledger=LateLedger(session.session, accounts))
    die_if_ordered("between")
    with target_session(task, chunk_id) as session:
        for result in accounts:
            session.ledger.account(task.run_id, result)


@dataclass(frozen=True)
class EarlyLedger(RunTables):
    """Accounts for a chunk when it is claimed, and commits that."""

    def claim(self, run_id: str, chunk_id: int) -> bool:
        if not super().claim(run_id, chunk_id):
            return False
        super().account(run_id, ChunkResult(chunk_id, ChunkState.PROCESSED, ""))
        self.target.commit()
        die_if_ordered("between")
        return True

    def account(self, run_id: str, result: ChunkResult, *, apart: bool = False) -> None:
        pass


@contextlib.contextmanager
def ledger_before(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Mutant: account for the rows, then load them in a transaction of its own."""
    with target_session(task, chunk_id) as session:
        yield replace(session, ledger=EarlyLedger(session.session))


@dataclass(frozen=True)
class Sabotaged:
    """A loader, and the points around its commit at which a worker can be made to die."""

    load: Loader
    points: tuple[str, ...]


LOADERS = {
    "honest": Sabotaged(honest, ("before_commit", "after_commit")),
    "no_ledger": Sabotaged(no_ledger, ("after_commit",)),
    "ledger_before": Sabotaged(ledger_before, ("between",)),
    "ledger_after": Sabotaged(ledger_after, ("between",)),
}
MUTANTS = tuple(name for name in LOADERS if name != "honest")


def as_named(task: LoadTask, chunk_id: int) -> AbstractContextManager[TargetSession]:
    """Load as the run's name says."""
    return LOADERS[task.run_id.partition("-")[0]].load(task, chunk_id)


@contextlib.contextmanager
def sabotaged(orders: Path) -> Iterator[None]:
    """Let the workers that are started meanwhile take orders from a folder."""
    os.environ[ORDERS] = str(orders)
    try:
        yield
    finally:
        del os.environ[ORDERS]


if ORDERS in os.environ:  # in a worker
    chunk_processor.target_session = as_named
