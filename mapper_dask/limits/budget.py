"""How many connections a run, or the jobs of a flow, may hold: counted before they are opened.

The budget of a server is what it has free when the first job begins, less a reserve for others, or
the limit that was set. Each job has a *share* of it: the coordinator's own connections, and those
of its chunks at work. Where all workers fit, nothing is counted while they work. Where they do not,
no more chunks are handed out at a time than fit, and workers close their connections after each.

All of it is the coordinator's: no worker asks anybody before it connects. That other programs take
connections meanwhile cannot be ruled out; a chunk that gets none waits and is tried again.
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
"""Share of a server's free connections that is left to others, at least one; the last ones without
which no chunk could be moved are taken all the same."""

LOOK = 0.5
"""Seconds after which a job that waits for other jobs of its flow looks whether it was stopped."""


class Share:
    """What one run may hold open; made by :meth:`Budget.admit`."""

    def __init__(self, budget: Budget, needed: tuple[Need, ...]) -> None:
        self._budget = budget
        self.needs = needed
        self.kept_workers = 0
        """Workers that keep their connections; 0 while chunks are counted one by one."""
        self.at_work = 0
        """Chunks that are handed out, where they are counted."""
        self.hungry = False
        """Whether it was refused a chunk since it last got one."""
        self.ahead = False
        """Whether workers may read the next chunk meanwhile."""

    @property
    def keeps(self) -> bool:
        """Whether every worker has room to keep its connections: then nothing is counted."""
        return self.kept_workers > 0

    @property
    def limited(self) -> bool:
        """Whether somebody has set a limit."""
        return self._budget.limit is not None

    def settle(self, threads: int, wanted: int, *, own: bool) -> str:
        """Decide how chunks are handed out; return what to know of it, empty for nothing.

        Parameters
        ----------
        threads
            How many may run chunks.
        wanted
            How many of them are to be kept busy.
        own
            Whether they serve this run alone, and no more can join them. Where others do, a limit
            is kept by counting, however high it is.
        """
        return self._budget.settle(self, threads, wanted, own=own)

    @property
    def counts_workers(self) -> bool:
        """Whether workers keep their connections, and a server has only so many."""
        return self.keeps and bool(self.needs)

    def follow(self, threads: int) -> None:
        """Count workers that have joined, as many as there is room for; and those that left."""
        self._budget.follow(self, threads)

    def room(self) -> int:
        """Return how many workers could keep their connections; 0 while chunks are counted."""
        return self._budget.room(self)

    def bounded(self, task: ChunkTask) -> ChunkTask:
        """Return a run's work as it is done within the share."""
        read = replace(task.read, ahead=self.ahead)
        return replace(task, read=read, keep_connections=self.keeps)

    def take(self) -> bool:
        """Return whether one more chunk may be handed out now; always, while none is."""
        return self._budget.take(self)

    def give_back(self) -> None:
        """Say that a chunk has ended."""
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
        Jobs that are going to share it at a time: room for a chunk of each is kept.
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
        """One job asks at a time: what another asks by would count as somebody else's."""
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
        """Return attempts at a run's beginning: made anew while others hold the connections.

        Parameters
        ----------
        run_id
            For the log.
        stop
            Ends the waiting.
        tidy
            Closes what idles elsewhere in the run's name: it may be what is missing.

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

        def tell(error: BaseException) -> None:
            close_idle()
            tidy()
            told = {"run": run_id, "why": error, "seconds_left": ends - time.monotonic()}
            log("connections_awaited", logging.WARNING, **told)

        return attempts(1, self.wait, sleep=pause, before_sleep=tell)

    @contextlib.contextmanager
    def admit(
        self,
        source: ConnectionRef,
        target: ConnectionRef | None,
        *,
        direct_path: bool,
        stop: threading.Event,
    ) -> Iterator[Share]:
        """Lend a share with room for at least one chunk; wait for other jobs of the same budget.

        Raises
        ------
        ConnectionFailedError
            When a server has too few connections left; ``lacks_connection`` tells it from others.
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
                    self._capacity.clear()  # asked anew by who comes next
                self._changed.notify_all()

    def settle(self, share: Share, threads: int, wanted: int, *, own: bool) -> str:
        """Decide how a share's chunks are handed out; see :meth:`Share.settle`."""
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
        """Let a share keep the connections of so many workers; see :meth:`Share.follow`."""
        if share.keeps:
            with self._changed:
                share.kept_workers = max(1, min(threads, self._room(share, ahead=share.ahead)))
                self._changed.notify_all()

    def room(self, share: Share) -> int:
        """Return how many workers a share has room for; see :meth:`Share.room`."""
        if not share.keeps:
            return 0
        with self._changed:
            return self._room(share, ahead=share.ahead)

    def _room(self, share: Share, *, ahead: bool) -> int:
        """Return how many workers may keep all they open."""
        room = MOST
        for need in share.needs:
            capacity = self._capacity.get(need.limit)
            if capacity is None:
                continue
            others = self._used(need.limit) - share.held(need.limit)
            to_come = max(0, self.runs - len(self._shares)) * need.least
            each = need.each + (need.ahead if ahead else 0)
            room = min(room, (capacity - others - to_come - need.fixed) // max(1, each))
        return room

    def take(self, share: Share) -> bool:
        """Hand out one more chunk, if there is room; see :meth:`Share.take`."""
        if share.keeps:
            return True
        with self._changed:
            share.hungry = share.at_work > 0 and not self._may_take(share)
            share.at_work += not share.hungry
            return not share.hungry

    def give_back(self, share: Share) -> None:
        """Take note that a chunk has ended."""
        if share.keeps:
            return
        with self._changed:
            share.at_work -= 1
            self._changed.notify_all()

    def _may_take(self, share: Share) -> bool:
        """Return whether there is room for one more, and no other job that has fewer wants it."""
        others = [other for other in self._shares if other is not share and other.hungry]
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
                while not self._has_room(share):
                    if stop.is_set():
                        message = "the run was stopped while it waited for others of its flow"
                        raise RunStoppedError(message)
                    self._changed.wait(LOOK)
                self._shares.append(share)
            finally:
                self._waiting -= 1

    def _has_room(self, share: Share) -> bool:
        """Return whether a share can begin; raise when no other job of this budget is in its way.

        Raises
        ------
        ConnectionFailedError
            When the server has too few connections.
        ConfigurationError
            When the limit is too low.
        """
        room = True
        for need in share.needs:
            used = self._used(need.limit)
            if not used:
                self._capacity[need.limit] = self._measured(need)
            capacity = self._capacity[need.limit]
            room = room and (capacity is None or used + need.least <= capacity)
        return room

    def _measured(self, need: Need) -> int | None:
        """Return the connections to a server that this budget may use.

        Raises
        ------
        ConnectionFailedError
            When they are too few for one chunk.
        ConfigurationError
            When the limit is.
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
        if limit is not None or need.part:  # such a limit is there for this login's sake
            return need.free if limit is None else min(limit, need.free)
        reserve = max(1, int(RESERVE * need.free))
        return max(need.least, need.free - reserve)

    def _used(self, limit: tuple[str, str]) -> int:
        return sum(share.held(limit) for share in self._shares)

    def _fits(self, share: Share, threads: int, *, ahead: bool) -> bool:
        """Return whether so many workers may keep all they open."""
        return max(1, threads) <= self._room(share, ahead=ahead)

    def _most(self, need: Need) -> float:
        """Return how many chunks fit at a time, while no other job is there."""
        capacity = self._capacity.get(need.limit)
        return float("inf") if capacity is None else (capacity - need.fixed) // need.each


REMEDY = (
    "end or limit (connections.limit) what holds them, or let an administrator raise the server's "
    "max_connections"
)


def unbounded() -> Share:
    """Return a share of everything: nothing is counted."""
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
