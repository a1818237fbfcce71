"""Nobody's function, operator, type or relation is called by our SQL, whatever their names are.

Everything in PostgreSQL's own schema has a double in the schema ``evil``, which comes first. A
double that is called raises, and what is raised stands in the server's log, whoever suppresses it.
Each operation of the library is run there by an ordinary login; and every statement that it sent is
read again from the log.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import (
    ChunkManager,
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessingResult,
    ParallelProcessor,
    read_sql_query,
    reject,
)
from mapper_dask.connections.pool import ConnectArgs, dispose_engines, engine_for
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.opening import open_store
from mapper_dask.embedded import EmbeddedPostgres, embedded_postgres
from mapper_dask.jobfile import scaffold as draft
from mapper_dask.ledger import cleanup as housekeeping
from mapper_dask.ledger import flows as flow_ledger
from mapper_dask.ledger import stored_runs
from mapper_dask.limits import server_connections as room
from tests.database import TEST_SETTINGS, Database
from tests.qualified import findings

ROWS = 600
CHUNK_SIZE = 100
LOGGED = {"log_statement": "all", "log_line_prefix": "@@%u@@ "}
CALLED = re.compile(r"ERROR:  a plant was called: .*")
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)", re.DOTALL)
QUERY = "SELECT * FROM public.s"
SQL = resources.files("mapper_dask.dialects") / "sql" / "postgresql"
LEAST = 200
UNFIT, REFUSED = range(7, ROWS, 100), range(9, ROWS, 100)
"""Rows that the target's check refuses, and those that the function does."""
DEFINES = re.compile(r"(?:--.*\n)*\s*(?:CREATE|ALTER|DROP|COMMENT|SET|LOCK)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Planted:
    """A server in which everything has a double."""

    server: EmbeddedPostgres
    admin: Database
    url: str
    """Of the login whose search path begins with the doubles."""

    def target(self, *definitions: str) -> str:
        """Return the name of a new empty table of the login's."""
        name = f"t{self.admin.fetch('SELECT nextval(%s)', 'public.names')[0][0]}"
        rest = "".join(f", {definition}" for definition in definitions)
        self.admin.execute(
            f"CREATE TABLE work.{name} "
            f"(id int PRIMARY KEY, at timestamptz, v text, n numeric{rest})"
        )
        self.admin.execute(f"ALTER TABLE work.{name} OWNER TO mapper")
        return name

    def holds_source(self, name: str) -> bool:
        """Return whether a table holds the source's rows, each once."""
        there, here = (
            self.admin.fetch(f"SELECT id, at, v, n FROM {table} ORDER BY id")
            for table in ("public.s", f"work.{name}")
        )
        return there == here

    def said(self, start: int) -> list[str]:
        """Return what the login's sessions said since a place in the log."""
        entries = self.server.log[start:].split("@@mapper@@ ")[1:]
        texts = (entry.partition("@@")[0].replace("\n\t", "\n") for entry in entries)
        return [found.group(1) for text in texts if (found := STATEMENT.match(text))]


@pytest.fixture(scope="module")
def planted() -> Iterator[Planted]:
    with embedded_postgres(settings={**TEST_SETTINGS, **LOGGED}) as server:
        admin = Database(server.create_database("shop"))
        admin.execute(
            "CREATE ROLE mapper LOGIN; CREATE SCHEMA work AUTHORIZATION mapper; "
            "CREATE SEQUENCE public.names; "
            "CREATE TABLE public.s AS SELECT g AS id, "
            "timestamptz '2024-01-01 00:00Z' + g * interval '1 min' AS at, 'v' || g AS v, "
            f"g * 1.25 AS n FROM generate_series(1, {ROWS}) g; "
            "ALTER TABLE public.s ADD PRIMARY KEY (id); ANALYZE public.s; "
            "GRANT SELECT ON public.s TO mapper"
        )
        admin.execute((Path(__file__).parent / "plants.sql").read_text().replace("%", "%%"))
        admin.execute("ALTER ROLE mapper SET search_path = work, evil, pg_catalog, public")
        url = sa.make_url(admin.url).set(username="mapper")
        yield Planted(server, admin, url.render_as_string(hide_password=False))
        dispose_engines()


@pytest.fixture(autouse=True)
def no_plant_is_called(planted: Planted, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which a plant was called, or a statement left its names to the search path."""
    start = len(planted.server.log)
    yield
    if "springs" in request.node.name:
        return
    called = CALLED.findall(planted.server.log[start:])
    assert not called, "\n".join(sorted(set(called)))
    loose = {
        f"{one.text}, in: {statement[:300]}"
        for statement in planted.said(start)
        for one in findings(statement)
    }
    assert not loose, "\n".join(sorted(loose))


def job(planted: Planted, table: str, **options: Any) -> MapperJob:
    return MapperJob(
        **{
            "source_conn": planted.url,
            "source_sql": QUERY,
            "target_conn": planted.url,
            "target_schema": "work",
            "target_table": table,
            "chunk_size": CHUNK_SIZE,
            **options,
        }
    )


def run(planted: Planted, table: str, **options: Any) -> ParallelProcessingResult:
    return ParallelProcessor(enable_parallel=False, retries=1).run(job(planted, table, **options))


class Failing:
    """A function that cannot do with some rows, until it is mended."""

    def __init__(self, *, mended: bool) -> None:
        self.mended = mended

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        if not self.mended and (frame["id"] == 350).any():
            message = "no 350"
            raise ValueError(message)
        return frame


def as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def picky(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(n=frame["n"].where(~frame["id"].isin(UNFIT), -1))
    return reject(frame, frame["id"].isin(REFUSED), "not this one")


# -- the plants themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["function", "operator"])
def test_there_are_plants_enough(planted: Planted, kind: str) -> None:
    ((count,),) = planted.admin.fetch("SELECT count(*) FROM public.planted WHERE kind = %s", kind)
    assert count >= LEAST


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT starts_with('a', 'b')",
        "SELECT pg_relation_size(1::pg_catalog.oid)",
        "SELECT 'a'::pg_catalog.name !~ 'b'::pg_catalog.name",
        "SELECT 1 = 1",
        "SELECT 1 WHERE 1 IN (1)",
        "SELECT count(*)",
        "SELECT current_schema()",
        "SELECT concat('a', 'b')",
        "SELECT 'a'::text",
        "SELECT oid FROM pg_class",
    ],
)
def test_a_plant_springs_where_a_name_is_left_to_the_path(planted: Planted, sql: str) -> None:
    conn = engine_for(reference(planted.url), connect_args=ConnectArgs()).raw_connection()
    try:
        with pytest.raises(Exception, match="a plant was called"):  # noqa: SIM117
            with conn.driver_connection.cursor() as cursor:
                cursor.execute(sql)
    finally:
        conn.invalidate()
    assert findings(sql)


# -- operations -----------------------------------------------------------------------------------


WAYS: dict[str, dict[str, Any]] = {
    "relay": {},
    "function": {"transformation_logic": as_it_is},
    "rowid": {"strategy": "ROWID_BASED"},
    "window": {"strategy": "OFFSET_LIMIT", "source_sql": f"{QUERY} ORDER BY id"},
    "auto": {"chunk_size": "auto"},
    "atomic": {"atomic": True},
    "null key": {"key_column": "n"},
    "text key": {"key_column": "v"},
    "two keys": {"key_column": ("v", "id")},
    "time key": {"key_column": "at"},
    "replace": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge", "primary_key": ["id"]},
    "newest": {"write_disposition": "merge", "primary_key": ["id"], "newest_by": "at"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run(planted: Planted, way: str) -> None:
    table = planted.target()
    assert run(planted, table, **WAYS[way]).raise_for_status().chunks_total
    assert planted.holds_source(table)


def test_a_parallel_run(planted: Planted) -> None:
    table = planted.target()
    ParallelProcessor(2).run(job(planted, table)).raise_for_status()
    assert planted.holds_source(table)


def test_a_replacement_of_rows_that_others_refer_to(planted: Planted) -> None:
    table, child = planted.target(), planted.target("parent int")
    planted.admin.execute(f"INSERT INTO work.{table} VALUES (1), (999)")
    planted.admin.execute(
        f"ALTER TABLE work.{child} ADD FOREIGN KEY (parent) "
        f"REFERENCES work.{table} ON DELETE CASCADE"
    )
    run(planted, table, write_disposition="replace").raise_for_status()
    assert planted.holds_source(table)


def test_a_failed_run_goes_on(planted: Planted) -> None:
    table = planted.target()
    result = run(planted, table, transformation_logic=Failing(mended=False))
    assert 0 < result.chunks_succeeded < result.chunks_total
    processor = ParallelProcessor(enable_parallel=False)
    again = processor.resume(
        result.run_id, target_conn=planted.url, transformation_logic=Failing(mended=True)
    )
    assert again.raise_for_status()
    assert planted.holds_source(table)


def test_a_failed_run_is_cancelled_and_given_up(planted: Planted) -> None:
    table = planted.target()
    failing = {"transformation_logic": Failing(mended=False), "atomic": True}
    result = run(planted, table, **failing)
    processor = ParallelProcessor(enable_parallel=False)
    processor.cancel(result.run_id, target_conn=planted.url, source_conn=planted.url)
    processor.discard(result.run_id, target_conn=planted.url)
    assert planted.admin.fetch(f"SELECT count(*) FROM work.{table}") == [(0,)]


def test_rejects_are_set_aside_and_tried_again(planted: Planted) -> None:
    table = planted.target("CHECK (n >= 0)")
    result = run(planted, table, transformation_logic=picky, reject_limit=ROWS)
    result.raise_for_status()
    assert result.total_rows_failed == len([*UNFIT, *REFUSED])
    processor = ParallelProcessor(enable_parallel=False)
    assert len(processor.rejects(result.run_id, target_conn=planted.url)) == 12
    tried = processor.retry_rejects(
        result.run_id, target_conn=planted.url, transformation_logic=as_it_is
    )
    assert tried.loaded == len(REFUSED)  # the others are kept as the function made them
    assert tried.rejected == len(UNFIT)


def test_a_run_is_counted_again_and_repaired(planted: Planted) -> None:
    table = planted.target()
    result = run(planted, table, key_column="id")
    processor = ParallelProcessor(enable_parallel=False)
    options = {"target_conn": planted.url, "checksum": True}
    assert processor.reconcile(result.run_id, **options).matches
    planted.admin.execute(f"DELETE FROM work.{table} WHERE id = 5")
    assert processor.reconcile(result.run_id, **options, repair=True).repaired == (0,)
    assert planted.holds_source(table)


def test_a_flow_takes_what_is_new(planted: Planted) -> None:
    table = planted.target()
    moved = job(
        planted,
        table,
        write_disposition="merge",
        primary_key=["id"],
        source_sql="SELECT * FROM public.f",
    )
    planted.admin.execute("CREATE TABLE public.f AS SELECT * FROM public.s WHERE id <= 300")
    planted.admin.execute("ALTER TABLE public.f ADD PRIMARY KEY (id)")
    planted.admin.execute("GRANT SELECT ON public.f TO mapper")
    new = Incremental(column="at", overlap=dt.timedelta(minutes=2), start="2023-01-01T00:00:00Z")
    flow = Flow(name="nightly", jobs=(FlowJob(name="copy", job=moved, incremental=new),))
    engine = ExecutionEngine(1, progress=False)
    engine.run(flow).raise_for_status()
    planted.admin.execute("INSERT INTO public.f SELECT * FROM public.s WHERE id > 300")
    engine.run(flow).raise_for_status()
    assert planted.holds_source(table)
    assert flow_ledger.all_runs(reference(planted.url))


def test_a_data_frame(planted: Planted) -> None:
    frame = read_sql_query(QUERY, planted.url, index_col="id", npartitions=4)
    assert len(frame.compute(scheduler="sync")) == ROWS


def test_questions_about_runs_and_room(planted: Planted) -> None:
    table, ref = planted.target(), reference(planted.url)
    run(planted, table, atomic=True)
    housekeeping.require_ledger(ref)
    assert housekeeping.every_run(ref)
    (newest, *_) = housekeeping.every_run(ref)
    assert housekeeping.chunk_times(ref, newest.run_id)
    assert stored_runs.found(ref, newest.run_id)
    room.holders([ref])
    assert draft.draft(ref, "public.s", ref)
    assert ChunkManager().plan(job(planted, table)).chunks
    housekeeping.clean(ref, older_than=0)


def test_sessions_are_looked_for(planted: Planted) -> None:
    ref = reference(planted.url)
    with open_store(ref) as store:
        assert store.end_sessions("mapper_dask:nobody") == 0
        assert store.end_frozen("mapper_dask:nobody", 1, 1) == 0


# -- every named query ----------------------------------------------------------------------------


def named() -> list[Any]:
    files = sorted(path.name for path in SQL.iterdir() if path.name.endswith(".sql"))
    return [name for name in files if not DEFINES.match((SQL / name).read_text(encoding="utf-8"))]


DEPENDS = """
SELECT DISTINCT d.refclassid::regclass::text, d.refobjid FROM pg_depend d
WHERE d.classid = 'pg_proc'::regclass AND d.objid = 'public.probe'::regproc
  AND d.refclassid <> 'pg_namespace'::regclass AND d.refobjid IN (
    SELECT oid FROM pg_proc WHERE pronamespace = 'evil'::regnamespace
    UNION SELECT oid FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace
    UNION SELECT oid FROM pg_type WHERE typnamespace = 'evil'::regnamespace
    UNION SELECT oid FROM pg_class WHERE relnamespace = 'evil'::regnamespace)
"""


@pytest.fixture(scope="module")
def with_ledgers(planted: Planted) -> Planted:
    """The same, where both ledgers have been made by the login, in its own schema."""
    ref = reference(planted.url)
    with open_store(ref) as store:
        store.run("ledger_create")
        store.run("ledger_flow_create")
        store.commit()
    return planted


@pytest.mark.parametrize("name", named())
def test_the_server_resolves_a_named_query_to_its_own(with_ledgers: Planted, name: str) -> None:
    text = re.sub(r"%\(\w+\)s", "NULL", (SQL / name).read_text(encoding="utf-8"))
    # No function can do this, and nothing is named there.
    text = re.sub(r"^(COMMIT|SET CONSTRAINTS ALL IMMEDIATE);$", "", text, flags=re.MULTILINE)
    body = text if text.rstrip().endswith(";") else f"{text};"
    made = f"CREATE FUNCTION public.probe() RETURNS void LANGUAGE sql BEGIN ATOMIC {body} END"
    path = "SET search_path = work, evil, pg_catalog, public"
    with_ledgers.admin.execute(f"{path}; {made}".replace("%", "%%"))
    try:
        assert with_ledgers.admin.fetch(DEPENDS) == []
    finally:
        with_ledgers.admin.execute("DROP FUNCTION public.probe()")
