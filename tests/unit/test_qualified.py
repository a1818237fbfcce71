"""Nothing that the search path decides stands in our SQL: a newcomer sees here what to write."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from tests.qualified import findings

FOLDER = resources.files("mapper_dask.dialects") / "sql"
POSTGRESQL = sorted(p.name for p in (FOLDER / "postgresql").iterdir() if p.name.endswith(".sql"))
ORACLE = sorted(p.name for p in (FOLDER / "oracle").iterdir() if p.name.endswith(".sql"))

SYS_VIEW = re.compile(
    r"(?<![\w.$\"])(?:(?:ALL|USER|DBA|CDB|SESSION)_\w+|G?V_?\$\w+|DUAL|DBMS_\w+|UTL_\w+)(?![\w$])",
    re.IGNORECASE,
)
"""What is SYS's; a column, which may have such a name, stands behind a dot."""

OF_SYS = re.compile(
    r"\b(?:FROM|JOIN|INTO)\s+((?:ALL|USER|DBA|SESSION)_\w+|G?V_?\$\w+|DUAL|PLAN_TABLE)\b"
    r"|(?<![\w.])(DBMS_\w+)\.[A-Z]"
)
"""The same in statements that Python composes."""

FORMS = [
    ("SELECT now()", "function now: write pg_catalog.now"),
    ("SELECT count(*) FROM pg_catalog.pg_class", "function count: write pg_catalog.count"),
    ("SELECT pg_catalog.obj_description(1, 'pg_class')", "pg_description"),
    ("SELECT 1 = 1", "operator =: write OPERATOR(pg_catalog.=)"),
    ("SELECT a.x || 'b' FROM pg_catalog.a", "operator ||: write OPERATOR(pg_catalog.||)"),
    ("SELECT - a.x FROM pg_catalog.a", "operator -: write"),
    ("SELECT 1 WHERE %(a)s IN (1, 2)", "operator =: write OPERATOR(pg_catalog.=) ANY"),
    ("SELECT 1 WHERE 1 NOT IN (1, 2)", "operator <>: write OPERATOR(pg_catalog.=) ANY"),
    ("SELECT 1 WHERE 1 IN (SELECT 2)", "operator = of IN (SELECT …)"),
    ("SELECT 1 WHERE 1 = ANY ('{1}')", "operator =: write"),
    ("SELECT 1 WHERE 1 BETWEEN 0 AND 2", "in place of BETWEEN"),
    ("SELECT 1 WHERE 'a' LIKE 'b'", "in place of LIKE"),
    ("SELECT 1 WHERE 'a' IS DISTINCT FROM 'b'", "IS DISTINCT FROM"),
    ("SELECT 1 WHERE (1, 2) < (3, 4)", "operator <: write"),
    ("SELECT nullif(1, 2)", "in place of NULLIF"),
    ("SELECT CASE 1 WHEN 2 THEN 3 END", "CASE x WHEN y"),
    ("SELECT 1 FROM pg_catalog.a JOIN pg_catalog.b USING (x)", "JOIN … USING"),
    ("SELECT 1 FROM pg_catalog.a NATURAL JOIN pg_catalog.b", "JOIN … USING"),
    ("SELECT '1'::text", "type text: write pg_catalog.text"),
    ("SELECT CAST('1' AS oid[])", "type oid: write pg_catalog.oid"),
    ("SELECT date '2024-01-01'", "type date: write pg_catalog.date"),
    ("CREATE TABLE mapper_dask_run (a jsonb)", "type jsonb: write pg_catalog.jsonb"),
    ("CREATE TABLE mapper_dask_run (a bigint DEFAULT now())", "function now: write"),
    ("SELECT 1 FROM pg_class", "relation pg_class: write pg_catalog.pg_class"),
    ("SELECT 1 FROM unnest(%s::integer[], %s::integer[]) AS f (a, b)", "function unnest: write"),
    ("SELECT 1 ORDER BY 1 USING <", "ORDER BY … USING"),
    ("SELECT 'a' COLLATE \"C\"", "collation C: write"),
    ("SELECT 1 FROM pg_catalog.a TABLESAMPLE system (1)", "function system: write"),
]
"""Every way in which the search path decides, and what the check says of it."""

SAFE = (
    "WITH c AS (SELECT pg_catalog.now() AS t) SELECT coalesce(t, current_timestamp), -1, "
    "current_schema, greatest(1, 2), "
    "extract(year FROM t AT TIME ZONE 'UTC'), '1'::bigint, (ARRAY[1])[1:1], "
    "CAST('1' AS numeric(3)), "
    "pg_catalog.count(*) FILTER (WHERE 1 OPERATOR(pg_catalog.=) ANY ('{1}')), "
    "pg_catalog.make_interval(secs => %(seconds)s), '1 s'::interval FROM c, mapper_dask_run "
    "ORDER BY 1 DESC"
)
"""Forms of the grammar that name PostgreSQL's own, wherever the search path leads."""


@pytest.mark.parametrize("name", POSTGRESQL)
def test_a_named_query_of_postgresql_is_qualified(name: str) -> None:
    text = (FOLDER / "postgresql" / name).read_text(encoding="utf-8")
    found = [f"{name}:{one.line}: {one.text}" for one in findings(text)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(("sql", "said"), FORMS, ids=[sql for sql, _ in FORMS])
def test_what_the_search_path_decides_is_found(sql: str, said: str) -> None:
    assert any(said in one.text for one in findings(sql))


def test_what_it_does_not_decide_is_left_alone() -> None:
    assert findings(SAFE) == []


def test_the_line_is_told() -> None:
    (found,) = findings("-- a comment\nSELECT\n  1 OPERATOR(pg_catalog.+) 1,\n  2 + 2")
    assert found.line == 4


@pytest.mark.parametrize("name", ORACLE)
def test_a_named_query_of_oracle_names_the_owner(name: str) -> None:
    lines = (FOLDER / "oracle" / name).read_text(encoding="utf-8").splitlines()
    found = [
        f"{name}:{number}: {one}: write SYS.{one}, V$… as SYS.V_$…"
        for number, line in enumerate(lines, 1)
        for one in _of_sys(line)
    ]
    assert not found, "\n" + "\n".join(found)


def test_code_for_oracle_names_the_owner_too() -> None:
    folder = resources.files("mapper_dask.dialects") / "oracle"
    found = [
        f"{path.name}:{number}: write SYS.{one[0] or one[1]}"
        for path in folder.iterdir()
        if path.name.endswith(".py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for one in OF_SYS.findall(line)
    ]
    assert not found, "\n" + "\n".join(found)


def _of_sys(line: str) -> list[str]:
    bare = re.sub(r"'(?:[^']|'')*'", "''", line.partition("--")[0])
    return SYS_VIEW.findall(bare)
