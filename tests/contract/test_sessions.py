"""Sessions bear the name of what they work on, for as long as they work on it."""

from __future__ import annotations

import pytest

from mapper_dask.connections.pool import dispose_engines, engine_for, raw_connection
from mapper_dask.connections.reference import reference
from mapper_dask.dialects import dialect_for

TAG = "mapper_dask:named"


@pytest.fixture
def connect(target):
    ref = reference(target.url, "target_conn")
    dialect = dialect_for(ref)
    engine = engine_for(ref, connect_args=dialect.connect_args())
    yield dialect, lambda: raw_connection(engine)
    dispose_engines()


def test_only_a_session_that_works_on_a_chunk_is_ended_with_its_run(connect):
    dialect, connection = connect
    with connection() as one, connection() as other:
        dialect.begin_load(one, f"{TAG}:1", 5)
        dialect.begin_load(other, f"{TAG}:2", 5)
    with connection() as conn:  # the other one waits in the pool
        assert dialect.end_sessions(conn, TAG) == 0
    with connection() as conn, connection() as busy:
        dialect.begin_load(busy, f"{TAG}:3", 5)
        dialect.run(busy, "ledger_exists", {})  # a name is sent with what follows it
        assert dialect.end_sessions(conn, TAG) == 1
