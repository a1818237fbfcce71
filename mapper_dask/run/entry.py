"""A run that is in the ledger before its query is read, so that it can be cancelled and resumed."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.errors import MapperError, RunStoppedError
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.spool.folder import SpoolFolder

LOOK = 0.2
"""Seconds between two checks whether a run was stopped here while its query is read."""

ASKED_EACH = 5
"""Checks after which the ledger is queried for a cancel elsewhere: each second."""

T = TypeVar("T")


@dataclass(slots=True)
class Entry:
    """A run's entry in the ledger until its first chunk begins; as a context, ends it on an error.

    A new run with an error is removed, so that the corrected job may have the same name. A resumed
    one has failed. A run that was stopped, or is left by its program, is cancelled.
    """

    ledger: RunLedger
    new: bool
    """Whether this process has entered it."""
    stop: threading.Event
    folder: SpoolFolder | None = None
    """The folder of its rows."""
    begun: bool = False
    """Whether its chunks have begun: then they decide its state."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stopped_elsewhere = isinstance(error, RunStoppedError) and not self.stop.is_set()
        if error is None or self.begun or stopped_elsewhere:
            return
        with contextlib.suppress(MapperError):  # the error that ended the run is raised
            if self.stop.is_set() or not isinstance(error, Exception):
                self.ledger.stop(RunState.CANCELLED)
            elif not self.new:
                self.ledger.set_state(RunState.FAILED)
            elif self.ledger.withdraw() and self.folder is not None:
                self.folder.remove()


class Stopped:
    """Whether the reading of a run's query must end, because of a stop here or in the ledger."""

    def __init__(self, run_id: str, ledger: RunLedger | None, stop: threading.Event) -> None:
        self.run_id, self._ledger, self._stop = run_id, ledger, stop
        self.halt = threading.Event()
        """Set as soon as it must."""

    def look(self) -> bool:
        """Return whether it was stopped here."""
        if self._stop.is_set():
            self.halt.set()
        return self.halt.is_set()

    def ask(self) -> bool:
        """Return whether it was stopped anywhere; a ledger that does not answer stops nothing."""
        if not self.look() and self._ledger is not None:
            with contextlib.suppress(MapperError):
                if self._ledger.state() is not RunState.RUNNING:
                    self.halt.set()
        return self.halt.is_set()

    @contextlib.contextmanager
    def as_stopped(self) -> Iterator[None]:
        """Raise a statement's error as RunStoppedError if the run was stopped."""
        try:
            yield
        except RunStoppedError:
            raise
        except MapperError:
            if self.ask():
                raise stopped(self.run_id) from None
            raise


def stopped(run_id: str) -> RunStoppedError:
    """Return the error of a run that was stopped before its first chunk."""
    message = f"run {run_id!r} was stopped while its query was read; no row of it is loaded"
    return RunStoppedError(message, run_id=run_id)


def watched(work: Callable[[Stopped], T], source: ConnectionRef, found: Stopped) -> T:
    """Return the result of reading a query in another thread, while this one watches for a stop.

    A stop ends the statement, which may return no row for long: again and again, since another
    attempt may have begun one meanwhile. So does Ctrl-C, since no driver is interrupted while it
    waits. The ledger is queried by time, so that no row waits for its answer.
    """
    context, done = contextvars.copy_context(), Future[T]()
    reader = threading.Thread(
        target=context.run, args=(_do, work, found, done), name="mapper-dask-reading", daemon=True
    )
    reader.start()
    try:
        for looks in itertools.count(1):
            wait([done], LOOK)
            if done.done():
                break
            if found.ask() if looks % ASKED_EACH == 0 else found.look():
                _end(source, found)
    except BaseException:
        found.halt.set()
        while reader.is_alive():
            _end(source, found)
            reader.join(LOOK)
        raise
    return done.result()


def _do(work: Callable[[Stopped], T], found: Stopped, done: Future[T]) -> None:
    try:
        done.set_result(work(found))
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        done.set_exception(error)


def _end(source: ConnectionRef, found: Stopped) -> None:
    with contextlib.suppress(MapperError):
        stored_runs.end_reading(source, found.run_id)
