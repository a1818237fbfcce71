"""Which workers a run has its chunks done by, as they come and go; and how many to have in line.

Workers that join help at once; those that cannot do a chunk, because they lack something or cannot
reach a database that others reach, are passed over, for a while or for good.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed import Client

from mapper_dask.limits.budget import Share
from mapper_dask.log import log

WINDOW = 2
"""Chunks a thread has in hand or in line: one at work, one ready when that ends."""

LOOK = 1.0
"""Seconds between two looks at which workers there are; a look is one call of the scheduler."""

PASSED_OVER = 120.0
"""Seconds for which a worker gets no chunk that could not reach a database."""

IN_LINE, IN_LINE_A_THREAD = 64, 12
"""Chunks to have in line at most, beyond the window: the scheduler holds each, and what is in line
is done before a run that fails is stopped."""

UNKNOWN = 0.5
"""Seconds that a chunk is taken to last before one has ended; so does Dask's scheduler."""

DURATION = "distributed.adaptive.target-duration"
"""Within which time an adaptive cluster wants to have done what is in line."""


@dataclass(slots=True)
class Crew:
    """The workers of a run."""

    client: Client
    share: Share
    max_workers: int | None
    own: bool
    """Whether they are the run's alone, and no more will come."""
    run_id: str | None
    notes: list[str] = field(default_factory=list)
    """What became of workers, for the run's result."""
    seconds: float = UNKNOWN
    """How long a chunk lasts, about."""
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)
    _unfit: dict[str, str] = field(default_factory=dict)
    _passed_over: dict[str, float] = field(default_factory=dict)
    """Until when, by the monotonic clock."""
    _threads: int = 0
    _looked: float = 0.0
    _any_ended: bool = False

    def look(self) -> None:
        """Ask the scheduler which workers there are now."""
        found = self.client.scheduler_info(n_workers=-1)["workers"]
        self._known = {address: found[address] for address in [
            *(a for a in self._known if a in found), *(a for a in found if a not in self._known)
        ]}  # fmt: skip
        now = self._looked = time.monotonic()
        self._passed_over = {a: until for a, until in self._passed_over.items() if until > now}
        if self._known and not self.own:
            self.share.follow(sum(_threads(info) for info in self._known.values()))
        self._threads = sum(_threads(self._known[address]) for address in self.members)

    @property
    def due(self) -> bool:
        """Whether it is time for the next look."""
        return time.monotonic() - self._looked >= LOOK

    @property
    def members(self) -> list[str]:
        """The workers that may be given a chunk now."""
        able = [a for a in self._known if a not in self._unfit]
        fit = [a for a in able if a not in self._passed_over] or able  # better than nobody
        room = self.share.kept_workers
        if self.own or not self.share.counts_workers or not room:
            return fit
        chosen: list[str] = []
        threads = 0
        for address in fit:
            threads += _threads(self._known[address])
            if threads > room and chosen:
                break
            chosen.append(address)
        return chosen

    @property
    def only(self) -> list[str] | None:
        """The workers to choose from, where some are passed over; None: any."""
        members = self.members
        return None if len(members) == len(self._known) else members

    @property
    def memory_limit(self) -> int | None:
        """Bytes that the smallest of them may use."""
        limits = [self._known[a].get("memory_limit") for a in self.members]
        return min((limit for limit in limits if limit), default=None)

    @property
    def threads(self) -> int:
        """Threads to keep busy; one, where there is no worker yet."""
        return max(1, min(self._threads, self.max_workers or self._threads))

    def window(self, *, spare: bool) -> int:
        """Return how many chunks to have handed out.

        Parameters
        ----------
        spare
            Whether more may be in line than the workers have in hand: so much, that an adaptive
            cluster sees what more workers would be good for, and that one which joins finds some.
        """
        filled = WINDOW * self.threads
        return filled + (self._in_line() if spare else 0)

    def _in_line(self) -> int:
        """Return how many chunks to have in line for workers that may join."""
        if self.own or (self.max_workers is not None and self._threads >= self.max_workers):
            return 0
        room = self.share.room() - self._threads
        duration = float(parse_timedelta(dask.config.get(DURATION, "5s")))
        lasting = duration * (1.5 * self.threads + 1) / max(self.seconds, 0.001)
        wanted = max(1, math.ceil(lasting) - WINDOW * self.threads)
        if wanted > IN_LINE + IN_LINE_A_THREAD * self.threads:
            wanted = self.threads  # chunks so small that none would call for another worker
        return max(0, min(wanted, room))

    def ended(self, seconds: float) -> None:
        """Take note of how long a chunk has lasted."""
        self.seconds = seconds if not self._any_ended else (self.seconds + seconds) / 2
        self._any_ended = True

    def others(self, address: str) -> bool:
        """Return whether a chunk can be given to another worker."""
        return any(other != address for other in self.members)

    def refuse(self, address: str, why: str) -> None:
        """Give no more chunks to a worker."""
        if address not in self._unfit:
            self._unfit[address] = why
            self._note(f"worker {address} was passed over: {why}", address)

    def unfit(self) -> str:
        """Return what is wrong with the workers there are, if not one of them is fit."""
        if any(address not in self._unfit for address in self._known):
            return ""
        return "; ".join(f"worker {a}: {why}" for a, why in self._unfit.items() if a in self._known)

    def pass_over(self, address: str, why: str) -> None:
        """Give a worker no chunk for a while."""
        if address not in self._passed_over:
            text = f"worker {address} could not reach a database: {why}"
            self._note(f"{text}; its chunks were given to other workers", address)
        self._passed_over[address] = time.monotonic() + PASSED_OVER

    def forgive(self) -> None:
        """Give chunks to all again: not one of them reaches the database."""
        self._passed_over.clear()

    def _note(self, text: str, worker: str) -> None:
        self.notes.append(text)
        log("worker_passed_over", logging.WARNING, run=self.run_id, worker=worker, note=text)


def _threads(info: dict[str, Any]) -> int:
    return int(info["nthreads"])
