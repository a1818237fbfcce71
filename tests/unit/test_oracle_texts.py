"""What the text of a query for Oracle names, and what is known of it without the dictionary."""

from __future__ import annotations

import pytest

from mapper_dask.dialects.oracle import folded_rows, texts
from mapper_dask.dialects.oracle.reached import Found


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ("SELECT * FROM t", [(None, "T")]),
        ('SELECT * FROM "t" a, s.u b', [(None, "t"), ("S", "U")]),
        ("SELECT 1 AS one FROM dual", []),
        ("SELECT * FROM (SELECT * FROM t) x JOIN u ON 1 = 1", [(None, "T"), (None, "U")]),
        ("WITH x AS (SELECT * FROM t) SELECT * FROM x", [(None, "T")]),
        ("WITH x AS (SELECT * FROM y), y AS (SELECT * FROM t) SELECT * FROM y", [
            (None, "Y"), (None, "T"),
        ]),
        ("WITH x AS (SELECT * FROM t) SELECT * FROM s.x", [(None, "T"), ("S", "X")]),
        ("SELECT (WITH x AS (SELECT 1 AS n FROM dual) SELECT n FROM x) AS n FROM x", [(None, "X")]),
        ("WITH x (n) AS (SELECT 1 FROM dual UNION ALL SELECT n + 1 FROM x) SELECT * FROM x", []),
        ("SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id(+))", [
            (None, "T"), (None, "U"),
        ]),
        ("SELECT * FROM t, LATERAL (SELECT * FROM u) x", [(None, "T"), (None, "U")]),
        ("SELECT j.x FROM t, JSON_TABLE(t.d, '$' COLUMNS (x NUMBER PATH '$.x')) j", [(None, "T")]),
    ],
)  # fmt: skip
def test_tables_are_those_that_with_does_not_name_there(sql, relations):
    assert sorted(texts.read(sql).relations, key=str) == sorted(relations, key=str)


@pytest.mark.parametrize(
    ("sql", "calls"),
    [
        ("SELECT UPPER(a), NVL(b, 1) FROM t WHERE a IN (1, 2) AND (b) > 1", []),
        ("SELECT f(a), g.h(b), s.g.h(c) FROM t", [("F",), ("G", "H"), ("S", "G", "H")]),
        ("SELECT dbms_random.value, sys.dbms_random.value(1, 2) FROM t", [
            ("DBMS_RANDOM", "VALUE"), ("SYS", "DBMS_RANDOM", "VALUE"),
        ]),
        ('SELECT "UPPER"(a), "f"(b) FROM t', [("UPPER",), ("f",)]),
        ("SELECT s.upper(a) FROM t", [("S", "UPPER")]),
        ("SELECT t.a, x.b, s.u.c FROM t, s.u, v x", []),
        ("SELECT x.a FROM (SELECT a FROM t) x", []),
        ("SELECT x.doc.getClobVal() FROM t x", [("X", "DOC", "GETCLOBVAL")]),
        ("SELECT SYS_CONTEXT('USERENV', 'DB_NAME'), USERENV('LANG') FROM t", []),
        ("SELECT SYS_CONTEXT('USERENV', 'SID') FROM t", [("SYS_CONTEXT",)]),
        ("SELECT SYS_CONTEXT('MINE', 'DB_NAME'), USERENV('SESSIONID') FROM t", [
            ("SYS_CONTEXT",), ("USERENV",),
        ]),
        ("SELECT SYS_CONTEXT('USERENV', name) FROM t", [("SYS_CONTEXT",)]),
        ("SELECT ANY_VALUE(a), STATS_MODE(b), SYS_GUID() FROM t", [
            ("ANY_VALUE",), ("STATS_MODE",), ("SYS_GUID",),
        ]),
        ("SELECT STDDEV(a), VARIANCE(a) FROM t", [("STDDEV",), ("VARIANCE",)]),
        ("SELECT a FROM t -- f(1)\nWHERE b = 'g(2)' /* h(3) */", []),
    ],
)  # fmt: skip
def test_functions_that_are_not_known_to_repeat_are_asked_for(sql, calls):
    found = texts.read(sql)
    assert not found.problem
    assert sorted(found.calls) == sorted(calls)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t@elsewhere",
        "SELECT f@elsewhere(a) FROM t",
        "SELECT * FROM TABLE(f(1))",
        "SELECT * FROM f(1)",
        "SELECT ora_rowscn FROM t",
        "SELECT q.nextval FROM t",
        "SELECT * FROM t MODEL DIMENSION BY (a) MEASURES (b) RULES (b[1] = 2)",
        "SELECT * FROM t VERSIONS BETWEEN SCN MINVALUE AND MAXVALUE",
        "WITH FUNCTION f RETURN NUMBER IS BEGIN RETURN 1; END; SELECT f FROM dual",
        "INSERT INTO t VALUES (1)",
        "",
    ],
)
def test_what_no_dictionary_has_to_be_asked_for_is_said_at_once(sql):
    assert texts.view(sql).problem


@pytest.mark.parametrize("end", ["WITH READ ONLY", "with check option constraint c", ""])
def test_the_end_of_a_view_is_no_part_of_its_query(end):
    assert texts.view(f"SELECT a FROM t {end}") == texts.view("SELECT a FROM t")


NUMBERS = {
    "A": [("NUMBER", "2")], "B": [("NUMBER", "0"), ("NUMBER", "-")], "C": [("BINARY_DOUBLE", "-")],
    "N": [("NUMBER", "-")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("summed", "exact"),
    [
        ("a", True), ("a * 2 - 1.5", True), ("-(a + a)", True), ("NVL(a, 0)", True),
        ("CASE WHEN c > 1 THEN a ELSE 0 END", True), ("CAST(n AS NUMBER(12, 2))", True),
        ("ROUND(n / 3, 2)", True), ("DISTINCT a", True), ("LENGTH(n)", True),
        ("b", False), ("c", False), ("n", False), ("a / 3", False), ("unknown", False),
        ("ROUND(c, 2)", False), ("CAST(n AS NUMBER)", False), ("TO_NUMBER(a)", False),
        ("a + c", False), ("1.5e300", False), ("CASE WHEN a > 1 THEN n END", False),
    ],
)  # fmt: skip
def test_sums_are_the_same_in_any_order_where_nothing_is_rounded(summed, exact):
    reading = texts.read(f"SELECT g, SUM({summed}) AS s FROM t GROUP BY g")
    assert bool(folded_rows.added(reading, NUMBERS)) is not exact


def test_a_name_that_a_query_gives_is_as_exact_as_what_it_names():
    sql = "SELECT SUM(x) AS s FROM (SELECT {} AS x FROM t)"
    assert not folded_rows.added(texts.read(sql.format("a + 1")), NUMBERS)
    assert folded_rows.added(texts.read(sql.format("a / 7")), NUMBERS)


def test_a_package_nearby_comes_before_a_schema_of_its_name():
    found = Found(schema="ME")
    found.add("function", "P", "F", "-", "FUNCTION P.F", "YES")
    assert found.repeats(("P", "F"), None) is True
    found.add("function", "ME", "P", "F", "PACKAGE ME.P", "NO")
    assert found.repeats(("P", "F"), None) is False
    assert found.repeats(("P", "G"), None) is False
    assert found.repeats(("Q", "F"), None) is None


def test_only_packages_of_sys_are_known_by_their_names():
    found = Found(schema="ME")
    found.add("function", "PUBLIC", "DBMS_LOB", "SUBSTR", "PACKAGE SYS.DBMS_LOB", "NO")
    assert found.repeats(("DBMS_LOB", "SUBSTR"), None) is True
    found.add("function", "ME", "DBMS_LOB", "SUBSTR", "PACKAGE ME.DBMS_LOB", "NO")
    assert found.repeats(("DBMS_LOB", "SUBSTR"), None) is False


def test_what_is_nested_deeper_than_it_can_be_followed_is_not_shown():
    reading = texts.read(f"SELECT SUM({' + '.join(['a'] * 3000)}) AS s FROM t")
    assert "is not shown to be the same in any order" in folded_rows.added(reading, NUMBERS)
    assert texts.read(f"SELECT {'f(' * 3000}a{')' * 3000} FROM t").problem
