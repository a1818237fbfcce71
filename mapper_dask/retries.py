"""Retries of transient errors: bounded, with exponential waits and full jitter.

Whether an error is transient was decided where the driver raised it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tenacity

from mapper_dask.errors import MapperError

DEFAULT_ATTEMPTS = 10
"""Enough to outlast the restart of a server: with the waits between, about 15 s on average."""

FIRST_WAIT = 0.4
"""Upper bound of the first wait, in seconds; it doubles each time, up to ``LONGEST_WAIT``."""

LONGEST_WAIT = 5.0
"""Upper bound of any wait, in seconds."""

DEFAULT_LOCK_TIMEOUT = 30.0
"""Seconds to wait for a lock. A frozen copy of a chunk may hold it, and is then looked for."""

DEFAULT_CONNECTION_WAIT = 300.0
"""Seconds for which a connection is requested again while a server has none left."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often work is retried, and how long locks and connections are waited for."""

    attempts: int = DEFAULT_ATTEMPTS
    """Attempts at a chunk."""
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    """Seconds for which an attempt waits for a lock."""
    connection_wait: float = DEFAULT_CONNECTION_WAIT
    """Seconds to wait for connections that others hold."""


def attempts(
    number: int = DEFAULT_ATTEMPTS,
    connection_wait: float = DEFAULT_CONNECTION_WAIT,
    *,
    sleep: Callable[[float], Any] = time.sleep,
    before_sleep: Callable[[BaseException], None] | None = None,
) -> Any:
    """Return the attempts to iterate over; each suppresses a transient error.

    A wait is a random part of its upper bound (full jitter), so that workers whose server restarted
    do not all reconnect at once. An attempt that gets no connection does not count; it is repeated
    for ``connection_wait``.

    Parameters
    ----------
    number
        Attempts, except those that got no connection.
    connection_wait
        Seconds to wait for a connection.
    sleep
        Called to wait, with seconds.
    before_sleep
        Called with the error before each wait.
    """

    def notify(state: tenacity.RetryCallState) -> None:
        error = _error_of(state)
        if before_sleep is not None and error is not None:
            before_sleep(error)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        stop=_Enough(number, connection_wait),
        sleep=sleep,
        before_sleep=notify,
        reraise=True,
    )


class _Enough:
    """Stops after some failures, or after some time without a connection."""

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
    """Return how many attempts an error counts as: more if it took long and may be permanent."""
    return int(error.details.get("costs", 1)) if isinstance(error, MapperError) else 1


def lacks_connection(error: BaseException | None) -> bool:
    """Return whether a server had no connection left."""
    return isinstance(error, MapperError) and bool(error.details.get("connections_taken"))


def may_pass(error: BaseException) -> bool:
    """Return whether an error is transient."""
    return isinstance(error, MapperError) and error.transient
