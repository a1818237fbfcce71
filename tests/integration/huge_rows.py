"""Moves a few huge rows through a function, in this process; prints rows and the peak in MB."""

# ruff: noqa: T201 - what it prints is what the test reads

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from mapper_dask import ParallelProcessor


def same(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as it is."""
    return frame.assign(size=frame["v"].str.len())


QUERIES = {"cut": "SELECT id, v FROM huge", "once": "SELECT id, v FROM huge WHERE random() < 2"}


def main(source: str, target: str, chunk_size: str, way: str = "cut") -> None:
    """Move them."""
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    result = processor.process_mapper_job(
        source,
        QUERIES[way],
        same,
        target,
        None,
        "huge",
        chunk_size="auto" if chunk_size == "auto" else int(chunk_size),
    )
    result.raise_for_status()
    print(result.total_rows_successful, peak() // 1024)


def peak() -> int:
    """Return the most memory this process has held, in kB.

    Not by ``getrusage``: what that tells begins with what the process that started this one held.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
