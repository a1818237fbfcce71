"""Worker processes of this machine that live as long as a run, or a flow."""

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
"""What keeps a worker small and quick. Arrow's own allocator takes more of the system than it is
asked for, and the C library's keeps what each thread has freed apart for that thread: a worker that
reads ahead held 425 MB before these, and 265 MB with them. What one chunk has let go stays for the
next, up to 256 MB; given back, the system would have to clear it anew, page by page, which took a
sixteenth of the processors' time of a run with a function."""

TICK = "1s"
"""How often a worker's event loop looks whether it is late. At Dask's fifty times a second it takes
the interpreter's lock away from the chunk at work, some hundredths of its time."""


OF_TERMINALS = (signal.SIGINT, signal.SIGHUP)
"""What a terminal sends to every process that it has started, workers too, when its user presses
Ctrl-C or closes it. It is meant for the coordinator, who ends the workers. Not so Ctrl-Z and what
follows it: a run that stands still does so everywhere, and goes on together."""

_tell: ContextVar[Callable[[str], object] | None] = ContextVar("mapper_dask_tell", default=None)


@contextlib.contextmanager
def telling(tell: Callable[[str], object]) -> Iterator[None]:
    """Let something be told what is done before the first chunk can begin."""
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


@contextlib.contextmanager
def own_cluster(workers: int, halt: Halt | None = None) -> Iterator[Client]:
    """Lend the client of worker processes that listen on loopback only, one thread each.

    Dask's profiler looks at every thread a hundred times a second, which costs a tenth of the time
    of a worker that hands rows from one C library to another; it is off here. What the user set of
    the workers' environment, in Dask's configuration or in this process, stays as it is.

    One thread: a worker that is killed for its memory takes no other chunk with it, and pandas
    holds the interpreter's lock for most of a chunk anyway.

    Parameters
    ----------
    workers
        How many.
    halt
        What ends them at once, whatever they do.

    Raises
    ------
    RunStoppedError
        When they were ended before they were all there.
    """
    require_main_guard()
    tell = _tell.get()
    if tell is not None:
        tell(f"starting {workers} workers")
    with (
        dask.config.set(_worker_config()),
        quiet_dask(),  # a heartbeat that meets the end is no news
        _undisturbed_loop() as loop,
        _started(workers, loop, halt or Halt()) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def _undisturbed_loop() -> Iterator[Any]:
    """Lend a running loop whose thread, and every process that is begun there, hears no terminal.

    A thread begins with the signals blocked that the one has which begins it, and so does a
    process: from its first instruction on, long before a line of Python runs in it.
    """
    runner = LoopRunner()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_TERMINALS)
    try:
        resource_tracker.ensure_running()  # who begins it has SIGINT unblocked afterwards
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
    """Worker processes that a halt ends, from when the first of them starts."""

    def __init__(self, halt: Halt, stack: contextlib.ExitStack, **options: Any) -> None:
        self._halt, self._complete = halt, False
        stack.enter_context(halt.breaks(self.kill))
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._complete = True

    def kill(self) -> None:
        """End every worker process, in whatever it does, and let none be started again.

        Asked to close, one would first come to the end of its chunk.
        """
        if not self._complete and not self._halt.abandoned:
            return  # somebody waits for the run's result, which is written when they are there
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
