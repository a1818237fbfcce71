"""A commit that the ledger counts is one that a crash of the server keeps."""

from __future__ import annotations

import pytest

from mapper_dask import ParallelProcessor
from tests.builders import job_of, move
from tests.database import Databases

SEEN = (
    "CREATE TABLE seen (said text)",
    (
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$"
    ),
)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply"), ("on", "on")],
)
@pytest.mark.parametrize("disposition", ["append", "replace", "merge"])
def test_what_a_role_was_given_does_not_lose_rows(
    databases: Databases, disposition: str, given: str, wanted: str
) -> None:
    """Every transaction of a run: its entry, its chunks, its publication and its end."""
    databases.source.execute("CREATE TABLE s AS SELECT generate_series(1, 100) AS id")
    for statement in ("CREATE TABLE d (id int PRIMARY KEY)", *SEEN):
        databases.target.execute(statement)
    name = databases.target.url.split("/")[3].split("?")[0]
    databases.target.execute(f"ALTER DATABASE {name} SET synchronous_commit = {given}")
    job = job_of(databases, key_column="id", write_disposition=disposition)
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    processor.run(job.evolve(source_sql="SELECT * FROM s WHERE false")).raise_for_status()
    for table in ("d", "mapper_dask_run", "mapper_dask_chunk"):
        databases.target.execute(
            f"CREATE TRIGGER look AFTER INSERT OR UPDATE ON {table} EXECUTE FUNCTION look()"
        )
    processor.run(job).raise_for_status()
    assert databases.target.fetch("SELECT count(*) FROM d") == [(100,)]
    assert databases.target.fetch("SELECT DISTINCT said FROM seen") == [(wanted,)]


def test_a_server_that_does_not_sync_is_named_in_the_plan(databases: Databases) -> None:
    if databases.target.fetch("SHOW fsync") == [("on",)]:
        pytest.skip("this server syncs")
    databases.source.execute("CREATE TABLE s AS SELECT 1 AS id")
    databases.target.execute("CREATE TABLE d (id int)")
    result = move(databases, key_column="id")
    assert any("fsync = off" in note for note in result.warnings)
