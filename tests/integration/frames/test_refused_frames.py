"""What is refused of a frame's values and arguments, and what its plan warns of."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import sqlalchemy as sa

from mapper_dask import ChunkManager, MapperError, MapperJob, read_sql_query
from mapper_dask.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DatabaseError,
    EncodeError,
    PlanError,
)
from tests.database import Database
from tests.integration.frames.readings import ALL, PASSWORD, SIZE, hidden, texts, values

UNFIT = [
    ("date", "infinity"),
    ("date", "-infinity"),
    ("timestamp", "infinity"),
    ("timestamptz", "-infinity"),
    ("date", "0044-03-15 BC"),
    ("numeric(10,2)", "NaN"),
]


@pytest.mark.parametrize(("type_name", "value"), UNFIT)
def test_a_value_that_its_dtype_cannot_hold_is_an_error_that_names_the_column(
    source: Database, type_name: str, value: str
) -> None:
    """The remedy it gives works; rows of other partitions are not concerned."""
    table = f"(VALUES (1, NULL::{type_name}), (2, '{value}'::{type_name})) t (id, \"my day\")"
    sql = f"SELECT * FROM {table}"
    frame = read_sql_query(sql, source.url, "id", chunk_size=1)
    assert values(frame.partitions[0], "my day") == [None]
    with pytest.raises(EncodeError, match=r"column 'my day' \(.*\) holds a value") as caught:
        frame.compute()
    assert '"my day"::text' in str(caught.value)
    text = read_sql_query(f'SELECT id, "my day"::text AS d FROM {table}', source.url, "id")
    assert values(text, "d") == [None, value]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"sql": " "}, "sql", "sql must be a query text"),
    ({"sql": 5}, "sql", "sql must be a query, as text or from SQLAlchemy; got int"),
    ({"sql": "SELEC id"}, "sql", "sql must be a query"),
    ({"sql": "DELETE FROM readings"}, "sql", "sql must be a query"),
    ({"sql": "SELECT 1 AS id, 2 AS id"}, "sql", "sql returns 'id' more than once"),
    ({"sql": sa.text("SELECT :n AS id")}, "sql", "value is required for bind parameter 'n'"),
    ({"sql": sa.select(texts).where(texts.c.id == object())}, "sql", "sql cannot be written"),
    ({"con": None}, "con", "con must be a URL"),
    ({"con": "nowhere"}, "con", "con must be a URL"),
    ({"con": "env:NO_SUCH_VARIABLE"}, "con", "NO_SUCH_VARIABLE is not set"),
    ({"index_col": "missing"}, "index_col", "index_col 'missing' is not a column .* id, k"),
    ({"index_col": ["id", "k"]}, "index_col", "index_col must be the name of one column"),
    ({"index_col": "id", "columns": ["k"]}, "columns", "'id' must be among columns"),
    ({"columns": ["id", "missing"]}, "columns", "columns 'missing' is not a column"),
    ({"columns": []}, "columns", "columns must be a list of column names"),
    ({"npartitions": 0}, "npartitions", "npartitions must be at least 1.* got 0"),
    ({"npartitions": -3}, "npartitions", "got -3"),
    ({"npartitions": 2.5}, "npartitions", "got 2.5"),
    ({"npartitions": "3"}, "npartitions", "got '3'"),
    ({"npartitions": True}, "npartitions", "got True"),
    ({"npartitions": 0, "divisions": [5]}, "npartitions", "got 0"),
    ({"divisions": 5}, "divisions", "divisions must be a list of keys, got int"),
    ({"divisions": "57"}, "divisions", "divisions must be a list of keys, got str"),
    ({"divisions": [5, "x"]}, "divisions", r"keys of id \(bigint\): invalid input .*\"x\"$"),
    ({"divisions": [None, 5]}, "divisions", r"keys of id \(bigint\): .*\"None\"$"),
    ({"divisions": [10**30]}, "divisions", r"keys of id \(bigint\): .*out of range"),
    ({"divisions": [5], "strategy": "ROWID_BASED"}, "strategy", "ROWID_BASED needs"),
    ({"divisions": [5], "sql": "SELECT name FROM heap"}, "divisions", "need one key"),
    ({"divisions": [5], "sql": "SELECT * FROM pairs"}, "divisions", "name it with index_col"),
    ({"chunk_size": 0}, "chunk_size", "must be an integer of at least 1 or .auto., got 0"),
    ({"strategy": "hash"}, "strategy", "strategy must be one of"),
    ({"strategy": "OFFSET_LIMIT"}, "strategy", "OFFSET_LIMIT needs"),
    ({"dtype_backend": "numpy"}, "dtype_backend", "dtype_backend must be"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "field", "words"), REFUSED, ids=lambda value: str(value)[:40]
)
def test_an_argument_that_cannot_be_used_is_refused_by_its_name(
    source: Database, arguments: dict[str, Any], field: str, words: str
) -> None:
    """Before a row is read, and by the name the argument has here."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_sql_query(**{"sql": ALL, "con": source.url, **arguments})
    assert caught.value.details["field"] == field


def test_a_key_without_an_order_is_refused(source: Database) -> None:
    """The error names the argument, the column and its type."""
    with pytest.raises(PlanError, match=r"index_col j \(json\) cannot be cut by") as caught:
        read_sql_query("SELECT json '{}' AS j", source.url, "j")
    assert caught.value.details["field"] == "index_col"


@pytest.mark.parametrize("sql", ["SELECT id, nothing FROM readings", "  SELECT * FROM nowhere"])
def test_bad_sql_is_the_databases_own_error_with_its_position(source: Database, sql: str) -> None:
    """The position counts in the text that was given."""
    with pytest.raises(DatabaseError) as caught:
        read_sql_query(sql, source.url, "id")
    assert caught.value.details["position"] == 1 + sql.index("no")


def test_a_database_that_cannot_be_reached_is_an_error_without_the_password() -> None:
    """It says where it was looked for."""
    url = sa.URL.create("postgresql+psycopg2", "u", PASSWORD, "127.0.0.1", 1, "x")
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:1/x") as caught:
        read_sql_query(ALL, url, "id")
    assert str(caught.value).startswith("con: cannot connect")
    assert caught.value.details["field"] == "con"
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert not [frame for frame in frames[2:] if "mapper_dask" in frame.filename], "one is enough"
    error: BaseException | None = caught.value
    while isinstance(error, MapperError):
        assert hidden(error)
        error = error.__cause__


# -- what the plan warns of ------------------------------------------------------------------------


UNREPEATABLE = [
    "SELECT k FROM (SELECT k FROM t ORDER BY random() LIMIT 500) q",
    "SELECT k, random() AS r FROM t",
    "SELECT k FROM t TABLESAMPLE BERNOULLI (50)",
    "SELECT k FROM (SELECT k FROM t LIMIT 100) q",
    "SELECT k, clock_timestamp() AS at FROM t",
    "SELECT k, gen_random_uuid() AS id FROM t",
]


@pytest.mark.parametrize("sql", UNREPEATABLE)
def test_rows_that_may_be_lost_or_doubled_never_pass_unseen(source: Database, sql: str) -> None:
    source.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (k int PRIMARY KEY)")
    source.execute("INSERT INTO t SELECT generate_series(1, 1000)")
    job = MapperJob(
        source_conn=source.url, source_sql=sql, key_column="k", chunk_size=SIZE, consistent=False
    )
    said = ChunkManager().plan(job).warnings

    with pytest.warns(UserWarning, match=r".") as caught:
        read_sql_query(sql, source.url, "k", chunk_size=SIZE)

    assert said
    assert [str(warning.message) for warning in caught] == list(said)
    assert {warning.filename for warning in caught} == {__file__}


def test_what_the_plan_says_of_costs_is_no_warning(source: Database) -> None:
    sql = "SELECT 7 AS k, i FROM generate_series(1, 500) i"
    job = MapperJob(source_conn=source.url, source_sql=sql, key_column="k", chunk_size=SIZE)
    assert any("alone fill" in note for note in ChunkManager().plan(job).warnings)
    read_sql_query(sql, source.url, "k", chunk_size=SIZE)  # a warning would be an error
