"""What a server's refusal is told as: whose fault it was, what was meant, and what to do."""

# ruff: noqa: EM101 - short errors raised on purpose

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from mapper_dask import ChunkManager, MapperError, MapperJob, ParallelProcessor
from mapper_dask.dialects.postgresql import copying
from mapper_dask.dialects.postgresql.store import PostgreSQLSession
from mapper_dask.dialects.postgresql.target import PostgreSQLTarget
from tests.contract import sides
from tests.database import Databases, Server, fresh_databases

SOURCE = """
CREATE SCHEMA sales;
CREATE TABLE sales.customers (id int PRIMARY KEY, name varchar(40), city text, "order" int);
INSERT INTO sales.customers SELECT g, 'n' || g, 'c' || g, g FROM generate_series(1, 10) g;
CREATE TABLE sales.orders (id int, customer_id int, amount numeric);
CREATE TABLE "user" (id int);
"""

TARGET = """
CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM 1 / (NEW.id - NEW.id); RETURN NEW; END $$;
CREATE TABLE "after it" (id int, name text);
CREATE TRIGGER z AFTER INSERT ON "after it" FOR EACH ROW EXECUTE FUNCTION boom();
CREATE TABLE "before it" (id int, name text);
CREATE TRIGGER z BEFORE INSERT ON "before it" FOR EACH ROW EXECUTE FUNCTION boom();
CREATE TABLE plain (id int, name text);
CREATE TABLE two (id int PRIMARY KEY, name text UNIQUE, city text);
CREATE TABLE parts (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE folded (id int NOT NULL, name text);
CREATE UNIQUE INDEX by_small ON folded (lower(name));
"""


@pytest.fixture(scope="module")
def shop(postgres_server: Server) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as databases:
        databases.source.execute(SOURCE)
        databases.target.execute(TARGET)
        yield databases


def planned(shop: Databases, sql: str) -> str:
    with pytest.raises(MapperError) as caught:
        ChunkManager().plan(MapperJob(source_conn=shop.source.url, source_sql=sql))
    return str(caught.value)


def moved(shop: Databases, sql: str, table: str, **options: Any) -> str:
    processor = ParallelProcessor(enable_parallel=False, progress=False, on_failure="raise")
    job = MapperJob(
        **{"source_conn": shop.source.url, "source_sql": sql, "target_conn": shop.target.url,
           "target_table": table, **options},
    )  # fmt: skip
    with pytest.raises(MapperError) as caught:
        processor.run(job)
    return str(caught.value)


# -- columns, tables, functions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT q.idd FROM (SELECT id FROM sales.customers) q", "; did you mean q.id? ["),
        ("SELECT C.nmae FROM sales.customers C", "; did you mean c.name? ["),
        (
            "WITH c AS (SELECT id AS cid FROM sales.customers) SELECT cidd FROM c",
            "; did you mean c.cid? [",
        ),
        (
            "WITH c AS (SELECT id AS cid FROM sales.customers) SELECT nothing FROM c",
            'column "nothing" does not exist [',
        ),
        ("SELECT nothing FROM sales.customers", 'the query has id, name, city, "order" ['),
        ("SELECT ordre FROM sales.customers", 'did you mean customers."order"? ['),
        (
            'SELECT id FROM sales.customers WHERE city = "Berlin"',
            "; a text goes in single quotes, as in 'Berlin' [",
        ),
        (
            'SELECT id FROM sales.customers WHERE city = "New York"',
            "; a text goes in single quotes, as in 'New York' [",
        ),
        ('SELECT "Name" FROM sales.customers', "did you mean customers.name?"),
        ("SELECT id FROM usr", 'did you mean "user"?'),
        ("SELECT id FROM sales.customers c WHERE customers.id = 1", "tables c [|mean c? ["),
        ("SELECT slaes.f(id) FROM sales.customers", "did you mean the schema sales?"),
        ("SELECT sales.uper(name) FROM sales.customers", "no function in the schema sales"),
    ],
)  # fmt: skip
def test_what_was_meant(shop: Databases, sql: str, told: str) -> None:
    message = planned(shop, sql)
    assert any(part in message for part in told.split("|")), message


def test_jsons_question_mark_is_no_place(shop: Databases) -> None:
    sql = "SELECT id FROM sales.customers WHERE to_jsonb(name) ? 'key' ANDD id = 1"
    assert "params" not in planned(shop, sql)


# -- whose fault it was ----------------------------------------------------------------------------


@pytest.fixture(params=["libpq", "a pipe", "a function", "rows set aside"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Ways on which rows reach a target."""
    if request.param == "a pipe":
        monkeypatch.setattr(copying, "is_direct", lambda _conn: False)
    return {
        "a function": {"transformation_logic": lambda frame: frame},
        "rows set aside": {"reject_limit": 1},
    }.get(request.param, {})


@pytest.mark.parametrize("table", ["after it", "before it"])
def test_what_a_trigger_meets_is_not_the_querys(
    shop: Databases, way: dict[str, Any], table: str
) -> None:
    message = moved(shop, "SELECT id, name FROM sales.customers", table, **way)
    assert "division by zero" in message
    assert "source_sql" not in message


def test_what_the_query_meets_is_the_querys(shop: Databases, way: dict[str, Any]) -> None:
    message = moved(shop, "SELECT 1 / (id - 5) AS id, name FROM sales.customers", "plain", **way)
    assert "source_sql: division by zero; divide by NULLIF(…, 0) [22012]" in message
    assert shop.target.fetch("SELECT count(*) FROM plain") == [(0,)]


# -- keys ------------------------------------------------------------------------------------------

SAME_NAME = "SELECT id, 'same' AS name, city FROM sales.customers"
SAME_ID = "SELECT 1 AS id, name, city FROM sales.customers"


@pytest.mark.parametrize(
    ("table", "sql", "options", "told"),
    [
        ("two", SAME_NAME, {"write_disposition": "merge"},
         "source_sql: the same name comes twice in the query, and is unique in target_table"),
        ("two", SAME_ID, {"write_disposition": "merge"},
         "newest_by: several rows of the query have the same id"),
        ("two", SAME_ID, {"write_disposition": "replace"},
         "source_sql: the same id comes twice in the query"),
        ("two", SAME_NAME, {"atomic": True}, "source_sql: the same name comes twice in the query"),
        ("two", SAME_NAME, {}, 'unique constraint "two_name_key"; COPY two, line 2 (name); a row'),
        ("parts", SAME_ID, {"columns": ["id", "name"]}, "line 2 (id); a row with that key"),
        ("folded", "SELECT id, 'A' AS name FROM sales.customers", {},
         "(lower(name)); a row with that key is there already, or comes twice: set such rows"),
    ],
)  # fmt: skip
def test_the_key_that_a_row_broke(
    shop: Databases, table: str, sql: str, options: dict[str, Any], told: str
) -> None:
    message = moved(shop, sql, table, **options)
    assert told in message, message
    assert "mapper_dask_stage" not in message


@pytest.mark.parametrize(
    ("sql", "options", "told"),
    [
        (SAME_ID, {"write_disposition": "replace"},
         "source_sql: the same id comes twice in the query"),
        (SAME_NAME, {"write_disposition": "merge", "primary_key": ["id"]},
         "source_sql: the same name comes twice in the query"),
        (SAME_NAME, {}, "(name); a row with that key"),
    ],
)  # fmt: skip
def test_the_key_that_a_row_broke_in_oracle(
    shop: Databases,
    oracle_url: Callable[[str], str],
    sql: str,
    options: dict[str, Any],
    told: str,
) -> None:
    side = sides.oracle(oracle_url("target"))
    try:
        kinds = {"id": "key NOT NULL", "name": "text NOT NULL", "city": "text"}
        table = side.table(kinds, "PRIMARY KEY (id)")
        with side.cursor() as cursor:
            cursor.execute(f"CREATE UNIQUE INDEX {table}_u ON {table} (name)")
        message = moved(shop, sql, table, target_conn=side.url, **options)
        assert told in message, message
        assert "mapper_dask_stage" not in message.lower()
    finally:
        side.clean()


def test_a_table_that_oracle_does_not_show(oracle_url: Callable[[str], str]) -> None:
    """To be run by its owner as it stands, reserved words in quotes."""
    job = MapperJob(source_conn=oracle_url("source"), source_sql='SELECT * FROM "ORDER"')
    with pytest.raises(MapperError, match=r'run: GRANT READ ON "ORDER" TO \w+ \['):
        ChunkManager().plan(job)


# -- questions of our own --------------------------------------------------------------------------


@pytest.fixture
def _refused_question(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: object, _needs: object) -> list[str]:
        message = "permission denied for function has_table_privilege"
        raise psycopg2.errors.InsufficientPrivilege(message)

    monkeypatch.setattr(PostgreSQLTarget, "missing_grants", refused)


@pytest.mark.usefixtures("_refused_question")
def test_a_question_that_is_refused_turns_no_run_away(shop: Databases) -> None:
    processor = ParallelProcessor(enable_parallel=False, progress=False, on_failure="raise")
    job = MapperJob(
        source_conn=shop.source.url, source_sql="SELECT id FROM sales.customers",
        target_conn=shop.target.url, target_table="plain", run_id="asked",
    )  # fmt: skip
    assert processor.run(job).total_rows_successful == 10
    shop.target.execute("TRUNCATE plain")


@pytest.mark.usefixtures("_refused_question")
def test_what_was_met_first_is_told_then(shop: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    run = PostgreSQLSession.run

    def broken(self: PostgreSQLSession, name: str, params: Any = None) -> Any:
        if name == "ledger_layout":
            raise psycopg2.errors.InsufficientPrivilege("the ledger may not be looked at")
        return run(self, name, params)

    monkeypatch.setattr(PostgreSQLSession, "run", broken)
    message = moved(shop, "SELECT id FROM sales.customers", "plain", run_id="again")
    assert "the ledger may not be looked at" in message
