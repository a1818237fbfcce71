"""The workers this library starts: small, quick, and still as the user has set them."""

from __future__ import annotations

import contextlib
import io
import logging
import os

import dask
import pytest
from distributed import Worker

from mapper_dask.workers.local_cluster import ALLOCATOR, own_cluster
from mapper_dask.workers.quiet import quiet_dask

SPAWNED = "distributed.nanny.pre-spawn-environ"


def variable(name: str) -> str | None:
    return os.environ.get(name)


def milliseconds_between_ticks(dask_worker: Worker) -> float:
    return dask_worker.periodic_callbacks["tick"].callback_time


@pytest.fixture
def only(monkeypatch):
    """Ask one new worker, whose environment is not this process's own."""
    for name in ALLOCATOR:
        monkeypatch.delenv(name, raising=False)

    def ask(function, *arguments):
        with own_cluster(1) as client:
            [answer] = client.run(function, *arguments).values()
        return answer

    return ask


def test_a_worker_keeps_the_memory_it_has_and_looks_at_its_loop_once_a_second(only):
    def seen(names, dask_worker):
        return {name: variable(name) for name in names}, milliseconds_between_ticks(dask_worker)

    found, between = only(seen, tuple(ALLOCATOR))

    assert found == ALLOCATOR
    assert between == 1000


@pytest.mark.parametrize("where", ["configuration", "process"])
def test_what_the_user_set_of_the_environment_stays(only, monkeypatch, where):
    if where == "process":
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4711")
        assert only(variable, "MALLOC_TRIM_THRESHOLD_") == "4711"
        return
    with dask.config.set({SPAWNED: {"MALLOC_TRIM_THRESHOLD_": 4711, "OWN": "x"}}):
        assert only(variable, "MALLOC_TRIM_THRESHOLD_") == "4711"
        assert only(variable, "OWN") == "x"
        assert only(variable, "MALLOC_ARENA_MAX") == ALLOCATOR["MALLOC_ARENA_MAX"]


def test_two_clusters_at_a_time_are_quiet_until_each_has_ended():
    dask_s = logging.getLogger("distributed")
    dask_s.addHandler(handler := logging.StreamHandler(told := io.StringIO()))
    try:
        with contextlib.ExitStack() as second:
            with quiet_dask():
                second.enter_context(quiet_dask())
            dask_s.error("still")
        dask_s.error("no more")
    finally:
        dask_s.removeHandler(handler)
    assert told.getvalue() == "no more\n"
