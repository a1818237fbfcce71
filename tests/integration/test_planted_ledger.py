"""Whoever may write the ledger plants what he likes; whoever looks after it runs none of that."""

from __future__ import annotations

import contextlib
import copy
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
import sqlalchemy as sa

from mapper_dask import ExecutionEngine, MapperError, MapperJob, ParallelProcessor
from mapper_dask.cli.app import main
from mapper_dask.cli.reports import _pages
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.errors import FingerprintError, LedgerError
from mapper_dask.ledger import cleanup as housekeeping
from mapper_dask.naming import fingerprint
from tests.database import Databases, Server, fresh_databases
from tests.long_form import PLANTED
from tests.planted import texts, values

ROWS, PASSWORD, TEMPLATE = 400, "choose one", "template"
SQL = "SELECT id, v FROM s"

TARGET = """
    CREATE SCHEMA mart;
    CREATE TABLE mart.t (id int PRIMARY KEY, v int CHECK (v <> 113));
    CREATE TABLE public.victim AS SELECT g AS id, g AS v FROM generate_series(1, 100) g;
    ALTER TABLE public.victim ADD PRIMARY KEY (id);
    CREATE VIEW public.shown AS SELECT * FROM public.victim;
    CREATE TABLE public.canary (n int);
    CREATE SCHEMA other;
    SET search_path = other;
"""

GRANTS = """
    GRANT USAGE ON SCHEMA public TO {0};
    GRANT SELECT, INSERT, UPDATE ON mapper_dask_run, mapper_dask_chunk, mapper_dask_reject TO {0};
    GRANT SELECT, INSERT, UPDATE ON mapper_dask_flow, mapper_dask_flow_job TO {0};
    CREATE TABLE other.mapper_dask_stage_0123456789abcdef (id int);
    INSERT INTO other.mapper_dask_stage_0123456789abcdef VALUES (1);
"""

EVERYTHING = """
    SELECT (SELECT array_agg(rolname ORDER BY 1) FROM pg_roles),
           (SELECT array_agg(oid::regclass::text || relkind::text ORDER BY 1) FROM pg_class
            WHERE relnamespace::regnamespace::text IN ('public', 'mart', 'other')),
           (SELECT array_agg((id, v)::text ORDER BY 1) FROM public.victim),
           (SELECT count(*) FROM public.canary), (SELECT count(*) FROM mart.t),
           (SELECT count(*) FROM other.mapper_dask_stage_0123456789abcdef),
           (SELECT count(*) FROM other.mapper_dask_run)
"""


@dataclass
class Estate:
    """A ledger that a loader may write, and what he could wish to harm."""

    databases: Databases
    loader: str
    conn: Any
    run: dict[str, Any] = field(default_factory=dict)
    chunks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.databases.target.url

    def everything(self) -> list[Any]:
        return self.databases.target.fetch(EVERYTHING)

    @property
    def job(self) -> MapperJob:
        return MapperJob(
            source_conn=self.databases.source.url, source_sql=SQL, target_conn=self.url,
            target_schema="mart", target_table="t", key_column="id", chunk_size=100,
            write_disposition="replace", on_error="continue",
        )  # fmt: skip

    def plant(self, change: Callable[[dict[str, Any], list[dict[str, Any]]], None]) -> str:
        """Enter a run as the loader may; return its name."""
        run, chunks = copy.deepcopy((self.run, self.chunks))
        run["run_id"] = f"p{uuid.uuid4().hex}"
        change(run, chunks)
        with self.conn.cursor() as cursor:
            cursor.execute(
                "INSERT INTO mapper_dask_run (run_id, fingerprint, plan, snapshot, state, staging, "
                "notes, version) VALUES (%(run_id)s, %(fingerprint)s, %(plan)s, %(snapshot)s, "
                "%(state)s, %(staging)s, %(notes)s, '1')",
                {
                    **{name: as_text(value) for name, value in run.items()},
                    "plan": json.dumps(run["plan"]),
                    "notes": json.dumps(run["notes"]),
                },
            )
            for place, chunk in enumerate(chunks):
                cursor.execute(
                    "INSERT INTO mapper_dask_chunk (run_id, chunk_id, state, bounds, warnings) "
                    "VALUES (%s, %s, %s, %s, %s)",
                    (run["run_id"], place, as_text(chunk["state"]), json.dumps(chunk["bounds"]),
                     json.dumps(chunk["warnings"])),
                )  # fmt: skip
        return str(run["run_id"])


@pytest.fixture(scope="module")
def made(postgres_server: Server) -> Iterator[Estate]:
    with fresh_databases(postgres_server) as databases:
        loader = f"loader_{uuid.uuid4().hex[:12]}"
        source, target = databases
        source.execute(
            f"CREATE TABLE s AS SELECT g AS id, g AS v FROM generate_series(1, {ROWS}) g"
        )
        source.execute("ALTER TABLE s ADD PRIMARY KEY (id)")
        create = [named_queries.text(name) for name in ("ledger_create", "ledger_flow_create")]
        target.execute(TARGET + create[0])
        target.execute(";".join(create))
        target.execute(f"CREATE ROLE {loader} LOGIN PASSWORD '{PASSWORD}'")
        target.execute(GRANTS.format(loader))
        url = sa.make_url(target.url).set(username=loader, password=PASSWORD)
        conn = psycopg2.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        conn.autocommit = True
        estate = Estate(databases, loader, conn)
        try:
            _entered(estate)
            yield estate
        finally:
            conn.close()
            dispose_engines()
            target.execute(f"DROP OWNED BY {loader}")
            target.execute(f"DROP ROLE {loader}")


def _entered(estate: Estate) -> None:
    """Let a run fail half way, whose entry the plants are made of."""
    done = ParallelProcessor(enable_parallel=False).run(estate.job.evolve(run_id=TEMPLATE))
    assert (done.chunks_succeeded, done.chunks_failed) == (3, 1)
    fetch = estate.databases.target.fetch
    names = ("run_id", "fingerprint", "plan", "snapshot", "state", "staging", "notes")
    [row] = fetch(f"SELECT {', '.join(names)} FROM mapper_dask_run")
    estate.run = dict(zip(names, row, strict=True))
    rows = fetch("SELECT bounds, state, warnings FROM mapper_dask_chunk ORDER BY chunk_id")
    estate.chunks = [
        {"bounds": bounds, "state": state, "warnings": warnings} for bounds, state, warnings in rows
    ]


@pytest.fixture
def estate(made: Estate) -> Iterator[Estate]:
    """The same for each test; afterwards nothing of it has changed but for the plants."""
    before = made.everything()
    yield made
    assert made.everything() == before
    made.databases.target.execute(f"DELETE FROM mapper_dask_run WHERE run_id <> '{TEMPLATE}'")
    made.databases.target.execute("DELETE FROM mapper_dask_flow")


Plant = Callable[[dict[str, Any], list[dict[str, Any]], Any], None]


def at(*path: str) -> Plant:
    """Return what puts a value at a place of a run's entry."""

    def put(run: dict[str, Any], _: list[dict[str, Any]], value: Any) -> None:
        place = run
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return put


def in_chunks(*path: str) -> Plant:
    def put(_: dict[str, Any], chunks: list[dict[str, Any]], value: Any) -> None:
        for chunk in chunks:
            place = chunk
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = value
            chunk["state"] = "UNASSIGNED"

    return put


def bounds(_: dict[str, Any], chunks: list[dict[str, Any]], value: Any) -> None:
    """Let the value stand between two chunks that fit each other."""
    chunks[:] = copy.deepcopy(chunks[:2])
    first, last = (chunk["bounds"] for chunk in chunks)
    first["upper"] = last["lower"] = [value]
    last["upper"] = None
    chunks[0]["state"] = chunks[1]["state"] = "UNASSIGNED"


def addresses(run: dict[str, Any], chunks: list[dict[str, Any]], value: Any) -> None:
    bounds(run, chunks, value)
    for chunk in chunks:
        chunk["bounds"]["kind"] = "rowid_range"
    run["plan"]["strategy"] = "ROWID_BASED"


def windows(run: dict[str, Any], chunks: list[dict[str, Any]], value: Any) -> None:
    bounds(run, chunks, "1")
    for chunk in chunks:
        chunk["bounds"] = {**chunk["bounds"], "kind": "window", "lower": None, "upper": None}
    chunks[0]["bounds"]["limit"] = chunks[1]["bounds"]["offset"] = value


def done(_: dict[str, Any], chunks: list[dict[str, Any]]) -> None:
    """Let all chunks be committed, so that what waits is to be published."""
    for chunk in chunks:
        chunk["state"] = "PROCESSED"


def publication(name: str) -> Plant:
    def put(run: dict[str, Any], chunks: list[dict[str, Any]], value: Any) -> None:
        done(run, chunks)
        run["plan"]["publication"][name] = value

    return put


def names_of_old(run: dict[str, Any], chunks: list[dict[str, Any]], value: Any) -> None:
    done(run, chunks)
    names = ("staging", "staging_name", "target", "table", "disposition", "newest_by")
    run["plan"]["publication"] |= {**dict.fromkeys(names, value), "key": [value], "by_key": True}


KINDS: dict[str, Plant] = {
    "run.staging": at("staging"),
    "run.snapshot": at("snapshot"),
    "run.state": at("state"),
    "run.notes": at("notes"),
    "plan": at("plan"),
    "plan.sql": at("plan", "sql"),
    "plan.keys": at("plan", "keys"),
    "plan.columns": at("plan", "columns"),
    "plan.strategy": at("plan", "strategy"),
    "plan.chunk_size": at("plan", "chunk_size"),
    "plan.total_rows": at("plan", "total_rows"),
    "plan.target": at("plan", "target"),
    "plan.warnings": at("plan", "warnings"),
    "plan.job": at("plan", "job"),
    "plan.job.write_disposition": at("plan", "job", "write_disposition"),
    "plan.job.primary_key": at("plan", "job", "primary_key"),
    "plan.job.newest_by": at("plan", "job", "newest_by"),
    "plan.publication": at("plan", "publication"),
    "chunk.bounds": in_chunks("bounds"),
    "chunk.kind": in_chunks("bounds", "kind"),
    "chunk.state": in_chunks("state"),
    "chunk.warnings": in_chunks("warnings"),
    "chunk.limit": windows,
    "chunk.bound": bounds,
    "chunk.address": addresses,
    "publication.schema": publication("schema"),
    "publication.columns": publication("columns"),
    "publication.names": names_of_old,
}
"""Where a value is planted: in all more than a thousand of them. The names of the last kind are
those that the ledger had once."""


def as_text(value: Any) -> Any:
    """Return a value for a column of type text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


PROCESSOR = ParallelProcessor(enable_parallel=False, retries=1, progress=False)

LOOKED_AFTER: tuple[Callable[[Estate, str], Any], ...] = (
    lambda e, run_id: PROCESSOR.resume(run_id, target_conn=e.url, job=e.job),
    lambda e, run_id: PROCESSOR.reconcile(run_id, **trusting(e), checksum=True),
    lambda e, run_id: PROCESSOR.retry_rejects(run_id, **trusting(e)),
    lambda e, run_id: PROCESSOR.resume(run_id, **trusting(e)),
    lambda e, run_id: PROCESSOR.cancel(run_id, target_conn=e.url),
    lambda e, run_id: _pages(reference(e.url), run_id),
)
"""What an administrator does with runs of others, in the order of its danger."""


def trusting(estate: Estate) -> dict[str, Any]:
    """Return what lets the plants pass the first gate, so that the second is seen to hold."""
    return {
        "target_conn": estate.url,
        "source_conn": estate.job.source_conn,
        "trust_ledger": True,
    }


def tried(work: Callable[[Estate, str], Any], estate: Estate, run_id: str) -> None:
    """Let an administrator try it: it may be refused, in words of ours and in no others."""
    with contextlib.suppress(MapperError):
        work(estate, run_id)


@pytest.mark.long_form
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_is_planted_is_run(estate: Estate, kind: str) -> None:
    planted = []
    for value in values(kind, PLANTED + 15):
        with contextlib.suppress(psycopg2.Error):  # what no jsonb, or no NOT NULL column, holds
            planted.append(estate.plant(lambda run, chunks, v=value: KINDS[kind](run, chunks, v)))
    assert len(planted) >= PLANTED

    for number, run_id in enumerate(planted):
        tried(LOOKED_AFTER[0], estate, run_id)
        if number % 8 == 0:
            for work in LOOKED_AFTER[1:]:
                tried(work, estate, run_id)
            PROCESSOR.discard(run_id, target_conn=estate.url)
    cleaned = housekeeping.clean(
        reference(estate.url), older_than=0, unfinished=True, keep=[TEMPLATE]
    )
    assert {run.run_id for run in cleaned.runs} == set(planted) - set(planted[::8])
    assert estate.everything()[0][4] == 0, "nothing entered the target"


# -- what decides what is read, and called -----------------------------------------------------


@contextlib.contextmanager
def listening() -> Iterator[tuple[int, list[Any]]]:
    """Lend a port, and the list of those who connected to it."""
    callers: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def wait() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    conn, _ = server.accept()
                    callers.append(conn.getpeername())
                    conn.close()

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            yield server.getsockname()[1], callers
        finally:
            over.set()
            thread.join()


DECIDING = {
    "source_sql": lambda text, _: f"SELECT 1 AS id, 2 AS v FROM s WHERE {text or 'true'}",
    "source_conn": lambda text, port: f"postgresql+psycopg2://127.0.0.1:{port}/{text[:9] or 'x'}",
    "transformation_logic": lambda text, _: f"tests.planted:{text}",
    "target_table": lambda text, _: text or "victim",
    "target_schema": lambda text, _: text or "public",
}


@pytest.mark.parametrize("name", DECIDING)
def test_nothing_that_decides_what_is_read_comes_from_a_ledger_of_others(
    estate: Estate, name: str
) -> None:
    with listening() as (port, callers):
        for number, text in enumerate(texts()):
            value = DECIDING[name](text, port)
            run_id = estate.plant(lambda run, _, v=value: at("plan", "job", name)(run, [], v))
            works = [PROCESSOR.resume, PROCESSOR.reconcile, PROCESSOR.retry_rejects]
            for work in works if number % 8 == 0 else works[:1]:
                with pytest.raises(LedgerError, match=rf"{estate.loader}.*trust_ledger=True"):
                    work(run_id, target_conn=estate.url)
            if number % 8 == 0:
                PROCESSOR.cancel(run_id, target_conn=estate.url)
    assert number >= 200
    assert not callers


def test_a_job_that_is_given_must_be_the_one_that_was_begun(estate: Estate) -> None:
    run_id = estate.plant(lambda *_: None)
    other = estate.job.evolve(source_sql="SELECT id, v FROM s WHERE id > 0")
    for work in (PROCESSOR.resume, PROCESSOR.reconcile, PROCESSOR.retry_rejects):
        with pytest.raises(FingerprintError, match="another job"):
            work(run_id, target_conn=estate.url, job=other)


@pytest.mark.parametrize("kind", ["table", "view", "foreign", "trigger", "other ledger"])
def test_only_the_runs_own_table_is_published_or_dropped(estate: Estate, kind: str) -> None:
    """The name is right, as anybody can compute it; what stands under it is not ours."""
    execute, fetch = estate.databases.target.execute, estate.databases.target.fetch
    run_id = estate.plant(done)
    name = f"mart.mapper_dask_stage_{fingerprint(run_id)}"
    ours = fetch("SELECT 'mapper_dask_run'::regclass::oid::bigint")[0][0]
    theirs = fetch("SELECT 'other.mapper_dask_run'::regclass::oid::bigint")[0][0]
    execute(f"CREATE {'VIEW' if kind == 'view' else 'TABLE'} {name} AS SELECT 9 AS id, 9 AS v")
    if kind == "trigger":
        execute(f"COMMENT ON TABLE {name} IS 'mapper_dask ledger {ours}'")
        execute(
            "CREATE FUNCTION mart.spy() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO public.canary VALUES (1); RETURN NEW; END $$"
        )
        execute(
            f"CREATE TRIGGER spy BEFORE INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION mart.spy()"
        )
    if kind == "other ledger":
        execute(f"COMMENT ON TABLE {name} IS 'mapper_dask ledger {theirs}'")
    try:
        result = PROCESSOR.resume(run_id, target_conn=estate.url, job=estate.job)
        assert not result.succeeded
        assert "staging table" in str(result.error)
        if kind != "trigger":
            PROCESSOR.discard(run_id, target_conn=estate.url)
            assert fetch(f"SELECT * FROM {name}") == [(9, 9)]
    finally:
        execute(f"DROP {'VIEW' if kind == 'view' else 'TABLE'} {name}")
        execute("DROP FUNCTION IF EXISTS mart.spy")


# -- flows -----------------------------------------------------------------------------------------


def test_a_flow_that_is_planted_neither_runs_nor_names_the_run_of_another(
    estate: Estate, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = estate.plant(lambda *_: None)
    state = "SELECT state FROM mapper_dask_run WHERE run_id = %s"
    for number, text in enumerate(texts()):
        _plant_flow(estate, f"f{number}", text, victim)
        if number % 8 == 0:
            codes = {
                command: main([command, f"f{number}", "--ledger", estate.url, "--json"])
                for command in ("status", "cancel", "report", "resume")
            }
            assert codes["resume"] == 2
            assert estate.loader in capsys.readouterr().out.rpartition('"LedgerError"')[2]
            ExecutionEngine().discard(f"f{number}", ledger_conn=estate.url)
    assert number >= 200
    assert estate.databases.target.fetch(state, victim) == [("FAILED",)]


def _plant_flow(estate: Estate, name: str, text: str, victim: str) -> None:
    document = f"version: 1\njobs:\n  j:\n    source: {{connection: env:X, sql: {text!r}}}\n"
    with estate.conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mapper_dask_flow (flow_run_id, name, document, directory, state, version) "
            "VALUES (%s, 'f', %s, '.', 'FAILED', '1')",
            (name, document),
        )
        cursor.execute(
            "INSERT INTO mapper_dask_flow_job (flow_run_id, job, place, state, run_id, opening) "
            "VALUES (%s, 'j', 0, 'RUNNING', %s, 1)",
            (name, victim),
        )
