"""Sessions bear the name of what they work on, for as long as they work on it."""

from __future__ import annotations

import pytest

from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.opening import open_target

TAG = "mapper_dask:named"


@pytest.fixture
def connect(target):
    ref = reference(target.url, "target_conn")
    yield lambda: open_target(ref)
    dispose_engines()


def test_only_a_session_that_works_on_a_chunk_is_ended_with_its_run(connect):
    with connect() as one, connect() as other:
        one.begin_load(f"{TAG}:1", 5)
        other.begin_load(f"{TAG}:2", 5)
    with connect() as session:  # the other one waits in the pool
        assert session.end_sessions(TAG) == 0
    with connect() as session, connect() as busy:
        busy.begin_load(f"{TAG}:3", 5)
        busy.run("ledger_exists", {})  # a name is sent with what follows it
        assert session.end_sessions(TAG) == 1
