"""Targets refused before the first row moves: missing, unfit, not permitted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from mapper_dask.errors import (
    DatabaseError,
    TargetError,
)
from tests.database import Database, Databases
from tests.integration.refusals.shop import ROWS, SIZE, Refused, move, secretive, tables, unchanged


def test_the_good_job_is_not_refused(shop: Databases) -> None:
    """What every refusal below changes in one place would have moved all rows."""
    result = move(shop, processor=ParallelProcessor(1, SIZE)).raise_for_status()
    assert result.total_rows_successful == ROWS
    assert tables(shop.target)["public.sold"] == ROWS
    assert tables(shop.target)["public.mapper_dask_chunk"] == 10


# -- the target ------------------------------------------------------------------------------------


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
    shop.target.execute(
        "CREATE TABLE kept (id int GENERATED ALWAYS AS IDENTITY, name text, price numeric)"
    )
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
    shop.target.execute(
        "CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
        "INSERT INTO sold SELECT NEW.*; RETURN NEW; END'"
    )
    shop.target.execute(
        "CREATE TRIGGER pass_on INSTEAD OF INSERT ON shown FOR EACH ROW EXECUTE FUNCTION pass_on()"
    )
    move(shop, processor=ParallelProcessor(1, SIZE), target_table="shown").raise_for_status()
    assert tables(shop.target)["public.sold"] == ROWS


# -- rights ----------------------------------------------------------------------------------------


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
    error = refused(
        TargetError,
        "target_conn",
        target_conn=acting_as(role, shop.target),
        processor=ParallelProcessor(1, SIZE),
    )
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
