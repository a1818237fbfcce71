"""A column whose domain refuses NULL, and that nothing fills, is refused before a row moves."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from mapper_dask.errors import TargetError
from tests import builders
from tests.database import Databases

REFUSING = {
    "NOT NULL": "CREATE DOMAIN must AS text NOT NULL",
    "over another": "CREATE DOMAIN a AS text NOT NULL; CREATE DOMAIN must AS a CHECK (VALUE <> '')",
    "over two": "CREATE DOMAIN a AS int NOT NULL; CREATE DOMAIN b AS a; CREATE DOMAIN must AS b",
    "CHECK": "CREATE DOMAIN must AS text CHECK (VALUE IS NOT NULL)",
    "CHECK beside": "CREATE DOMAIN must AS int CHECK (VALUE IS NOT NULL AND VALUE > 0)",
    "CHECK below": "CREATE DOMAIN a AS int CHECK (NOT (VALUE IS NULL)); CREATE DOMAIN must AS a",
    "over an array": "CREATE DOMAIN must AS int[] NOT NULL",
    "over a row": "CREATE TYPE p AS (a int, b int); CREATE DOMAIN must AS p NOT NULL",
    "over an enum": "CREATE TYPE e AS ENUM ('a'); CREATE DOMAIN must AS e NOT NULL",
}
FILLED = {
    "its own default": ("CREATE DOMAIN must AS text DEFAULT 'd' NOT NULL", ""),
    "the default of what it is over": (
        "CREATE DOMAIN a AS text DEFAULT 'd'; CREATE DOMAIN must AS a NOT NULL", ""),
    "the column's default": ("CREATE DOMAIN must AS text NOT NULL", "DEFAULT 'd'"),
    "a generated column": ("CREATE DOMAIN must AS text", "GENERATED ALWAYS AS ('d') STORED"),
    "a check that a NULL passes": ("CREATE DOMAIN must AS text CHECK (length(VALUE) > 0)", ""),
    "an OR": ("CREATE DOMAIN must AS text CHECK (VALUE IS NULL OR length(VALUE) > 0)", ""),
}  # fmt: skip

WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "atomic": {"atomic": True},
    "arrow": {"reject_limit": 3},
    "replace": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge"},
    "newest": {"write_disposition": "merge", "newest_by": "id"},
    "function": {"transformation_logic": lambda frame: frame},
}


def made(databases: Databases, domain: str, extra: str = "") -> None:
    databases.source.execute("CREATE TABLE s AS SELECT generate_series(1, 5) AS id")
    databases.target.execute(domain)
    databases.target.execute(f"CREATE TABLE d (id int PRIMARY KEY, v must {extra})")


def move(databases: Databases, **options: Any) -> Any:
    usual = {"source_sql": "SELECT id FROM s", "key_column": "id"}
    return builders.move(databases, **{**usual, **options})


@pytest.mark.parametrize("kind", REFUSING)
def test_nothing_fills_it(databases: Databases, kind: str) -> None:
    made(databases, REFUSING[kind])
    for way, options in WAYS.items():
        with pytest.raises(TargetError, match="'v' is NOT NULL without a default"):
            move(databases, **options)
        assert databases.target.fetch("SELECT count(*) FROM d") == [(0,)], way


@pytest.mark.parametrize("kind", FILLED)
def test_what_is_filled_or_may_be_null_is_not_refused(databases: Databases, kind: str) -> None:
    made(databases, *FILLED[kind])
    expected = [(5, 5 if "default" in kind or "generated" in kind else 0)]
    for way in ("append", "replace", "merge", "function"):
        databases.target.execute("TRUNCATE d")
        move(databases, **WAYS[way]).raise_for_status()
        assert databases.target.fetch("SELECT count(*), count(v) FROM d") == expected, way


def test_a_value_that_is_brought_is_as_welcome_as_before(databases: Databases) -> None:
    made(databases, REFUSING["NOT NULL"])
    for options in ({}, {"write_disposition": "replace"}, {"transformation_logic": pd.DataFrame}):
        databases.target.execute("TRUNCATE d")
        sql = "SELECT id, 'x' || id AS v FROM s"
        move(databases, source_sql=sql, **options).raise_for_status()
        assert databases.target.fetch("SELECT count(v) FROM d") == [(5,)]


def test_a_rewritten_insert_is_refused_in_every_disposition(databases: Databases) -> None:
    """Where a rule puts another statement in its place, nobody can count the rows."""
    made(databases, "CREATE DOMAIN must AS text")
    databases.target.execute("CREATE TABLE log (id int)")
    rules = ("ALSO", "INSTEAD")
    for rule in rules:
        databases.target.execute(
            f"CREATE OR REPLACE RULE r AS ON INSERT TO d DO {rule} INSERT INTO log VALUES (NEW.id)"
        )
        for options in WAYS.values():
            with pytest.raises(TargetError, match=r"rules .* r \(ON INSERT\)"):
                move(databases, **options)
    assert databases.target.fetch("SELECT count(*) FROM d") == [(0,)]
    assert databases.target.fetch("SELECT count(*) FROM log") == [(0,)]
