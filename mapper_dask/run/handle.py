"""A run in the background: look at it, wait for it, cancel it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from mapper_dask.halting import Halt, current
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.tracebacks import awaited_without_frames, without_frames
from mapper_dask.workers.clients import stepping_aside
from mapper_dask.workers.main_guard import seen_from_here


class RunHandle:
    """A run that goes on while its caller does something else; made by ``ParallelProcessor.start``.

    As a context manager it leaves nothing running behind: what has not ended at the end of the
    ``with`` block is cancelled. In a coroutine it is awaited, ``result = await handle``, and
    ``async with`` does the same without stopping the event loop.

    Parameters
    ----------
    run_id
        Name of the run in its target's ledger.
    work
        What moves the rows, until the :class:`~mapper_dask.halting.Halt` that it is given is set.
    end
        What ends the run in its ledger, so that nothing of it commits any more.
    require_waitable
        What raises where to wait would stop the event loop that the run needs.
    """

    def __init__(
        self,
        run_id: str,
        work: Callable[[Halt], ParallelProcessingResult],
        end: Callable[[], None],
        require_waitable: Callable[[], None] = lambda: None,
    ) -> None:
        self.run_id = run_id
        self._end = end
        self._require_waitable = require_waitable
        self._stop = Halt(current())
        self._future: Future[ParallelProcessingResult] = Future()
        self._future.set_running_or_notify_cancel()  # who stops waiting for it does not end it
        # In the caller's context: what it is a part of, a trace or a flow, goes on there.
        with seen_from_here():
            context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run,
            args=(self._work, work),
            name=f"mapper_dask-{run_id}",
            daemon=True,
        )
        self._thread.start()

    def _work(self, work: Callable[[Halt], ParallelProcessingResult]) -> None:
        try:
            with self._stop.current():
                self._future.set_result(work(self._stop))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            self._future.set_exception(error)

    def done(self) -> bool:
        """Return whether the run has ended."""
        return self._future.done()

    @without_frames
    def result(self, timeout: float | None = None) -> ParallelProcessingResult:
        """Wait for the run and return its result.

        Raises
        ------
        TimeoutError
            When it has not ended after so many seconds; it goes on.
        RunFailedError
            When chunks failed, unless the processor says ``on_failure="return"``.
        MapperError
            What else the run raised; or that to wait here would stop the event loop it needs.
        """
        if self.done():
            return self._future.result()
        self._require_waitable()
        with stepping_aside():
            return self._future.result(timeout)

    def __await__(self) -> Generator[Any, None, ParallelProcessingResult]:
        """Wait for the run in a coroutine; to be cancelled there ends the waiting, not the run."""
        return awaited_without_frames(asyncio.wrap_future(self._future)).__await__()

    def cancel(self) -> None:
        """Stop the run: what is being loaded is broken off, and nothing commits once this returns.

        The ledger then says CANCELLED; ``resume`` goes on where it stopped.
        """
        if self.done():
            return
        self._stop.set()
        self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def __enter__(self) -> Self:
        if not self.done():
            self._require_waitable()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()
        with stepping_aside():
            self._thread.join()
