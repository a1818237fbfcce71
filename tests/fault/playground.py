"""Where chaos happens: a server to crash, workers to kill, coordinators to start again.

The workers outlive a coordinator, as on a cluster that several people use: the next one meets the
chunks that its predecessor left running.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dask
from distributed import LocalCluster

from mapper_dask.embedded import EmbeddedPostgres, embedded_postgres
from tests.database import TEST_SETTINGS, Database, Databases
from tests.fault.forked import Coordinator
from tests.fault.moving import stage
from tests.fault.sabotage import sabotaged

WORKERS = 2

PATIENCE = {"distributed.deploy.lost-worker-timeout": "1h"}
"""A local cluster looks for a lost worker after 15 s, and gives it up for good when it is starting
just then, because it was killed a second time."""


@dataclass
class Playground:
    """A server with the source's rows, and workers."""

    server: EmbeddedPostgres
    scheduler: str
    orders: Path
    """Where a death around a commit is ordered."""
    _source: Database
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self) -> Databases:
        """Return the source with an empty target, which no straggler of an earlier run knows."""
        url = self.server.create_database(f"target_{next(self._numbers)}", template="empty")
        return Databases(self._source, Database(url))

    def coordinator(self, run_id: str, databases: Databases, chunk_size: int) -> Coordinator:
        """Start a coordinator of a run."""
        return Coordinator(run_id, databases, chunk_size, self.scheduler)


def local_cluster(workers: int) -> LocalCluster:
    """Return a cluster as a user would make one: processes with one thread, loopback only."""
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


@contextlib.contextmanager
def playground() -> Iterator[Playground]:
    """Lend a server and workers."""
    with (
        embedded_postgres(settings=TEST_SETTINGS) as server,
        tempfile.TemporaryDirectory() as orders,
    ):
        databases = Databases(*(Database(server.create_database(n)) for n in ("source", "empty")))
        stage(databases)
        databases.source.execute("CREATE INDEX ON s (id)")
        with sabotaged(Path(orders)), dask.config.set(PATIENCE), local_cluster(WORKERS) as cluster:
            yield Playground(server, cluster.scheduler_address, Path(orders), databases.source)
