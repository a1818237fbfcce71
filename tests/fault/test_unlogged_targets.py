"""A crash empties an unlogged target and leaves the ledger: nothing of it is claimed afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.errors import RowsGoneError
from tests import builders
from tests.database import Database, Databases

ROWS = 10_000
RUN = "unlogged"
MOVED: dict[str, Any] = {
    "source_sql": "SELECT * FROM t", "target_table": "t", "key_column": "k", "chunk_size": 1_000,
}  # fmt: skip
WARNED = "is unlogged: a crash of the server empties it"


class Fails:
    """A function that fails at some keys until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        assert self.mended or (frame.k < 6_000).all(), "not known here"
        return frame


def stage(server: EmbeddedPostgres, persistence: str) -> Databases:
    databases = Databases(*(Database(server.create_database(n)) for n in ("source", "target")))
    databases.source.execute(f"CREATE TABLE t AS SELECT g AS k FROM generate_series(1, {ROWS}) g")
    databases.source.execute("ALTER TABLE t ADD PRIMARY KEY (k)")
    databases.target.execute(f"CREATE {persistence} TABLE t (k int)")
    return databases


def run(databases: Databases, run_id: str = RUN, **options: Any) -> Any:
    return builders.move(databases, run_id=run_id, **MOVED, **options)


def held(databases: Databases) -> int:
    return int(databases.target.fetch("SELECT count(*) FROM t")[0][0])


def crash(server: EmbeddedPostgres) -> None:
    """End the whole server at once, and let it recover."""
    dispose_engines()
    server.restart()


def crash_of_a_session(server: EmbeddedPostgres) -> None:
    """Kill one session: the server stays, and resets itself; its start's time is as it was."""
    dispose_engines()
    victim, bystander = session(server), session(server)
    os.kill(victim.info.backend_pid, signal.SIGKILL)
    # the victim's end is seen before the server has seen it; once it ends the others, no new
    # session is let in until it has recovered
    with pytest.raises(psycopg2.Error):
        bystander.cursor().execute("SELECT pg_sleep(60)")
    while True:
        try:
            session(server).close()
        except psycopg2.OperationalError:
            continue
        return


def session(server: EmbeddedPostgres) -> Any:
    url = sa.make_url(server.url("target"))
    return psycopg2.connect(dbname=url.database, user=url.username, **dict(url.query))


CRASHES = pytest.mark.parametrize("fall", [crash, crash_of_a_session])


@CRASHES
def test_a_finished_run_is_not_claimed_after_a_crash(
    private_server: EmbeddedPostgres, fall: Callable[[EmbeddedPostgres], None]
) -> None:
    databases = stage(private_server, "UNLOGGED")
    result = run(databases).raise_for_status()
    assert [note for note in result.warnings if WARNED in note]
    assert run(databases).succeeded, "until then it is"
    fall(private_server)
    assert held(databases) == 0

    for ask in (
        lambda: run(databases),
        lambda: ParallelProcessor(enable_parallel=False).resume(
            RUN, target_conn=databases.target.url
        ),
    ):
        with pytest.raises(RowsGoneError, match=r"unlogged.*10,000 rows were loaded, 0 are there"):
            ask()
    run(databases, "another").raise_for_status()
    assert held(databases) == ROWS
    with pytest.raises(RowsGoneError, match="0 are there"):
        run(databases)


@CRASHES
def test_a_run_does_not_go_on_beside_rows_that_a_crash_took(
    private_server: EmbeddedPostgres, fall: Callable[[EmbeddedPostgres], None]
) -> None:
    databases, function = stage(private_server, "UNLOGGED"), Fails()
    assert not run(databases, transformation_logic=function).succeeded
    before = held(databases)
    assert 0 < before < ROWS
    function.mended = True
    fall(private_server)

    with pytest.raises(RowsGoneError, match=f"{before:,} rows were loaded, 0 are there"):
        run(databases, transformation_logic=function)
    assert held(databases) == 0


@CRASHES
def test_what_a_crash_took_is_repaired(
    private_server: EmbeddedPostgres, fall: Callable[[EmbeddedPostgres], None]
) -> None:
    databases = stage(private_server, "UNLOGGED")
    run(databases).raise_for_status()
    fall(private_server)

    found = ParallelProcessor(enable_parallel=False).reconcile(
        RUN, target_conn=databases.target.url, repair=True
    )
    assert found.matches
    assert held(databases) == ROWS
    assert run(databases).succeeded


def test_a_server_that_crashed_in_mid_run_makes_no_success(
    private_server: EmbeddedPostgres,
) -> None:
    databases = stage(private_server, "UNLOGGED")

    def fall(event: Any) -> None:
        if event.done == 4:
            crash(private_server)

    job = builders.job_of(databases, run_id=RUN, **MOVED, consistent=False)
    result = ParallelProcessor(enable_parallel=False, progress=fall).run(job)

    assert 0 < held(databases) < ROWS
    assert not result.succeeded
    assert "10,000 rows were loaded" in str(result.error)


@CRASHES
def test_a_logged_target_goes_on_in_silence(
    private_server: EmbeddedPostgres, fall: Callable[[EmbeddedPostgres], None]
) -> None:
    databases, function = stage(private_server, ""), Fails()
    assert not run(databases, transformation_logic=function).succeeded
    function.mended = True
    fall(private_server)

    result = run(databases, transformation_logic=function).raise_for_status()
    assert held(databases) == ROWS
    assert not [note for note in result.warnings if "unlogged" in note or "can be this" in note]
    fall(private_server)
    assert run(databases, transformation_logic=function).succeeded


def test_an_unlogged_partition_is_named_before_the_run(private_server: EmbeddedPostgres) -> None:
    databases = stage(private_server, "")
    for statement in (
        "DROP TABLE t",
        "CREATE TABLE t (k int) PARTITION BY RANGE (k)",
        "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (5000)",
        "CREATE UNLOGGED TABLE high PARTITION OF t FOR VALUES FROM (5000) TO (50000)",
    ):
        databases.target.execute(statement)
    result = run(databases).raise_for_status()
    assert [note for note in result.warnings if WARNED in note]
    crash(private_server)

    with pytest.raises(RowsGoneError, match="10,000 rows were loaded, 4,999 are there"):
        run(databases)
