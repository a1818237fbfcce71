"""How a query on Oracle is cut, by what its user may see: statistics, extents, the optimizer."""

from __future__ import annotations

import contextlib
from collections import Counter

import oracledb
import pytest

from mapper_dask import ChunkManager, MapperJob
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.oracle import catalogue, explain, session
from mapper_dask.plan import sample
from tests.builders import job_between, run_here
from tests.contract import sides
from tests.oracle import standin_on

KINDS = {"id": "key NOT NULL", "v": "text"}
ROWS = [(n, f"x{n}") for n in range(4000)]


@pytest.fixture(scope="module")
def server(postgres_server):
    with standin_on(postgres_server, plain={"novice": "lamb"}) as running:
        yield running


@pytest.fixture(params=["source", "novice"], ids=["privileged", "plain"])
def side(server, request):
    made = sides.oracle(server.url(request.param))
    yield made
    dispose_engines()
    made.clean()


@pytest.fixture
def filled(side):
    name = side.table(KINDS, "PRIMARY KEY (id)")
    side.insert(name, KINDS, ROWS)
    gathered(side, name)
    return name


@pytest.fixture
def asked(monkeypatch):
    """The names of the library's own statements that ran to their end."""
    ran = []
    run = session.run

    def noting(conn, name, params):
        rows = run(conn, name, params)
        ran.append(name)
        return rows

    monkeypatch.setattr(session, "run", noting)
    return ran


def moved(side, filled, **options):
    here = side.table(KINDS)
    job = job_between(side, filled, side, here, **{"chunk_size": 300, **options})
    result = run_here(job)
    result.raise_for_status()
    assert side.rows(here, KINDS) == Counter(ROWS)
    return result


def gathered(side, filled):
    with side.cursor() as cursor:
        user = cursor.connection.username.upper()
        cursor.execute(f"BEGIN DBMS_STATS.GATHER_TABLE_STATS('{user}', '{filled.upper()}'); END;")


def test_every_user_reads_one_state(side, filled):
    assert moved(side, filled).consistent


def test_row_addresses_come_by_the_way_that_is_open(side, filled, asked):
    result = moved(side, filled, strategy="ROWID_BASED")
    assert len(result.chunk_results) > 4
    privileged = "SOURCE" in side.url.upper()
    assert ("extents" in asked) is privileged
    assert ("chunks_by_rowid" in asked) is not privileged


def test_addresses_are_sampled_where_nothing_else_is_allowed(side, filled, monkeypatch):
    """A standby that may not write: the database's own cutter needs a task."""

    def refused(conn, place, blocks, wanted):
        del place, blocks, wanted
        with contextlib.closing(conn.cursor()) as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    monkeypatch.setattr(catalogue, "_cut_by_the_database", refused)
    moved(side, filled, strategy="ROWID_BASED")


def test_the_estimate_is_the_optimizers(side, filled):
    plan = ChunkManager().plan(
        MapperJob(source_conn=side.url, source_sql=f"SELECT * FROM {filled} WHERE id < 1000")
    )
    assert plan.config.total_rows == pytest.approx(1000, rel=0.3)


def test_fresh_statistics_spare_a_look_at_the_rows(side, filled, asked, monkeypatch):
    monkeypatch.setattr(sample, "WALKED_ROWS", 100)
    monkeypatch.setattr(sample, "SAMPLE_A_CHUNK", 30)
    monkeypatch.setattr(sample, "drawn", None)  # so that a sample would fail
    result = moved(side, filled, key_column="id")
    assert "histogram" in asked
    sizes = [chunk.rows_read for chunk in result.chunk_results if chunk.rows_read]
    assert len(sizes) > 8
    assert max(sizes) < 600


def test_stale_statistics_are_left_for_a_sample(side, filled, monkeypatch):
    monkeypatch.setattr(sample, "WALKED_ROWS", 100)
    monkeypatch.setattr(sample, "SAMPLE_A_CHUNK", 30)
    more = [(n, f"x{n}") for n in range(4000, 8000)]
    side.insert(filled, KINDS, more)
    with side.cursor() as cursor:
        found = catalogue.histogram(cursor.connection, filled, "id")
    assert found.marks == ()


def test_a_query_that_cannot_be_read_in_one_state_is_told_in_its_plan(side):
    job = MapperJob(source_conn=side.url, source_sql="SELECT table_name FROM user_tables")
    plan = ChunkManager().plan(job)
    assert not plan.consistent
    assert any("what is committed then" in note for note in plan.notes)


class TableOfPlans:
    """A cursor, and its connection, that answer as Oracle's optimizer does."""

    def __init__(self, entered):
        self.entered, self.asked = entered, ""

    def cursor(self):
        return contextlib.nullcontext(self)

    def execute(self, sql, _params=None):
        self.asked = sql
        if sql.startswith("SELECT bytes") and "bytes" not in self.entered:
            message = "ORA-00904: invalid identifier"
            raise oracledb.DatabaseError(message)

    def fetchone(self):
        names = self.asked.removeprefix("SELECT ").partition(" FROM")[0].split(", ")
        return tuple(self.entered[name] for name in names)

    def rollback(self):
        pass


def test_width_of_a_row_is_the_optimizers_where_it_tells():
    conn = TableOfPlans({"cardinality": 2000, "cost": 70, "bytes": 240_000})
    found = explain.estimate(conn, "SELECT 1 FROM DUAL")
    assert (found.rows, found.cost, found.row_bytes) == (2000, 70.0, 120)
    assert found.moving > 0


@pytest.mark.parametrize("size", [{}, {"bytes": None}], ids=["an old table of plans", "no bytes"])
def test_width_is_left_open_where_the_optimizer_does_not_tell(size):
    found = explain.estimate(TableOfPlans({"cardinality": 2000, "cost": None, **size}), "SELECT 1")
    assert (found.rows, found.cost, found.row_bytes) == (2000, None, None)


def test_chunk_size_by_bytes_needs_no_width_from_the_database(side, filled):
    job = MapperJob(source_conn=side.url, source_sql=f"SELECT * FROM {filled}", chunk_size="auto")
    plan = ChunkManager().plan(job)
    assert "chosen by bytes" in plan.config.reason
    assert plan.config.chunk_size >= 1_000
