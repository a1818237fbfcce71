"""Queries, keys and strategies refused before the first row moves."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from mapper_dask.errors import (
    ConfigurationError,
    DatabaseError,
    MapperError,
    PlanError,
)
from tests.integration.refusals.shop import Refused


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
        (
            "WITH gone AS (DELETE FROM shop RETURNING *) TABLE gone",
            "0A000",
            "gone",
            "data-modifying",
        ),
        ("SELECT * INTO copied FROM shop", "42601", "copied", "SELECT ... INTO is not allowed"),
    ],
    ids=[
        "column",
        "second line",
        "indented",
        "table",
        "syntax",
        "function",
        "placeholder",
        "with delete",
        "into",
    ],
)
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
        (
            "ROWID_BASED",
            "SELECT a.* FROM shop a JOIN shop b USING (id)",
            "strategy",
            "one plain table",
        ),
        (
            "KEY_BASED",
            "SELECT name, count(*) FROM shop GROUP BY 1",
            "key_column",
            "Pass key_column",
        ),
        (
            "OFFSET_LIMIT",
            "SELECT id % 3 AS k FROM shop ORDER BY k",
            "key_column",
            "pass key_column",
        ),
    ],
)
def test_a_strategy_that_does_not_fit_the_query(
    refused: Refused, strategy: str, sql: str, field: str, told: str
) -> None:
    error = refused(PlanError, field, named=strategy, source_sql=sql, strategy=strategy)
    assert told in str(error)
