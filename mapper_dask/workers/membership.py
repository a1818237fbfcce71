"""The workers of a run as they join and leave, and how many chunks to submit to them.

Workers that join get chunks at once. Those that cannot process one, because they lack something or
cannot reach a database that others reach, are passed over, for a while or for good.
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
"""Chunks submitted a thread: one that runs, and one ready when that ends."""

LOOK = 1.0
"""Seconds between two looks at the workers; a look is one call of the scheduler."""

PASSED_OVER = 120.0
"""Seconds for which a worker that could not reach a database gets no chunk."""

IN_LINE, IN_LINE_A_THREAD = 64, 12
"""Chunks to queue at most, beyond the window: the scheduler holds each, and all of them are
processed before a run that fails is stopped."""

UNKNOWN = 0.5
"""Assumed seconds a chunk until one has ended; Dask's scheduler assumes the same."""

DURATION = "distributed.adaptive.target-duration"
"""The time within which an adaptive cluster wants to finish what is queued."""


@dataclass(slots=True)
class Membership:
    """The workers of a run."""

    client: Client
    share: Share
    max_workers: int | None
    own: bool
    """Whether the workers serve this run alone, and no more will join."""
    run_id: str | None
    notes: list[str] = field(default_factory=list)
    """Notes on workers that were passed over, for the run's result."""
    seconds: float = UNKNOWN
    """Moving average of how long a chunk takes."""
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)
    _unfit: dict[str, str] = field(default_factory=dict)
    _passed_over: dict[str, float] = field(default_factory=dict)
    """Until when each is passed over, by the monotonic clock."""
    _threads: int = 0
    _looked: float = 0.0
    _any_ended: bool = False

    def look(self) -> None:
        """Ask the scheduler for its workers."""
        found = self.client.scheduler_info(n_workers=-1)["workers"]
        # Known ones first: under a limit the members are the first of them, and should stay.
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
        most = self.share.kept_workers
        if self.own or not self.share.counts_workers or not most:
            return fit
        chosen: list[str] = []
        threads = 0
        for address in fit:
            threads += _threads(self._known[address])
            if threads > most and chosen:
                break
            chosen.append(address)
        return chosen

    @property
    def only(self) -> list[str] | None:
        """The workers Dask may choose from, where some are passed over; None: any."""
        members = self.members
        return None if len(members) == len(self._known) else members

    @property
    def memory_limit(self) -> int | None:
        """The smallest memory limit of the members, in bytes."""
        limits = [self._known[a].get("memory_limit") for a in self.members]
        return min((limit for limit in limits if limit), default=None)

    @property
    def threads(self) -> int:
        """Threads to keep busy; 1 where there is no worker yet."""
        return max(1, min(self._threads, self.max_workers or self._threads))

    def window(self, *, spare: bool) -> int:
        """Return how many chunks to have submitted.

        Parameters
        ----------
        spare
            Whether to queue more than the present workers need, so that an adaptive cluster scales
            up and a worker that joins finds chunks.
        """
        filled = WINDOW * self.threads
        return filled + (self._in_line() if spare else 0)

    def _in_line(self) -> int:
        """Return how many chunks to queue for workers that may join."""
        if self.own or (self.max_workers is not None and self._threads >= self.max_workers):
            return 0
        left = self.share.most_workers() - self._threads
        duration = float(parse_timedelta(dask.config.get(DURATION, "5s")))
        lasting = duration * (1.5 * self.threads + 1) / max(self.seconds, 0.001)
        wanted = max(1, math.ceil(lasting) - WINDOW * self.threads)
        if wanted > IN_LINE + IN_LINE_A_THREAD * self.threads:
            wanted = self.threads  # chunks this small would not make a cluster scale up
        return max(0, min(wanted, left))

    def ended(self, seconds: float) -> None:
        """Record how long a chunk took."""
        self.seconds = seconds if not self._any_ended else (self.seconds + seconds) / 2
        self._any_ended = True

    def others(self, address: str) -> bool:
        """Return whether there is another worker for a chunk."""
        return any(other != address for other in self.members)

    def refuse(self, address: str, why: str) -> None:
        """Give a worker no more chunks."""
        if address not in self._unfit:
            self._unfit[address] = why
            self._note(f"worker {address} was passed over: {why}", address)

    def unfit(self) -> str:
        """Return what is wrong with the workers, if none of them is fit; else an empty text."""
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
        """Give chunks to all workers again: none of them reaches the database."""
        self._passed_over.clear()

    def _note(self, text: str, worker: str) -> None:
        self.notes.append(text)
        log("worker_passed_over", logging.WARNING, run=self.run_id, worker=worker, note=text)


def _threads(info: dict[str, Any]) -> int:
    return int(info["nthreads"])
