"""Dask's own messages while workers of ours start, work and end, which are no news to the user.

Dask can be asked for that, but it raises the level of each handler that its loggers have. One that
the user gave to Dask's loggers and to other ones, as most do who gather all in one place, would let
go of what those write meanwhile: among it every event of the run.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from distributed import Nanny

SILENCED = ("distributed", "bokeh")
"""The loggers of Dask, and of its page for people."""


@contextlib.contextmanager
def quiet_dask() -> Iterator[None]:
    """Let the handlers of Dask's loggers write less of Dask, and all else as before."""
    handlers = {
        handler
        for name in SILENCED
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler)
    }
    news = _News()  # another cluster's is another
    for handler in handlers:
        handler.addFilter(news)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(news)


class QuietNanny(Nanny):
    """What looks after a worker process that writes no messages, and touches no handler here."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "silence_logs": None})
        self.silence_logs = logging.CRITICAL  # for the process it starts


class _News(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is not Dask's, or one that nobody may miss."""
        return record.levelno >= logging.CRITICAL or record.name.split(".")[0] not in SILENCED
