"""A thread that sends events, so that no run waits for a collector."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
from collections.abc import Callable

from mapper_dask.log import log

CAPACITY = 1_000
"""Events that may wait for a collector; beyond that they are dropped, and the log says so."""

EXIT_WAIT = 5.0
"""Seconds that a process waits at exit for events that are not sent yet."""


class Sender:
    """Makes calls in order, in a thread of its own; failures are logged once.

    Parameters
    ----------
    name
        Its name in the log.
    capacity
        Calls that may wait.
    """

    def __init__(self, name: str, capacity: int = CAPACITY) -> None:
        self._name = name
        self._waiting: queue.Queue[Callable[[], object]] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._failing = False

    def send(self, call: Callable[[], object]) -> None:
        """Queue a call; return at once."""
        self._start()
        try:
            self._waiting.put_nowait(call)
        except queue.Full:
            self._complain("Full")

    def flush(self, timeout: float) -> bool:
        """Wait until all calls are made, at most so many seconds; return whether they are."""
        with self._waiting.all_tasks_done:
            return self._waiting.all_tasks_done.wait_for(
                lambda: self._waiting.unfinished_tasks == 0, timeout
            )

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                name = f"mapper_dask-{self._name}"
                self._thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._thread.start()
                atexit.register(self.flush, EXIT_WAIT)

    def _work(self) -> None:
        while True:
            call = self._waiting.get()
            try:
                call()
            except Exception as error:  # noqa: BLE001 - of any kind that a transport raises
                self._complain(type(error).__name__)
            else:
                self._failing = False
            finally:
                self._waiting.task_done()

    def _complain(self, kind: str) -> None:
        """Log once that events are lost, until one is sent again."""
        if not self._failing:
            self._failing = True
            log("hook_failed", logging.WARNING, hook=self._name, error=kind)


_senders: dict[tuple[int, str], Sender] = {}


def sender(name: str) -> Sender:
    """Return this process's sender of that name; a forked child has no thread of its parent's."""
    return _senders.setdefault((os.getpid(), name), Sender(name))
