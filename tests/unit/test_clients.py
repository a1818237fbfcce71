"""A Dask client is waited for while another thread makes it, and refused where nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mapper_dask.errors import ConfigurationError
from mapper_dask.workers import clients
from mapper_dask.workers.clients import require_begun


class Beginning:
    """A client that stands otherwise each time it is looked at."""

    def __init__(self, *states: str, asynchronous: bool = False) -> None:
        self._states: Iterator[str] = iter(states)
        self.asynchronous = asynchronous

    @property
    def status(self) -> str:
        return next(self._states)


@pytest.mark.parametrize("states", [("newly-created", "running"), ("connecting", "running")])
def test_one_that_is_being_made_is_waited_for(states: tuple[str, ...]) -> None:
    made: Any = Beginning("newly-created", *states)
    require_begun(made)
    with pytest.raises(StopIteration):
        _ = made.status


def test_one_whose_own_loop_would_stop_is_not_waited_for() -> None:
    made: Any = Beginning("newly-created", asynchronous=True)
    with pytest.raises(ConfigurationError, match="await it first"):
        require_begun(made)


def test_one_that_never_begins_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "SCHEDULER_WAIT", 0.0)
    made: Any = Beginning(*["newly-created"] * 10_000)
    with pytest.raises(ConfigurationError, match="await it first"):
        require_begun(made)


def test_one_that_fails_to_begin_is_refused() -> None:
    made: Any = Beginning("connecting", "closed")
    with pytest.raises(ConfigurationError, match="make a new one"):
        require_begun(made)
