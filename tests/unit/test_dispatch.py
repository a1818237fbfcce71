"""What is handed out comes back, or is told as lost; and once halted, nothing goes out again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from mapper_dask.errors import SpoolError
from mapper_dask.limits.budget import unbounded
from mapper_dask.parallel_models import Chunk, ChunkKind, ChunkResult, ChunkState
from mapper_dask.workers import dispatch as dispatches
from mapper_dask.workers.assignment import Assigner
from mapper_dask.workers.dispatch import Dispatch
from mapper_dask.workers.membership import Membership
from mapper_dask.workers.remote import CALL


class Future(SimpleNamespace):
    """A task of Dask's."""

    status = "finished"

    def release(self) -> None:
        """Do nothing."""


class Cluster:
    """A client of one worker; its event loop does at once what it is given."""

    status = "running"

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.loop = self

    def add_callback(self, call: Callable[..., object], *given: object, **named: object) -> None:
        call(*given, **named)

    def cancel(self, futures: list[Future], *, asynchronous: bool = False) -> None:
        assert asynchronous, "in the thread of its event loop, a coroutine would never be awaited"
        self.cancelled += [future.key for future in futures]

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1
        return {"workers": {"w": {"nthreads": 1, "memory_limit": None}}}


@pytest.fixture
def dispatch(monkeypatch: pytest.MonkeyPatch) -> Dispatch:
    """Three chunks, of which the worker has one in hand at a time."""
    monkeypatch.setattr(dispatches, "as_completed", lambda **_: SimpleNamespace(add=lambda _: None))
    monkeypatch.setattr(dispatches, "log_assigned", lambda *_: None)
    monkeypatch.setattr(dispatches, "shipping", lambda task, _: task)
    monkeypatch.setattr(Membership, "window", lambda *_, **__: 1)
    client: Any = Cluster()
    task: Any = SimpleNamespace(read=SimpleNamespace(ships=False, memory_limit=None))
    membership = Membership(client, unbounded(), None, own=True, run_id=None)
    chunks = [Chunk(place, ChunkKind.WINDOW, offset=place) for place in range(3)]
    sent: list[Chunk] = []
    unsent = SpoolError("its file is not as it was written")

    def send(_: Dispatch, assignment: Any, *__: object, **___: object) -> Future:
        sent.append(assignment.chunk)
        if sent.count(assignment.chunk) > 1:
            raise unsent
        return Future(key=assignment.chunk.chunk_id)

    monkeypatch.setattr(Dispatch, "_sent", send)
    return Dispatch(client, membership, membership.share, task, Assigner(chunks), lambda: None)


def ending(**options: Any) -> Callable[[Dispatch], tuple[Future, Any]]:
    """Return what lets the next chunk end."""

    def end(dispatch: Dispatch) -> tuple[Future, Any]:
        [handed_out] = dispatch._running.values()
        chunk = handed_out.assignment.chunk
        result = ChunkResult(chunk.chunk_id, ChunkState.PROCESSED, chunk.describe(), **options)
        return handed_out.future, ("w", "done", result)

    return end


def test_chunks_go_out_behind_one_whose_file_cannot_be_sent(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker could not read the file, and it is no more as it was written: that chunk is lost."""
    ends = iter([ending(file_unread=True), ending(), ending()])

    def ended(one: Dispatch) -> tuple[Future, Any]:
        return next(ends)(one)

    monkeypatch.setattr(Dispatch, "_next", ended)
    found = list(dispatch.results())
    assert [(result.chunk_id, result.succeeded) for result in found] == [
        (0, False), (1, True), (2, True),
    ]  # fmt: skip


def test_a_halt_gives_up_what_is_handed_out_and_hands_out_nothing_more(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that is done in the thread of the event loop, and where a task is lost by it."""

    def halted(one: Dispatch) -> tuple[Future, Any]:
        future, outcome = ending()(one)
        one.halt()
        future.status = "cancelled"
        return future, outcome

    monkeypatch.setattr(Dispatch, "_next", halted)
    assert list(dispatch.results()) == []
    assert dispatch.client.cancelled == [0]  # type: ignore[attr-defined]


def test_a_worker_without_memory_for_a_moment_is_not_refused_for_good() -> None:
    def short_of_memory() -> None:
        raise MemoryError

    class Large:
        def __reduce__(self) -> Any:
            return short_of_memory, ()

    with pytest.raises(MemoryError):
        CALL(dispatches.version(), [cloudpickle.dumps(Large())])
