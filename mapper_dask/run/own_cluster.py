"""Worker processes of this machine that live as long as a run, or a flow."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import dask
from distributed import Client, LocalCluster

from mapper_dask.run.main_guard import require_main_guard

ALLOCATOR = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
"""What keeps a worker small and quick. Arrow's own allocator takes more of the system than it is
asked for, and the C library's keeps what each thread has freed apart for that thread: a worker that
reads ahead held 425 MB before these, and 265 MB with them. What one chunk has let go stays for the
next, up to 256 MB; given back, the system would have to clear it anew, page by page, which took a
sixteenth of the processors' time of a run with a function."""

TICK = "1s"
"""How often a worker's event loop looks whether it is late. At Dask's fifty times a second it takes
the interpreter's lock away from the chunk at work, some hundredths of its time."""


@contextlib.contextmanager
def own_cluster(workers: int) -> Iterator[Client]:
    """Lend the client of worker processes that listen on loopback only, one thread each.

    Dask's profiler looks at every thread a hundred times a second, which costs a tenth of the time
    of a worker that hands rows from one C library to another; it is off here. What the user set of
    the workers' environment, in Dask's configuration or in this process, stays as it is.

    One thread: a worker that is killed for its memory takes no other chunk with it, and pandas
    holds the interpreter's lock for most of a chunk anyway.
    """
    require_main_guard()
    with (
        dask.config.set(_worker_config()),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,  # a heartbeat that meets the end is no news
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _worker_config() -> dict[str, Any]:
    environment = "distributed.nanny.pre-spawn-environ"
    asked = dask.config.get(environment, {})
    usual = dask.config.get(environment, {}, config=dask.config.merge(*dask.config.defaults))
    chosen = {name: value for name, value in asked.items() if value != usual.get(name)}
    return {
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": TICK,
        environment: {**asked, **ALLOCATOR, **chosen},
    }
