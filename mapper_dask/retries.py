"""Trying again what may pass: bounded, with growing waits and full jitter.

Which errors may pass was decided where the driver raised them; here they only say so.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may pass is waited for."""

    attempts: int = DEFAULT_ATTEMPTS
    """Attempts at a chunk."""
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT
    """Seconds for which an attempt waits for a lock."""


def attempts(number: int = DEFAULT_ATTEMPTS) -> Any:
    """Return the attempts to iterate over; each swallows an error that may pass.

    The wait before the next is a random part of the longest it may be (full jitter): workers whose
    server restarted do not all come back at once.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        stop=tenacity.stop_after_attempt(number),
        reraise=True,
    )


def may_pass(error: BaseException) -> bool:
    """Return whether the same work can succeed when tried again."""
    return isinstance(error, MapperError) and error.transient
