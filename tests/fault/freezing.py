"""A worker that freezes once in the middle of a chunk, its transaction open."""

from __future__ import annotations

import contextlib
import os
import signal

import pandas as pd

from mapper_dask import ParallelProcessor
from tests.fault.moving import job, shout

MARK = "FREEZE_MARK"
"""Variable that names a file: it comes to be when the process freezes."""

FROZEN_ROW = 30_000
"""The chunk of this row is where it happens."""


def freezing(frame: pd.DataFrame) -> pd.DataFrame:
    """Do what ``shout`` does, after a long sleep, once, where a test has asked for it."""
    if MARK in os.environ and (frame["id"] == FROZEN_ROW).any():
        with contextlib.suppress(FileExistsError):
            os.close(os.open(os.environ[MARK], os.O_CREAT | os.O_EXCL))
            os.kill(os.getpid(), signal.SIGSTOP)
    return shout(frame)


def main(source: str, target: str, run_id: str, workers: str) -> None:
    many = int(workers) > 1
    processor = ParallelProcessor(max_workers=int(workers), enable_parallel=many)
    processor.run(job(source, target, freezing, run_id=run_id)).raise_for_status()
