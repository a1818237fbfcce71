"""Signals while a run is waited for: the first one counts, however many come, and when."""

from __future__ import annotations

import contextlib
import signal
import threading

import pytest

from mapper_dask import interrupts
from mapper_dask.halting import Halt
from mapper_dask.interrupts import attended


class Ending:
    """Counts how often it is asked to stop."""

    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1

    def report(self, command: object) -> str:
        del command
        return "interrupted"


def waited(halt: Halt) -> None:
    halt.wait(30)


def test_a_second_signal_before_none_is_heard_stops_the_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes between the first and the handlers that hear no more."""
    undisturbed, calls, halt, ending = interrupts._undisturbed, [0], Halt(), Ending()

    @contextlib.contextmanager
    def late() -> contextlib.AbstractContextManager[None]:
        calls[0] += 1
        if calls[0] == 1:
            raise KeyboardInterrupt
        with undisturbed():
            yield

    monkeypatch.setattr(interrupts, "_undisturbed", late)
    begun = threading.Event()

    def work() -> None:
        begun.set()
        waited(halt)

    def press() -> None:
        begun.wait(30)
        signal.raise_signal(signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        attended(work, halt, ending)
    pressing.join()
    assert halt.is_set()
    assert ending.stopped


def test_what_two_signals_leave_of_a_lock_is_an_interruption() -> None:
    met = RuntimeError("release unlocked lock")
    met.__context__ = KeyboardInterrupt()

    assert isinstance(interrupts._first(met), KeyboardInterrupt)


def test_an_error_of_its_own_stays_what_it_is() -> None:
    plain = RuntimeError("of a handler")
    caused = RuntimeError("of a handler")
    caused.__context__ = ValueError("met before")

    assert interrupts._first(plain) is plain
    assert interrupts._first(caused) is caused
