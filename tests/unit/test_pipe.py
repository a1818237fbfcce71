"""A pipe between two COPYs: everything passes, nothing hangs, the first error is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mapper_dask.dialects.postgresql.copying import Sink
from mapper_dask.dialects.postgresql.pipe import BLOCK, PIPE_BYTES, Pipe


class Source:
    """A connection whose query ends when it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


def to_file(write: Callable[[Any], int]) -> Callable[[Sink], int]:
    """Let a function that writes to a file write to what takes the bytes."""
    return lambda sink: write(SimpleNamespace(write=sink))


def everything(pipe: Pipe) -> bytes:
    parts = []
    while part := pipe.read(1_000):
        parts.append(part)
    return b"".join(parts)


def test_all_bytes_pass_in_order_however_many():
    rows = [b"%d\n" % number * 1_000 for number in range(2_000)]

    def write(sink):
        for row in rows:
            sink.write(row)
        return len(rows)

    with Pipe(Source(), to_file(write)) as pipe:
        assert everything(pipe) == b"".join(rows)
    assert pipe.result == len(rows)


def test_an_error_of_the_writer_is_no_end_of_the_stream():
    def write(sink):
        sink.write(b"half a row")
        message = "the source went away"
        raise OSError(message)

    with Pipe(Source(), to_file(write)) as pipe, pytest.raises(OSError, match="went away"):
        everything(pipe)


def test_an_error_right_behind_a_full_read_is_seen_by_the_next():
    def write(sink):
        sink.write(b"x" * 1_000)
        raise RuntimeError

    with Pipe(Source(), to_file(write)) as pipe:
        assert pipe.read(1_000) == b"x" * 1_000
        with pytest.raises(RuntimeError):
            pipe.read(1_000)


def test_a_reader_that_leaves_stops_a_writer_in_the_middle_of_writing():
    def write(sink):
        while True:
            sink.write(b"x" * BLOCK)

    with Pipe(Source(), to_file(write)) as pipe:
        pipe.read(10)
    with pytest.raises(BrokenPipeError):
        pipe.raise_error()


def test_a_reader_that_leaves_cancels_a_writer_that_waits_for_its_server():
    source = Source()

    def write(_):
        source.cancelled.wait()
        return 0

    with Pipe(source, write):
        assert not source.cancelled.is_set()
    assert source.cancelled.is_set()


def test_more_than_the_system_holds_waits_for_the_reader():
    behind = threading.Event()

    def write(sink):
        for _ in range(2 * PIPE_BYTES // BLOCK + 1):
            sink.write(b"x" * BLOCK)
        behind.set()
        return 1

    with Pipe(Source(), to_file(write)) as pipe:
        pipe.read(1)
        assert not behind.is_set()
        everything(pipe)
    assert behind.is_set()
