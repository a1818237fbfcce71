"""Stops a run: sets a flag, and interrupts every wait that would not see the flag.

A run waits in many places: for a database's answer, for a worker, for a user's function. None of
these checks a flag. So each registers how to interrupt it for as long as it waits.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

ORDERLY = 3.0
"""Seconds for which waits that began after a halt go uninterrupted: they record the run's end."""

AGAIN = 2.0
"""Seconds after which KeyboardInterrupt is raised again in a thread that suppressed it."""

DEAF = 2.0
"""Seconds after which a connection is cut whose server did not react to the cancellation."""


class Break:
    """Interrupts one wait: never before it began, nor once it is over."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.began = time.monotonic()
        self._call: Callable[[], object] | None = call
        self._lock = threading.Lock()

    def off(self) -> None:
        """Interrupt the wait; called again if it continues."""
        with self._lock:
            if self._call is not None:
                with contextlib.suppress(Exception):  # it has just ended, or cannot be reached
                    self._call()

    def over(self) -> None:
        """Disable the interruption, after one that is under way has returned."""
        self._call = None  # before the lock: this thread may be interrupted while it waits for it
        with self._lock:
            pass


class Halt(threading.Event):
    """The flag that a run is to stop; setting it interrupts the run's waits.

    Parameters
    ----------
    whole
        The halt of the work that this run is a part of, such as a flow. When that interrupts its
        waits, the waits of this one are interrupted too, if it is set.
    """

    def __init__(self, whole: Halt | None = None) -> None:
        super().__init__()
        self._whole = whole
        self._abandoned = False
        self._breaks: dict[Break, None] = {}
        self._since = 0.0

    @property
    def abandoned(self) -> bool:
        """Whether no caller waits for the result any more: the program was interrupted."""
        return self._abandoned or (self._whole is not None and self._whole.abandoned)

    def abandon(self) -> None:
        """Stop, because no caller waits any more."""
        self._abandoned = True
        self.set()

    def set(self) -> None:
        """Stop; return at once, however long the waits take to end."""
        if not self.is_set():
            self._since = time.monotonic()
            super().set()
        self.break_off()

    def break_off(self) -> None:
        """Interrupt all waits; those that began after the halt only if they last long."""
        late = time.monotonic() - self._since > ORDERLY
        for one in self._breaks.copy():  # other threads change it meanwhile
            if late or one.began <= self._since:
                one.off()

    @contextlib.contextmanager
    def breaks(self, call: Callable[[], object]) -> Iterator[None]:
        """Let a halt call something while the block runs.

        Parameters
        ----------
        call
            It must return at once: the calls are made in sequence, and the block's end waits for
            its own. What may take time belongs in a thread.
        """
        one = Break(call)
        self._breaks[one] = None
        try:
            yield
        finally:
            one.over()
            self._breaks.pop(one, None)

    @contextlib.contextmanager
    def interrupts(self) -> Iterator[None]:
        """Let an interrupted program raise KeyboardInterrupt in this thread, as in the main one.

        Not when the run is only cancelled: it has a result, so a user's function may end.
        """
        thread, last = threading.get_ident(), [-AGAIN]  # so that the first one is raised

        def interrupt() -> None:
            if self.abandoned and time.monotonic() - last[0] > AGAIN:
                last[0] = time.monotonic()
                raise_in(thread, KeyboardInterrupt)

        with self.breaks(interrupt):
            yield

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make this the halt of the current context."""
        whole = self._whole
        token = _CURRENT.set(self)
        try:
            with contextlib.nullcontext() if whole is None else whole.breaks(self._once_more):
                yield
        finally:
            _CURRENT.reset(token)

    def _once_more(self) -> None:
        if self.is_set():
            self.break_off()


def raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise an exception in another thread, at its next bytecode instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


_CURRENT: ContextVar[Halt | None] = ContextVar("mapper_dask_halt", default=None)


def current() -> Halt | None:
    """Return the halt of this context; None where there is none, such as on a worker."""
    return _CURRENT.get()


def is_halted() -> bool:
    """Return whether the run of this context is to stop."""
    halt = _CURRENT.get()
    return halt is not None and halt.is_set()


def interruptible() -> contextlib.AbstractContextManager[None]:
    """Return a context in which the halt of this one interrupts a user's function."""
    halt = _CURRENT.get()
    return contextlib.nullcontext() if halt is None else halt.interrupts()


class Link(Protocol):
    """Ends a wait of a driver's connection from another thread."""

    def cancel(self) -> None:
        """Ask the server to cancel. It may block for long, but lets other threads run."""
        ...

    def cut(self) -> None:
        """Break the connection, so that the waiting thread fails at once."""
        ...


class _AnyLink:
    """A connection whose driver cancels without blocking other threads."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn

    def cancel(self) -> None:
        self._conn.cancel()

    def cut(self) -> None:
        """Do nothing: only the driver itself can end the wait."""


@functools.singledispatch
def link_of(conn: Any) -> Link:
    """Return how to end a connection's wait; a dialect registers its driver's."""
    return _AnyLink(conn)


class Breaker:
    """Cancels what a connection waits for, without blocking itself.

    A cancellation may reach the server at any later time, so once one was begun the connection must
    not be reused.
    """

    def __init__(self, conn: Any) -> None:
        self._link = link_of(conn)
        self._over = threading.Event()
        self._asking: threading.Thread | None = None
        self.begun = False

    def off(self) -> None:
        """Ask the server to cancel; cut the connection if that does not help."""
        if not self.begun:
            self.begun = True
            _in_thread(self._cut_late)
        if self._asking is None or not self._asking.is_alive():
            self._asking = _in_thread(self._link.cancel)

    def _cut_late(self) -> None:
        if not self._over.wait(DEAF):
            self._link.cut()

    def over(self) -> None:
        """Record that the wait has ended."""
        self._over.set()


def _in_thread(call: Callable[[], object]) -> threading.Thread:
    """Start a daemon thread, so that neither the caller nor the process waits for the call."""

    def quietly() -> None:
        with contextlib.suppress(Exception):  # it is closed, or cannot be reached
            call()

    thread = threading.Thread(target=quietly, name="mapper_dask-cancel", daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def cancelled_with(conn: Any) -> Iterator[Callable[[], bool]]:
    """Let the halt of this context cancel what a driver's connection waits for.

    Lends a function that returns whether a cancellation was begun.
    """
    halt = _CURRENT.get()
    if halt is None:
        yield lambda: False
        return
    breaker = Breaker(conn)
    try:
        with halt.breaks(breaker.off):
            yield lambda: breaker.begun
    finally:
        breaker.over()
