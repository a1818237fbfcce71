"""A coordinator that has no room for the rows of its query; prints the error, and what is left."""

# ruff: noqa: T201 - what it prints is what the test reads

from __future__ import annotations

import json
import os
import resource
import sys

from mapper_dask.errors import ConfigurationError
from tests.fault.reading_once import RUN, WAYS, job, processor


def main(source: str, target: str, folder: str, way: str, largest: str) -> None:
    if int(largest):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    moved = job(source, target, run_id=RUN, chunk_size=10_000, **WAYS[way])
    try:
        processor(folder, enable_parallel=False).run(moved)
    except ConfigurationError as error:
        left = os.listdir(folder) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208
        print(json.dumps({"error": str(error), "field": error.details["field"], "left": left}))


if __name__ == "__main__":
    main(*sys.argv[1:])
