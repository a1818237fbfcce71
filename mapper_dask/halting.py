"""What stops a run: a flag, and whatever has to be broken off so that the flag is seen.

Code that works on a run waits in many places: for a database's answer, for a worker, for a user's
function. None of them looks at a flag. So each registers how it is broken off, while it waits.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

ORDERLY = 3.0
"""Seconds for which what began after a halt is let be: it is what writes how the run has ended."""

AGAIN = 2.0
"""Seconds after which an exception is raised in a thread once more, that went on despite it."""


class Halt(threading.Event):
    """Says that a run is to stop, and breaks off what would not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.abandoned = False
        """Whether nobody waits for its result any more: the program was interrupted."""
        self._lock = threading.RLock()
        self._breaks: dict[object, tuple[float, Callable[[], object]]] = {}
        self._since = 0.0

    def set(self) -> None:
        """Stop."""
        if not self.is_set():
            self._since = time.monotonic()
            super().set()
        self.break_off()

    def break_off(self) -> None:
        """Break off what goes on; that which began after the halt only when it lasts long."""
        late = time.monotonic() - self._since > ORDERLY
        with self._lock:
            known = list(self._breaks.values())
        for began, call in known:
            if late or began <= self._since:
                with contextlib.suppress(Exception):  # it has just ended, or cannot be reached
                    call()

    @contextlib.contextmanager
    def breaks(self, call: Callable[[], object]) -> Iterator[None]:
        """Let a halt call something while the block is at work."""
        key = object()
        with self._lock:
            self._breaks[key] = time.monotonic(), call
        try:
            yield
        finally:
            with self._lock:
                self._breaks.pop(key, None)

    @contextlib.contextmanager
    def interrupts(self) -> Iterator[None]:
        """Let an interruption raise KeyboardInterrupt in this thread, as in the main one.

        A run that is cancelled has a result, for which a user's function comes to its end.
        """
        thread, last, going = threading.get_ident(), [-AGAIN], [True]

        def interrupt() -> None:
            with self._lock:  # never once the block is left
                if self.abandoned and going[0] and time.monotonic() - last[0] > AGAIN:
                    last[0] = time.monotonic()
                    raise_in(thread, KeyboardInterrupt)

        try:
            with self.breaks(interrupt):
                yield
        finally:
            with self._lock:
                going[0] = False

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Let what this context does be halted by this."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)


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


@contextlib.contextmanager
def cancelled_with(conn: Any) -> Iterator[None]:
    """Let the halt of this context break off what a driver's connection waits for."""
    halt = _CURRENT.get()
    if halt is None:
        yield
        return
    with halt.breaks(conn.cancel):  # of psycopg2 and oracledb alike, and for other threads to call
        yield
