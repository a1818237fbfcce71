"""Which workers a run may use as they come and go, and how many chunks it has in line for more."""

from __future__ import annotations

import pickle
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import mapper_dask
from mapper_dask.limits.budget import Share, unbounded
from mapper_dask.workers import membership as module
from mapper_dask.workers.membership import IN_LINE, IN_LINE_A_THREAD, Membership
from mapper_dask.workers.remote import CALL, answer, packed, take, version


class Scheduler:
    """A client's view of some workers."""

    def __init__(self, **workers: int) -> None:
        self.workers = workers

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1
        known = {a: {"nthreads": n, "memory_limit": 10 * n} for a, n in self.workers.items()}
        return {"workers": known}


def membership_of(
    share: Share | None = None, most: int | None = None, **workers: int
) -> Membership:
    client: Any = Scheduler(**workers)
    made = Membership(client, share or unbounded(), most, own=False, run_id=None)
    made.look()
    return made


@pytest.mark.parametrize("threads", [1, 3, 16])
@pytest.mark.parametrize("seconds", [0.01, 0.5, 2.0, 60.0])
def test_more_is_in_line_than_in_hand_and_never_more_than_a_bounded_number(threads, seconds):
    membership = membership_of(a=threads)
    membership.seconds = seconds

    in_line = membership.window(spare=True) - 2 * threads

    assert 1 <= in_line <= IN_LINE + IN_LINE_A_THREAD * threads
    enough = seconds * (2 * threads + in_line) > 5.0 * threads  # what Dask asks another worker for
    assert enough or seconds < 0.2
    assert enough or in_line == threads


def test_with_no_worker_something_is_in_line_for_the_first():
    assert membership_of().window(spare=True) > 2


@pytest.mark.parametrize(("most", "threads"), [(2, 4), (4, 4)])
def test_nothing_is_in_line_for_more_workers_than_were_asked_for(most, threads):
    assert membership_of(most=most, a=threads).window(spare=True) == 2 * most


def test_nothing_is_in_line_for_workers_whose_connections_do_not_fit():
    share: Any = SimpleNamespace(
        most_workers=lambda: 3, follow=lambda _: None, counts_workers=True, kept_workers=3
    )
    membership = membership_of(share, a=1, b=1)
    assert membership.window(spare=True) == 4 + 1

    membership.client.workers = dict.fromkeys("abcde", 1)
    membership.look()

    assert membership.only == ["a", "b", "c"]
    assert membership.window(spare=True) == 6


def test_who_joins_and_who_leaves_is_seen_at_the_next_look():
    membership = membership_of(a=1)
    assert (membership.threads, membership.only, membership.memory_limit) == (1, None, 10)

    membership.client.workers = {"b": 2, "c": 3}
    membership.look()

    assert (membership.threads, membership.only, membership.memory_limit) == (5, None, 20)


def test_who_cannot_reach_a_database_is_passed_over_for_a_while(monkeypatch):
    membership = membership_of(a=1, b=1)

    membership.pass_over("a", "no route")
    membership.pass_over("a", "no route")

    assert membership.only == ["b"]
    assert not membership.others("b")
    assert len(membership.notes) == 1
    now = module.time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + module.PASSED_OVER + 1)
    membership.look()
    assert membership.only is None


def test_who_is_unfit_stays_so_and_is_named_when_nobody_else_is_left():
    membership = membership_of(a=1, b=1)
    membership.refuse("a", "it is old")
    assert (membership.only, membership.unfit()) == (["b"], "")

    membership.client.workers = {"a": 1}
    membership.look()

    assert membership.unfit() == "worker a: it is old"


def test_nobody_is_unfit_where_nobody_is():
    assert membership_of().unfit() == ""


def through(*parts: Any) -> Any:
    call = pickle.loads(pickle.dumps(CALL))
    return answer(call(version(), packed(*parts)))


def test_what_goes_through_the_door_is_called_there():
    assert through(divmod, 7, 2).value == (3, 1)
    assert through(take, len).unfit == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda m: m.setattr(mapper_dask, "__version__", "9.9", raising=False),
            "it has mapper-dask 9.9",
        ),
        (lambda m: m.setitem(sys.modules, "mapper_dask", None), "it cannot import mapper_dask"),
    ],
    ids=["another version", "none"],
)
def test_the_door_says_what_a_worker_lacks(monkeypatch, change, told):
    here, parts = version(), packed(divmod, 7, 2)
    with monkeypatch.context() as patched:
        change(patched)
        outcome = pickle.loads(pickle.dumps(CALL))(here, parts)

    assert told in answer(outcome).unfit
    assert f"install mapper-dask {here}" in answer(outcome).unfit


def test_the_door_says_what_cannot_be_loaded():
    outcome = CALL(version(), [b"no pickle"])

    assert "cannot load" in answer(outcome).unfit
