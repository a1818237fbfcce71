"""What stops a run: a flag, and whatever has to be broken off so that the flag is seen.

Code that works on a run waits in many places: for a database's answer, for a worker, for a user's
function. None of them looks at a flag. So each registers how it is broken off, while it waits.
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
"""Seconds for which what began after a halt is let be: it is what writes how the run has ended."""

AGAIN = 2.0
"""Seconds after which an exception is raised in a thread once more, that went on despite it."""

DEAF = 2.0
"""Seconds after which a link is cut on which still is waited for, whatever its server was asked."""


class Break:
    """How one wait is broken off: never before it began, nor once it is over."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.began = time.monotonic()
        self._call: Callable[[], object] | None = call
        self._lock = threading.Lock()

    def off(self) -> None:
        """Break it off; called again where it still goes on."""
        with self._lock:
            if self._call is not None:
                with contextlib.suppress(Exception):  # it has just ended, or cannot be reached
                    self._call()

    def over(self) -> None:
        """Let it never be broken off any more; who is at it ends first."""
        self._call = None  # at once, should this thread be interrupted below
        with self._lock:
            pass


class Halt(threading.Event):
    """Says that a run is to stop, and breaks off what would not see it.

    Parameters
    ----------
    whole
        What halts the work that this run is a part of. When that breaks off what waits, it does so
        here too, once this is halted.
    """

    def __init__(self, whole: Halt | None = None) -> None:
        super().__init__()
        self._whole = whole
        self._abandoned = False
        self._breaks: dict[Break, None] = {}
        self._since = 0.0

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for its result any more: the program was interrupted."""
        return self._abandoned or (self._whole is not None and self._whole.abandoned)

    def abandon(self) -> None:
        """Stop, for nobody waits any more."""
        self._abandoned = True
        self.set()

    def set(self) -> None:
        """Stop. It returns at once, however long it takes those who wait to see it."""
        if not self.is_set():
            self._since = time.monotonic()
            super().set()
        self.break_off()

    def break_off(self) -> None:
        """Break off what goes on; that which began after the halt only when it lasts long."""
        late = time.monotonic() - self._since > ORDERLY
        for one in self._breaks.copy():
            if late or one.began <= self._since:
                one.off()

    @contextlib.contextmanager
    def breaks(self, call: Callable[[], object]) -> Iterator[None]:
        """Let a halt call something while the block is at work.

        Parameters
        ----------
        call
            It must return at once: the others are waiting for their turn, and so is the block's
            end. What could take time, it does in a thread of its own.
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
        """Let an interruption raise KeyboardInterrupt in this thread, as in the main one.

        A run that is cancelled has a result, for which a user's function comes to its end.
        """
        thread, last = threading.get_ident(), [-AGAIN]

        def interrupt() -> None:
            if self.abandoned and time.monotonic() - last[0] > AGAIN:
                last[0] = time.monotonic()
                raise_in(thread, KeyboardInterrupt)

        with self.breaks(interrupt):
            yield

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Let what this context does be halted by this."""
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
    """Raise an exception in another thread, at its next step of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


_CURRENT: ContextVar[Halt | None] = ContextVar("mapper_dask_halt", default=None)


def current() -> Halt | None:
    """Return what halts the work of this context, None where nothing does, such as on a worker."""
    return _CURRENT.get()


def is_halted() -> bool:
    """Return whether what this context works on is to stop."""
    halt = _CURRENT.get()
    return halt is not None and halt.is_set()


def interruptible() -> contextlib.AbstractContextManager[None]:
    """Return a context in which the halt of this one interrupts a user's function."""
    halt = _CURRENT.get()
    return contextlib.nullcontext() if halt is None else halt.interrupts()


class Link(Protocol):
    """What can be done about a driver's connection while another thread waits for its server."""

    def cancel(self) -> None:
        """Ask the server to break off. It may take long; other threads go on meanwhile."""
        ...

    def cut(self) -> None:
        """Let the waiting thread see the link broken, at once."""
        ...


class _AnyLink:
    """A connection whose driver cancels without keeping other threads from their work."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn

    def cancel(self) -> None:
        self._conn.cancel()

    def cut(self) -> None:
        """Do nothing: the driver ends the waiting itself, or nobody can."""


@functools.singledispatch
def link_of(conn: Any) -> Link:
    """Return what breaks off what a connection waits for; a dialect registers its driver's."""
    return _AnyLink(conn)


class Breaker:
    """Breaks off what a connection waits for, without ever waiting for its server itself.

    One that was begun may come to the server at any later time: the connection must not be given
    to anybody else then.
    """

    def __init__(self, conn: Any) -> None:
        self._link = link_of(conn)
        self._over = threading.Event()
        self._asking: threading.Thread | None = None
        self.begun = False

    def off(self) -> None:
        """Ask its server to break off; cut the link when that does not help."""
        if not self.begun:
            self.begun = True
            _aside(self._cut_late)
        if self._asking is None or not self._asking.is_alive():
            self._asking = _aside(self._link.cancel)

    def _cut_late(self) -> None:
        if not self._over.wait(DEAF):
            self._link.cut()

    def over(self) -> None:
        """Note that nobody waits any more."""
        self._over.set()


def _aside(call: Callable[[], object]) -> threading.Thread:
    """Begin something in a thread that keeps neither the caller nor the process."""

    def quietly() -> None:
        with contextlib.suppress(Exception):  # it is closed, or cannot be reached
            call()

    thread = threading.Thread(target=quietly, name="mapper_dask-cancel", daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def cancelled_with(conn: Any) -> Iterator[Callable[[], bool]]:
    """Let the halt of this context break off what a driver's connection waits for.

    Lends what says whether that was begun.
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
