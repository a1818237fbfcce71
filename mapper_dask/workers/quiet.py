"""Silences Dask's own messages while our workers start, run and end.

Dask's ``silence_logs`` raises the level of each handler of its loggers. A handler that the user
shares between Dask's and other loggers would then drop messages of those as well: among them every
event of the run.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from distributed import Nanny

SILENCED = ("distributed", "bokeh")
"""The loggers of Dask and of its dashboard."""


@contextlib.contextmanager
def quiet_dask() -> Iterator[None]:
    """Filter messages of Dask, and only those, from the handlers of its loggers."""
    handlers = {
        handler
        for name in SILENCED
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler)
    }
    news = _News()  # one filter a cluster, so that each removes its own
    for handler in handlers:
        handler.addFilter(news)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(news)


class QuietNanny(Nanny):
    """A nanny whose worker process logs nothing, and that changes no handler of this process."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "silence_logs": None})
        self.silence_logs = logging.CRITICAL  # for the process it starts


class _News(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is not Dask's, or is critical."""
        return record.levelno >= logging.CRITICAL or record.name.split(".")[0] not in SILENCED
