"""A run in the background, to wait for or to cancel."""

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
    """A run in the background; made by ``ParallelProcessor.start``.

    As a context manager it cancels a run that has not ended at the end of the ``with`` block. In a
    coroutine it is awaited, ``result = await handle``, and ``async with`` does the same without
    blocking the event loop.

    Parameters
    ----------
    run_id
        Name of the run in its target's ledger.
    work
        Moves the rows, until the :class:`~mapper_dask.halting.Halt` that it is given is set.
    end
        Ends the run in its ledger, so that nothing of it commits any more.
    require_waitable
        Raises if waiting here would block the event loop that the run needs.
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
        self._future.set_running_or_notify_cancel()  # to stop waiting does not end it
        # In the caller's context, so that the run is part of the caller's trace or flow.
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
            When it has not ended after so many seconds; it is not stopped.
        RunFailedError
            When chunks failed, unless the processor has ``on_failure="return"``.
        MapperError
            Another error of the run; or that waiting here would block the event loop it needs.
        """
        if self.done():
            return self._future.result()
        self._require_waitable()
        with stepping_aside():
            return self._future.result(timeout)

    def __await__(self) -> Generator[Any, None, ParallelProcessingResult]:
        """Wait for the run in a coroutine; to cancel the coroutine does not cancel the run."""
        return awaited_without_frames(asyncio.wrap_future(self._future)).__await__()

    def cancel(self) -> None:
        """Stop the run: loads are broken off, and nothing commits once this returns.

        Its state in the ledger is then CANCELLED; ``resume`` finishes it.
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
