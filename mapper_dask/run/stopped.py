"""A run that is stopped while it is planned, or by somebody else: what its coordinator sees of it.

What stops a run breaks off what it waits for. Where that is a database, the run would fail with
what the database says of it; and where nobody works on a chunk, nobody would hear of it at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from mapper_dask.errors import DatabaseError, MapperError, RunStoppedError
from mapper_dask.halting import Halt
from mapper_dask.ledger.lost import lost
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger


@contextlib.contextmanager
def told_as_stopped(name: str | None, halt: Halt, begun: Callable[[], bool]) -> Iterator[None]:
    """Let what a database says of a run that is broken off be told as that it was stopped.

    Parameters
    ----------
    name
        The run's; None where it has none yet.
    begun
        Whether it may stand in its ledger.

    Raises
    ------
    RunStoppedError
        In place of a database's error, once the halt is set.
    """
    try:
        yield
    except DatabaseError as error:
        if not halt.is_set():
            raise
        run = "the run" if name is None else f"run {name!r}"
        message = f"{run} was stopped before it began; no row of it is loaded"
        if begun():
            message = f"{run} was stopped; what it has committed stays, and resume goes on"
        raise RunStoppedError(message, run_id=name) from error


def heed(ledger: RunLedger | None, halt: Halt) -> None:
    """Halt a run here that somebody has cancelled elsewhere.

    Raises
    ------
    LedgerLostError
        When somebody has discarded it.
    """
    if ledger is None or halt.is_set():
        return
    try:
        state = ledger.state()
    except MapperError:
        return  # what is at work meets the same, and tells of it; or it is asked again
    if state is None:
        raise lost(ledger.run_id)
    if state is RunState.CANCELLED:
        halt.set()
