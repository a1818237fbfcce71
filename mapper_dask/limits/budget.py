"""Limits the connections of a run, or of a flow's jobs, before they are opened.

The budget of a server is what it has free when the first job begins, less a reserve for others, or
the limit that was set. Each job has a *share* of it: the coordinator's own connections, and those
of its running chunks. Where all workers fit, nothing is counted while they work. Where they do not,
no more chunks run at a time than fit, and workers close their connections after each.

Only the coordinator counts: no worker asks before it connects. Other programs may take connections
meanwhile; a chunk that gets none waits and is retried.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mapper_dask.bounds import MOST
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections.pool import close_idle
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.errors import ConfigurationError, ConnectionFailedError, RunStoppedError
from mapper_dask.limits.server_connections import Need, holders, needs
from mapper_dask.log import log
from mapper_dask.retries import DEFAULT_CONNECTION_WAIT, attempts, lacks_connection
from mapper_dask.settings import Settings

RESERVE = 0.1
"""Fraction of a server's free connections that is left to others, at least one; but never so many
that no chunk could be moved."""

LOOK = 0.5
"""Seconds after which a job that waits for other jobs of its flow checks whether it was stopped."""


class Share:
    """The connections that one run may hold open; made by :meth:`Budget.admit`."""

    def __init__(self, budget: Budget, needed: tuple[Need, ...]) -> None:
        self._budget = budget
        self.needs = needed
        self.kept_workers = 0
        """Workers that keep their connections; 0 while chunks are counted."""
        self.at_work = 0
        """Chunks that run, where they are counted."""
        self.hungry = False
        """Whether its last request for a chunk was refused."""
        self.ahead = False
        """Whether workers may read the next chunk while they load one."""

    @property
    def keeps(self) -> bool:
        """Whether every worker may keep its connections: then chunks are not counted."""
        return self.kept_workers > 0

    @property
    def limited(self) -> bool:
        """Whether ``connections.limit`` is set."""
        return self._budget.limit is not None

    def settle(self, threads: int, wanted: int, *, own: bool) -> str:
        """Decide whether chunks are counted; return a note on that, or an empty text.

        Parameters
        ----------
        threads
            Threads that may run chunks.
        wanted
            How many of them are to be kept busy.
        own
            Whether they serve this run alone, and no more can join. Otherwise a limit is kept by
            counting chunks, however high it is.
        """
        return self._budget.settle(self, threads, wanted, own=own)

    @property
    def counts_workers(self) -> bool:
        """Whether workers keep their connections, and a server has only so many."""
        return self.keeps and bool(self.needs)

    def follow(self, threads: int) -> None:
        """Adjust the workers that keep their connections to those that joined or left."""
        self._budget.follow(self, threads)

    def most_workers(self) -> int:
        """Return how many workers could keep their connections; 0 while chunks are counted."""
        return self._budget.most_workers(self)

    def bounded(self, task: ChunkTask) -> ChunkTask:
        """Return a run's task with the settings that keep it within the share."""
        read = replace(task.read, ahead=self.ahead)
        return replace(task, read=read, keep_connections=self.keeps)

    def take(self) -> bool:
        """Return whether one more chunk may begin now; always True while none runs."""
        return self._budget.take(self)

    def give_back(self) -> None:
        """Record that a chunk has ended."""
        self._budget.give_back(self)

    def held(self, limit: tuple[str, str]) -> int:
        """Return the connections that are counted as open under a limit."""
        need = next((need for need in self.needs if need.limit == limit), None)
        if need is None:
            return 0
        if self.keeps:
            return need.fixed + self.kept_workers * (need.each + (need.ahead if self.ahead else 0))
        return need.fixed + max(1, self.at_work) * need.each


class Budget:
    """The connections that one run, or the jobs of one flow at a time, may hold to each server.

    Parameters
    ----------
    limit
        Connections to one server at most, the coordinator's and idle ones included. None: what the
        server has free when the first job begins, less a tenth that is left to others.
    wait
        Seconds to wait for connections that others hold.
    runs
        Jobs that share it at a time: connections for a chunk of each are reserved.
    """

    def __init__(
        self,
        limit: int | None = None,
        wait: float = DEFAULT_CONNECTION_WAIT,
        *,
        runs: int = 1,
    ) -> None:
        self.limit, self.wait, self.runs = limit, wait, max(1, runs)
        self._asking = threading.Lock()
        """One job asks at a time: another one's asking connection would count as taken."""
        self._changed = threading.Condition()
        self._shares: list[Share] = []
        self._waiting = 0
        self._capacity: dict[tuple[str, str], int | None] = {}

    @classmethod
    def of(cls, settings: Settings, *, runs: int = 1) -> Budget:
        """Return the budget that the settings ask for."""
        limit, wait = settings.value("connections.limit"), settings.value("connections.wait")
        return cls(limit, wait, runs=runs)

    def attempts(self, run_id: str, stop: threading.Event, tidy: Callable[[], None]) -> Any:
        """Return attempts to begin a run, repeated while others hold the connections.

        Parameters
        ----------
        run_id
            For the log.
        stop
            Ends the waiting.
        tidy
            Closes idle connections of the run in other processes: they may be what is missing.

        Raises
        ------
        RunStoppedError
            When ``stop`` is set while it waits.
        """
        ends = time.monotonic() + self.wait

        def pause(seconds: float) -> None:
            if stop.wait(min(seconds, max(0.0, ends - time.monotonic()))):
                message = f"run {run_id!r} was stopped while it waited for connections"
                raise RunStoppedError(message, run_id=run_id)

        def note(error: BaseException) -> None:
            close_idle()
            tidy()
            left = ends - time.monotonic()
            log("connections_awaited", logging.WARNING, run=run_id, why=error, seconds_left=left)

        return attempts(1, self.wait, sleep=pause, before_sleep=note)

    @contextlib.contextmanager
    def admit(
        self,
        source: ConnectionRef,
        target: ConnectionRef | None,
        *,
        direct_path: bool,
        stop: threading.Event,
    ) -> Iterator[Share]:
        """Lend a share that allows at least one chunk; wait for other jobs of the same budget.

        Raises
        ------
        ConnectionFailedError
            When a server has too few connections left; see ``lacks_connection``.
        ConfigurationError
            When the limit is too low for any chunk.
        """
        try:
            with self._asking:
                share = Share(self, needs(source, target, direct_path=direct_path))
        except ConnectionFailedError as error:
            raise (_full(error, self.wait) if lacks_connection(error) else error) from None
        self._enter(share, stop)
        try:
            yield share
        finally:
            with self._changed:
                self._shares.remove(share)
                if not self._shares:
                    self._capacity.clear()  # the next job measures it again
                self._changed.notify_all()

    def settle(self, share: Share, threads: int, wanted: int, *, own: bool) -> str:
        """Decide whether a share's chunks are counted; see :meth:`Share.settle`."""
        with self._changed:
            if (own or self.limit is None) and self._fits(share, threads, ahead=False):
                share.ahead = self._fits(share, threads, ahead=True)
                share.kept_workers = max(1, threads)
                return ""
            most = min(self._most(need) for need in share.needs)
        tight = min(share.needs, key=self._most)
        if most >= wanted:
            return ""
        return (
            f"{most} of {wanted} chunks at a time: {tight} has "
            f"{self._capacity.get(tight.limit)} connections for this run, which opens "
            f"{tight.fixed} for itself and {tight.each} a chunk"
        )

    def follow(self, share: Share, threads: int) -> None:
        """Set how many workers of a share keep their connections; see :meth:`Share.follow`."""
        if share.keeps:
            with self._changed:
                share.kept_workers = max(1, min(threads, self._fitting(share, ahead=share.ahead)))
                self._changed.notify_all()

    def most_workers(self, share: Share) -> int:
        """Return how many workers fit into a share; see :meth:`Share.most_workers`."""
        if not share.keeps:
            return 0
        with self._changed:
            return self._fitting(share, ahead=share.ahead)

    def _fitting(self, share: Share, *, ahead: bool) -> int:
        """Return how many workers may keep all connections they open."""
        most = MOST
        for need in share.needs:
            capacity = self._capacity.get(need.limit)
            if capacity is None:
                continue
            others = self._used(need.limit) - share.held(need.limit)
            to_come = max(0, self.runs - len(self._shares)) * need.least
            each = need.each + (need.ahead if ahead else 0)
            most = min(most, (capacity - others - to_come - need.fixed) // max(1, each))
        return most

    def take(self, share: Share) -> bool:
        """Count one more chunk, if connections are left for it; see :meth:`Share.take`."""
        if share.keeps:
            return True
        with self._changed:
            share.hungry = share.at_work > 0 and not self._may_take(share)
            share.at_work += not share.hungry
            return not share.hungry

    def give_back(self, share: Share) -> None:
        """Record that a chunk has ended; see :meth:`Share.give_back`."""
        if share.keeps:
            return
        with self._changed:
            share.at_work -= 1
            self._changed.notify_all()

    def _may_take(self, share: Share) -> bool:
        """Return whether one more chunk fits, and no other job with fewer chunks waits for one."""
        others = [other for other in self._shares if other is not share and other.hungry]
        # Jobs that wait to begin come first, then those with fewer chunks.
        if self._waiting or any(other.at_work < share.at_work for other in others):
            return False
        return all(
            self._used(need.limit) + need.each <= capacity
            for need in share.needs
            if (capacity := self._capacity.get(need.limit)) is not None
        )

    def _enter(self, share: Share, stop: threading.Event) -> None:
        with self._changed:
            self._waiting += 1
            try:
                while not self._can_begin(share):
                    if stop.is_set():
                        message = "the run was stopped while it waited for others of its flow"
                        raise RunStoppedError(message)
                    self._changed.wait(LOOK)
                self._shares.append(share)
            finally:
                self._waiting -= 1

    def _can_begin(self, share: Share) -> bool:
        """Return whether a share can begin; raise if it could not even without other jobs.

        Raises
        ------
        ConnectionFailedError
            When the server has too few connections.
        ConfigurationError
            When the limit is too low.
        """
        fits = True
        for need in share.needs:
            used = self._used(need.limit)
            if not used:  # a share's own connections would count as taken
                self._capacity[need.limit] = self._measured(need)
            capacity = self._capacity[need.limit]
            fits = fits and (capacity is None or used + need.least <= capacity)
        return fits

    def _measured(self, need: Need) -> int | None:
        """Return how many connections to a server this budget may use.

        Raises
        ------
        ConnectionFailedError
            When too few are free for one chunk.
        ConfigurationError
            When the limit is too low for one chunk.
        """
        limit = None if need.part else self.limit
        if limit is not None and limit < need.least:
            message = (
                f"connections.limit of {limit} is too low: the run needs, at {need}, "
                f"{need.fixed} for itself and {need.each} a chunk; set at least "
                f"{need.least}"
            )
            raise ConfigurationError(message, field="connections.limit")
        if need.free is None:
            return limit
        if need.free < need.least:
            raise _taken(need, self.wait)
        if limit is not None or need.part:  # it is this login's own: no reserve
            return need.free if limit is None else min(limit, need.free)
        reserve = max(1, int(RESERVE * need.free))
        return max(need.least, need.free - reserve)

    def _used(self, limit: tuple[str, str]) -> int:
        return sum(share.held(limit) for share in self._shares)

    def _fits(self, share: Share, threads: int, *, ahead: bool) -> bool:
        return max(1, threads) <= self._fitting(share, ahead=ahead)

    def _most(self, need: Need) -> float:
        """Return how many chunks fit at a time, without other jobs."""
        capacity = self._capacity.get(need.limit)
        return float("inf") if capacity is None else (capacity - need.fixed) // need.each


REMEDY = (
    "end or limit (connections.limit) what holds them, or let an administrator raise the server's "
    "max_connections"
)


def unbounded() -> Share:
    """Return a share without limits: nothing is counted."""
    share = Share(Budget(), ())
    share.ahead, share.kept_workers = True, 1
    return share


def _taken(need: Need, wait: float) -> ConnectionFailedError:
    held = holders(need.refs)
    by = f". Held by {held}" if held else ""
    message = (
        f"{need} has {need.free} connections left for this login, and the run needs {need.least}: "
        f"{need.fixed} for itself and {need.each} for a chunk{by}. "
        f"They are waited for up to {wait:g} s (connections.wait); {REMEDY}"
    )
    return ConnectionFailedError(message, transient=True, connections_taken=True)


def _full(error: ConnectionFailedError, wait: float) -> ConnectionFailedError:
    message = f"{error}. One is waited for up to {wait:g} s (connections.wait); {REMEDY}"
    return ConnectionFailedError(message, **error.details)
