"""What a query's text tells: its order, its one table, and where that table stands."""

from __future__ import annotations

import re

import pytest

from mapper_dask.errors import PlanError
from mapper_dask.plan.query import analyse


def shape(sql: str):
    return analyse(sql, "postgres")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM t", ()),
        ("SELECT id FROM t ORDER BY id", ("id",)),
        ("SELECT * FROM t ORDER BY id", ("id",)),
        ("SELECT id FROM t ORDER BY id DESC NULLS LAST", ("id",)),
        ("SELECT ID FROM t ORDER BY Id", ("id",)),
        ('SELECT "Id" FROM t ORDER BY "Id"', ("Id",)),
        ('SELECT "a""b" FROM t ORDER BY "a""b"', ('a"b',)),
        ("SELECT a, b FROM t ORDER BY 2, 1", ("b", "a")),
        ("SELECT a AS x FROM t ORDER BY x", ("x",)),
        ("SELECT a AS x FROM t ORDER BY a", ("x",)),
        ("SELECT t.a AS x FROM t ORDER BY t.a", ("x",)),
        ("SELECT a AS b, b AS a FROM t ORDER BY a", ("a",)),
        ("SELECT t.a AS c, b AS a FROM t ORDER BY t.a", ("c",)),
        ("SELECT upper(a) AS a FROM t ORDER BY a", ("a",)),
        ("SELECT a, b FROM t ORDER BY a, lower(b)", ("a",)),
        ("SELECT a, b FROM t ORDER BY lower(a), b", ()),
        ('SELECT a FROM t ORDER BY a COLLATE "C"', ()),
        ("SELECT * FROM t ORDER BY 1", ()),
        ("SELECT a FROM t UNION SELECT b FROM u ORDER BY a", ("a",)),
        ("SELECT a FROM (SELECT a FROM t ORDER BY b) s", ()),
    ],
)
def test_order_by_is_read_as_result_columns(sql, expected):
    assert shape(sql).order_by == expected


def test_order_by_a_table_column_that_is_not_in_the_result_is_no_result_column():
    assert shape("SELECT b AS a FROM t ORDER BY t.a").order_by == ()


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("SELECT * FROM t", "t"),
        ("SELECT a, b + 1 AS c FROM t WHERE a > 3 ORDER BY b", "t"),
        ("SELECT x.a FROM t AS x", "t"),
        ("SELECT * FROM s.t", "s.t"),
        ("SELECT * FROM s . t", "s . t"),
        ('SELECT * FROM "S"."T"', '"S"."T"'),
        ("SELECT * FROM t WHERE a > (SELECT avg(a) FROM t)", "t"),
        ("SELECT * FROM t WHERE EXISTS (SELECT FROM u)", "t"),
        ("SELECT * FROM (SELECT * FROM t) AS s", "t"),
        ("SELECT * FROM (\nSELECT b AS a FROM s.t WHERE c\n) AS q WHERE q.a > 1", "s.t"),
    ],
)
def test_a_single_table_is_found(sql, table):
    assert shape(sql).table == table


def test_rows_that_are_filtered_keep_what_is_known_of_them():
    seen = shape("SELECT * FROM (SELECT a AS id, b FROM t ORDER BY a) AS q WHERE q.b > 1")

    assert (seen.order_by, seen.column_of) == (("id",), (("id", "a"), ("b", "b")))
    assert seen.splice.with_table("(SELECT * FROM t WHERE x)") == (
        "SELECT * FROM (SELECT a AS id, b FROM (SELECT * FROM t WHERE x) t ORDER BY a) AS q "
        "WHERE q.b > 1"
    )
    assert not seen.whole_table


NOT_ROW_BY_ROW = [
    "SELECT 1 AS a",
    "SELECT * FROM t, u",
    "SELECT * FROM t JOIN u USING (a)",
    "SELECT * FROM t NATURAL JOIN u",
    "SELECT * FROM t CROSS JOIN LATERAL unnest(t.a) x",
    "SELECT a FROM t GROUP BY a",
    "SELECT max(a) FROM t",
    "SELECT count(*) FILTER (WHERE a > 1) AS n FROM t",
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY a) AS p FROM t",
    "SELECT 1 AS one FROM t HAVING count(*) > 1",
    "SELECT DISTINCT a FROM t",
    "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a",
    "WITH t AS (SELECT 1 AS a) SELECT * FROM t",
    "SELECT a FROM t UNION ALL SELECT a FROM t",
    "SELECT * FROM (SELECT * FROM t LIMIT 3) AS s",
    "SELECT * FROM (SELECT * FROM t) AS s (p, q)",
    "SELECT * FROM (SELECT DISTINCT a FROM t) AS s WHERE a > 1",
    "SELECT * FROM (SELECT * FROM t) AS s, u",
    "SELECT *, 1 AS one FROM (SELECT * FROM t) AS s",
    "SELECT DISTINCT * FROM (SELECT * FROM t) AS s",
    "SELECT row_number() OVER (ORDER BY a) AS n FROM t",
    "SELECT sum(a) OVER w AS n FROM t WINDOW w AS (ORDER BY a)",
    "SELECT unnest(a) AS a FROM t",
    "SELECT * FROM generate_series(1, 3)",
    "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
    "SELECT * FROM ONLY t",
    "SELECT * FROM t AS x (p, q)",
    "SELECT * FROM t FOR UPDATE",
    "VALUES (1), (2)",
]


@pytest.mark.parametrize("sql", NOT_ROW_BY_ROW)
def test_what_is_more_than_the_rows_of_one_table_has_no_single_table(sql):
    seen = shape(sql)

    assert seen.table is None
    assert seen.splice is None


SPLICED = [
    ("SELECT * FROM t", "SELECT * FROM <R> t"),
    ("SELECT x.a FROM t x WHERE x.a = 1", "SELECT x.a FROM <R> x WHERE x.a = 1"),
    ('SELECT a FROM s."T" AS "X"', 'SELECT a FROM <R> AS "X"'),
    ('SELECT "T".a FROM s."T"', 'SELECT "T".a FROM <R> "T"'),
    ("SELECT 't FROM t' AS t FROM t", "SELECT 't FROM t' AS t FROM <R> t"),
    ("SELECT 'é漢😀' AS x, a FROM t -- t", "SELECT 'é漢😀' AS x, a FROM <R> t -- t"),
    ("SELECT '😀' AS é FROM 日本 WHERE a", "SELECT '😀' AS é FROM <R> 日本 WHERE a"),
    ("SELECT a -- FROM t\nFROM\n\tt\n", "SELECT a -- FROM t\nFROM\n\t<R> t"),
    ("SELECT /* t /* t */ */ a FROM/**/t", "SELECT /* t /* t */ */ a FROM/**/<R> t"),
    ("SELECT $$ FROM t $$ AS a FROM t", "SELECT $$ FROM t $$ AS a FROM <R> t"),
    (r"SELECT E'it\'s t' AS a FROM t", r"SELECT E'it\'s t' AS a FROM <R> t"),
    ("SELECT t.t FROM t WHERE (TABLE t)", "SELECT t.t FROM <R> t WHERE (TABLE t)"),
    ("SELECT * FROM t;", "SELECT * FROM <R> t"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), SPLICED)
def test_only_the_tables_own_place_is_replaced(sql, expected):
    assert shape(sql).splice.with_table("<R>") == expected


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("SELECT 1 AS a;", "SELECT 1 AS a"),
        ("  SELECT 1 AS a ;; \n", "SELECT 1 AS a"),
        ("SELECT 1 AS a -- the end", "SELECT 1 AS a -- the end"),
        ("SELECT ';' AS a /* ; */;", "SELECT ';' AS a /* ; */"),
        ("SELECT $$;$$ AS a", "SELECT $$;$$ AS a"),
    ],
)
def test_only_a_closing_semicolon_is_taken_off(sql, kept):
    assert shape(sql).sql == kept


@pytest.mark.parametrize("sql", ["SELECT 1 AS a; -- the end", "SELECT 1 AS a; /* the end */"])
def test_a_comment_may_follow_the_semicolon(sql):
    assert shape(sql).parsed


@pytest.mark.parametrize("sql", ["", " ;", "-- nothing", "SELECT 1 AS a; SELECT 2 AS a"])
def test_anything_but_one_query_is_told_of_when_the_database_refuses_it(sql):
    seen = shape(sql)

    assert re.match(r"source_sql must (hold one query|be a query)", seen.problem)
    assert not seen.parsed


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DROP TABLE t",
        "TRUNCATE t",
    ],
)
def test_a_statement_that_writes_is_told_of_when_the_database_refuses_it(sql):
    assert shape(sql).problem.startswith("source_sql must be a query, found")


def test_a_nul_character_is_refused():
    with pytest.raises(PlanError, match="NUL"):
        shape("SELECT 1 AS a\0; DROP TABLE t")


@pytest.mark.parametrize(
    "sql",
    [
        r"SELECT 'a\' AS b FROM t --' AS c FROM u",
        "SELECT a$b$, c FROM t --$b$",
        "SELECT 1 AS a FROM t -- x\r JOIN u ON true",
        "SELECT /* a /* b /* c */ */ */ a FROM t",
        "SELECT E'a'\n'\\'' AS a FROM t --'",
        "SELECT E'a' -- b\n-- c\n'\\'' AS a FROM t --'",
        "SELECT U&'d!0061t' UESCAPE '!' AS a FROM t",
        "SELECT a\fFROM t",
        "SELECT a FROM t -- x\x85 JOIN u ON true",
    ],
)
def test_a_text_that_lexers_see_differently_is_not_looked_into(sql):
    seen = shape(sql)

    assert (seen.sql, seen.parsed, seen.splice, seen.table) == (sql, False, None, None)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t WHERE a ~ 'x$' -- it's $1",
        "SELECT a /* it's */ FROM t WHERE b = '/* $'",
        "SELECT a FROM t\r\nWHERE b = E'\\n'",
        'SELECT "a$b" FROM t',
        'SELECT "a\r", "\\" FROM t AS "\u2028"',
        "SELECT 'a\f\r' AS a FROM t",
        "SELECT $$it's$$ AS a, $x$ $$ $x$ AS b FROM t",
        "SELECT E'it\\'s' AS a /* a /* b */ */ FROM t",
    ],
)
def test_a_text_that_lexers_see_alike_is_looked_into(sql):
    assert shape(sql).table == "t"


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("SELECT 1 AS a; ", "SELECT 1 AS a"),
        ("SELECT 1 AS a ; ; -- it's done", "SELECT 1 AS a"),
        ("SELECT 1 AS a; /* it's */\r\n", "SELECT 1 AS a"),
        (r"SELECT 'a\'; --' AS a", r"SELECT 'a\'"),
        ("SELECT 1 AS a; -- x\r UNION SELECT 2", "SELECT 1 AS a; -- x\r UNION SELECT 2"),
        ("SELECT ';' AS a", "SELECT ';' AS a"),
    ],
)
def test_a_closing_semicolon_is_left_out_where_it_is_one_whoever_reads(sql, kept):
    """The fourth is a string to a server that reads backslashes as escapes: it is left unended."""
    assert shape(sql).sql == kept


@pytest.mark.parametrize("sql", ["SELECT a FROM t ORDER BY a USING <", "SELECT FROM WHERE ((("])
def test_a_text_the_parser_does_not_know_is_left_to_the_database(sql):
    seen = shape(sql + ";")

    assert not seen.parsed
    assert seen.sql == sql
    assert seen.table is None


@pytest.mark.parametrize(
    "call",
    [
        "random()", "pg_catalog.random()", "nextval('s')", "clock_timestamp()", "gen_random_uuid()",
        "statement_timestamp()", "uuidv7()", "uuid_generate_v4()", "timeofday()", "RANDOM()",
    ],
)  # fmt: skip
def test_the_catalogue_is_asked_about_every_function_anywhere(call):
    name = call.split("(")[0].split(".")[-1].lower()
    assert name in shape(f"SELECT {call} AS x FROM t").functions
    inside = f"SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE {call} IS NULL)"
    assert name in shape(inside).functions


def test_a_sample_is_noticed():
    assert shape("SELECT * FROM t TABLESAMPLE SYSTEM (1)").sampled


def test_a_plain_query_repeats():
    seen = shape("SELECT lower(a) AS a, random AS r FROM t")
    assert (seen.functions, seen.sampled, seen.clocks) == (("lower",), False, False)


@pytest.mark.parametrize("clock", ["now()", "current_timestamp", "current_date", "localtimestamp"])
def test_a_clock_of_the_transaction_is_noticed(clock):
    assert shape(f"SELECT id, {clock} - made AS age FROM t").clocks


def test_limits_and_windows_are_noticed():
    assert shape("SELECT * FROM t LIMIT 5").limited
    assert shape("SELECT * FROM (SELECT * FROM t OFFSET 2) s").limited_inside
    assert not shape("SELECT * FROM t").limited
    assert shape("SELECT rank() OVER (ORDER BY a) AS r FROM t").windows


def test_result_columns_lead_back_to_the_tables():
    seen = shape('SELECT a AS x, "B" AS y, lower(c) AS c FROM t')

    assert [seen.table_column(name) for name in ("x", "y", "c", "a")] == ["a", "B", None, None]
    assert shape("SELECT * FROM t").table_column("anything") == "anything"


@pytest.mark.parametrize(
    ("sql", "called"),
    [
        ("SELECT DBMS_RANDOM.VALUE AS r FROM t", "dbms_random.value"),
        ("SELECT x.a, Dbms_Random.Value(1, 2) AS r FROM t x", "dbms_random.value"),
        ("SELECT s.NEXTVAL AS n, t.a FROM t", "s.nextval"),
    ],
)
def test_a_packages_function_is_seen_without_its_parentheses(sql, called):
    assert called in analyse(sql, "oracle").functions


def test_columns_of_tables_are_no_functions_of_packages():
    sql = "SELECT q.a, u.b FROM (SELECT t.a FROM t) q, v u WHERE q.a = u.a"
    assert not any("." in name for name in analyse(sql, "oracle").functions)


@pytest.mark.parametrize(
    ("sql", "whole"),
    [
        ("SELECT * FROM t", True),
        ("SELECT a FROM s.t x ORDER BY a", True),
        ("SELECT * FROM t WHERE a = 1", False),
        ("SELECT * FROM t ORDER BY a LIMIT 5", False),
        ("SELECT DISTINCT a FROM t", False),
    ],
)
def test_a_query_of_every_row_of_a_table_is_known(sql, whole):
    assert analyse(sql, "postgres").whole_table is whole
