"""The workers that all jobs of a flow share: one client's, or one cluster started for them."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Self

from distributed import Client

from mapper_dask.errors import MainGuardError, RunStoppedError
from mapper_dask.halting import Halt, current
from mapper_dask.workers.clients import connected, current_client
from mapper_dask.workers.engines import DaskEngine, Engine, LoopEngine
from mapper_dask.workers.local_cluster import own_cluster
from mapper_dask.workers.main_guard import require_main_guard
from mapper_dask.workers.startable import why_not_startable


class SharedWorkers:
    """Workers for several jobs at a time; a context, at whose end what was started here is closed.

    Without a client, or the address of a scheduler, the session's own client is used. Without one
    of those processes are started on this machine, by the first job that is larger than a chunk.

    Parameters
    ----------
    client, scheduler_address
        Whose workers to use.
    max_workers
        Processes to start; a single one would only make detours, so such jobs run here.
    """

    def __init__(
        self, client: Client | None, scheduler_address: str | None, max_workers: int
    ) -> None:
        self._client, self._address = client, scheduler_address
        self._max_workers = max_workers
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._unguarded: MainGuardError | None = None
        self._halt: Halt | None = None
        self._why = ""

    def __enter__(self) -> Self:
        self._halt = current()  # the flow's, since one job must not end the shared workers
        if self._client is None and self._address is None:
            self._client = current_client()
        elif self._client is None and self._address is not None:  # at once: it may be dead
            self._client = self._stack.enter_context(connected(self._address))
        try:  # here, because the script's frame is not on the stacks of the jobs' threads
            require_main_guard()
        except MainGuardError as error:
            self._unguarded = error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def engine(self, asked_workers: int | None) -> Engine:
        """Return the engine for a job that has more than one chunk.

        Parameters
        ----------
        asked_workers
            Workers to keep busy at most; None: all there are.
        """
        client = self._found()
        return LoopEngine(self._why) if client is None else DaskEngine(client, asked_workers)

    def _found(self) -> Client | None:
        with self._lock:
            if self._client is None and self._max_workers > 1:
                if self._unguarded is not None:
                    raise self._unguarded
                if self._halt is not None and self._halt.abandoned:  # while another job began them
                    message = "the flow was stopped before its workers were there"
                    raise RunStoppedError(message)
                self._why = why_not_startable()
                if not self._why:
                    self._client = self._stack.enter_context(
                        own_cluster(self._max_workers, self._halt)
                    )
            return self._client
