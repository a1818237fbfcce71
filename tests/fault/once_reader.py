"""A coordinator that is killed at a point while its query is read once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mapper_dask.ledger import runs as run_ledger
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.run import once
from mapper_dask.run.spooling import Spooler
from mapper_dask.spool.folder import SpoolFolder
from tests.fault.reading_once import CHUNKS, RUN, WAYS, job, processor

BEFORE, AFTER = "before", "after"

POINTS: dict[str, tuple[Any, str, str, int]] = {
    "it is entered": (once, "_read", BEFORE, 1),
    "the folder is made": (Spooler, "begin", AFTER, 1),
    "a file is open": (Spooler, "_next", AFTER, 1),
    "one file is written": (Spooler, "_end", AFTER, 1),
    "half the files are": (Spooler, "_end", AFTER, CHUNKS // 2),
    "all files but one are": (Spooler, "_end", AFTER, CHUNKS - 1),
    "all files are": (Spooler, "_end", AFTER, CHUNKS),
    "the manifest is to be written": (SpoolFolder, "complete", BEFORE, 1),
    "the manifest is written": (SpoolFolder, "complete", AFTER, 1),
    "its chunks are entered, and not committed": (run_ledger, "take_chunks", AFTER, 1),
    "its chunks are committed": (RunLedger, "take_chunks", AFTER, 1),
}
"""What is called at a point, on which side of it the process dies, and at which call."""

COMMITTED = "its chunks are committed"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(method: Callable[..., Any], side: str, number: int) -> Callable[..., Any]:
    calls = 0

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if side == BEFORE and calls == number:
            die()
        answer = method(*arguments, **options)
        if side == AFTER and calls == number:
            die()
        return answer

    return call


def main(source: str, target: str, folder: str, way: str, point: str) -> None:
    place, name, side, number = POINTS[point]
    setattr(place, name, deadly(getattr(place, name), side, number))
    moved = job(source, target, run_id=RUN, **WAYS[way])
    processor(folder, enable_parallel=False).run(moved)


if __name__ == "__main__":
    main(*sys.argv[1:])
