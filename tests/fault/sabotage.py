"""A function whose module, imported by a worker, makes that worker die at a chosen point, once.

``SABOTAGE`` names the point and ``SABOTAGE_MARK`` a file that says it has happened. Two mutants
of the loader stand beside the real one: with them, a death at the same point must lose or double
rows, or the tests that use this prove nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from mapper_dask.chunk import chunk_processor
from mapper_dask.chunk.load import TargetSession, target_session
from mapper_dask.chunk.task import LoadTask
from mapper_dask.ledger import Ledger
from mapper_dask.parallel_models import ChunkResult
from tests.fault.moving import shout

CHUNK = 3
"""The chunk at which it happens."""


def doomed(frame: pd.DataFrame) -> pd.DataFrame:
    """Do what ``shout`` does; its home is this module."""
    return shout(frame)


def die_once(point: str, chunk_id: int) -> None:
    if os.environ.get("SABOTAGE") != point or chunk_id != CHUNK:
        return
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.environ["SABOTAGE_MARK"], os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def honest(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Load as the library does."""
    with target_session(task, chunk_id) as session:
        yield session
        die_once("before_commit", chunk_id)
    die_once("after_commit", chunk_id)


@dataclass(frozen=True)
class LateLedger(Ledger):
    """Keeps the account for later."""

    accounts: list[ChunkResult] = ()

    def account(self, _conn: Any, _run_id: str, result: ChunkResult) -> None:
        self.accounts.append(result)


@contextlib.contextmanager
def ledger_after(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Mutant: commit the rows, then account for them in a transaction of its own."""
    accounts: list[ChunkResult] = []
    with target_session(task, chunk_id) as session:
        yield replace(session, ledger=LateLedger(session.dialect, accounts))
    die_once("between", chunk_id)
    with target_session(task, chunk_id) as session:
        for result in accounts:
            session.ledger.account(session.conn, task.run_id, result)


@dataclass(frozen=True)
class EarlyLedger(Ledger):
    """Accounts for a chunk when it is claimed, and commits that."""

    def claim(self, conn: Any, run_id: str, chunk_id: int) -> bool:
        if not super().claim(conn, run_id, chunk_id):
            return False
        with conn.cursor() as cursor:
            cursor.execute(
                "UPDATE mapper_dask_chunk SET state = 'PROCESSED' WHERE run_id = %s "
                "AND chunk_id = %s",
                (run_id, chunk_id),
            )
        conn.commit()
        die_once("between", chunk_id)
        return True

    def account(self, conn: Any, run_id: str, result: ChunkResult) -> None:
        pass


@contextlib.contextmanager
def ledger_before(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
    """Mutant: account for the rows, then load them in a transaction of its own."""
    with target_session(task, chunk_id) as session:
        yield replace(session, ledger=EarlyLedger(session.dialect))


LOADERS = {"honest": honest, "ledger_after": ledger_after, "ledger_before": ledger_before}

# Only in the processes that a test has told so: in the test's own, nothing is changed.
if "SABOTAGE" in os.environ and os.environ.get("SABOTAGE_TEST") != str(os.getpid()):
    chunk_processor.target_session = LOADERS[os.environ.get("SABOTAGE_LOADER", "honest")]
