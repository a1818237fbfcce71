"""What is tried again, how often, and that nothing else is."""

from __future__ import annotations

import contextlib
import logging
import time

import pytest

from mapper_dask import errors
from mapper_dask.errors import ConfigurationError, ConnectionFailedError, DatabaseError, MapperError
from mapper_dask.retries import DEFAULT_ATTEMPTS, attempts, may_pass


def failing(
    error: BaseException, *, times: int, of: int = DEFAULT_ATTEMPTS, begun: list[int] | None = None
) -> int:
    """Run a work that fails some times; return how often it was begun, and note each in a list."""
    begun = [] if begun is None else begun
    for attempt in attempts(of):
        with attempt:
            begun.append(attempt.retry_state.attempt_number)
            if len(begun) <= times:
                raise error
    return len(begun)


@pytest.mark.parametrize("times", range(DEFAULT_ATTEMPTS))
def test_work_that_fails_for_a_while_succeeds(times):
    assert failing(DatabaseError("restarting", transient=True), times=times) == times + 1


@pytest.mark.parametrize("number", [1, 2, 5, DEFAULT_ATTEMPTS])
def test_the_last_attempt_raises_the_error_itself(number):
    begun: list[int] = []
    error = ConnectionFailedError("refused", transient=True)

    with pytest.raises(ConnectionFailedError) as caught:
        failing(error, times=100, of=number, begun=begun)

    assert caught.value is error
    assert begun == list(range(1, number + 1))


@pytest.mark.parametrize(
    "error",
    [
        DatabaseError("a value is too long"),
        ConnectionFailedError("no such database", transient=False),
        ConfigurationError("no such column"),
        ConnectionError("not the library's"),
        TimeoutError("nor this"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_cannot_pass_ends_the_first_attempt(error):
    begun: list[int] = []

    with pytest.raises(type(error)):
        failing(error, times=100, begun=begun)

    assert begun == [1]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_is_never_swallowed(interruption):
    begun: list[int] = []

    with pytest.raises(interruption):
        failing(interruption(), times=100, begun=begun)

    assert begun == [1]


KINDS = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, MapperError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_passes_only_when_it_says_so(kind):
    assert may_pass(kind("x", transient=True))
    assert not may_pass(kind("x", transient=False))
    assert not may_pass(kind("x"))


def test_an_error_of_another_library_is_not_asked():
    error = OSError("x")
    error.transient = True

    assert not may_pass(error)


def test_a_retry_prints_nothing_where_no_logging_is_set_up(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    failing(DatabaseError("restarting", transient=True), times=2)

    assert capsys.readouterr() == ("", "")


LACKING = ConnectionFailedError("full", transient=True, connections_taken=True)
DOWN = ConnectionFailedError("down", transient=True)


@pytest.fixture
def pauses(monkeypatch):
    """Twenty seconds each; the clock shows no others."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def pause(_seconds):
        clock[0] += 20

    return pause


@pytest.mark.parametrize(
    ("outcomes", "made"),
    [
        ([LACKING, LACKING, None], 3),
        ([LACKING, LACKING, DOWN], 3),
        ([LACKING] * 9, 4),
        ([LACKING, LACKING, LACKING, DOWN, LACKING], 4),
    ],
    ids=["served at last", "the server went down", "in vain", "no time starts anew"],
)
def test_an_attempt_that_gets_no_connection_does_not_count_and_has_its_own_time(
    pauses, outcomes, made
):
    begun, told = [], []

    def work():
        for attempt in attempts(1, 50, sleep=pauses, before_sleep=told.append):
            with attempt:
                begun.append(outcomes[len(begun)])
                if begun[-1] is not None:
                    raise begun[-1]

    last = outcomes[made - 1]
    with contextlib.nullcontext() if last is None else pytest.raises(type(last), match=str(last)):
        work()

    assert len(begun) == made
    assert told == [LACKING] * (made - 1)
