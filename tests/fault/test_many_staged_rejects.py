"""Thousands of staged rows are refused by a server with room for a few hundred locks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.embedded import embedded_postgres
from tests.database import Database, Databases

ROWS, REFUSED = 6_000, 2_000

FEW = {"max_locks_per_transaction": "10", "max_connections": "20"}


@pytest.fixture(scope="module")
def cramped() -> Iterator[Databases]:
    with embedded_postgres(settings=FEW) as server:
        yield Databases(*(Database(server.create_database(n)) for n in ("source", "target")))


@pytest.mark.parametrize(
    "way",
    [{"atomic": True}, {"write_disposition": "replace"}, {"write_disposition": "merge"}],
    ids=str,
)
def test_each_is_set_aside_and_the_others_arrive(cramped: Databases, way: dict[str, Any]) -> None:
    cramped.source.execute(
        "DROP TABLE IF EXISTS s; CREATE TABLE s AS "
        "SELECT g AS id, CASE WHEN mod(g, 3) = 0 THEN 9 ELSE 1 END AS r "
        f"FROM generate_series(1, {ROWS}) g; "
        "ALTER TABLE s ADD PRIMARY KEY (id)"
    )
    cramped.target.execute(
        "DROP TABLE IF EXISTS d, r; CREATE TABLE r (r int PRIMARY KEY); INSERT INTO r VALUES (1);"
        "CREATE TABLE d (id int PRIMARY KEY, r int REFERENCES r)"
    )
    job = MapperJob(
        source_conn=cramped.source.url, source_sql="SELECT * FROM s", key_column="id",
        target_conn=cramped.target.url, target_table="d", chunk_size=1_500, reject_limit=ROWS,
        **way,
    )  # fmt: skip

    result = ParallelProcessor(enable_parallel=False).run(job).raise_for_status()

    assert cramped.target.fetch(
        "SELECT count(*), count(*) FILTER (WHERE mod(id, 3) = 0) FROM d"
    ) == [(ROWS - REFUSED, 0)]
    rejects = ParallelProcessor().rejects(str(result.run_id), target_conn=cramped.target.url)
    assert sorted(row["id"] for row in rejects.row) == list(range(3, ROWS + 1, 3))
