"""Databases and a cluster for whole runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster

from tests.database import Databases
from tests.integration.processor.shop import query


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two worker processes, which the tests of this file share."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """A thousand rows to move, in ten chunks of a hundred."""
    query(
        databases.source,
        "CREATE TABLE shop (id int PRIMARY KEY, name text, price numeric(10,2));"
        "INSERT INTO shop SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, 1000) i; ANALYZE",
    )
    query(databases.target, "CREATE TABLE sold (id int, name text, price numeric(10,2))")
    return databases
