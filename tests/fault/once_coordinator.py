"""A coordinator to be killed, whose query is read once: a line for each chunk."""

from __future__ import annotations

import sys

from mapper_dask.events.run_events import RunEvent
from tests.fault.reading_once import RUN, WAYS, job, processor


def tell(event: RunEvent) -> None:
    sys.stdout.write(f"{event.done}\n")
    sys.stdout.flush()


def main(source: str, target: str, folder: str, way: str) -> None:
    moved = job(source, target, run_id=RUN, **WAYS[way])
    processor(folder, max_workers=2, progress=tell).run(moved).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
