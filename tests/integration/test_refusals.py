"""What is refused before the first row moves, and what a chunk says whose function misbehaves.

Every refusal names the field and the remedy, leaves both databases as they were (no row, no table
of the ledger), starts no worker process and shows no secret: ``refused`` looks at all of it.
"""

# ruff: noqa: EM101, E501 - short errors raised on purpose; a query reads better on one line

from __future__ import annotations

import pickle
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import ParallelProcessor
from mapper_dask.connections.masking import secrets_of
from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DatabaseError,
    MapperError,
    PlanError,
    TargetError,
    UnknownOptionError,
)
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.workers import local_cluster as own_cluster
from tests.database import Database, Databases, Server, fresh_databases
from tests.scripts import run_script

SECRET = "sw0rdfish"
ROWS = 1000
SIZE = 100
CLOSED_PORT = f"postgresql+psycopg2://mover:{SECRET}@127.0.0.1:1/shop"
HERE = Path(__file__).name

Refused = Callable[..., MapperError]


@pytest.fixture(scope="module")
def premises(postgres_server: Server) -> Iterator[Databases]:
    """A thousand rows to move, in ten chunks of a hundred, for every test of this file."""
    with fresh_databases(postgres_server) as databases:
        databases.source.execute("CREATE TABLE shop (id int PRIMARY KEY, name text, price numeric(10,2))")  # fmt: skip
        databases.source.execute(f"INSERT INTO shop SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, {ROWS}) i")  # fmt: skip
        databases.source.execute("ANALYZE")
        yield databases


@pytest.fixture
def shop(premises: Databases) -> Databases:
    """The rows to move, and a target with nothing but an empty table that fits them."""
    premises.target.execute(
        "DROP SCHEMA IF EXISTS away CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        "CREATE TABLE sold (id int, name text, price numeric(10,2))"
    )
    return premises


@pytest.fixture
def refused(shop: Databases, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """A function that runs a job which must be refused, and returns the error."""
    monkeypatch.setattr(own_cluster, "LocalCluster", _no_cluster)

    def run(
        kind: type[MapperError], field: str = "", *, named: str | None = None, **changes: Any
    ) -> MapperError:
        with pytest.raises(MapperError) as caught:
            move(shop, **changes)
        assert type(caught.value) is kind
        assert caught.value.details.get("field", "") == field
        assert (field if named is None else named) in str(caught.value)
        assert_untouched(shop)
        assert_hidden(caught.value, shop)
        return caught.value

    return run


def _no_cluster(*_: object, **__: object) -> None:
    raise AssertionError("worker processes were started")


def secretive(database: Database) -> sa.URL:
    """Return the URL with a password: the embedded server trusts its socket and asks for none."""
    url = sa.make_url(database.url)
    return url if url.password else url.set(password=SECRET)


def move(
    shop: Databases, *, processor: ParallelProcessor | None = None, **changes: Any
) -> ParallelProcessingResult:
    """Run a job that is good but for the changes, on worker processes unless told otherwise."""
    job: dict[str, Any] = {
        "source_conn": secretive(shop.source),
        "source_sql": "SELECT * FROM shop",
        "transformation_logic": unchanged,
        "target_conn": secretive(shop.target),
        "target_table": "sold",
    }
    mover = processor or ParallelProcessor(max_workers=2, chunk_size=SIZE)
    return mover.process_mapper_job(**{**job, **changes})


def tables(database: Database) -> dict[str, int]:
    """Return every table of a database, with the number of its rows."""
    names = database.fetch(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    return {name: database.fetch(f"SELECT count(*) FROM {name}")[0][0] for (name,) in names}


def assert_untouched(shop: Databases) -> None:
    """Nothing was lost in the source, and in the target there is no row and no ledger."""
    assert tables(shop.source) == {"public.shop": ROWS}
    target = tables(shop.target)
    assert set(target.values()) <= {0}, target
    assert not [name for name in target if "mapper_dask" in name]


def assert_hidden(error: MapperError, shop: Databases) -> None:
    """No spelling of a password is in the error, in what it came from, or in its pickle."""
    seen = [*traceback.format_exception(error), repr(error), repr(error.details)]
    pickled = cloudpickle.dumps(error)
    assert type(pickle.loads(pickled)) is type(error)
    for url in (secretive(shop.source), secretive(shop.target), sa.make_url(CLOSED_PORT)):
        for secret in secrets_of(url):
            assert secret not in "".join(seen)
            assert secret.encode() not in pickled


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def test_the_good_job_is_not_refused(shop: Databases) -> None:
    """What every refusal below changes in one place would have moved all rows."""
    result = move(shop, processor=ParallelProcessor(1, SIZE)).raise_for_status()
    assert result.total_rows_successful == ROWS
    assert tables(shop.target)["public.sold"] == ROWS
    assert tables(shop.target)["public.mapper_dask_chunk"] == 10


# -- the target -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "name", "remedy"),
    [
        ({"target_table": "nowhere"}, '"nowhere"', 'CREATE TABLE "nowhere" ('),
        ({"target_schema": "nowhere"}, '"nowhere"."sold"', "give target_schema='public'"),
        ({"target_table": "SOLD"}, '"SOLD"', "Give target_table='sold'"),
        (
            {"target_table": "public.sold"},
            '"public.sold"',
            "Give target_schema='public', target_table='sold'",
        ),
    ],
    ids=["table", "schema", "case", "a point in the name"],
)
def test_a_missing_target(
    refused: Refused, changes: dict[str, str], name: str, remedy: str
) -> None:
    message = str(refused(TargetError, "target_table", **changes))
    assert message.startswith(f"target_table {name} does not exist in ")
    assert remedy in message


def test_the_table_proposed_for_a_missing_target_fits(refused: Refused, shop: Databases) -> None:
    error = refused(TargetError, "target_table", target_table='no"where')
    shop.target.execute(str(error).partition("create it with: ")[2])
    result = move(shop, processor=ParallelProcessor(1, SIZE), target_table='no"where')
    assert result.raise_for_status().total_rows_successful == ROWS


@pytest.mark.parametrize(
    ("columns", "job", "faults"),
    [
        (
            "id int, name text, price numeric",
            {"transformation_logic": lambda frame: frame.assign(extra=1)},
            ["no column 'extra'", "it has id, name, price"],
        ),
        ("id int", {}, ["no column 'name'", "no column 'price'", "it has id"]),
        ("id int", {"transformation_logic": None}, ["no column 'name'", "no column 'price'"]),
        (
            "id date, name bytea, price numeric",
            {},
            ["'id': ", " does not go into date", "'name': ", " does not go into bytea"],
        ),
        (
            "id date, name bytea, price numeric",
            {"transformation_logic": None},
            ["'id': integer does not go into date", "'name': text does not go into bytea"],
        ),
        (
            "id int, name text, price numeric",
            {"transformation_logic": lambda frame: frame.assign(price="dear", id=frame.name)},
            ["'id': string does not go into integer", "'price': ", " does not go into numeric"],
        ),
        (
            "id int, name text, price numeric GENERATED ALWAYS AS (id * 2) STORED",
            {},
            ["'price' is computed by the database and takes no values"],
        ),
        (
            "id int, name text, price numeric, wanted int NOT NULL",
            {},
            ["'wanted' is NOT NULL without a default and nothing fills it"],
        ),
        (
            "id int NOT NULL, name text, price numeric",
            {"transformation_logic": lambda frame: frame.drop(columns="id")},
            ["'id' is NOT NULL without a default and nothing fills it"],
        ),
    ],
    ids=[
        "a column of the function",
        "columns of the query",
        "without a function",
        "types",
        "types without a function",
        "types of the function",
        "generated",
        "not null",
        "not null and dropped",
    ],
)
def test_a_target_that_does_not_fit(
    refused: Refused, shop: Databases, columns: str, job: dict[str, Any], faults: list[str]
) -> None:
    """All that does not fit is told at once, column by column."""
    shop.target.execute(f"CREATE TABLE narrow ({columns})")
    error = refused(TargetError, "target_table", target_table="narrow", **job)
    assert 'target_table "public"."narrow"' in str(error)
    for fault in faults:
        assert fault in str(error)


def test_an_identity_that_is_always_generated_keeps_the_rows_values(shop: Databases) -> None:
    """COPY writes such a column, and a value must arrive as it left: there is nothing to refuse."""
    shop.target.execute("CREATE TABLE kept (id int GENERATED ALWAYS AS IDENTITY, name text, price numeric)")  # fmt: skip
    move(shop, processor=ParallelProcessor(1, SIZE), target_table="kept").raise_for_status()
    assert shop.target.fetch("SELECT count(*) FROM kept WHERE name = 'n' || id") == [(ROWS,)]


@pytest.mark.parametrize("function", [None, unchanged], ids=["plain", "function"])
@pytest.mark.parametrize(
    "view",
    ["SELECT * FROM sold", "SELECT id, name, sum(price) AS price FROM sold GROUP BY id, name"],
    ids=["simple", "aggregate"],
)
def test_a_view_that_takes_no_rows(
    refused: Refused, shop: Databases, view: str, function: Callable[..., Any] | None
) -> None:
    shop.target.execute(f"CREATE VIEW shown AS {view}")
    error = refused(
        TargetError, "target_table", target_table="shown", transformation_logic=function
    )
    assert '"public"."shown"' in str(error)
    assert "Name the table behind it, public.sold, by target_schema" in str(error)


def test_a_view_with_a_trigger_takes_them(shop: Databases) -> None:
    """Views are not refused for being views."""
    shop.target.execute("CREATE VIEW shown AS SELECT * FROM sold")
    shop.target.execute("CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO sold SELECT NEW.*; RETURN NEW; END'")  # fmt: skip
    shop.target.execute("CREATE TRIGGER pass_on INSTEAD OF INSERT ON shown FOR EACH ROW EXECUTE FUNCTION pass_on()")  # fmt: skip
    move(shop, processor=ParallelProcessor(1, SIZE), target_table="shown").raise_for_status()
    assert tables(shop.target)["public.sold"] == ROWS


# -- rights -----------------------------------------------------------------------------------------


@pytest.fixture
def role(shop: Databases) -> Iterator[str]:
    """A role that may do nothing yet but make tables in the target."""
    name = f"mapper_dask_test_{uuid.uuid4().hex[:12]}"
    shop.target.execute(f"CREATE ROLE {name}")
    shop.target.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {name}")
    yield name
    for database in shop:
        database.execute(f"DROP OWNED BY {name}")
    shop.target.execute(f"DROP ROLE {name}")


def acting_as(role: str, database: Database) -> sa.URL:
    """Return a URL whose sessions have a role's rights and no more."""
    return secretive(database).update_query_dict({"options": f"-crole={role}"})


@pytest.mark.parametrize(
    ("grant", "schema", "field", "denied"),
    [
        ("SELECT ON sold", None, "target_conn", "GRANT INSERT ON public.sold TO "),
        ("INSERT (id, name) ON sold", None, "target_table", "permission denied for table sold"),
        ("INSERT ON away.sold", "away", "target_conn", "GRANT USAGE ON SCHEMA away TO "),
    ],
    ids=["table", "column", "schema"],
)
def test_no_right_to_insert(
    refused: Refused,
    shop: Databases,
    role: str,
    grant: str,
    schema: str | None,
    field: str,
    denied: str,
) -> None:
    """Of a function's columns nobody knows beforehand: a right on some of them may do."""
    shop.target.execute("CREATE SCHEMA away; CREATE TABLE away.sold (LIKE sold)")
    shop.target.execute(f"GRANT {grant} TO {role}")
    conn = acting_as(role, shop.target)
    error = refused(TargetError, field, target_conn=conn, target_schema=schema)
    assert denied in str(error)


def test_a_right_to_insert_is_all_it_takes(shop: Databases, role: str) -> None:
    """The check asks for no right that the rows do not need."""
    shop.target.execute(f"GRANT INSERT (id, name) ON sold TO {role}")
    conn = acting_as(role, shop.target)
    mover = ParallelProcessor(1, SIZE)
    sql = "SELECT id, name FROM shop"
    move(shop, processor=mover, target_conn=conn, source_sql=sql).raise_for_status()
    assert tables(shop.target)["public.sold"] == ROWS


def test_no_right_to_make_the_ledger(refused: Refused, shop: Databases, role: str) -> None:
    shop.target.execute(f"GRANT INSERT ON sold TO {role}")
    shop.target.execute(f"REVOKE CREATE ON SCHEMA public FROM {role}")
    error = refused(TargetError, "target_conn", target_conn=acting_as(role, shop.target), processor=ParallelProcessor(1, SIZE))  # fmt: skip
    assert f"GRANT CREATE ON SCHEMA public TO {role}" in str(error)


@pytest.mark.parametrize("grant", [None, "SELECT (id)"], ids=["table", "column"])
def test_no_right_to_read_the_source(
    refused: Refused, shop: Databases, role: str, grant: str | None
) -> None:
    if grant:
        shop.source.execute(f"GRANT {grant} ON shop TO {role}")
    error = refused(DatabaseError, "source_sql", source_conn=acting_as(role, shop.source))
    assert error.details["sqlstate"] == "42501"
    assert "permission denied for table shop" in str(error)
    assert f"GRANT SELECT ON public.shop TO {role}" in str(error)


# -- connections ------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize("case", ["port", "host", "database", "user"])
def test_a_database_that_cannot_be_reached(
    refused: Refused, shop: Databases, field: str, case: str
) -> None:
    good = secretive(getattr(shop, field.removesuffix("_conn")))
    connection, told = {
        "port": (CLOSED_PORT, "Connection refused"),
        "host": (sa.URL.create("postgresql+psycopg2", "mover", SECRET, "nohost.invalid", database="shop"), "could not translate host name"),
        "database": (good.set(database="nothing"), 'database "nothing" does not exist'),
        "user": (good.set(username="nobody_here"), "nobody_here"),
    }[case]  # fmt: skip
    error = refused(ConnectionFailedError, field, **{field: connection})
    assert "cannot connect to postgresql+psycopg2://" in str(error)
    assert ":***@" in str(error)
    assert told in str(error)


@pytest.mark.parametrize("run_id", [None, "nightly"])
def test_a_wrong_password(
    refused: Refused, private_server: EmbeddedPostgres, run_id: str | None
) -> None:
    """The server asks for the password, and the one that is given is not shown."""
    admin = Database(private_server.url())
    admin.execute("CREATE ROLE mover LOGIN PASSWORD 'right'")
    hba = private_server.data_directory / "pg_hba.conf"
    hba.write_text(f"local all mover scram-sha-256\n{hba.read_text()}")
    private_server.stop()
    private_server.start()
    url = sa.make_url(private_server.url()).set(username="mover", password=SECRET)
    for field in ("source_conn", "target_conn"):
        error = refused(ConnectionFailedError, field, **{field: url, "run_id": run_id})
        assert 'password authentication failed for user "mover"' in str(error)


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize(
    ("connection", "remedy"),
    [
        (5, "must be a URL"),
        ("shop.db", "must be a URL"),
        ("", "must be a URL"),
        (b"postgresql://host/shop", "must be a URL"),
        ({"host": "localhost"}, "must be a URL"),
        (f"postgresql://mover:{SECRET}@host:port/shop", "is not a URL that SQLAlchemy can read"),
        (f"postgresql://mover:1@{SECRET}@host/shop", "write it as %40"),
        (f"mysql+pymysql://mover:{SECRET}@host/shop", "this version knows oracle, postgresql"),
        ("sqlite:///shop.db", "this version knows oracle, postgresql"),
        (sa.create_engine("sqlite://"), "this version knows oracle, postgresql"),
        (f"nonsense://mover:{SECRET}@host/shop", "this version knows oracle, postgresql"),
        (f"postgresql+asyncpg://mover:{SECRET}@host/shop", "use postgresql+psycopg2://"),
    ],
    ids=lambda value: str(value).replace(SECRET, "…")[:32],
)
def test_a_connection_of_an_unknown_kind(
    refused: Refused, field: str, connection: Any, remedy: str
) -> None:
    assert remedy in str(refused(ConfigurationError, field, **{field: connection}))


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize("place", ["mapper-dask.invalid:1521", "127.0.0.1:1"])
def test_an_oracle_that_is_not_there(refused: Refused, field: str, place: str) -> None:
    url = f"oracle+oracledb://mover:{SECRET}@{place}/?service_name=shop"
    error = refused(ConnectionFailedError, field, **{field: url})
    assert "cannot connect to oracle+oracledb://" in str(error)


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("env:REFUSALS_UNSET", "environment variable REFUSALS_UNSET is not set"),
        ("env:REFUSALS_SECRET", "is not a URL that SQLAlchemy can read (not shown"),
        ("env:REFUSALS_MYSQL", "this version knows oracle, postgresql"),
        ("profile:refusals", "no mapper-dask.profiles.refusals.url"),
    ],
)
def test_a_name_that_leads_nowhere(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, field: str, reference: str, told: str
) -> None:
    monkeypatch.delenv("REFUSALS_UNSET", raising=False)
    monkeypatch.setenv("REFUSALS_SECRET", SECRET)
    monkeypatch.setenv("REFUSALS_MYSQL", f"mysql://mover:{SECRET}@host/shop")
    error = refused(ConfigurationError, field, **{field: reference})
    assert told in str(error)


@pytest.mark.parametrize("missing", ["target_conn", "target_table"])
def test_half_a_target(refused: Refused, missing: str) -> None:
    error = refused(ConfigurationError, "target_table", **{missing: None})
    assert "give both, or neither for a dry run" in str(error)


# -- the query --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "sqlstate", "at", "told"),
    [
        ("SELECT id, nme FROM shop", "42703", "nme", 'column "nme" does not exist'),
        ("SELECT id,\n  'é', nme\nFROM shop", "42703", "nme", "shop.name"),
        ("\n    SELECT id, nme\n    FROM shop\n", "42703", "nme", 'column "nme" does not exist'),
        ("SELECT * FROM shops;", "42P01", "shops", 'relation "shops" does not exist'),
        ("SELECT id FRM shop WHERE", "42601", "shop", 'syntax error at or near "shop"'),
        ("SELECT total(id) FROM shop", "42883", "total", "function total(integer) does not exist"),
        ("SELECT * FROM shop WHERE id = %s", "42601", "%", "params: %s in source_sql"),
        ("WITH gone AS (DELETE FROM shop RETURNING *) TABLE gone", "0A000", "gone", "data-modifying"),
        ("SELECT * INTO copied FROM shop", "42601", "copied", "SELECT ... INTO is not allowed"),
    ],
    ids=["column", "second line", "indented", "table", "syntax", "function", "placeholder", "with delete", "into"],
)  # fmt: skip
@pytest.mark.parametrize("target", [True, False], ids=["run", "dry run"])
def test_bad_sql(
    refused: Refused, sql: str, sqlstate: str, at: str, told: str, *, target: bool
) -> None:
    """The database's own words, its SQLSTATE, and the place in the text as the user wrote it."""
    dry = {} if target else {"target_conn": None, "target_table": None}
    field = "params" if "%s" in sql else "source_sql"
    error = refused(DatabaseError, field, named="", source_sql=sql, **dry)
    assert told in str(error)
    assert error.details["sqlstate"] == sqlstate
    position = error.details["position"]
    assert sql[position - 1 :].startswith(at)
    if error.details["field"] == "source_sql":
        line, column = sql[: position - 1].count("\n") + 1, len(sql[:position].rpartition("\n")[2])
        assert str(error).startswith(f"source_sql, line {line}, column {column}")


@pytest.mark.parametrize(
    ("sql", "remedy"),
    [
        ("", "must be a query text"),
        (" \n\t", "must be a query text"),
        (None, "must be a query text"),
        (sa.text("SELECT * FROM shop"), "must be a query text"),
    ],
    ids=["empty", "blank", "None", "SQLAlchemy"],
)
def test_no_sql(refused: Refused, sql: Any, remedy: str) -> None:
    assert remedy in str(refused(ConfigurationError, "source_sql", source_sql=sql))


@pytest.mark.parametrize(
    ("sql", "remedy"),
    [
        ("-- SELECT * FROM shop", "must hold one query, found 0"),
        (";", "must hold one query, found 0"),
        ("SELECT 1 AS id; SELECT 2 AS id", "must hold one query, found 2"),
        ("SELECT * FROM shop; DELETE FROM shop", "must hold one query, found 2"),
        ("UPDATE shop SET name = 'x'", "must be a query, found UPDATE"),
        ("DELETE FROM shop", "must be a query, found DELETE"),
        ("DELETE FROM shop RETURNING *", "must be a query, found DELETE"),
        ("INSERT INTO shop VALUES (0) RETURNING *", "must be a query, found INSERT"),
        ("DROP TABLE shop", "must be a query, found DROP"),
        ("TRUNCATE shop", "must be a query, found TRUNCATE"),
        ("SELECT id, id FROM shop", "'id' more than once; give each column its own name with AS"),
        ("SELECT id AS a, name AS a, price FROM shop", "'a' more than once"),
        ("SELECT * FROM shop a JOIN shop b USING (id)", "'name', 'price' more than once"),
        ("SELECT FROM shop", "returns no columns"),
    ],
)
def test_sql_that_is_not_one_query(refused: Refused, sql: str, remedy: str) -> None:
    assert remedy in str(refused(PlanError, "source_sql", source_sql=sql))


@pytest.mark.parametrize("inner", ["COMMIT; DELETE FROM shop; ", "DELETE FROM shop; ", ""])
def test_statements_between_the_brackets_of_the_wrapping(refused: Refused, inner: str) -> None:
    """A text that closes the bracket it is wrapped in would run whatever stands behind it."""
    sql = f"SELECT * FROM shop) x; {inner}SELECT * FROM (SELECT * FROM shop"
    assert "must hold one query" in str(refused(PlanError, "source_sql", source_sql=sql))


def test_a_query_that_locks_its_rows(refused: Refused) -> None:
    """The source is read, never written; the database says so."""
    error = refused(DatabaseError, "source_sql", source_sql="SELECT * FROM shop FOR UPDATE")
    assert "read-only transaction" in str(error)


@pytest.mark.parametrize(
    ("key", "kind", "told"),
    [
        ("nothing", ConfigurationError, "'nothing' is not a column of the query; it has: id, name"),
        (["id", "nothing"], ConfigurationError, "'nothing' is not a column of the query"),
        ("ID", ConfigurationError, "'ID' is not a column of the query"),
        ("", ConfigurationError, "'' is not a column of the query"),
        (7, ConfigurationError, "must be a column name, a list of them, or None"),
        (["id", "id"], ConfigurationError, "must be a column name, a list of them, or None"),
        ([], ConfigurationError, "must be a column name, a list of them, or None"),
        ("unordered", PlanError, "unordered (json) cannot be cut by"),
    ],
)
def test_a_key_that_cannot_be_used(
    refused: Refused, key: Any, kind: type[MapperError], told: str
) -> None:
    sql = "SELECT *, '{}'::json AS unordered FROM shop"
    assert told in str(refused(kind, "key_column", source_sql=sql, key_column=key))


@pytest.mark.parametrize(
    ("strategy", "sql", "field", "told"),
    [
        ("ROWID_BASED", "SELECT a.* FROM shop a JOIN shop b USING (id)", "strategy", "one plain table"),
        ("KEY_BASED", "SELECT name, count(*) FROM shop GROUP BY 1", "key_column", "Pass key_column"),
        ("OFFSET_LIMIT", "SELECT id % 3 AS k FROM shop ORDER BY k", "key_column", "pass key_column"),
    ],
)  # fmt: skip
def test_a_strategy_that_does_not_fit_the_query(
    refused: Refused, strategy: str, sql: str, field: str, told: str
) -> None:
    error = refused(PlanError, field, named=strategy, source_sql=sql, strategy=strategy)
    assert told in str(error)


# -- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chunk_size", "max_workers", "retries"])
@pytest.mark.parametrize("value", [0, -1, True, "100", 1.5, 100.0, [100]], ids=repr)
def test_a_count_that_is_none(name: str, value: Any) -> None:
    """A processor that could not run is not made."""
    with pytest.raises(ConfigurationError) as caught:
        ParallelProcessor(**{name: value})
    other = " or 'auto'" if name == "chunk_size" else ""
    assert str(caught.value) == f"{name} must be an integer of at least 1{other}, got {value!r}"
    assert caught.value.details["field"] == name


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        *(("chunk_size", value, "must be an integer of at least 1") for value in (0, -1, True, "100", 1.5, None)),
        *(("reject_limit", value, "must be an integer of at least 0") for value in (-1, True, "1", 0.5)),
        *(("strategy", value, "must be one of OFFSET_LIMIT, KEY_BASED, ROWID_BASED or None") for value in ("fastest", "", 1, ["KEY_BASED"])),
        *(("on_error", value, "must be 'abort' or 'continue'") for value in ("ignore", "", None, ["abort"])),
        *(("write_disposition", value, "must be 'append', 'replace' or 'merge'") for value in ("upsert", "", None, ["append"])),
        *(("dtype_backend", value, "must be 'pyarrow' or 'numpy_nullable'") for value in ("numpy", None)),
        *(("transformation_logic", value, "must be a function DataFrame → DataFrame or None") for value in (5, "lambda f: f", pd.DataFrame())),
        *(("columns", value, "must be a list of column names, each once") for value in ([], "id", ["id", "id"], [1])),
        ("columns", ["id", "nothing"], "'nothing' is not a column of the query; it has: id, name, price"),
        *(("primary_key", value, "must be a column name, a list of them, or None") for value in (5, [], ["id", "id"])),
        ("newest_by", "id", "needs write_disposition='merge'"),
        *(("target_table", value, "must be a name or None") for value in (5, "", ["sold"])),
        *(("target_schema", value, "must be a name or None") for value in (5, "", ["public"])),
        *(("run_id", value, "must be a name or None") for value in (5, "", ["r"])),
        *(("atomic", value, "must be True or False") for value in ("no", 1, None)),
        *(("consistent", value, "must be True or False") for value in ("no", 0, None)),
        ("retires", 3, "it has atomic, chunk_size, "),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_an_option_of_no_use(refused: Refused, field: str, value: Any, remedy: str) -> None:
    kind = UnknownOptionError if field == "retires" else ConfigurationError
    assert remedy in str(refused(kind, field, **{field: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"primary_key": "nothing"},
        {"primary_key": ["id", "nothing"]},
        {"primary_key": "id", "newest_by": "nothing"},
    ],
    ids=str,
)
def test_a_merge_by_a_column_that_is_not_there(
    refused: Refused, changes: dict[str, Any], shop: Databases
) -> None:
    shop.target.execute("ALTER TABLE sold ADD PRIMARY KEY (id)")
    field = "newest_by" if "newest_by" in changes else "primary_key"
    assert "nothing" in str(refused(TargetError, field, write_disposition="merge", **changes))


def test_a_merge_without_a_key(refused: Refused) -> None:
    refused(TargetError, "primary_key", write_disposition="merge")


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({"client": "tcp://127.0.0.1:8786"}, "client"),
        ({"client": SimpleNamespace(submit=None), "scheduler_address": "s"}, "scheduler_address"),
    ],
    ids=["an address as client", "two clusters"],
)
def test_a_cluster_that_is_none(where: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match="scheduler_address") as caught:
        ParallelProcessor(**where)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize("address", ["nowhere", "nonsense://127.0.0.1:1"])
def test_an_address_that_is_none(refused: Refused, address: str) -> None:
    processor = ParallelProcessor(2, SIZE, scheduler_address=address)
    refused(ConfigurationError, "scheduler_address", processor=processor)


def _holding(lock: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def function(frame: pd.DataFrame) -> pd.DataFrame:
        with lock:
            return frame

    return function


def test_a_function_that_does_not_pickle(refused: Refused, shop: Databases) -> None:
    """The error says what it holds and where to open that; in this process it may run."""
    function = _holding(threading.Lock())
    error = refused(ConfigurationError, "transformation_logic", transformation_logic=function)
    assert "cannot pickle '_thread.lock' object" in str(error)
    assert "inside the function, or pass enable_parallel=False" in str(error)
    here = ParallelProcessor(chunk_size=SIZE, enable_parallel=False)
    move(shop, processor=here, transformation_logic=function).raise_for_status()


# -- scripts ----------------------------------------------------------------------------------------


SCRIPT = """\
from mapper_dask import ParallelProcessor

def dearer(frame):
    return frame.assign(price=frame.price * 2)

processor = ParallelProcessor(max_workers=2, chunk_size=100, enable_parallel={parallel})
result = processor.process_mapper_job(
    "env:SOURCE", "SELECT * FROM shop", dearer, "env:TARGET", None, "sold"
)
print(result.raise_for_status().total_rows_successful)
"""


def run_mover(shop: Databases, path: Path, *, parallel: bool) -> Any:
    path.write_text(SCRIPT.format(parallel=parallel))
    urls = [secretive(database).render_as_string(hide_password=False) for database in shop]
    return run_script(path, SOURCE=urls[0], TARGET=urls[1])


def test_a_script_without_a_guard(shop: Databases, tmp_path: Path) -> None:
    """Two lines at the end of one short traceback, instead of one a worker and an attempt."""
    script = tmp_path / "mover.py"
    run = run_mover(shop, script, parallel=True)
    assert (run.returncode, run.stdout) == (1, "")
    where, remedy = run.stderr.splitlines()[-2:]
    assert f"MainGuardError: {script}, line 7: " in where
    assert 'if __name__ == "__main__":' in remedy
    assert "enable_parallel=False" in remedy
    assert run.stderr.count("Traceback") == 1
    assert len(run.stderr) < 3_000
    assert SECRET not in run.stderr
    assert_untouched(shop)


def test_an_unguarded_script_may_do_without_workers(shop: Databases, tmp_path: Path) -> None:
    """The second remedy that the error names."""
    run = run_mover(shop, tmp_path / "mover.py", parallel=False)
    assert (run.returncode, run.stdout) == (0, f"{ROWS}\n"), run.stderr
    assert tables(shop.target)["public.sold"] == ROWS


# -- functions --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two worker processes, which the tests of this file share."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(params=["dask", "loop"])
def processor(request: pytest.FixtureRequest) -> ParallelProcessor:
    """Two worker processes, and the loop that does without."""
    if request.param == "loop":
        return ParallelProcessor(chunk_size=SIZE, enable_parallel=False)
    return ParallelProcessor(2, SIZE, client=request.getfixturevalue("client"))


def in_chunk_three(frame: pd.DataFrame) -> bool:
    """Only the fourth hundred holds this row, and no row the function is shown beforehand."""
    return bool((frame.id == 350).any())


def raises(frame: pd.DataFrame) -> pd.DataFrame:
    if in_chunk_three(frame):
        raise ValueError("no bread today")
    return frame


def raises_in_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(price=frame["prize"]) if in_chunk_three(frame) else frame


def raises_from_another(frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return raises(frame)
    except ValueError as error:
        raise UnpicklableError(threading.Lock()) from error


class UnpicklableError(Exception):
    """An error that no worker could send."""

    def __init__(self, lock: Any) -> None:
        super().__init__("the shop is shut")
        self.lock = lock


def returns_nothing(frame: pd.DataFrame) -> Any:
    return None if in_chunk_three(frame) else frame


def returns_a_series(frame: pd.DataFrame) -> Any:
    return frame.name if in_chunk_three(frame) else frame


def adds_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(seen=1) if in_chunk_three(frame) else frame


def drops_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="price") if in_chunk_three(frame) else frame


def renames_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"name": "label"}) if in_chunk_three(frame) else frame


def doubles_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["id", "name", "price", "name"]] if in_chunk_three(frame) else frame


def numbers_its_columns(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(range(3), axis=1) if in_chunk_three(frame) else frame


def changes_a_type(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(price="dear") if in_chunk_three(frame) else frame


MISBEHAVING = [
    (raises, ["the function raised ValueError: no bread today", "Traceback", f'{HERE}", line ', 'raise ValueError("no bread today")']),
    (raises_in_pandas, ["the function raised KeyError: 'prize'", f'{HERE}", line ', 'frame.assign(price=frame["prize"])']),
    (raises_from_another, ["the function raised UnpicklableError: the shop is shut", 'raise ValueError("no bread today")', "raise UnpicklableError(threading.Lock()) from error"]),
    (returns_nothing, ["the function returned NoneType, it must return a pandas DataFrame"]),
    (returns_a_series, ["the function returned Series, it must return a pandas DataFrame"]),
    (adds_a_column, ["other columns than before: missing [], new ['seen']"]),
    (drops_a_column, ["other columns than before: missing ['price'], new []"]),
    (renames_a_column, ["other columns than before: missing ['name'], new ['label']"]),
    (doubles_a_column, ["returned columns ['id', 'name', 'price', 'name']; they must be texts, each once"]),
    (numbers_its_columns, ["returned columns [0, 1, 2]; they must be texts, each once"]),
    (changes_a_type, ["price"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "told"), MISBEHAVING, ids=[function.__name__ for function, _ in MISBEHAVING]
)
def test_a_chunk_whose_function_misbehaves(
    shop: Databases, processor: ParallelProcessor, function: Any, told: list[str]
) -> None:
    """That chunk fails, by its number and bounds and in the function's own words; no other does."""
    result = move(shop, processor=processor, transformation_logic=function, on_error="continue")
    [error] = result.errors
    assert error.startswith("chunk 3 [301, 401): ")
    for words in told:
        assert words in error
    assert "mapper_dask/chunk" not in error
    assert (result.chunks_succeeded, result.total_rows_successful) == (9, 900)
    assert shop.target.fetch("SELECT count(*), count(*) FILTER (WHERE id BETWEEN 301 AND 400) FROM sold") == [(900, 0)]  # fmt: skip
    [(chunk, noted)] = shop.target.fetch("SELECT chunk_id, error FROM mapper_dask_chunk WHERE state = 'PROCESSED_WITH_ERROR'")  # fmt: skip
    assert (chunk, f"chunk 3 [301, 401): {noted}") == (3, error)


@pytest.mark.parametrize("function", [raises, returns_nothing, adds_a_column])
def test_a_run_that_is_aborted_names_the_chunk(
    shop: Databases, processor: ParallelProcessor, function: Any
) -> None:
    result = move(shop, processor=processor, transformation_logic=function)
    assert result.chunks_failed == 1
    with pytest.raises(MapperError, match=r"First: chunk 3 \[301, 401\): .*: the function r"):
        result.raise_for_status()
    assert shop.target.fetch("SELECT count(*) FROM sold WHERE id BETWEEN 301 AND 400") == [(0,)]


def test_a_cluster_of_the_run_s_own_tells_the_same(shop: Databases) -> None:
    """The traceback crosses from worker processes that this run started."""
    result = move(shop, transformation_logic=raises, on_error="continue")
    [error] = result.errors
    assert error.startswith(
        "chunk 3 [301, 401): transformation_logic: the function raised ValueError: no bread today"
    )
    assert 'raise ValueError("no bread today")' in error
    assert len({chunk.worker for chunk in result.chunk_results}) == 2


def fails_at_once(frame: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError(f"{len(frame)} rows are too many")


def test_a_function_that_never_works_moves_nothing(
    shop: Databases, processor: ParallelProcessor
) -> None:
    """It may fail on the rows it is shown alone, so its first chunk tells."""
    result = move(shop, processor=processor, transformation_logic=fails_at_once)
    assert result.total_rows_successful == 0
    assert f"RuntimeError: {SIZE} rows are too many" in result.errors[0]
    assert 'raise RuntimeError(f"{len(frame)} rows are too many")' in result.errors[0]
    assert tables(shop.target)["public.sold"] == 0


def test_a_function_of_a_module_the_workers_lack(
    shop: Databases, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task of it would wait on them for ever."""
    (tmp_path / "only_here.py").write_text("def same(frame):\n    return frame\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    processor = ParallelProcessor(2, SIZE, client=client)

    with pytest.raises(ConfigurationError, match="No module named 'only_here'") as caught:
        move(shop, processor=processor, transformation_logic=import_module("only_here").same)

    assert caught.value.details["field"] == "transformation_logic"
    assert_untouched(shop)
