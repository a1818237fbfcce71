"""How a coordinator notices that its run was stopped while it is planned, or by somebody else.

A stop breaks off what the run waits for. If that is a database, the run would fail with the
database's error; and if no chunk is running, nothing would notice the stop at all.
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
def raised_as_stopped(name: str | None, halt: Halt, begun: Callable[[], bool]) -> Iterator[None]:
    """Raise a database's error as RunStoppedError once a run was stopped.

    Parameters
    ----------
    name
        The run's; None if it has none yet.
    begun
        Returns whether it may be in its ledger.

    Raises
    ------
    RunStoppedError
        In place of a database's error, if the halt is set.
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
    """Halt a run if somebody has cancelled it elsewhere.

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
        return  # running chunks meet and report the same error; or the next check succeeds
    if state is None:
        raise lost(ledger.run_id)
    if state is RunState.CANCELLED:
        halt.set()
