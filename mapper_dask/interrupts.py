"""Ctrl-C: stops work that its caller waits for, records its state, and prints how to resume it.

Python raises Ctrl-C in the main thread only, between two bytecodes: never while a driver waits for
a database, and anywhere else. So the main thread only waits here, and another thread works.
"""

from __future__ import annotations

import contextlib
import contextvars
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from mapper_dask.errors import RunStoppedError
from mapper_dask.halting import Halt, raise_in
from mapper_dask.workers.main_guard import seen_from_here

LOOK = 0.1
"""Seconds between two attempts to break off what is still running."""

LIMIT = 10.0
"""Seconds to wait for the end, whether or not a database answers. A chunk that still runs then
commits nothing: it first asks the ledger, which is CANCELLED or does not answer."""

T = TypeVar("T")


class Ending(Protocol):
    """How some work is ended from outside, and what is reported then."""

    def stop(self) -> None:
        """Record that it is cancelled; nothing of it commits afterwards. May be called again."""
        ...

    def report(self, command: Callable[[str], str] | None) -> str:
        """Return one line: its progress, and the command that resumes it.

        Parameters
        ----------
        command
            Returns the command for a run's name; None: a call in Python.
        """
        ...


@dataclass(slots=True)
class Wording:
    """How a program other than a user's own reports the end of its work."""

    command: Callable[[str], str]
    begun: bool = False
    """Whether any of it has begun."""


_wording: ContextVar[Wording | None] = ContextVar("mapper_dask_wording", default=None)


@contextlib.contextmanager
def worded(command: Callable[[str], str]) -> Iterator[Wording]:
    """Put the line with such a command into the KeyboardInterrupt, instead of printing it."""
    wording = Wording(command)
    token = _wording.set(wording)
    try:
        yield wording
    finally:
        _wording.reset(token)


def command_to_resume(run_id: str) -> str:
    """Return the program's command that resumes a run; empty if it has none."""
    wording = _wording.get()
    return "" if wording is None else wording.command(run_id)


def attended(work: Callable[[], T], halt: Halt, ending: Ending) -> T:
    """Return the result of some work; an interruption stops the work and reports its progress.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, when the work has stopped.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()  # no signal is heard here
    wording = _wording.get()
    if wording is not None:
        wording.begun = True
    task = _Task(work, halt)
    try:
        task.start()
        while not task.ended.wait(LOOK):
            pass  # a wait without timeout would miss a signal that another thread was given
    except BaseException as error:  # noqa: BLE001 - what a handler of signals raises is anything
        try:
            line = _stopped(task, halt, ending, wording)
        except BaseException:  # noqa: BLE001 - a second signal, in the moment before none is heard
            line = _stopped(task, halt, ending, wording)
        raise _short(_first(error), line if wording is not None else "") from None
    return task.outcome()


def _first(error: BaseException) -> BaseException:
    """Return what interrupted a wait; a second signal leaves a RuntimeError of the wait's lock."""
    met = error.__context__
    while type(error) is RuntimeError and met is not None:
        if not isinstance(met, Exception):
            return met
        met = met.__context__
    return error


def require_going(run_id: str, halt: Halt) -> None:
    """Refuse to begin a run after its program was interrupted.

    Raises
    ------
    RunStoppedError
        When the program was interrupted.
    """
    if halt.abandoned:
        message = f"run {run_id!r} was stopped before it began; no row of it is loaded"
        raise RunStoppedError(message, run_id=run_id)


def _short(error: BaseException, line: str) -> BaseException:
    """Return an error without its traceback, which shows only where the wait was interrupted."""
    if not isinstance(error, KeyboardInterrupt):
        return error.with_traceback(None)
    short = KeyboardInterrupt(line) if line else KeyboardInterrupt()
    vars(short)["_render_traceback_"] = lambda: ["KeyboardInterrupt"]  # what IPython asks for
    return short


@dataclass(slots=True)
class _Task(Generic[T]):
    """Some work in its own thread."""

    work: Callable[[], T]
    halt: Halt
    ended: threading.Event = field(default_factory=threading.Event)
    thread: int = 0
    """Its identifier, once it has begun."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _result: list[T] = field(default_factory=list)
    _error: BaseException | None = None

    def start(self) -> None:
        with seen_from_here(), self.halt.current():
            context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._run,), name="mapper_dask-run", daemon=True
        ).start()

    def _run(self) -> None:
        self.thread = threading.get_ident()
        try:
            self._result.append(self.work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            trace = error.__traceback__
            self._error = error.with_traceback(trace and trace.tb_next)  # without this frame
        finally:
            with self._lock:  # nothing is raised in it afterwards
                self.ended.set()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in its thread, unless it has ended."""
        with self._lock:
            if self.thread and not self.ended.is_set():
                raise_in(self.thread, KeyboardInterrupt)

    def outcome(self) -> T:
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # else it and this frame would keep each other
        return self._result[0]


def _stopped(task: _Task[Any], halt: Halt, ending: Ending, wording: Wording | None) -> str:
    """Stop some work and return its report; a second Ctrl-C changes nothing."""
    command = None if wording is None else wording.command
    lines: list[str] = []
    with _undisturbed():
        closer = threading.Thread(
            target=lambda: lines.append(_closed(task, halt, ending, command)),
            name="mapper_dask-interrupted",
            daemon=True,
        )
        closer.start()
        closer.join(LIMIT)
        line = lines[0] if lines else _unwritten(f"no answer within {LIMIT:.0f} s")
        if wording is None:
            with contextlib.suppress(OSError, ValueError):  # stderr may be closed
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()
    return line


def _closed(
    task: _Task[Any], halt: Halt, ending: Ending, command: Callable[[str], str] | None
) -> str:
    halt.abandon()
    deadline = time.monotonic() + LIMIT / 2
    with contextlib.suppress(Exception):  # it may not be entered yet; called again below
        ending.stop()
    while not task.ended.wait(LOOK) and time.monotonic() < deadline:
        halt.break_off()
    task.interrupt()  # computes on, and was not broken off as a user's function
    try:
        ending.stop()
        return ending.report(command)
    except Exception as error:  # noqa: BLE001 - some line is always better than none
        return _unwritten(f"{type(error).__name__}")


def _unwritten(why: str) -> str:
    return (
        f"interrupted; the ledger could not be asked ({why}), so it may still say RUNNING: what is "
        "committed stays, and resume goes on"
    )


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore a second Ctrl-C; a default SIGTERM still ends the process.

    Other signals that have a handler are raised again at the end.
    """
    before = {}
    heard: set[int] = set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, signal.Handlers):
            before[number] = signal.signal(number, lambda got, _: heard.add(got))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for missed in heard - {signal.SIGINT}:
            signal.raise_signal(missed)
