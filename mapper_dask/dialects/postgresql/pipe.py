"""A pipe from one COPY into another, while both run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from typing import Self

from mapper_dask.dialects.postgresql.copying import Sink
from mapper_dask.dialects.session import Driver
from mapper_dask.halting import Breaker

JOIN_SECONDS = 0.1
"""Seconds that a writer without a reader is left before its query is cancelled."""


BLOCK = 1 << 18
"""Bytes read at a time."""

PIPE_BYTES = 1 << 20
"""Size of the pipe, the most that an unprivileged process may ask for by default."""


def _widen(descriptor: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # only Linux has it
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class Pipe:
    """A file to read from, filled by a function in a thread of its own.

    An error of the writer is raised by ``read``: the reading COPY then fails, instead of taking a
    broken stream for a whole one. Leaving the context early cancels the writer's query.

    Parameters
    ----------
    conn
        Connection the writer uses; it is of no use any more once its query was cancelled.
    write
        Called with what takes the bytes; what it returns is ``result``.
    """

    def __init__(self, conn: Driver, write: Callable[[Sink], int]) -> None:
        self._conn, self._write = conn, write
        self._error: BaseException | None = None
        self.result = 0

    def __enter__(self) -> Self:
        out, into = os.pipe()
        _widen(into)
        self._source = os.fdopen(out, "rb", BLOCK)
        self._thread = threading.Thread(target=self._fill, args=(into,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()
        self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            self._cancel()

    def _cancel(self) -> None:
        """Cancel the writer's query, and return when it has ended."""
        breaker = Breaker(self._conn)
        try:
            while self._thread.is_alive():
                breaker.off()
                self._thread.join(JOIN_SECONDS)
        finally:
            breaker.over()

    def _fill(self, into: int) -> None:
        try:
            with os.fdopen(into, "wb", BLOCK) as file:  # closing it is the end of what is read
                self.result = self._write(file.write)
        except BaseException as error:  # noqa: BLE001 - raised again where it is read
            self._error = error

    def raise_error(self) -> None:
        """Raise what the writer raised, if it did."""
        if self._error is not None:
            raise self._error

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end; raise what the writer raised."""
        data = self._source.read(size)
        if len(data) < size:
            self._thread.join()
            self.raise_error()
        return data
