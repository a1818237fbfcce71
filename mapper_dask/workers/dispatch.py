"""Handing out a run's chunks to a cluster that changes meanwhile, and what comes back of them."""

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
from mapper_dask.workers.assignment import Lanes, Turn
from mapper_dask.workers.membership import LOOK, Crew
from mapper_dask.workers.outcomes import emptied, lost, shipping
from mapper_dask.workers.remote import DOOR, answer, perform, version

LARGE, CARRIED = "distributed.admin.large-graph-warning-threshold", "1GiB"
"""From which size Dask warns of a task, and that of none of ours: the rows of a chunk that are sent
along, where workers see no folder in common, are less than that."""

HAND_ONS = 3
"""Workers that may give a chunk back before it is tried as often as any, wherever it is."""

LOSSES = 5
"""How often a chunk is sent again when its task was lost with all others."""

QUIET = 5.0
"""Seconds without a chunk that ended, after which it is asked elsewhere what became of the run."""

WAKE = 0.1
"""Seconds for which a chunk that ended may wait until it is noticed, at most."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A chunk that is handed out."""

    future: Any
    turn: Turn
    among: frozenset[str] | None
    """The workers that may do it; None: any."""
    spare: bool
    """Whether it is in line for workers that may join."""
    at: float
    """When, by the monotonic clock."""


@dataclass(slots=True)
class Dispatch:
    """One run's chunks on their way to the workers and back."""

    client: Client
    crew: Crew
    share: Share
    task: ChunkTask
    lanes: Lanes
    quiet: Callable[[], None]
    """Called now and then while none has ended for a while."""
    _running: dict[str, Sent] = field(default_factory=dict)
    _unsent: list[ChunkResult] = field(default_factory=list)
    _packed: dict[bool, bytes] = field(default_factory=dict)
    """The task as it is sent, by whether it is given back."""
    _worked: dict[str, float] = field(default_factory=dict)
    """When each worker last did a chunk."""
    _sent_again: int = 0
    _heard: float = field(default_factory=time.monotonic)
    """When anything was last heard of a chunk, or asked elsewhere."""
    _over: bool = False
    """Whether no further chunk is handed out."""
    _halted: bool = False
    _completed: Any = None

    def results(self) -> Generator[ChunkResult]:
        """Yield what became of each chunk as it ends, in any order."""
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
                if self.crew.due and self._running:
                    self._look()
                    yield from self._stranded()
                    self._fill()
                while self._unsent:
                    yield from emptied(self._unsent)
                    self._fill()  # a chunk that could not be sent leaves room for the next
        finally:
            self._forget(list(self._running.values()))
            self._tell()

    def halt(self) -> None:
        """Let go of what is handed out, from any thread: who waits for results gets no more."""
        self._over = self._halted = True
        self._forget(list(self._running.values()))

    def _next(self) -> tuple[Any, Any] | None:
        """Return the next task that has ended; None when it is time for a look."""
        until = time.monotonic() + LOOK
        while not self._completed.has_ready():
            if self._halted or time.monotonic() >= until:
                return None
            with self._completed.thread_condition:
                self._completed.thread_condition.wait(WAKE)
        if self._halted:  # what is ready was cancelled by that
            return None
        ended: tuple[Any, Any] = next(self._completed)
        return ended

    # -- handing out ------------------------------------------------------------------------------

    def _fill(self, address: str = "") -> None:
        """Hand out chunks while there is room; the first goes to the worker that is known."""
        spare = not self.task.read.ships
        hand, most = self.crew.window(spare=False), self.crew.window(spare=spare)
        while not self._over and len(self._running) < most and self.share.take():
            turn = self.lanes.next(address)
            if turn is None:
                self.share.give_back()
                return
            self._submit(turn, address, spare=not address and len(self._running) >= hand)
            address = ""

    def _submit(self, turn: Turn, address: str = "", *, spare: bool = False) -> None:
        log_assigned(self.task, turn.chunk)
        only = self.crew.only
        try:
            future = self._sent(turn, only, address, spare=spare)
        except SpoolError as error:
            self._unsent.append(lost(turn.chunk, error))
            self.share.give_back()
            return
        among = None if only is None else frozenset(only)
        self._running[str(future.key)] = Sent(future, turn, among, spare, time.monotonic())
        self._completed.add(future)

    def _sent(self, turn: Turn, only: list[str] | None, address: str, *, spare: bool) -> Any:
        """Return the future of a chunk, on its way to whichever worker.

        What is submitted when a worker has ended a chunk goes to that worker. It is not bound to
        it: a task that is bound to a worker that dies may never run. What is in line for workers
        that may join comes after it, wherever it is.

        Raises
        ------
        SpoolError
            When its file is to be sent along, and is not as it was written.
        """
        where: dict[str, Any] = {}
        if only is not None:
            where = {"workers": only, "allow_other_workers": False}
        elif address and not self.crew.own:
            where = {"workers": [address], "allow_other_workers": True}
        gives_back = turn.handed_on < HAND_ONS and len(self.crew.members) > 1
        with dask.config.set({LARGE: CARRIED} if self.task.read.ships else {}):
            return self.client.submit(
                DOOR,
                version(),
                self._parts(turn, gives_back=gives_back),
                key=f"mapper-chunk-{turn.chunk.chunk_id}-{uuid.uuid4().hex}",
                pure=False,
                retries=0,
                priority=-1 if spare else 0,
                **where,
            )

    def _parts(self, turn: Turn, *, gives_back: bool) -> list[bytes]:
        """Return what goes through the door; the task, the same for all chunks, is pickled once."""
        task = replace(self.task, gives_back=gives_back)
        if self.task.read.ships:
            work = cloudpickle.dumps(carrying(task, turn.chunk))
        else:
            work = self._packed.get(gives_back) or cloudpickle.dumps(task)
            self._packed[gives_back] = work
        return [PERFORM, work, cloudpickle.dumps((turn.chunk, turn.following))]

    def _again(self, turn: Turn) -> None:
        """Hand out a chunk again that is not done; it has its share already."""
        if self._halted:
            self.share.give_back()
            return
        self._submit(replace(turn, following=None))

    # -- what comes back --------------------------------------------------------------------------

    def _ended(self, future: Any, outcome: Any) -> Iterator[ChunkResult]:
        """Yield the result of a task that has ended, unless its chunk is handed out again."""
        sent, status = self._running.pop(str(future.key), None), future.status
        future.release()  # a lost worker must not run it again
        if sent is None or self._halted:
            return  # its chunk was given to another worker, or to nobody
        if status == "finished":
            yield from self._answered(sent, outcome)
        elif status == "error":
            yield from self._done("", lost(sent.turn.chunk, outcome))
        else:
            yield from self._lost(sent)

    def _answered(self, sent: Sent, outcome: Any) -> Iterator[ChunkResult]:
        found = answer(outcome)
        unfit = found.unfit or (found.value if isinstance(found.value, str) else "")
        if unfit:
            self.crew.refuse(found.address, unfit)
            self._look()
            if hopeless := self.crew.unfit():
                yield from self._stopped(sent.turn.chunk, hopeless)
            else:
                self._again(sent.turn)
            return
        result: ChunkResult = found.value
        if result.file_unread:
            self._change(shipping(self.task, result))
            self._again(sent.turn)
        elif result.unreached and self._handed_on(sent, found.address, result):
            return
        else:
            yield from self._done(found.address, result)

    def _done(self, address: str, result: ChunkResult) -> Iterator[ChunkResult]:
        self.share.give_back()
        if result.succeeded:
            self._worked[address] = time.monotonic()
            self.crew.ended(result.processing_time)
        self._fill(address if address in self.crew.members else "")
        yield result

    def _stopped(self, chunk: Chunk, why: str) -> Iterator[ChunkResult]:
        """Yield the failure of a chunk that nobody there is can do."""
        self._over = True
        error = ConfigurationError(f"no worker can do the run's chunks: {why}", field="client")
        yield from self._done("", replace(lost(chunk, error), stops_run=True))

    def _stranded(self) -> Iterator[ChunkResult]:
        """Yield the failure of each chunk that waits for a worker, where not one is fit."""
        if hopeless := self.crew.unfit():
            for sent in self._withdrawn([s for s in self._running.values() if s.among is not None]):
                yield from self._stopped(sent.turn.chunk, hopeless)

    def _handed_on(self, sent: Sent, address: str, result: ChunkResult) -> bool:
        """Give a chunk to another worker whose own cannot reach a database; return whether it is.

        One that was tried as often as any is given on when others have done chunks meanwhile.
        """
        given_back = result.state is ChunkState.UNASSIGNED
        others = self.crew.others(address)
        worked = any(at > sent.at for by, at in self._worked.items() if by != address)
        if not given_back and not (others and worked and sent.turn.handed_on < 2 * HAND_ONS):
            return False
        turn = replace(sent.turn, handed_on=sent.turn.handed_on + 1)
        if others:
            self.crew.pass_over(address, result.error or "")
            self._take_away(address)
        else:  # none of them reaches it: then it is not for want of another
            self.crew.forgive()
            turn = replace(turn, handed_on=max(HAND_ONS, turn.handed_on))
        self._again(turn)
        return True

    def _take_away(self, address: str) -> None:
        """Give to others what is in line at a worker; a copy at work does no harm."""
        keys = {str(key) for key in self.client.processing([address]).get(address, ())}
        self._move([sent for key, sent in self._running.items() if key in keys])

    def _move(self, moved: Sequence[Sent]) -> None:
        for sent in self._withdrawn(moved):
            self._again(sent.turn)

    def _withdrawn(self, sents: Sequence[Sent]) -> Sequence[Sent]:
        """Take back what is handed out, and return it; once halted, that is done for all of it."""
        if self._halted:
            return ()
        for sent in sents:
            del self._running[str(sent.future.key)]
        self._forget(sents)
        return sents

    def _forget(self, sents: Sequence[Sent]) -> None:
        """Let the cluster forget tasks; not waiting for it, whose event loop may be this thread."""
        futures, loop = [sent.future for sent in sents], self.client.loop
        if futures and loop is not None:
            loop.add_callback(self.client.cancel, futures, asynchronous=True)

    def _lost(self, sent: Sent) -> Iterator[ChunkResult]:
        """Send a chunk again whose task the cluster has forgotten; the ledger lets it load once."""
        if self.client.status != "running":
            self._over = True
            where = getattr(self.client.scheduler, "address", "")
            error = MapperError(f"the scheduler {where} is gone, and with it what its workers did")
            yield from self._done("", replace(lost(sent.turn.chunk, error), stops_run=True))
        elif sent.turn.lost >= LOSSES:
            error = MapperError(f"its task was cancelled {LOSSES + 1} times, by somebody else")
            yield from self._done("", lost(sent.turn.chunk, error))
        else:
            self._sent_again += 1
            self._look()
            self._again(replace(sent.turn, lost=sent.turn.lost + 1))

    # -- who is there -----------------------------------------------------------------------------

    def _look(self) -> None:
        """See which workers there are; move what none of them may do any more."""
        if self._halted:
            return
        self.crew.look()
        limit = self.crew.memory_limit
        if limit != self.task.read.memory_limit:
            self._change(replace(self.task, read=replace(self.task.read, memory_limit=limit)))
        members = set(self.crew.members)
        stranded = [
            sent
            for sent in self._running.values()
            if sent.among is not None and not sent.among & members
        ]
        if members or not self.crew.unfit():
            self._move(stranded)
        self._recall()

    def _recall(self) -> None:
        """Take back what is in line for workers that may join, once no more of them may help."""
        spare = [sent for sent in self._running.values() if sent.spare]
        surplus = len(self._running) - self.crew.window(spare=True)
        if surplus <= 0 or not spare or self.crew.own:
            return
        at_work = {str(key) for keys in self.client.processing().values() for key in keys}
        waiting = [sent for sent in spare if str(sent.future.key) not in at_work][-surplus:]
        for sent in reversed(self._withdrawn(waiting)):
            self.share.give_back()
            self.lanes.put_back(sent.turn.chunk)

    def _change(self, task: ChunkTask) -> None:
        self.task = task
        self._packed.clear()

    def _tell(self) -> None:
        """Note what was sent again."""
        if self._sent_again:
            note = (
                "the cluster was restarted, or its tasks were cancelled, in mid-run: "
                f"{self._sent_again} chunks that were lost there were sent again"
            )
            self.crew.notes.append(note)
            log("chunks_sent_again", logging.WARNING, run=self.crew.run_id, note=note)


PERFORM = cloudpickle.dumps(perform)
"""What does a chunk behind the door."""
