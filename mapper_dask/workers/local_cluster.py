"""Worker processes on this machine that live as long as a run or a flow."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from multiprocessing import resource_tracker
from typing import Any

import dask
from distributed import Client, LocalCluster, Status
from distributed.utils import LoopRunner

from mapper_dask.errors import RunStoppedError
from mapper_dask.halting import Halt
from mapper_dask.workers.main_guard import require_main_guard
from mapper_dask.workers.quiet import QuietNanny, quiet_dask

ALLOCATOR = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
"""Allocator settings that keep a worker small and fast. Arrow's own allocator reserves more than it
uses, and the C library keeps an arena for each thread: a worker that reads ahead held 425 MB
without these settings and 265 MB with them. Memory that one chunk frees is kept for the next, up to
256 MB; returned to the system, it would be cleared again page by page, which took a sixteenth of
the processor time of a run with a function."""

TICK = "1s"
"""How often a worker's event loop checks whether it is late. Dask's default, fifty times a second,
takes the interpreter's lock from the running chunk for some hundredths of its time."""


OF_TERMINALS = (signal.SIGINT, signal.SIGHUP)
"""What a terminal sends to all its processes, workers included, on Ctrl-C or when it is closed.
Only the coordinator handles them, and ends the workers. Ctrl-Z reaches all: a run is suspended and
resumed as a whole."""

_report: ContextVar[Callable[[str], object] | None] = ContextVar("mapper_dask_report", default=None)


@contextlib.contextmanager
def reporting(report: Callable[[str], object]) -> Iterator[None]:
    """Call ``report`` with each step of preparation before the first chunk begins."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)


@contextlib.contextmanager
def own_cluster(workers: int, halt: Halt | None = None) -> Iterator[Client]:
    """Lend the client of worker processes that listen on loopback only, one thread each.

    Dask's profiler samples every thread a hundred times a second, which costs a tenth of the time
    of a worker that passes rows from one C library to another; it is off here. The workers'
    environment that the user set, in Dask's configuration or in this process, is kept.

    One thread: a worker that is killed for its memory loses no other chunk, and pandas holds the
    interpreter's lock for most of a chunk anyway.

    Parameters
    ----------
    workers
        How many.
    halt
        Kills them at once when it is set.

    Raises
    ------
    RunStoppedError
        When they were killed before all had started.
    """
    require_main_guard()
    report = _report.get()
    if report is not None:
        report(f"starting {workers} workers")
    with (
        dask.config.set(_worker_config()),
        quiet_dask(),  # hides heartbeats that fail while the cluster closes
        _undisturbed_loop() as loop,
        _started(workers, loop, halt or Halt()) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def _undisturbed_loop() -> Iterator[Any]:
    """Lend a running loop whose thread and child processes ignore the terminal's signals.

    Threads and processes inherit the signal mask of the thread that starts them: it holds from
    the first instruction, long before Python runs in a worker.
    """
    runner = LoopRunner()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINALS)
    try:
        resource_tracker.ensure_running()  # unblocks SIGINT in the calling thread
        signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINALS)
        runner.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield runner.loop
    finally:
        runner.stop()


@contextlib.contextmanager
def _started(workers: int, loop: Any, halt: Halt) -> Iterator[LocalCluster]:
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(
                OwnCluster(
                    halt,
                    stack,
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                    worker_class=QuietNanny,
                    silence_logs=False,  # by quiet_dask
                    loop=loop,
                )
            )
        except Exception:
            if halt.abandoned:
                message = "the run was stopped while its workers started"
                raise RunStoppedError(message) from None
            raise
        yield cluster


class OwnCluster(LocalCluster):
    """Worker processes that a halt kills, from when the first of them starts."""

    def __init__(self, halt: Halt, stack: contextlib.ExitStack, **options: Any) -> None:
        self._halt, self._complete = halt, False
        stack.enter_context(halt.breaks(self.kill))
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._complete = True

    def kill(self) -> None:
        """Kill every worker process, and let none be restarted.

        A worker that is asked to close would first finish its chunk.
        """
        if not self._complete and not self._halt.abandoned:
            return  # the caller waits for the run's result, which is written once they have started
        for nanny in list(getattr(self, "_created", ())):
            if nanny.status is Status.running:
                nanny.status = Status.closing_gracefully
            if nanny.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(nanny.pid, signal.SIGKILL)


def _worker_config() -> dict[str, Any]:
    environment = "distributed.nanny.pre-spawn-environ"
    asked = dask.config.get(environment, {})
    usual = dask.config.get(environment, {}, config=dask.config.merge(*dask.config.defaults))
    chosen = {name: value for name, value in asked.items() if value != usual.get(name)}
    return {
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": TICK,
        environment: {**asked, **ALLOCATOR, **chosen},
    }
