"""A coordinator to be killed: runs the job in a process of its own, a line for each chunk."""

from __future__ import annotations

import sys

from mapper_dask import ParallelProcessor
from tests.fault.moving import job


def tell(done: int) -> None:
    sys.stdout.write(f"{done}\n")
    sys.stdout.flush()


def main(source: str, target: str, run_id: str) -> None:
    processor = ParallelProcessor(max_workers=2, progress=lambda event: tell(event.done))
    processor.run(job(source, target, run_id=run_id)).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
