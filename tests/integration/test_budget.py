"""Connections: never more than the budget, and waited for while others hold them.

The server itself is the witness. A role that may open so many connections and no more is refused
the next one, and every refusal stands in the server's log.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import psycopg2
import pytest
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.embedded import EmbeddedPostgres, embedded_postgres
from mapper_dask.errors import ConfigurationError, ConnectionFailedError, RunStoppedError
from mapper_dask.events.run_events import RunEvent
from mapper_dask.limits.budget import Budget
from tests.database import TEST_SETTINGS, Database, Databases
from tests.fault.gate import closed_gate
from tests.fault.moving import ROWS, assert_every_row_once, job, stage

REFUSED = "too many connections"
LOGIN = "mover"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of this file's own, whose log is read."""
    with embedded_postgres(settings={**TEST_SETTINGS, "max_connections": "40"}) as running:
        yield running


@dataclass(frozen=True)
class Crowded:
    """Two databases that a run may use by a login that is counted."""

    server: EmbeddedPostgres
    admin: Databases
    login: str

    @property
    def databases(self) -> Databases:
        """The same, as the run sees them."""
        return Databases(*(Database(as_login(d.url, self.login)) for d in self.admin))

    def allow(self, connections: int) -> None:
        """Let the login open so many connections and no more."""
        self.admin.target.execute(f"ALTER ROLE {self.login} CONNECTION LIMIT {connections}")

    def refusals(self) -> int:
        """Return how often the login was refused one."""
        return self.server.log.count(f'{REFUSED} for role "{self.login}"')

    def job(self, **options: Any) -> Any:
        """Return the job that moves the rows, as the login."""
        return job(self.databases.source.url, self.databases.target.url, **options)

    @contextlib.contextmanager
    def held(self, number: int, name: str = "nightly_report") -> Iterator[list[Any]]:
        """Hold so many of the login's connections."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self.connected(name)) for _ in range(number)]

    def connected(self, name: str) -> Any:
        """Return one connection of the login; it is closed at the end of a block."""
        url = sa.make_url(self.databases.target.url).set(drivername="postgresql")
        text = url.update_query_dict({"application_name": name}).render_as_string()
        return contextlib.closing(psycopg2.connect(text))


def as_login(url: str, login: str) -> str:
    return sa.make_url(url).set(username=login).render_as_string()


@pytest.fixture
def crowded(server: EmbeddedPostgres) -> Iterator[Crowded]:
    login = f"{LOGIN}_{uuid.uuid4().hex[:8]}"
    names = [f"{login}_{role}" for role in Databases._fields]
    admin = Databases(*(Database(server.create_database(name)) for name in names))
    admin.target.execute(f"CREATE ROLE {login} LOGIN")
    stage(admin)
    for database, table in zip(admin, "sd", strict=True):
        database.execute(f"GRANT CREATE ON SCHEMA public TO {login}")
        database.execute(f"GRANT ALL ON {table} TO {login}")
    yield Crowded(server, admin, login)
    dispose_engines()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=4, threads_per_worker=1, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


class Awaited(logging.Handler):
    """Notices that a run waits for connections, and what it says of them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = threading.Event()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "mapper", {}).get("event") == "connections_awaited":
            self.told.append(str(record.mapper["why"]))
            self.seen.set()


@pytest.fixture
def awaited() -> Iterator[Awaited]:
    handler, logger = Awaited(), logging.getLogger("mapper_dask")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class Sampler:
    """Counts a login's sessions again and again while a run is at work."""

    def __init__(self, crowded: Crowded) -> None:
        self._crowded, self._stop, self.most = crowded, threading.Event(), 0
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        count = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{self._crowded.login}'"
        engine = sa.create_engine(self._crowded.admin.target.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            while not self._stop.wait(0.002):
                self.most = max(self.most, connection.exec_driver_sql(count).scalar_one())
        engine.dispose()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


# -- a limit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["own workers", "a client with more workers"])
def test_a_limit_is_never_exceeded(crowded: Crowded, client: Client, where: str) -> None:
    crowded.allow(6)
    processor = ParallelProcessor(
        max_workers=4 if where == "own workers" else 2,
        client=None if where == "own workers" else client,
        budget=Budget(limit=6, wait=10),
    )
    with Sampler(crowded) as sampled:
        result = processor.run(crowded.job()).raise_for_status()

    assert_every_row_once(crowded.admin)
    assert crowded.refusals() == 0
    assert sampled.most == 6 if where == "own workers" else sampled.most <= 6
    assert len({chunk.worker for chunk in result.chunk_results}) > 1
    told = [note for note in result.warnings if "chunks at a time" in note]
    assert len(told) == (where == "own workers"), result.warnings
    assert all("2 of 4 chunks at a time" in note and "6 connections" in note for note in told)


def test_nothing_idles_on_a_client_s_workers_after_a_run_with_a_limit(
    crowded: Crowded, client: Client
) -> None:
    crowded.allow(20)
    ParallelProcessor(client=client).run(crowded.job(run_id="free")).raise_for_status()
    crowded.admin.target.execute("TRUNCATE d")
    crowded.allow(6)

    limited = ParallelProcessor(client=client, budget=Budget(limit=6))
    limited.run(crowded.job(run_id="limited")).raise_for_status()

    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{crowded.login}'"
    dispose_engines()
    [(rows,)] = crowded.admin.target.fetch("SELECT count(*) FROM d")
    assert rows == ROWS
    while crowded.admin.target.fetch(sessions) != [(0,)]:
        pass


def test_a_limit_that_no_chunk_fits_is_refused_before_a_row_moves(crowded: Crowded) -> None:
    with pytest.raises(ConfigurationError, match="limit of 3 is too low") as caught:
        ParallelProcessor(2, budget=Budget(limit=3)).run(crowded.job())

    assert caught.value.details["field"] == "connections.limit"
    assert "set at least 4" in str(caught.value)
    assert crowded.admin.target.fetch("SELECT count(*) FROM d") == [(0,)]


@pytest.mark.parametrize("enable_parallel", [True, False], ids=["workers", "a loop"])
def test_the_least_limit_does(crowded: Crowded, enable_parallel: bool) -> None:  # noqa: FBT001
    crowded.allow(4)
    processor = ParallelProcessor(
        2, enable_parallel=enable_parallel, budget=Budget(limit=4, wait=10)
    )
    processor.run(crowded.job()).raise_for_status()

    assert_every_row_once(crowded.admin)
    assert crowded.refusals() == 0


def test_jobs_that_share_a_budget_stay_within_it_together(crowded: Crowded, client: Client) -> None:
    crowded.allow(8)
    crowded.admin.target.execute("CREATE TABLE other (LIKE d)")
    crowded.admin.target.execute(f"GRANT ALL ON other TO {crowded.login}")
    budget = Budget(limit=8, runs=2)
    ended: list[str] = []
    processors = [
        ParallelProcessor(
            client=client, budget=budget, progress=lambda _, table=table: ended.append(table)
        )
        for table in ("d", "other")
    ]

    with Sampler(crowded) as sampled:
        handles = [
            processor.start(crowded.job().evolve(target_table=table))
            for processor, table in zip(processors, ("d", "other"), strict=True)
        ]
        for handle in handles:
            handle.result().raise_for_status()

    assert_every_row_once_in(crowded, "d", "other")
    assert crowded.refusals() == 0
    assert sampled.most <= 8
    assert ended.index("d") < len(ended) - 1 - ended[::-1].index("other"), "one after the other"
    assert ended.index("other") < len(ended) - 1 - ended[::-1].index("d"), "one after the other"


def test_a_limit_of_the_role_or_the_database_is_a_limit_too(crowded: Crowded) -> None:
    crowded.allow(6)
    [(name,)] = crowded.admin.target.fetch("SELECT current_database()")
    crowded.admin.target.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 2")

    result = ParallelProcessor(4).run(crowded.job()).raise_for_status()

    assert_every_row_once(crowded.admin)
    assert crowded.refusals() == 0
    assert f'{REFUSED} for database "{name}"' not in crowded.server.log
    assert [note for note in result.warnings if note.startswith("1 of 4 chunks at a time")]


def test_a_server_with_room_is_used_as_ever(crowded: Crowded) -> None:
    crowded.allow(30)
    result = ParallelProcessor(2).run(crowded.job()).raise_for_status()

    assert not [note for note in result.warnings if "at a time" in note]


# -- waiting ---------------------------------------------------------------------------------------


def test_a_run_waits_for_another_one_and_both_load_every_row_once(
    crowded: Crowded, awaited: Awaited
) -> None:
    crowded.allow(6)
    crowded.admin.target.execute("CREATE TABLE other (LIKE d)")
    crowded.admin.target.execute(f"GRANT ALL ON other TO {crowded.login}")
    with closed_gate(crowded.admin.target) as gate:
        first = ParallelProcessor(2).start(crowded.job(run_id="first"))
        gate.crowd(2, first.done)
        second = ParallelProcessor(2).start(
            crowded.job(run_id="second").evolve(target_table="other")
        )
        awaited.seen.wait(60)

    first.result().raise_for_status()
    second.result().raise_for_status()
    assert_every_row_once_in(crowded, "d", "other")
    assert awaited.told, "the second run did not wait"


def assert_every_row_once_in(crowded: Crowded, *tables: str) -> None:
    for table in tables:
        counted = f"SELECT count(*), count(DISTINCT id) FROM {table}"
        assert crowded.admin.target.fetch(counted) == [(ROWS, ROWS)]


@pytest.mark.parametrize(("held", "told"), [(3, "1 connections left"), (4, REFUSED)])
def test_a_wait_in_vain_ends_in_an_error_that_says_who_holds_them(
    crowded: Crowded, awaited: Awaited, held: int, told: str
) -> None:
    crowded.allow(4)
    processor = ParallelProcessor(2, budget=Budget(wait=0.1))
    with crowded.held(held), pytest.raises(ConnectionFailedError) as caught:
        processor.run(crowded.job())

    text = str(caught.value)
    assert told in text
    assert "waited for up to 0.1 s (connections.wait)" in text
    assert f"Held by nightly_report ({held})" in text or held == 4
    assert crowded.admin.target.fetch("SELECT count(*) FROM d") == [(0,)]
    assert crowded.admin.target.fetch("SELECT to_regclass('mapper_dask_run')") == [(None,)]
    assert awaited.told


def test_a_run_that_waits_is_stopped_at_once(crowded: Crowded, awaited: Awaited) -> None:
    crowded.allow(4)
    with crowded.held(4):
        handle = ParallelProcessor(2).start(crowded.job(run_id="waits"))
        awaited.seen.wait(60)
        handle._stop.set()
        with pytest.raises(RunStoppedError, match="waited for connections"):
            handle.result()


def test_a_run_that_waited_begins_when_they_are_given_back(
    crowded: Crowded, awaited: Awaited
) -> None:
    crowded.allow(4)
    with crowded.held(2):
        handle = ParallelProcessor(2).start(crowded.job(run_id="waits"))
        awaited.seen.wait(60)

    handle.result().raise_for_status()
    assert_every_row_once(crowded.admin)
    assert "Held by nightly_report (2)" in awaited.told[0]


def test_connections_that_are_taken_meanwhile_fail_no_chunk(crowded: Crowded) -> None:
    """Even one attempt is enough: one that gets no connection does not count."""
    crowded.allow(4)
    intruders = contextlib.ExitStack()
    seen: list[int] = []

    def intrude_once(event: RunEvent) -> None:
        if event.done != 3:
            return
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                intruders.enter_context(crowded.connected("intruder"))
        before = crowded.refusals()
        while crowded.refusals() == before:  # a chunk is refused what it needs
            pass
        seen.append(before)
        intruders.close()

    processor = ParallelProcessor(
        2, retries=1, progress=intrude_once, budget=Budget(limit=4, wait=10)
    )
    with intruders:
        result = processor.run(crowded.job())

    assert seen
    assert not result.raise_for_status().errors
    assert_every_row_once(crowded.admin)
