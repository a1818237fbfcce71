"""What is tried again, how often, and that nothing else is."""

from __future__ import annotations

import logging

import pytest

from mapper_dask import errors
from mapper_dask.errors import ConfigurationError, ConnectionFailedError, DatabaseError, MapperError
from mapper_dask.retries import DEFAULT_ATTEMPTS, attempts, may_pass


def failing(error: Exception, *, times: int, of: int = DEFAULT_ATTEMPTS) -> int:
    """Run a work that fails some times; return how often it was begun."""
    begun = 0
    for attempt in attempts(of):
        with attempt:
            begun += 1
            if begun <= times:
                raise error
    return begun


@pytest.mark.parametrize("times", range(DEFAULT_ATTEMPTS))
def test_work_that_fails_for_a_while_succeeds(times):
    assert failing(DatabaseError("restarting", transient=True), times=times) == times + 1


@pytest.mark.parametrize("number", [1, 2, 5, DEFAULT_ATTEMPTS])
def test_the_last_attempt_raises_the_error_itself(number):
    begun = []
    error = ConnectionFailedError("refused", transient=True)

    with pytest.raises(ConnectionFailedError) as caught:
        for attempt in attempts(number):
            with attempt:
                begun.append(attempt.retry_state.attempt_number)
                raise error

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
    begun = 0

    with pytest.raises(type(error)):
        for attempt in attempts():
            with attempt:
                begun += 1
                raise error

    assert begun == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_is_never_swallowed(interruption):
    with pytest.raises(interruption):
        for attempt in attempts():
            with attempt:
                raise interruption


KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MapperError)
]  # fmt: skip


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
