"""Somebody wants a table for himself that a run's snapshot holds: the chunks' reads end even so.

He waits for the session that keeps the snapshot, and they wait behind him.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import psycopg2
import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.dialects.postgresql import source
from mapper_dask.naming import session_tag
from tests.builders import job_of, make_shop
from tests.database import Database, Databases
from tests.sessions import source_of

ROWS, RUN = 400, "behind"
WAITS = {
    "TRUNCATE": "TRUNCATE s",
    "ALTER TABLE": "ALTER TABLE s ADD COLUMN w int",
    "DROP TABLE": "DROP TABLE s CASCADE",
    "LOCK TABLE": "LOCK TABLE s IN ACCESS EXCLUSIVE MODE",
    "REFRESH MATERIALIZED VIEW": "REFRESH MATERIALIZED VIEW m",
}
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "READ_LOCK_TIMEOUT", 0.2)


@pytest.fixture
def shop(databases: Databases) -> Databases:
    make_shop(databases, ROWS, "'x' AS v", target="d (id int PRIMARY KEY, v text)")
    databases.source.execute("CREATE MATERIALIZED VIEW m AS SELECT id, v FROM s")
    databases.source.execute("CREATE UNIQUE INDEX ON m (id)")
    return databases


class Waiter:
    """A session that wants a table for itself, from a thread of its own."""

    def __init__(self, source: Database, statement: str) -> None:
        self.source, self.granted, self.ended = source, False, threading.Event()
        self.conn = psycopg2.connect(source.url.replace("+psycopg2", ""))
        self.statement = statement
        self.thread = threading.Thread(target=self._wait, daemon=True)

    def begin(self) -> None:
        """Return when it waits."""
        self.thread.start()
        while self.source.fetch(WAITING) == [(0,)]:
            assert not self.ended.is_set(), "it had nothing to wait for"

    def _wait(self) -> None:
        with contextlib.suppress(psycopg2.Error), self.conn, self.conn.cursor() as cursor:
            cursor.execute(self.statement)
            self.granted = True
        self.ended.set()

    def end(self) -> None:
        self.source.fetch("SELECT pg_terminate_backend(%s)", self.conn.info.backend_pid)


@pytest.fixture
def waiters() -> Iterator[list[Waiter]]:
    made: list[Waiter] = []
    yield made
    for waiter in made:
        waiter.thread.join()
        waiter.conn.close()


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def run(shop: Databases, seen: Callable[[Any], None], **options: Any) -> Any:
    job = job_of(shop, **{"chunk_size": 100, "key_column": "id", "run_id": RUN, **options})
    return ParallelProcessor(enable_parallel=False, progress=seen).run(job)


@pytest.mark.parametrize("function", [None, unchanged], ids=["relay", "function"])
@pytest.mark.parametrize("on_error", ["abort", "continue"])
@pytest.mark.parametrize("what", WAITS)
def test_the_run_fails_and_says_who_waits(
    shop: Databases, waiters: list[Waiter], what: str, on_error: str, function: Any
) -> None:
    def seen(_event: Any) -> None:
        if not waiters:
            waiters.append(Waiter(shop.source, WAITS[what]))
            waiters[0].begin()

    table = "m" if "VIEW" in what else "s"
    result = run(
        shop, seen, on_error=on_error, transformation_logic=function,
        source_sql=f"SELECT * FROM {table}",
    )  # fmt: skip

    [error] = [error for error in result.errors if "lock timeout" in str(error)]
    pid = waiters[0].conn.info.backend_pid
    assert f"session {pid} of " in str(error)
    assert f"({what}) waits for an AccessExclusiveLock on public.{table}" in str(error)
    assert f"pg_cancel_backend({pid})" in str(error)
    assert waiters[0].ended.wait(60)
    assert waiters[0].granted, "it waits still"


@pytest.mark.parametrize("function", [None, unchanged], ids=["relay", "function"])
def test_the_run_goes_on_where_the_waiter_is_ended(
    shop: Databases, waiters: list[Waiter], function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = source.PostgreSQLSource.waits_for_keeper

    def ask(self: Any, keeper: str) -> str:
        found = asked(self, keeper)
        waiters[0].end()
        return found

    monkeypatch.setattr(source.PostgreSQLSource, "waits_for_keeper", ask)

    def seen(_event: Any) -> None:
        if not waiters:
            waiters.append(Waiter(shop.source, WAITS["TRUNCATE"]))
            waiters[0].begin()

    run(shop, seen, transformation_logic=function).raise_for_status()

    assert not waiters[0].granted
    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM d") == [(ROWS, ROWS)]


def test_a_run_that_failed_so_is_finished_by_resume(shop: Databases, waiters: list[Waiter]) -> None:
    def seen(_event: Any) -> None:
        if not waiters:
            waiters.append(Waiter(shop.source, WAITS["ALTER TABLE"]))
            waiters[0].begin()

    assert not run(shop, seen, source_sql="SELECT id, v FROM s").succeeded
    waiters[0].thread.join()
    ParallelProcessor(enable_parallel=False).resume(
        RUN, target_conn=shop.target.url, source_conn=shop.source.url
    ).raise_for_status()

    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM d") == [(ROWS, ROWS)]


@pytest.mark.parametrize("holder", ["somebody's own", "of another run"])
def test_a_lock_that_somebody_else_holds_is_not_laid_at_the_runs_door(
    shop: Databases, holder: str, waiters: list[Waiter]
) -> None:
    """It passes, or not, whatever the run does."""
    url = shop.source.url.replace("+psycopg2", "")
    name = "psql" if holder == "somebody's own" else f"{session_tag('other')}:keeper"
    with contextlib.closing(psycopg2.connect(url, application_name=name)) as holding:
        with holding.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM s")
        waiters.append(Waiter(shop.source, WAITS["TRUNCATE"]))
        waiters[0].begin()
        with contextlib.closing(psycopg2.connect(url)) as conn:
            asked = source_of(conn).waits_for_keeper
            assert asked(f"{session_tag(RUN)}:keeper") == ""
        waiters[0].end()
