"""Submits a run's chunks to a cluster whose workers come and go, and collects the results."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cloudpickle
import dask
from distributed import Client, as_completed

from mapper_dask.chunk.spooled import carrying
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.errors import ConfigurationError, MapperError, SpoolError
from mapper_dask.events.run_events import log_assigned
from mapper_dask.limits.budget import Share
from mapper_dask.log import log
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkState
from mapper_dask.workers.assignment import Assigner, Assignment
from mapper_dask.workers.membership import LOOK, Membership
from mapper_dask.workers.outcomes import emptied, lost, shipping
from mapper_dask.workers.remote import CALL, answer, perform, version

LARGE, CARRIED = "distributed.admin.large-graph-warning-threshold", "1GiB"
"""Dask warns of a task above this size. Where workers share no folder, a chunk's rows are sent with
its task; they are smaller than the value set here."""

HAND_ONS = 3
"""Workers that may give a chunk back before one of them keeps it and retries in full."""

LOSSES = 5
"""How often a chunk is sent again after the cluster has lost its task."""

QUIET = 5.0
"""Seconds without a finished chunk, after which ``Dispatch.quiet`` is called."""

WAKE = 0.1
"""Seconds until a finished chunk is noticed, at most."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A chunk that was submitted to Dask."""

    future: Any
    assignment: Assignment
    among: frozenset[str] | None
    """The workers that may process it; None: any."""
    spare: bool
    """Whether it is queued for workers that may still join."""
    at: float
    """When it was submitted, by the monotonic clock."""


@dataclass(slots=True)
class Dispatch:
    """Submits the chunks of one run and yields their results."""

    client: Client
    membership: Membership
    share: Share
    task: ChunkTask
    assigner: Assigner
    quiet: Callable[[], None]
    """Called every ``QUIET`` seconds while no chunk ends."""
    _running: dict[str, Sent] = field(default_factory=dict)
    _unsent: list[ChunkResult] = field(default_factory=list)
    _packed: dict[bool, bytes] = field(default_factory=dict)
    """The pickled task, by whether a worker may give it back."""
    _worked: dict[str, float] = field(default_factory=dict)
    """When each worker last completed a chunk."""
    _sent_again: int = 0
    _heard: float = field(default_factory=time.monotonic)
    """When a chunk last ended, or ``quiet`` was last called."""
    _over: bool = False
    """Whether no further chunk is submitted."""
    _halted: bool = False
    _completed: Any = None

    def results(self) -> Generator[ChunkResult]:
        """Yield the result of each chunk as it ends, in any order."""
        self._completed = as_completed(loop=self.client.loop, with_results=True, raise_errors=False)
        self._look()
        try:
            self._fill()
            yield from emptied(self._unsent)
            while self._running and not self._halted:
                ended = self._next()
                if ended is not None:
                    self._heard = time.monotonic()
                    yield from self._ended(*ended)
                elif time.monotonic() - self._heard >= QUIET:
                    self.quiet()
                    self._heard = time.monotonic()
                if self.membership.due and self._running:
                    self._look()
                    yield from self._stranded()
                    self._fill()
                while self._unsent:
                    yield from emptied(self._unsent)
                    self._fill()  # a chunk that could not be sent frees its place for the next
        finally:
            self._forget(list(self._running.values()))
            self._note_sent_again()

    def halt(self) -> None:
        """Cancel what was submitted, from any thread: ``results`` yields no more."""
        self._over = self._halted = True
        self._forget(list(self._running.values()))

    def _next(self) -> tuple[Any, Any] | None:
        """Return the next task that has ended; None when the workers are to be looked at."""
        until = time.monotonic() + LOOK
        while not self._completed.has_ready():
            if self._halted or time.monotonic() >= until:
                return None
            with self._completed.thread_condition:
                self._completed.thread_condition.wait(WAKE)
        if self._halted:  # halting cancelled what is ready
            return None
        ended: tuple[Any, Any] = next(self._completed)
        return ended

    # -- submitting -------------------------------------------------------------------------------

    def _fill(self, address: str = "") -> None:
        """Submit chunks while the limits allow it; the first goes to the named worker."""
        spare = not self.task.read.ships
        hand, most = self.membership.window(spare=False), self.membership.window(spare=spare)
        while not self._over and len(self._running) < most and self.share.take():
            assignment = self.assigner.next(address)
            if assignment is None:
                self.share.give_back()
                return
            self._submit(assignment, address, spare=not address and len(self._running) >= hand)
            address = ""

    def _submit(self, assignment: Assignment, address: str = "", *, spare: bool = False) -> None:
        log_assigned(self.task, assignment.chunk)
        only = self.membership.only
        try:
            future = self._sent(assignment, only, address, spare=spare)
        except SpoolError as error:
            self._unsent.append(lost(assignment.chunk, error))
            self.share.give_back()
            return
        among = None if only is None else frozenset(only)
        self._running[str(future.key)] = Sent(future, assignment, among, spare, time.monotonic())
        self._completed.add(future)

    def _sent(
        self, assignment: Assignment, only: list[str] | None, address: str, *, spare: bool
    ) -> Any:
        """Submit a chunk and return its future.

        A chunk submitted when a worker has ended one goes to that worker, but is not bound to it:
        a task bound to a worker that dies may never run. Chunks queued for workers that may join
        have a lower priority.

        Raises
        ------
        SpoolError
            When its file is to be sent with the task, and has changed since it was written.
        """
        where: dict[str, Any] = {}
        if only is not None:
            where = {"workers": only, "allow_other_workers": False}
        elif address and not self.membership.own:
            where = {"workers": [address], "allow_other_workers": True}
        gives_back = assignment.handed_on < HAND_ONS and len(self.membership.members) > 1
        with dask.config.set({LARGE: CARRIED} if self.task.read.ships else {}):
            return self.client.submit(
                CALL,
                version(),
                self._parts(assignment, gives_back=gives_back),
                # New each time: for a known key Dask would return the old task's future.
                key=f"mapper-chunk-{assignment.chunk.chunk_id}-{uuid.uuid4().hex}",
                pure=False,
                retries=0,
                priority=-1 if spare else 0,
                **where,
            )

    def _parts(self, assignment: Assignment, *, gives_back: bool) -> list[bytes]:
        """Return the parts of the remote call; the task, equal for all chunks, is pickled once."""
        task = replace(self.task, gives_back=gives_back)
        if self.task.read.ships:
            work = cloudpickle.dumps(carrying(task, assignment.chunk))
        else:
            work = self._packed.get(gives_back) or cloudpickle.dumps(task)
            self._packed[gives_back] = work
        return [PERFORM, work, cloudpickle.dumps((assignment.chunk, assignment.following))]

    def _again(self, assignment: Assignment) -> None:
        """Submit a chunk again; it is already counted in the share."""
        if self._halted:
            self.share.give_back()
            return
        self._submit(replace(assignment, following=None))  # it may go to another worker

    # -- results ----------------------------------------------------------------------------------

    def _ended(self, future: Any, outcome: Any) -> Iterator[ChunkResult]:
        """Yield the result of a task that has ended, unless its chunk is submitted again."""
        sent, status = self._running.pop(str(future.key), None), future.status
        future.release()  # a lost worker must not run it again
        if sent is None or self._halted:
            return  # its chunk was moved to another worker, or withdrawn
        if status == "finished":
            yield from self._answered(sent, outcome)
        elif status == "error":
            yield from self._done("", lost(sent.assignment.chunk, outcome))
        else:
            yield from self._lost(sent)

    def _answered(self, sent: Sent, outcome: Any) -> Iterator[ChunkResult]:
        found = answer(outcome)
        unfit = found.unfit or (found.value if isinstance(found.value, str) else "")
        if unfit:
            self.membership.refuse(found.address, unfit)
            self._look()
            if hopeless := self.membership.unfit():
                yield from self._stopped(sent.assignment.chunk, hopeless)
            else:
                self._again(sent.assignment)
            return
        result: ChunkResult = found.value
        if result.file_unread:
            self._change(shipping(self.task, result))
            self._again(sent.assignment)
        elif result.unreached and self._handed_on(sent, found.address, result):
            return
        else:
            yield from self._done(found.address, result)

    def _done(self, address: str, result: ChunkResult) -> Iterator[ChunkResult]:
        self.share.give_back()
        if result.succeeded:
            self._worked[address] = time.monotonic()
            self.membership.ended(result.processing_time)
        self._fill(address if address in self.membership.members else "")
        yield result

    def _stopped(self, chunk: Chunk, why: str) -> Iterator[ChunkResult]:
        """Yield the failure of a chunk that no worker can process, and stop the run."""
        self._over = True
        error = ConfigurationError(f"no worker can do the run's chunks: {why}", field="client")
        yield from self._done("", replace(lost(chunk, error), stops_run=True))

    def _stranded(self) -> Iterator[ChunkResult]:
        """Yield the failure of each chunk that waits for a worker, where none is fit."""
        if hopeless := self.membership.unfit():
            for sent in self._withdrawn([s for s in self._running.values() if s.among is not None]):
                yield from self._stopped(sent.assignment.chunk, hopeless)

    def _handed_on(self, sent: Sent, address: str, result: ChunkResult) -> bool:
        """Move a chunk from a worker that cannot reach a database; return whether it was moved.

        A chunk whose retries are exhausted is moved if other workers completed chunks meanwhile.
        """
        given_back = result.state is ChunkState.UNASSIGNED
        others = self.membership.others(address)
        worked = any(at > sent.at for by, at in self._worked.items() if by != address)
        if not given_back and not (others and worked and sent.assignment.handed_on < 2 * HAND_ONS):
            return False
        assignment = replace(sent.assignment, handed_on=sent.assignment.handed_on + 1)
        if others:
            self.membership.pass_over(address, result.error or "")
            self._take_away(address)
        else:  # no worker reaches it, so another one would not help
            self.membership.forgive()
            assignment = replace(assignment, handed_on=max(HAND_ONS, assignment.handed_on))
        self._again(assignment)
        return True

    def _take_away(self, address: str) -> None:
        """Move the chunks queued at a worker; if one runs there too, the ledger loads it once."""
        keys = {str(key) for key in self.client.processing([address]).get(address, ())}
        self._move([sent for key, sent in self._running.items() if key in keys])

    def _move(self, moved: Sequence[Sent]) -> None:
        for sent in self._withdrawn(moved):
            self._again(sent.assignment)

    def _withdrawn(self, sents: Sequence[Sent]) -> Sequence[Sent]:
        """Cancel submitted chunks and return them; once halted, all are cancelled already."""
        if self._halted:
            return ()
        for sent in sents:
            del self._running[str(sent.future.key)]
        self._forget(sents)
        return sents

    def _forget(self, sents: Sequence[Sent]) -> None:
        """Cancel tasks without waiting: the client's event loop may run in this thread."""
        futures, loop = [sent.future for sent in sents], self.client.loop
        if futures and loop is not None:
            loop.add_callback(self.client.cancel, futures, asynchronous=True)

    def _lost(self, sent: Sent) -> Iterator[ChunkResult]:
        """Send a chunk again whose task the cluster has lost; the ledger lets it load once."""
        if self.client.status != "running":
            self._over = True
            where = getattr(self.client.scheduler, "address", "")
            error = MapperError(f"the scheduler {where} is gone, and with it what its workers did")
            yield from self._done("", replace(lost(sent.assignment.chunk, error), stops_run=True))
        elif sent.assignment.lost >= LOSSES:
            error = MapperError(f"its task was cancelled {LOSSES + 1} times, by somebody else")
            yield from self._done("", lost(sent.assignment.chunk, error))
        else:
            self._sent_again += 1
            self._look()
            self._again(replace(sent.assignment, lost=sent.assignment.lost + 1))

    # -- workers ----------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look up the workers; move chunks whose workers are gone or unfit."""
        if self._halted:
            return
        self.membership.look()
        limit = self.membership.memory_limit
        if limit != self.task.read.memory_limit:
            self._change(replace(self.task, read=replace(self.task.read, memory_limit=limit)))
        members = set(self.membership.members)
        stranded = [
            sent
            for sent in self._running.values()
            if sent.among is not None and not sent.among & members
        ]
        if members or not self.membership.unfit():
            self._move(stranded)
        self._recall()

    def _recall(self) -> None:
        """Withdraw chunks queued for workers that may join, where no more of them may help."""
        spare = [sent for sent in self._running.values() if sent.spare]
        surplus = len(self._running) - self.membership.window(spare=True)
        if surplus <= 0 or not spare or self.membership.own:
            return
        at_work = {str(key) for keys in self.client.processing().values() for key in keys}
        waiting = [sent for sent in spare if str(sent.future.key) not in at_work][-surplus:]
        for sent in reversed(self._withdrawn(waiting)):
            self.share.give_back()
            self.assigner.put_back(sent.assignment.chunk)

    def _change(self, task: ChunkTask) -> None:
        self.task = task
        self._packed.clear()

    def _note_sent_again(self) -> None:
        if self._sent_again:
            note = (
                "the cluster was restarted, or its tasks were cancelled, in mid-run: "
                f"{self._sent_again} chunks that were lost there were sent again"
            )
            self.membership.notes.append(note)
            log("chunks_sent_again", logging.WARNING, run=self.membership.run_id, note=note)


PERFORM = cloudpickle.dumps(perform)
"""The function that processes a chunk, pickled once."""
