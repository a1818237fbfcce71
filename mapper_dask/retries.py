"""Trying again what may pass: bounded, with growing waits and full jitter.

Which errors may pass was decided where the driver raised them; here they only say so.
"""

from __future__ import annotations

import logging
from typing import Any

import stamina

from mapper_dask.errors import MapperError

DEFAULT_ATTEMPTS = 8
"""With the waits between, about 15 s: they outlast the restart of a server."""

FIRST_WAIT = 0.1
"""Seconds before the second attempt; doubles, with jitter, up to the longest."""

LONGEST_WAIT = 5.0
"""Seconds between two attempts at most."""

# Without a handler of the user's, Python would print its bare event names to stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())


def attempts(number: int = DEFAULT_ATTEMPTS) -> Any:
    """Return the attempts to iterate over; each swallows an error that may pass."""
    return stamina.retry_context(
        on=may_pass, attempts=number, timeout=None, wait_initial=FIRST_WAIT, wait_max=LONGEST_WAIT
    )


def may_pass(error: Exception) -> bool:
    """Return whether the same work can succeed when tried again."""
    return isinstance(error, MapperError) and error.transient
