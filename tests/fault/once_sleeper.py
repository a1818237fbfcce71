"""A coordinator whose query is read once, and waits in the midst of it."""

from __future__ import annotations

import signal
import sys

from tests.fault.reading_once import RUN, SLEEPY_SQL, WAYS, job, processor


def main(source: str, target: str, folder: str, way: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what began it may ignore it
    moved = job(source, target, run_id=RUN, **WAYS[way]).evolve(source_sql=SLEEPY_SQL)
    processor(folder, enable_parallel=False).run(moved)


if __name__ == "__main__":
    main(*sys.argv[1:])
