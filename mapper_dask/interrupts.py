"""Ctrl-C: work that its caller waits for is stopped, what became of it is written and told.

The main thread alone hears Ctrl-C, between two steps of Python: not while a driver waits for a
database, and in the midst of anything else. So it only waits here, and another thread works.
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
"""Seconds after which what still goes on is broken off once more."""

LIMIT = 10.0
"""Seconds for which the end is waited for: a database that does not answer keeps nobody longer.
What still waits then commits nothing: a chunk first asks the ledger, which says CANCELLED or gets
no answer."""

T = TypeVar("T")


class Ending(Protocol):
    """How some work is ended from outside, and what is told of it then."""

    def stop(self) -> None:
        """Write that it is cancelled; nothing of it commits afterwards. May be called again."""
        ...

    def report(self, command: Callable[[str], str] | None) -> str:
        """Return one line: how far it came, and the command that resumes it.

        Parameters
        ----------
        command
            Returns the command for a run's name; None: what a Python program calls.
        """
        ...


@dataclass(slots=True)
class Wording:
    """How a program that is no user's own has the end of its work told."""

    command: Callable[[str], str]
    begun: bool = False
    """Whether any of it has begun."""


_wording: ContextVar[Wording | None] = ContextVar("mapper_dask_wording", default=None)


@contextlib.contextmanager
def worded(command: Callable[[str], str]) -> Iterator[Wording]:
    """Let an interruption carry its line, with such a command in it, instead of printing it."""
    wording = Wording(command)
    token = _wording.set(wording)
    try:
        yield wording
    finally:
        _wording.reset(token)


def command_to_resume(run_id: str) -> str:
    """Return what resumes a run in the program that is told of it; empty where nobody knows."""
    wording = _wording.get()
    return "" if wording is None else wording.command(run_id)


def attended(work: Callable[[], T], halt: Halt, ending: Ending) -> T:
    """Return what some work returns; an interruption stops it first, and tells how far it came.

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
            pass  # a signal that another thread was given is heard only between two looks
    except BaseException as error:  # noqa: BLE001 - what a handler of signals raises is anything
        try:
            line = _stopped(task, halt, ending, wording)
        except BaseException:  # noqa: BLE001 - a second signal, in the moment before none is heard
            line = _stopped(task, halt, ending, wording)
        raise _short(_first(error), line if wording is not None else "") from None
    return task.outcome()


def _first(error: BaseException) -> BaseException:
    """Return what broke off a wait; a second signal leaves RuntimeError of the wait's own lock."""
    met = error.__context__
    while type(error) is RuntimeError and met is not None:
        if not isinstance(met, Exception):
            return met
        met = met.__context__
    return error


def require_going(run_id: str, halt: Halt) -> None:
    """Begin nothing for somebody who is gone.

    Raises
    ------
    RunStoppedError
        When the program was interrupted meanwhile.
    """
    if halt.abandoned:
        message = f"run {run_id!r} was stopped before it began; no row of it is loaded"
        raise RunStoppedError(message, run_id=run_id)


def _short(error: BaseException, line: str) -> BaseException:
    """Return an error without the places where it was met, which are of no use to anybody."""
    if not isinstance(error, KeyboardInterrupt):
        return error.with_traceback(None)
    short = KeyboardInterrupt(line) if line else KeyboardInterrupt()
    vars(short)["_render_traceback_"] = lambda: ["KeyboardInterrupt"]  # what IPython asks for
    return short


@dataclass(slots=True)
class _Task(Generic[T]):
    """Some work in a thread of its own."""

    work: Callable[[], T]
    halt: Halt
    ended: threading.Event = field(default_factory=threading.Event)
    thread: int = 0
    """Which it is, once it has begun."""
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
    """Stop some work and return the line that tells of it; a second Ctrl-C changes nothing."""
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
            with contextlib.suppress(OSError, ValueError):  # nobody sees it any more
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()
    return line


def _closed(
    task: _Task[Any], halt: Halt, ending: Ending, command: Callable[[str], str] | None
) -> str:
    halt.abandon()
    deadline = time.monotonic() + LIMIT / 2
    with contextlib.suppress(Exception):  # it may not be entered yet; once more below
        ending.stop()
    while not task.ended.wait(LOOK) and time.monotonic() < deadline:
        halt.break_off()
    task.interrupt()  # what computes for ever, and is no function that was broken off
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
    """Hear no second Ctrl-C; a process that SIGTERM ends at once still is.

    What else comes meanwhile is raised again at the end, for whoever waits for it.
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
