"""The source is altered while it is read: the run is refused, or reads it as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mapper_dask import MapperJob, ParallelProcessingResult, ParallelProcessor, read_sql_query
from mapper_dask.errors import SourceChangedError
from mapper_dask.events.run_events import RunEvent
from tests.builders import job_of
from tests.database import Databases

ROWS, SIZE, AFTER = 2_000, 200, 3


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def move(databases: Databases, alter: str, **options: Any) -> ParallelProcessingResult:
    """Run the job; between two chunks the source is altered."""
    done: list[int] = []

    def between(event: RunEvent) -> None:
        if event.done >= AFTER and not done:
            done.append(event.done)
            databases.source.execute(alter)

    job = job_of(databases, key_column="id", chunk_size=SIZE, **{"run_id": "r", **options})
    processor = ParallelProcessor(enable_parallel=False, progress=between)
    result = processor.run(job)
    assert done, "the source was never altered"
    return result


def refusal(result: ParallelProcessingResult) -> str:
    assert not result.succeeded
    return " ".join([*(str(error) for error in result.errors), str(result.error)])


def loaded(databases: Databases) -> int:
    [(rows,)] = databases.target.fetch("SELECT count(*) FROM d")
    return rows


SETUP = f"""
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN part AS integer;
CREATE TYPE pair AS (a int, b int);
CREATE TABLE s (id int PRIMARY KEY, v bigint, m mood, p part, x pair);
INSERT INTO s SELECT g, g, 'ok', g, (g, -g)::pair FROM generate_series(1, {ROWS}) g; ANALYZE s;
CREATE TABLE other (LIKE s);
INSERT INTO other SELECT g + 5000, g, 'ok', g, (g, -g)::pair FROM generate_series(1, {ROWS}) g;
CREATE VIEW seen AS SELECT * FROM s;
CREATE TABLE r (LIKE s) PARTITION BY RANGE (id);
CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (1500);
CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (1500) TO (5000);
INSERT INTO r SELECT * FROM s; ANALYZE r;
"""

FRIENDLY = "SELECT id, v, m::text AS m, (x).a AS a FROM"


@pytest.fixture
def both(databases: Databases) -> Databases:
    for part in SETUP.split(";"):
        if part.strip():
            databases.source.execute(part)
    databases.target.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN part AS integer; "
        "CREATE TYPE pair AS (a int, b int); "
        "CREATE TABLE d (id int, v bigint, m mood, p part, x pair)"
    )
    return databases


UNDER_A_SNAPSHOT = {
    "enum renamed": (
        "s",
        ("ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'ok' TO 'sad'; "
         "ALTER TYPE mood RENAME VALUE 'x' TO 'ok'"), "type mood was enum of 'sad', 'ok'"),
    "domain": (
        "s", "ALTER DOMAIN part ADD CHECK (value > -9)", "type part was domain over integer"),
    "composite": (
        "s",
        ("ALTER TYPE pair RENAME ATTRIBUTE a TO x; ALTER TYPE pair RENAME ATTRIBUTE b TO a; "
         "ALTER TYPE pair RENAME ATTRIBUTE x TO b"), "type pair was row of a integer, b integer"),
    "partition attached": (
        "r", "ALTER TABLE r ATTACH PARTITION other FOR VALUES FROM (5000) TO (9000)",
        "the set of partitions of public.r was 2, now it is 3"),
    "a child of a plain table": (
        "s", "ALTER TABLE other INHERIT s", "the set of partitions of public.s is new"),
    "a table before it in the search path": (
        "s", "CREATE SCHEMA postgres; CREATE TABLE postgres.s (LIKE public.s)",
        "table postgres.s is new"),
}  # fmt: skip
"""What may be altered although a session keeps a snapshot, and holds a lock on each table."""


@pytest.mark.parametrize("function", [None, unchanged], ids=["relay", "function"])
@pytest.mark.parametrize("name", UNDER_A_SNAPSHOT)
def test_a_source_altered_beside_its_snapshot_is_refused(
    both: Databases, name: str, function: Callable[..., Any] | None
) -> None:
    table, alter, says = UNDER_A_SNAPSHOT[name]
    result = move(both, alter, source_sql=f"SELECT * FROM {table}", transformation_logic=function)
    assert says in refusal(result)
    assert loaded(both) in (AFTER * SIZE, (AFTER + 1) * SIZE)  # one may have been read ahead


WITHOUT = {
    "column": (
        "s", "DROP VIEW seen; ALTER TABLE s ALTER v TYPE float8",
        "'v' of public.s was bigint, now it is double precision"),
    "renamed crosswise": (
        "s",
        "ALTER TABLE s RENAME v TO x1; ALTER TABLE s RENAME p TO v; ALTER TABLE s RENAME x1 TO p",
        "of public.s was bigint"),
    "another table": (
        "s", "DROP VIEW seen; ALTER TABLE s RENAME TO was; ALTER TABLE other RENAME TO s",
        "table public.s is another one"),
    "view": (
        "seen", "CREATE OR REPLACE VIEW seen AS SELECT id, -v AS v, m, p, x FROM s",
        "the query of view public.seen was altered"),
    "partition detached": (
        "r", "ALTER TABLE r DETACH PARTITION r2",
        "the set of partitions of public.r was 2, now it is 1"),
    "partition of another one": (
        "r",
        ("ALTER TABLE r DETACH PARTITION r2; "
         "ALTER TABLE r ATTACH PARTITION r2 FOR VALUES FROM (1500) TO (6000)"),
        "partitions of public.r was altered"),
}  # fmt: skip


@pytest.mark.parametrize("name", {**WITHOUT, **UNDER_A_SNAPSHOT})
def test_a_source_read_without_a_snapshot_is_refused_too(both: Databases, name: str) -> None:
    table, alter, says = {**UNDER_A_SNAPSHOT, **WITHOUT}[name]
    result = move(both, alter, source_sql=f"SELECT * FROM {table}", consistent=False)
    assert says in refusal(result)
    assert loaded(both) in (AFTER * SIZE, (AFTER + 1) * SIZE)  # one may have been read ahead


def test_a_partition_that_is_being_detached_is_refused(both: Databases) -> None:
    """It waits for the session that keeps the snapshot, but is marked at once."""
    detaching: list[threading.Thread] = []
    pending = "SELECT FROM pg_inherits WHERE inhdetachpending"

    def between(event: RunEvent) -> None:
        if event.done >= AFTER and not detaching:
            detach = "ALTER TABLE r DETACH PARTITION r2 CONCURRENTLY"
            detaching.append(threading.Thread(target=both.source.execute, args=(detach,)))
            detaching[0].start()
            while not both.source.fetch(pending):
                assert detaching[0].is_alive()

    job = MapperJob(
        source_conn=both.source.url, source_sql="SELECT * FROM r", key_column="id",
        target_conn=both.target.url, target_table="d", chunk_size=SIZE,
    )  # fmt: skip
    result = ParallelProcessor(enable_parallel=False, progress=between).run(job)
    detaching[0].join()
    assert "the set of partitions of public.r was" in refusal(result)
    assert loaded(both) in (AFTER * SIZE, (AFTER + 1) * SIZE)


def test_a_table_that_becomes_indexed_or_analysed_is_the_same(both: Databases) -> None:
    result = move(both, "CREATE INDEX ON s (v); ANALYZE s; INSERT INTO s SELECT * FROM other")
    assert result.raise_for_status().consistent
    assert loaded(both) == ROWS


def test_partitions_are_read_as_ever(both: Databases) -> None:
    result = move(both, "ANALYZE r", source_sql="SELECT * FROM r WHERE id > 100")
    assert result.raise_for_status().consistent
    assert loaded(both) == ROWS - 100


def test_workers_refuse_it_too(both: Databases) -> None:
    table, alter, says = UNDER_A_SNAPSHOT["partition attached"]
    done: list[int] = []

    def between(event: RunEvent) -> None:
        if event.done >= AFTER and not done:
            done.append(event.done)
            both.source.execute(alter)

    job = MapperJob(
        source_conn=both.source.url, source_sql=f"SELECT * FROM {table}", key_column="id",
        target_conn=both.target.url, target_table="d", chunk_size=50,
        transformation_logic=unchanged,
    )  # fmt: skip
    result = ParallelProcessor(max_workers=2, progress=between).run(job)
    assert says in refusal(result)
    assert both.target.fetch("SELECT count(*) FROM d WHERE id > 5000") == [(0,)]


def test_a_frame_refuses_a_partition_of_an_altered_table(both: Databases) -> None:
    frame = read_sql_query("SELECT id, v FROM s", both.source.url, index_col="id", npartitions=4)
    assert len(frame.compute(scheduler="sync")) == ROWS
    both.source.execute("DROP VIEW seen; ALTER TABLE s ALTER v TYPE float8")
    with pytest.raises(SourceChangedError, match=r"'v' of public\.s was bigint"):
        frame.compute(scheduler="sync")
