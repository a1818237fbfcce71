"""The grants of docs/privileges.md suffice, and each of them is needed and named when it lacks."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import ChunkManager, MapperError, MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.database import Database, Databases, Server, fresh_databases

PAGE = (Path(__file__).parents[2] / "docs" / "privileges.md").read_text(encoding="utf-8")
READER, WRITER = "mapper_reader", "mapper_writer"
PASSWORD = "choose one"
ROWS = 40
SQL = "SELECT id, amount FROM sales.orders"


def block(title: str) -> str:
    """Return the SQL of the page that stands under a comment."""
    (found,) = re.findall(rf"<!-- {title}.*?-->\n```sql\n(.*?)```", PAGE, re.DOTALL)
    return found


def run(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """Run statements in one session and return the rows of the last."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


@dataclass(frozen=True)
class Grant:
    """One privilege on one object, as the page grants it."""

    privilege: str
    thing: str
    role: str

    @property
    def name(self) -> str:
        """The object's own name, which an error must show."""
        return self.thing.split()[-1].rpartition(".")[2]

    def __str__(self) -> str:
        return f"{self.privilege} ON {self.thing}"


def grants(sql: str) -> list[Grant]:
    return [
        Grant(privilege.strip(), thing, role)
        for privileges, thing, role in re.findall(r"GRANT ([\w, ]+) ON (.+?) TO (\w+);", sql)
        for privilege in privileges.split(",")
    ]


@dataclass(frozen=True)
class Estate:
    """Two databases in which PUBLIC has no rights, and the two roles of the page."""

    databases: Databases
    names: dict[str, str]
    """The page's names → names nobody else has."""

    def sql(self, text: str) -> str:
        for before, after in self.names.items():
            text = re.sub(rf"\b{before}\b", after, text)
        return text

    def url(self, role: str) -> str:
        side = self.databases.source if role == READER else self.databases.target
        url = sa.make_url(side.url).set(username=self.names[role], password=PASSWORD)
        return url.render_as_string(hide_password=False)

    def run(self, role: str, sql: str) -> list[tuple[Any, ...]]:
        """Run statements as the owner of the database that a role works in."""
        side = self.databases.source if role == READER else self.databases.target
        return run(side, self.sql(sql))

    def revoke(self, grant: Grant) -> None:
        self.run(grant.role, f"REVOKE {grant} FROM {grant.role}")

    def restore(self, grant: Grant) -> None:
        self.run(grant.role, f"GRANT {grant} TO {grant.role}")

    @property
    def arrived(self) -> int:
        return self.run(WRITER, "SELECT count(*) FROM mart.orders_clean")[0][0]

    @property
    def job(self) -> MapperJob:
        return MapperJob(
            source_conn=self.url(READER),
            source_sql=SQL,
            target_conn=self.url(WRITER),
            target_schema="mart",
            target_table="orders_clean",
            key_column="id",
            chunk_size=10,
        )

    def move(self, **changes: Any) -> ParallelProcessingResult:
        processor = ParallelProcessor(enable_parallel=False, retries=1, progress=False)
        return processor.run(self.job.evolve(**changes))


LEDGER = named_queries.text("ledger_create")


SALES = f"""
    CREATE SCHEMA sales;
    CREATE TABLE sales.orders AS
    SELECT i AS id, i * 1.5 AS amount FROM generate_series(1, {ROWS}) i;
    ALTER TABLE sales.orders ADD PRIMARY KEY (id)
"""
MART = """
    CREATE SCHEMA mart;
    CREATE TABLE mart.orders_clean (id int PRIMARY KEY, amount numeric CHECK (amount > 0))
"""


@pytest.fixture(scope="module")
def made(postgres_server: Server) -> Iterator[Estate]:
    """The page's SQL, all of it, run once."""
    with fresh_databases(postgres_server) as databases:
        mark = uuid.uuid4().hex[:12]
        names = {role: f"{role}_{mark}" for role in (READER, WRITER)}
        for word, side in (("shop", databases.source), ("warehouse", databases.target)):
            names[word] = str(sa.make_url(side.url).database)
        estate = Estate(databases, names)
        for role, database in ((READER, "shop"), (WRITER, "warehouse")):
            estate.run(role, f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            estate.run(role, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        estate.run(READER, SALES)
        estate.run(WRITER, MART)
        try:
            estate.run(READER, block("source"))
            estate.run(WRITER, block("ledger") + LEDGER)
            estate.run(WRITER, block("target"))
            yield estate
        finally:
            dispose_engines()
            for role in (READER, WRITER):
                estate.run(role, f"DROP OWNED BY {role}")
                estate.run(role, f"DROP ROLE {role}")


@pytest.fixture
def estate(made: Estate) -> Iterator[Estate]:
    """The same for each test: nothing moved, nothing revoked, no session of an earlier test."""
    dispose_engines()
    yield made
    made.run(WRITER, "TRUNCATE mart.orders_clean; DELETE FROM mapper_ledger.mapper_dask_run")


@pytest.fixture
def lacking(estate: Estate, request: pytest.FixtureRequest) -> Iterator[Grant]:
    """One grant of the page, taken away for one test."""
    estate.revoke(request.param)
    yield request.param
    estate.restore(request.param)


def without_amounts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with two amounts in forty that the target refuses."""
    return frame.assign(amount=frame.amount.where(~frame.id.isin([5, 15]), -1))


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(amount=frame.amount * 2)


# -- enough ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [None, "KEY_BASED", "ROWID_BASED", "OFFSET_LIMIT"])
@pytest.mark.parametrize("function", [None, doubled], ids=["relayed", "function"])
def test_what_the_page_grants_is_enough(estate: Estate, strategy: Any, function: Any) -> None:
    result = estate.move(strategy=strategy, transformation_logic=function).raise_for_status()

    assert result.consistent, "all chunks read the snapshot that the reader exports"
    assert result.chunks_total >= 1
    assert estate.arrived == ROWS
    owned = f"SELECT relname FROM pg_class WHERE relowner = '{WRITER}'::regrole"
    assert estate.run(WRITER, owned) == []


def test_it_is_enough_for_workers_in_processes_of_their_own(estate: Estate) -> None:
    result = ParallelProcessor(max_workers=2, progress=False).run(estate.job).raise_for_status()

    assert (result.chunks_total, estate.arrived) == (4, ROWS)


def test_it_is_enough_to_go_on_with_a_run_and_to_read_its_report(estate: Estate) -> None:
    def fails_late(frame: pd.DataFrame) -> pd.DataFrame:
        assert (frame.id < 30).all()
        return frame

    first = estate.move(transformation_logic=fails_late, run_id="late")
    assert not first.succeeded
    resumed = ParallelProcessor(enable_parallel=False).resume(
        "late",
        target_conn=estate.url(WRITER),
        source_conn=estate.url(READER),
        transformation_logic=rest_of(fails_late),
    )

    assert resumed.succeeded
    assert estate.arrived == ROWS


def rest_of(function: Any) -> Any:
    """Return a function of the same name that does not fail: one that was mended."""

    def mended(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    mended.__module__, mended.__qualname__ = function.__module__, function.__qualname__
    return mended


def test_a_plan_needs_the_source_only(estate: Estate) -> None:
    plan = ChunkManager().plan(estate.job.evolve(target_conn=None, target_table=None))

    assert len(plan.chunks) == 4
    dry = estate.move(target_conn=None, target_table=None).raise_for_status()
    assert dry.total_rows_processed == ROWS


PEOPLE = f"""
    CREATE TABLE sales.people AS SELECT i AS id, 'x' AS born FROM generate_series(1, 9) i;
    GRANT SELECT (id) ON sales.people TO {READER};
    CREATE VIEW sales.some AS SELECT id + 9 AS id, 1.0 AS amount FROM sales.people;
    GRANT SELECT ON sales.some TO {READER}
"""


def test_columns_and_views_can_be_granted_alone(estate: Estate) -> None:
    estate.run(READER, PEOPLE)
    for sql in ("SELECT id, 1.0 AS amount FROM sales.people", "SELECT * FROM sales.some"):
        estate.move(source_sql=sql, chunk_size=3).raise_for_status()
    with pytest.raises(MapperError, match="permission denied for table people"):
        estate.move(source_sql="SELECT id, born FROM sales.people")

    assert estate.arrived == 18
    estate.run(READER, "DROP TABLE sales.people CASCADE")


def test_the_reader_can_neither_write_nor_create(estate: Estate) -> None:
    for sql in (
        "SELECT 1 AS id, 1.0 AS amount FROM sales.orders FOR UPDATE",
        "WITH gone AS (DELETE FROM sales.orders RETURNING id, amount) SELECT * FROM gone",
    ):
        with pytest.raises(MapperError):
            estate.move(source_sql=sql, key_column=None).raise_for_status()

    assert estate.run(READER, "SELECT count(*) FROM sales.orders") == [(ROWS,)]
    assert estate.arrived == 0


# -- needed ----------------------------------------------------------------------------------------


def cases(*titles: str) -> list[Any]:
    """Return each grant of some blocks as a case."""
    return [
        pytest.param(grant, id=str(grant))
        for title in titles
        for grant in sorted(grants(block(title)), key=str)
    ]


def require_told(estate: Estate, grant: Grant, error: MapperError) -> None:
    """Check that an error names the object, shows no password, and that no row moved."""
    assert estate.sql(grant.name) in str(error)
    assert PASSWORD not in repr(error)
    assert estate.arrived == 0


@pytest.mark.parametrize("lacking", cases("source", "target"), indirect=True)
@pytest.mark.parametrize("on_error", ["abort", "continue"])
def test_each_grant_is_needed_and_named_before_a_row_moves(
    estate: Estate, lacking: Grant, on_error: Any
) -> None:
    with pytest.raises(MapperError) as caught:
        estate.move(on_error=on_error).raise_for_status()

    require_told(estate, lacking, caught.value)


def test_without_a_ledger_nor_create_nothing_moves(estate: Estate) -> None:
    with no_ledger(estate), pytest.raises(MapperError, match="mapper_ledger") as caught:
        estate.move()

    assert PASSWORD not in repr(caught.value)
    assert estate.arrived == 0


def test_without_a_ledger_nor_create_the_error_says_what_to_grant(estate: Estate) -> None:
    with no_ledger(estate), pytest.raises(MapperError) as caught:
        estate.move()

    for told in ("mapper_dask_run", "mapper_ledger", "CREATE ON SCHEMA", estate.names[WRITER]):
        assert told in str(caught.value)


@contextlib.contextmanager
def no_ledger(estate: Estate) -> Iterator[None]:
    """Put an empty schema in the place of the ledger's."""
    estate.run(WRITER, "ALTER SCHEMA mapper_ledger RENAME TO elsewhere")
    estate.run(WRITER, "CREATE SCHEMA mapper_ledger")
    estate.run(WRITER, f"GRANT USAGE ON SCHEMA mapper_ledger TO {WRITER}")
    try:
        yield
    finally:
        estate.run(WRITER, "DROP SCHEMA mapper_ledger")
        estate.run(WRITER, "ALTER SCHEMA elsewhere RENAME TO mapper_ledger")


# -- more, for what needs it -----------------------------------------------------------------------


@pytest.fixture
def more(estate: Estate, request: pytest.FixtureRequest) -> Iterator[Estate]:
    """The page's further blocks, granted for one test."""
    for title in request.param:
        estate.run(WRITER, block(title))
    yield estate
    for grant in (grant for title in request.param for grant in grants(block(title))):
        estate.revoke(grant)


ATOMIC = {"atomic": True}
REPLACE = {"write_disposition": "replace"}
MERGE = {"write_disposition": "merge", "primary_key": ["id"]}
ASIDE = {"reject_limit": 5, "transformation_logic": without_amounts}
MORE = [
    (("staged",), ATOMIC),
    (("staged", "replace"), REPLACE),
    (("staged", "merge"), MERGE),
    (("rejects",), ASIDE),
]


@pytest.mark.parametrize(
    ("more", "options"), MORE, indirect=["more"], ids=["atomic", "replace", "merge", "rejects"]
)
def test_with_the_further_grants_the_further_things_work(
    more: Estate, options: dict[str, Any]
) -> None:
    aside = 2 if "reject_limit" in options else 0
    for _ in range(2 if "write_disposition" in options else 1):
        result = more.move(**options).raise_for_status()

    assert (result.total_rows_successful, result.total_rows_failed) == (ROWS - aside, aside)
    assert more.arrived == ROWS - aside


@pytest.mark.parametrize(
    ("more", "options", "without"),
    [
        pytest.param(titles, options, grant, id=f"{titles[-1]} without {grant}")
        for titles, options in MORE
        for grant in grants(block(titles[-1]))
        if str(grant) != "SELECT ON mapper_ledger.mapper_dask_reject"
    ],
    indirect=["more"],
)
def test_each_further_grant_is_needed_and_named(
    more: Estate, options: dict[str, Any], without: Grant
) -> None:
    more.revoke(without)

    with pytest.raises(MapperError) as caught:
        more.move(**options).raise_for_status()

    require_told(more, without, caught.value)


@pytest.mark.parametrize("more", [("rejects",)], indirect=True)
def test_rows_that_were_set_aside_are_read_with_select(more: Estate) -> None:
    run_id = more.move(**ASIDE).raise_for_status().run_id
    processor = ParallelProcessor(enable_parallel=False)
    select, _ = grants(block("rejects"))

    assert len(processor.rejects(run_id, target_conn=more.url(WRITER))) == 2
    more.revoke(select)
    with pytest.raises(MapperError, match="mapper_dask_reject"):
        processor.rejects(run_id, target_conn=more.url(WRITER))


@pytest.mark.parametrize("more", [("discard",)], indirect=True)
def test_a_run_is_discarded_with_delete(more: Estate) -> None:
    processor, (delete,) = ParallelProcessor(enable_parallel=False), grants(block("discard"))
    run_id = more.move().raise_for_status().run_id
    more.revoke(delete)

    with pytest.raises(MapperError, match="mapper_dask_run"):
        processor.discard(run_id, target_conn=more.url(WRITER))
    more.restore(delete)
    processor.discard(run_id, target_conn=more.url(WRITER))

    assert more.run(WRITER, "SELECT count(*) FROM mapper_ledger.mapper_dask_chunk") == [(0,)]
