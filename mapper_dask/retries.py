"""Trying again what may pass: bounded, with growing waits and full jitter.

Which errors may pass was decided where the driver raised them; here they only say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tenacity

from mapper_dask.errors import MapperError

DEFAULT_ATTEMPTS = 10
"""They outlast the restart of a server: with the waits between, about 15 s on average."""

FIRST_WAIT = 0.4
"""Seconds that the first wait lasts at most; the most doubles each time, up to the longest."""

LONGEST_WAIT = 5.0
"""Seconds between two attempts at most."""

DEFAULT_LOCK_TIMEOUT = 30.0
"""Seconds a lock is waited for: a frozen copy of a chunk may hold it, and is looked for then."""


DEFAULT_CONNECTION_WAIT = 300.0
"""Seconds for which a server that has no connection left is asked again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may pass is waited for."""

    attempts: int = DEFAULT_ATTEMPTS
    """Attempts at a chunk."""
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    """Seconds for which an attempt waits for a lock."""
    connection_wait: float = DEFAULT_CONNECTION_WAIT
    """Seconds for which connections are waited for that others hold."""


def attempts(
    number: int = DEFAULT_ATTEMPTS,
    connection_wait: float = DEFAULT_CONNECTION_WAIT,
    *,
    sleep: Callable[[float], Any] = time.sleep,
    before_sleep: Callable[[BaseException], None] | None = None,
) -> Any:
    """Return the attempts to iterate over; each swallows an error that may pass.

    The wait before the next is a random part of the longest it may be (full jitter): workers whose
    server restarted do not all come back at once. Nobody is to blame for a server without a
    connection left: such an attempt does not count, and is made again for its own time.

    Parameters
    ----------
    number
        Attempts, those aside that got no connection.
    connection_wait
        Seconds for which a connection is waited for.
    sleep
        What waits so many seconds.
    before_sleep
        Is told why, before each wait.
    """

    def tell(state: tenacity.RetryCallState) -> None:
        error = _error_of(state)
        if before_sleep is not None and error is not None:
            before_sleep(error)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        stop=_Enough(number, connection_wait),
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )


class _Enough:
    """Says when to stop: after some failures, or some time without a connection."""

    def __init__(self, number: int, connection_wait: float) -> None:
        self._left, self._wait = number, connection_wait
        self._since: float | None = None

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        if lacks_connection(_error_of(state)):
            now = time.monotonic()
            self._since = now if self._since is None else self._since
            return now - self._since >= self._wait
        self._since = None
        self._left -= costs(_error_of(state))
        return self._left <= 0


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def costs(error: BaseException | None) -> int:
    """Return how many attempts one counts as: more, where it waited long for what may not pass."""
    return int(error.details.get("costs", 1)) if isinstance(error, MapperError) else 1


def lacks_connection(error: BaseException | None) -> bool:
    """Return whether a server had no connection left to give."""
    return isinstance(error, MapperError) and bool(error.details.get("connections_taken"))


def may_pass(error: BaseException) -> bool:
    """Return whether the same work can succeed when tried again."""
    return isinstance(error, MapperError) and error.transient
