"""Who may hand out how many chunks, counted without a server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.errors import ConfigurationError, ConnectionFailedError
from mapper_dask.limits import budget as module
from mapper_dask.limits.budget import Budget, Share, unbounded
from mapper_dask.limits.server_connections import Need

REF = ConnectionRef("url", "postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int | None]:
    """What servers have free: every run needs two for itself there, and two a chunk."""
    servers: dict[str, int | None] = {"s": 10}

    def needs(*_: object, **__: object) -> tuple[Need, ...]:
        return tuple(Need(name, "", (REF,), 2, 2, 1, left) for name, left in servers.items())

    monkeypatch.setattr(module, "needs", needs)
    monkeypatch.setattr(module, "holders", lambda _refs: "psql (3)")
    return servers


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def admitted(stack: ExitStack, budget: Budget) -> Share:
    lent = budget.admit(REF, REF, direct_path=False, stop=threading.Event())
    return stack.enter_context(lent)


def taken(share: Share, most: int = 100) -> int:
    """Hand out chunks until one is refused; return how many there were."""
    return next((count for count in range(most) if not share.take()), most)


@pytest.mark.parametrize(
    ("left", "threads", "keeps", "ahead"),
    [(100, 4, True, True), (14, 4, True, False), (13, 4, True, False), (9, 4, False, False)],
)
def test_workers_keep_what_they_open_where_all_of_them_fit(
    stack: ExitStack, free: dict[str, int | None], left: int, threads: int, keeps: bool, ahead: bool  # noqa: FBT001
) -> None:  # fmt: skip
    free["s"] = left
    share = admitted(stack, Budget())
    note = share.settle(threads, threads, own=True)

    assert (share.keeps, share.ahead) == (keeps, ahead)
    assert bool(note) == (not keeps)


@pytest.mark.parametrize(("left", "chunks"), [(4, 1), (5, 1), (6, 1), (7, 2), (9, 3)])
def test_a_tenth_and_at_least_one_is_left_to_others(
    stack: ExitStack, free: dict[str, int | None], left: int, chunks: int
) -> None:
    free["s"] = left
    share = admitted(stack, Budget())
    assert f"{chunks} of 8 chunks at a time" in share.settle(8, 8, own=True)
    assert taken(share) == chunks


def test_a_limit_is_counted_where_workers_may_join(
    stack: ExitStack, free: dict[str, int | None]
) -> None:
    free["s"] = 100
    share = admitted(stack, Budget(limit=20))
    assert share.settle(4, 4, own=False) == ""
    assert not share.keeps
    assert taken(share) == 9


def test_what_nobody_knows_bounds_nothing(stack: ExitStack, free: dict[str, int | None]) -> None:
    free["s"] = None
    share = admitted(stack, Budget())
    assert share.settle(64, 64, own=False) == ""
    assert taken(share) == 100
    assert share.ahead


@pytest.mark.usefixtures("free")
def test_a_chunk_that_ended_makes_room_for_one(stack: ExitStack) -> None:
    share = admitted(stack, Budget(limit=6))
    share.settle(4, 4, own=True)
    assert taken(share) == 2
    share.give_back()
    assert taken(share) == 1


def test_the_smallest_server_decides(stack: ExitStack, free: dict[str, int | None]) -> None:
    free.update(s=100, t=6)
    share = admitted(stack, Budget(limit=50))
    assert share.settle(4, 4, own=True).startswith("2 of 4")
    assert taken(share) == 2


def test_two_jobs_divide_a_budget_evenly(stack: ExitStack, free: dict[str, int | None]) -> None:
    free["s"] = 100
    budget = Budget(limit=12, runs=2)
    first, second = admitted(stack, budget), admitted(stack, budget)
    for share in (first, second):
        share.settle(8, 8, own=True)
    assert taken(first) == 3  # one is kept for the other
    assert taken(second) == 1
    first.give_back()
    assert not first.take(), "the other has fewer and wants one"
    assert second.take()


@pytest.mark.usefixtures("free")
def test_a_job_that_waits_for_its_share_gets_it_before_others_take_more(
    stack: ExitStack,
) -> None:
    budget = Budget(limit=8)
    first = admitted(stack, budget)
    first.settle(8, 8, own=True)
    assert taken(first) == 3
    begun = threading.Event()

    def second() -> None:
        with budget.admit(REF, REF, direct_path=False, stop=threading.Event()):
            begun.set()

    thread = threading.Thread(target=second)
    thread.start()
    while not budget._waiting:
        pass
    first.give_back()
    assert not first.take()
    first.give_back()
    thread.join()
    assert begun.is_set()
    assert first.take()


def test_a_server_that_lacks_connections_names_who_holds_them(
    stack: ExitStack, free: dict[str, int | None]
) -> None:
    free["s"] = 3
    with pytest.raises(ConnectionFailedError, match="Held by psql") as caught:
        admitted(stack, Budget(wait=7))
    assert "3 connections left" in str(caught.value)
    assert "needs 4" in str(caught.value)
    assert "up to 7 s" in str(caught.value)


@pytest.mark.usefixtures("free")
def test_a_limit_below_one_chunk_is_refused(stack: ExitStack) -> None:
    with pytest.raises(ConfigurationError, match="set at least 4"):
        admitted(stack, Budget(limit=3))


def test_without_a_budget_nothing_is_counted() -> None:
    share = unbounded()
    assert taken(share) == 100
    assert share.ahead


@pytest.mark.parametrize(("runs", "keeps"), [(1, True), (2, True), (3, True), (4, False)])
def test_a_job_leaves_room_for_a_chunk_of_each_that_is_to_come(
    stack: ExitStack,
    free: dict[str, int | None],
    runs: int,
    keeps: bool,  # noqa: FBT001
) -> None:
    free["s"] = 18
    share = admitted(stack, Budget(runs=runs))  # of 17, two workers keep six, and a job needs four
    share.settle(2, 2, own=True)
    assert share.keeps is keeps
