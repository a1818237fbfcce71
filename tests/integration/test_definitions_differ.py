"""Two databases have types of one name: they are one type only where their definitions are."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.errors import MapperError, TargetError
from mapper_dask.ledger.rejects import reject
from tests.builders import move
from tests.database import Databases


class Pair(NamedTuple):
    """What both databases define, the type of the column, and one value of the source's."""

    source: str
    target: str
    value: str
    column: str = "x"


CHANGED = {
    "fields swap": Pair(
        "CREATE TYPE x AS (lat float8, lon float8)", "CREATE TYPE x AS (lon float8, lat float8)",
        "(48.1,11.5)"),
    "a field of another name": Pair(
        "CREATE TYPE x AS (net int, vat int)", "CREATE TYPE x AS (gross int, vat int)", "(1,2)"),
    "a field more": Pair("CREATE TYPE x AS (a int)", "CREATE TYPE x AS (a int, b int)", "(1)"),
    "numbers are rounded": Pair(
        "CREATE TYPE x AS (n numeric(10,4))", "CREATE TYPE x AS (n numeric(10,1))", "(1.2345)"),
    "times are rounded": Pair(
        "CREATE TYPE x AS (at timestamp)", "CREATE TYPE x AS (at timestamp(0))",
        '("2024-01-01 00:00:00.7")'),
    "a time is cut": Pair(
        "CREATE TYPE x AS (at timestamp)", "CREATE TYPE x AS (at date)", '("2024-01-01 10:00:00")'),
    "a zone is dropped": Pair(
        "CREATE TYPE x AS (at timestamptz)", "CREATE TYPE x AS (at timestamp)",
        '("2024-01-01 10:00:00+00")'),
    "a number is a time": Pair(
        "CREATE TYPE x AS (v float8)", "CREATE TYPE x AS (v interval)", "(1.5)"),
    "floats are shortened": Pair(
        "CREATE TYPE x AS (v float8)", "CREATE TYPE x AS (v real)", "(0.1234567890123)"),
    "within an array": Pair(
        "CREATE TYPE x AS (a int, b int)", "CREATE TYPE x AS (b int, a int)", '{"(1,2)"}', "x[]"),
    "an array within": Pair(
        "CREATE TYPE x AS (v numeric(9,3)[])", "CREATE TYPE x AS (v numeric(9,1)[])",
        '("{1.234}")'),
    "a nested row": Pair(
        "CREATE TYPE p AS (a int, b int); CREATE TYPE x AS (p p, n int)",
        "CREATE TYPE p AS (b int, a int); CREATE TYPE x AS (p p, n int)", '("(1,2)",3)'),
    "an array of nested rows": Pair(
        "CREATE TYPE p AS (a int, b int); CREATE TYPE x AS (p p[])",
        "CREATE TYPE p AS (b int, a int); CREATE TYPE x AS (p p[])", '("{""(1,2)""}")'),
    "a domain within": Pair(
        "CREATE DOMAIN dm AS numeric(9,4); CREATE TYPE x AS (v dm)",
        "CREATE DOMAIN dm AS numeric(9,1); CREATE TYPE x AS (v dm)", "(1.2345)"),
    "domains over domains": Pair(
        "CREATE DOMAIN e AS numeric(9,4); CREATE DOMAIN dm AS e; CREATE TYPE x AS (v dm)",
        "CREATE DOMAIN e AS numeric(9,1); CREATE DOMAIN dm AS e; CREATE TYPE x AS (v dm)",
        "(1.2345)"),
    "an array of a domain": Pair(
        "CREATE DOMAIN dm AS numeric(9,4)", "CREATE DOMAIN dm AS numeric(9,1)", "{1.2345}", "dm[]"),
    "a domain over a row": Pair(
        "CREATE TYPE p AS (a int, b int); CREATE DOMAIN x AS p",
        "CREATE TYPE p AS (b int, a int); CREATE DOMAIN x AS p", "(1,2)"),
    "a range of rounded numbers": Pair(
        "CREATE DOMAIN dm AS numeric(9,4); CREATE TYPE x AS RANGE (subtype = dm)",
        "CREATE DOMAIN dm AS numeric(9,1); CREATE TYPE x AS RANGE (subtype = dm)", "[1.2345,2)"),
    "a range of other times": Pair(
        "CREATE TYPE x AS RANGE (subtype = timestamptz)",
        "CREATE TYPE x AS RANGE (subtype = timestamp)", '["2024-01-01 00:00:00+00",)'),
    "a range in another order": Pair(
        'CREATE TYPE x AS RANGE (subtype = text, collation = "C")',
        'CREATE TYPE x AS RANGE (subtype = text, collation = "POSIX")', "[a,b)"),
    "a multirange": Pair(
        "CREATE TYPE x AS RANGE (subtype = float8, multirange_type_name = m)",
        "CREATE TYPE x AS RANGE (subtype = float4, multirange_type_name = m)",
        "{[0.123456789012,1)}", "m"),
    "a row, which is a range there": Pair(
        "CREATE TYPE x AS (a int, b int)", "CREATE DOMAIN x AS int4range", "(1,5)"),
    "a point, which is a row there": Pair(
        "CREATE DOMAIN x AS point", "CREATE TYPE x AS (y float8, x float8)", "(1,2)"),
    "an enum with a label less": Pair(
        "CREATE TYPE x AS ENUM ('a', 'b')", "CREATE TYPE x AS ENUM ('a')", "a"),
    "an enum within": Pair(
        "CREATE TYPE e AS ENUM ('a', 'b'); CREATE TYPE x AS (e e)",
        "CREATE TYPE e AS ENUM ('b'); CREATE TYPE x AS (e e)", "(b)"),
    "a table's row": Pair(
        "CREATE TABLE p (a int, b int)", "CREATE TABLE p (b int, a int)", "(1,2)", "p"),
}  # fmt: skip

SAME = {
    "a row": Pair(
        "CREATE TYPE x AS (lat float8, lon float8)", "CREATE TYPE x AS (lat float8, lon float8)",
        "(48.1,11.5)"),
    "a row that had a field more": Pair(
        "CREATE TYPE x AS (a int, b int); ALTER TYPE x DROP ATTRIBUTE a",
        "CREATE TYPE x AS (b int)", "(7)"),
    "room for more": Pair(
        "CREATE TYPE x AS (n numeric(9,2), t varchar(9), i int)",
        "CREATE TYPE x AS (n numeric(12,4), t text, i bigint)", '(1.25,"a b",3)'),
    "no limit": Pair(
        "CREATE TYPE x AS (n numeric(9,2), at timestamp(3))",
        "CREATE TYPE x AS (n numeric, at timestamp)", '(1.25,"2024-01-01 00:00:00.123")'),
    "rows in rows in arrays": Pair(
        "CREATE TYPE p AS (a int, b text); CREATE TYPE x AS (p p[], n int)",
        "CREATE TYPE p AS (a int, b text); CREATE TYPE x AS (p p[], n int)",
        '{"(\\"{\\"\\"(1,u)\\"\\"}\\",3)"}', "x[]"),
    "a domain of other checks": Pair(
        "CREATE DOMAIN dm AS int CHECK (VALUE > 0); CREATE TYPE x AS (v dm)",
        "CREATE DOMAIN dm AS int CHECK (VALUE < 99); CREATE TYPE x AS (v dm)", "(5)"),
    "a range": Pair(
        "CREATE TYPE x AS RANGE (subtype = float8, subtype_diff = float8mi)",
        "CREATE TYPE x AS RANGE (subtype = float8)", "[1.5,2.5)"),
    "an enum with a label more": Pair(
        "CREATE TYPE x AS ENUM ('a', 'b')", "CREATE TYPE x AS ENUM ('0', 'a', 'b', 'c')", "b"),
    "in another schema": Pair(
        "CREATE SCHEMA o; CREATE TYPE o.x AS (a int, b int)", "CREATE TYPE x AS (a int, b int)",
        "(1,2)", "o.x"),
    "a multirange": Pair(
        "CREATE TYPE x AS RANGE (subtype = float8, multirange_type_name = m)",
        "CREATE TYPE x AS RANGE (subtype = float8, multirange_type_name = m)", "{[1,2)}", "m"),
}  # fmt: skip


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


WAYS: dict[str, dict[str, Any]] = {
    "relay": {},
    "arrow": {"reject_limit": 5},
    "function": {"transformation_logic": unchanged},
    "nullable": {"transformation_logic": unchanged, "dtype_backend": "numpy_nullable"},
    "replace": {"write_disposition": "replace"},
}


def made(databases: Databases, pair: Pair, *, value: str | None = None) -> None:
    databases.source.execute(pair.source)
    databases.target.execute(pair.target)
    databases.source.execute(f"CREATE TABLE s (id int PRIMARY KEY, v {pair.column})")
    databases.target.execute(f"CREATE TABLE d (id int, v {pair.column.removeprefix('o.')})")
    databases.source.execute("INSERT INTO s VALUES (1, NULL), (2, %s)", value or pair.value)


def count(databases: Databases) -> int:
    [(rows,)] = databases.target.fetch("SELECT count(*) FROM d")
    return rows


@pytest.mark.parametrize("case", CHANGED)
def test_a_type_of_another_definition_is_refused_before_a_row_moves(
    databases: Databases, case: str
) -> None:
    made(databases, CHANGED[case])
    for way, options in WAYS.items():
        with pytest.raises(TargetError) as caught:
            move(databases, **options)
        said = str(caught.value)
        assert "'v'" in said, way
        assert "the source's type is" in said
        assert "the target's is" in said
        assert "cast it in the query" in said
        assert count(databases) == 0


@pytest.mark.parametrize("case", SAME)
def test_a_type_of_the_same_meaning_arrives(databases: Databases, case: str) -> None:
    made(databases, SAME[case])
    shown = "SELECT id, v::text FROM {} ORDER BY id"
    for way, options in WAYS.items():
        databases.target.execute("TRUNCATE d")
        result = move(databases, **options)
        result.raise_for_status()
        assert not [text for text in result.warnings if text.startswith("v:")], way
        there = databases.target.fetch(shown.format("d"))
        assert len(there) == 2
        if case != "room for more":  # the same number is shown with more zeros there
            assert there == databases.source.fetch(shown.format("s"))


def test_both_definitions_are_shown(databases: Databases) -> None:
    made(databases, CHANGED["fields swap"])
    with pytest.raises(TargetError) as caught:
        move(databases)
    assert "x (lat double precision, lon double precision)" in str(caught.value)
    assert "x (lon double precision, lat double precision)" in str(caught.value)


@pytest.mark.parametrize(
    ("case", "cast"),
    [
        ("fields swap", "ROW((v).lon, (v).lat) AS v"),
        ("fields swap", "ROW((v).lon, (v).lat)::text AS v"),
        ("numbers are rounded", "ROW(round((v).n, 1)) AS v"),
        ("an enum with a label less", "v::text AS v"),
        ("a range of other times", "tsrange(lower(v) AT TIME ZONE 'UTC', NULL)::text AS v"),
    ],
)
def test_the_remedy_works(databases: Databases, case: str, cast: str) -> None:
    made(databases, CHANGED[case])
    for way in ("relay", "arrow", "function"):
        databases.target.execute("TRUNCATE d")
        sql = f"SELECT id, {cast} FROM s WHERE v IS NOT NULL"
        move(databases, source_sql=sql, **WAYS[way]).raise_for_status()
        assert count(databases) == 1


def test_labels_in_another_order_are_named(databases: Databases) -> None:
    """A value is its label; what it is less than is another matter."""
    pair = Pair("CREATE TYPE x AS ENUM ('a', 'b')", "CREATE TYPE x AS ENUM ('b', 'a')", "b")
    made(databases, pair)
    result = move(databases)
    assert "v: x → x: the labels of x are in another order" in " ".join(result.warnings)
    assert databases.target.fetch("SELECT v::text FROM d ORDER BY id") == [(None,), ("b",)]


# -- a function in between -------------------------------------------------------------------------


def renamed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"u": "v"})


def marked(frame: pd.DataFrame) -> pd.DataFrame:
    return reject(frame, frame["id"] == 1, "not this one")


def turned(frame: pd.DataFrame) -> pd.DataFrame:
    texts = [None if pd.isna(v) else "({1},{0})".format(*v[1:-1].split(",")) for v in frame["v"]]
    return frame.assign(v=texts)


@pytest.mark.parametrize(
    ("function", "sql"),
    [(renamed, "SELECT id, v AS u FROM s"), (marked, "SELECT * FROM s"),
     (unchanged, "SELECT * FROM s WHERE v IS NULL")],
)  # fmt: skip
def test_a_function_that_passes_the_text_on_is_found_out(
    databases: Databases, function: Any, sql: str
) -> None:
    made(databases, CHANGED["fields swap"])
    with pytest.raises(TargetError, match="the source's type is"):
        move(databases, transformation_logic=function, source_sql=sql)
    assert count(databases) == 0


def test_a_function_may_make_the_targets_text(databases: Databases) -> None:
    made(databases, CHANGED["fields swap"])
    move(databases, transformation_logic=turned).raise_for_status()
    found = databases.target.fetch("SELECT (v).lat, (v).lon FROM d WHERE id = 2")
    assert found == databases.source.fetch("SELECT (v).lat, (v).lon FROM s WHERE id = 2")


def test_a_type_that_is_altered_before_a_resume_is_refused(databases: Databases) -> None:
    """The definitions are compared whenever a run begins or goes on."""
    made(databases, SAME["a row"])
    databases.target.execute("ALTER TABLE d ADD CHECK (id < 2)")
    assert not move(databases, run_id="r").succeeded
    databases.target.execute("DROP TABLE d; CREATE TABLE d (id int)")
    databases.target.execute("DROP TYPE x; CREATE TYPE x AS (lon float8, lat float8)")
    databases.target.execute("ALTER TABLE d ADD v x")
    with pytest.raises(MapperError):
        ParallelProcessor(enable_parallel=False).resume("r", target_conn=databases.target.url)
    assert count(databases) == 0
