"""What PostgreSQL's plan shows of a query: that each statement sees the same rows, or why not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mapper_dask import ChunkingStrategy, ChunkManager, MapperJob
from tests.database import Database, Server, fresh_databases

TABLES = """
CREATE TYPE pair_of_numbers AS (a numeric, b numeric);
CREATE TABLE t (
    id int PRIMARY KEY, g int, name text, f float8, num numeric, num2 numeric(10,2),
    at timestamptz, span interval, doc jsonb
);
INSERT INTO t
SELECT i, i - i / 7 * 7, 'n' || i, i, i, i, now(), '1 day', '{}' FROM generate_series(1, 900) i;
CREATE TABLE u (id int PRIMARY KEY, tid int);
INSERT INTO u SELECT i, i FROM generate_series(1, 900) i;
CREATE VIEW chosen AS SELECT id, name FROM t ORDER BY name LIMIT 500;
CREATE VIEW passed AS SELECT id, name FROM t;
CREATE VIEW numbered AS SELECT id, row_number() OVER (ORDER BY g) AS n FROM t;
CREATE VIEW gathered AS SELECT id, ARRAY(SELECT u.id FROM u WHERE u.tid < t.id) AS a FROM t;
CREATE FUNCTION inlined(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1 + 1';
CREATE FUNCTION promised(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION unseen(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION odd(int, int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
CREATE OPERATOR <~> (LEFTARG = int, RIGHTARG = int, FUNCTION = odd);
CREATE FUNCTION told(t) RETURNS text LANGUAGE sql IMMUTABLE AS $f$SELECT 't'$f$;
CREATE FUNCTION told(record) RETURNS text LANGUAGE plpgsql IMMUTABLE
AS $f$BEGIN RETURN 'any'; END$f$;
CREATE FUNCTION since() RETURNS TABLE (k int, at timestamptz) LANGUAGE sql STABLE
AS 'VALUES (0, now()), (1, now())';
CREATE FUNCTION moment() RETURNS timestamptz LANGUAGE sql STABLE AS $f$SELECT 'now'::timestamptz$f$;
CREATE FUNCTION outer_moment() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT moment()';
CREATE FUNCTION plain_values() RETURNS TABLE (k int) LANGUAGE sql IMMUTABLE AS 'VALUES (0), (1)';
CREATE VIEW recent AS
SELECT t.id, v.at FROM t JOIN (VALUES (0, now()), (1, now())) v(k, at) ON k = g;
CREATE VIEW dated AS
SELECT t.id, d FROM t JOIN (VALUES (0, current_date), (1, NULL)) v(k, d) ON k = g;
CREATE VIEW counted AS SELECT id FROM t ORDER BY id LIMIT date_part('day', now());
CREATE VIEW joined_numbers AS
WITH RECURSIVE r(n) AS (SELECT num FROM t UNION SELECT n FROM r WHERE false) SELECT n FROM r;
CREATE VIEW listed AS SELECT t.id, v.n FROM t JOIN (VALUES (0, abs(-1)), (1, 2)) v(k, n) ON k = g;
CREATE SEQUENCE numbers;
CREATE TABLE finer (id int PRIMARY KEY, r pair_of_numbers NOT NULL, name varchar(9) NOT NULL);
CREATE UNIQUE INDEX ON finer (r record_image_ops);
CREATE UNIQUE INDEX ON finer (name varchar_pattern_ops);
INSERT INTO finer SELECT i, ROW(i, 1)::pair_of_numbers, i FROM generate_series(1, 900) i;
CREATE TABLE odd_names (id int PRIMARY KEY, "o'k" int, "a(b" int, at timestamptz);
INSERT INTO odd_names SELECT i, i, i, now() FROM generate_series(1, 900) i;
CREATE TABLE parts (id int, at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE past PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2001-01-01');
CREATE TABLE ago PARTITION OF parts FOR VALUES FROM ('2001-01-01') TO ('2002-01-01');
INSERT INTO parts SELECT i, '2000-01-01'::timestamptz + i * interval '1 s'
FROM generate_series(1, 900) i;
ANALYZE
"""

REPEATABLE = [
    "SELECT * FROM t ORDER BY id",
    "SELECT id, g FROM t WHERE g > 3 ORDER BY id",
    "SELECT id, name IS NFC NORMALIZED AS n FROM t ORDER BY id",
    "SELECT * FROM (SELECT id FROM t ORDER BY g, id LIMIT 500) x ORDER BY id",
    "SELECT * FROM (SELECT id, g FROM t ORDER BY g DESC NULLS LAST, id LIMIT 500) x ORDER BY id",
    "SELECT * FROM (SELECT g, id FROM t WHERE g = 1 ORDER BY id, g LIMIT 500) x ORDER BY id",
    "SELECT * FROM (SELECT DISTINCT ON (g, name) id, g FROM t ORDER BY g, name, id) x ORDER BY id",
    "SELECT DISTINCT id, g FROM t ORDER BY id",
    "SELECT id, row_number() OVER (PARTITION BY g ORDER BY name, id) AS n FROM t ORDER BY id",
    "SELECT id, rank() OVER (PARTITION BY g ORDER BY name) AS n FROM t ORDER BY id",
    "SELECT id, count(*) AS n, sum(g) AS s, max(name) AS m FROM t GROUP BY id ORDER BY id",
    "SELECT num2, id % 300 AS id, count(*) AS n FROM t GROUP BY 1, t.id % 300",
    "SELECT date_trunc('hour', at) AS d, id FROM t GROUP BY 1, 2 ORDER BY id",
    "SELECT id, array_agg(g ORDER BY g) AS a FROM t GROUP BY id ORDER BY id",
    "SELECT t.id, u.id AS uid FROM t JOIN u ON u.tid = t.id ORDER BY t.id",
    "SELECT * FROM (SELECT t.id, u.id AS n FROM t, u WHERE tid < t.id ORDER BY 1, 2 LIMIT 900) x",
    "SELECT * FROM (SELECT u.id FROM u JOIN t ON u.tid = t.id ORDER BY u.id LIMIT 500) x",
    "SELECT id, ARRAY(SELECT u.id FROM u WHERE u.tid < t.id ORDER BY u.id) AS a FROM t ORDER BY id",
    "SELECT id, (SELECT max(u.id) FROM u WHERE u.tid < t.id) AS m FROM t ORDER BY id",
    "SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.tid = t.id) ORDER BY id",
    "SELECT id FROM t UNION SELECT id FROM u ORDER BY id",
    "SELECT id FROM t INTERSECT SELECT id FROM u ORDER BY id",
    "SELECT id, inlined(id) AS n FROM t ORDER BY id",
    "SELECT id, promised(id) AS n FROM t ORDER BY id",
    "SELECT id, to_char(at, 'YYYY') AS y, format('%s', g) AS f FROM t ORDER BY id",
    "SELECT * FROM passed ORDER BY id",
    "WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM r WHERE id < 500) TABLE r",
    (
        "WITH RECURSIVE r(id, p) AS (SELECT 1, ARRAY[1] UNION SELECT id + 1, p || id FROM r WHERE"
        " id < 500) TABLE r"
    ),
    (
        "WITH RECURSIVE r(id, n) AS (SELECT id, num FROM t UNION ALL SELECT id, n FROM r WHERE"
        " false) TABLE r"
    ),
    "SELECT id, v.n FROM t JOIN (VALUES (1, lower('A')), (2, 'b')) v(k, n) ON k = g ORDER BY id",
    "SELECT * FROM listed ORDER BY id",
    "SELECT id FROM t JOIN plain_values() v ON v.k = g ORDER BY id",
    "SELECT id, name = 'now available' AS n, name = 'unknown' AS m FROM t ORDER BY id",
    "SELECT id, '2024-01-01 12:00 America/New_York'::timestamptz AS d FROM t ORDER BY id",
    "SELECT id, age(at, '2024-01-01') AS a FROM t ORDER BY id",
    "SELECT id, age(date_trunc('day', at), at) AS a FROM t ORDER BY id",
    """SELECT id, "o'k" + 1 AS n, 'f()' || "a(b" AS m FROM odd_names ORDER BY id""",
    "SELECT id, (ARRAY(SELECT u.id FROM u ORDER BY u.id))[5] AS a FROM t ORDER BY id",
    "SELECT id, (ARRAY[1, 2])[1] AS a, (SELECT max(u.id) FROM u) AS m FROM t ORDER BY id",
    "SELECT * FROM (SELECT id FROM finer ORDER BY name LIMIT 500) x ORDER BY id",
    "SELECT id, sum(DISTINCT g) AS s, sum(num) AS n FROM t GROUP BY id ORDER BY id",
    "SELECT id, string_agg(name, ', ' ORDER BY name) AS s FROM t GROUP BY id ORDER BY id",
]

DOUBTFUL = [
    ("SELECT * FROM (SELECT id FROM t ORDER BY g LIMIT 500) x ORDER BY id", "ordered by t.g"),
    ("SELECT * FROM (SELECT id FROM t LIMIT 500) x ORDER BY id", "no order of their own"),
    ("SELECT * FROM t ORDER BY g LIMIT 500", "which leaves ties"),
    ("SELECT * FROM chosen ORDER BY id", "ordered by t.name"),
    ("SELECT * FROM numbered ORDER BY id", "row_number"),
    ("SELECT * FROM gathered ORDER BY id", "ARRAY"),
    ("SELECT * FROM (SELECT DISTINCT ON (g) id FROM t ORDER BY g, name) x ORDER BY id", "DISTINCT"),
    (
        "SELECT id, row_number() OVER (PARTITION BY g ORDER BY name) AS n FROM t ORDER BY id",
        "row_n",
    ),
    ("SELECT id, lag(id) OVER (ORDER BY g) AS n FROM t ORDER BY id", "lag"),
    ("SELECT id, sum(g) OVER (ORDER BY g ROWS 3 PRECEDING) AS n FROM t ORDER BY id", "sum"),
    ("SELECT g, sum(f) AS s FROM t GROUP BY g ORDER BY g", "sum"),
    ("SELECT id, avg(f) AS s FROM t GROUP BY id ORDER BY id", "avg"),
    ("SELECT num, count(*) AS n FROM t GROUP BY 1 ORDER BY num", "t.num"),
    ("SELECT span, count(*) AS n FROM t GROUP BY 1 ORDER BY span", "span"),
    ("SELECT doc, count(*) AS n FROM t GROUP BY 1 ORDER BY n", "doc"),
    ("SELECT f, count(*) AS n FROM t GROUP BY 1 ORDER BY f", "t.f"),
    ("SELECT num2 AS n FROM t UNION SELECT num FROM t ORDER BY n", "UNION"),
    ("SELECT g, array_agg(id) AS a FROM t GROUP BY g ORDER BY g", "array_agg"),
    ("SELECT g, string_agg(name, ',' ORDER BY g) AS a FROM t GROUP BY g ORDER BY g", "string_agg"),
    ("SELECT g, mode() WITHIN GROUP (ORDER BY name) AS a FROM t GROUP BY g ORDER BY g", "mode"),
    ("SELECT id, ARRAY(SELECT u.id FROM u WHERE u.tid < t.id) AS a FROM t ORDER BY id", "ARRAY"),
    ("SELECT id, (SELECT u.id FROM u LIMIT 1) AS m FROM t ORDER BY id", "LIMIT"),
    ("SELECT id, unseen(id) AS n FROM t ORDER BY id", r"unseen\(\)"),
    ("SELECT id FROM t WHERE id <~> 3 > 0 ORDER BY id", r"odd\(\)"),
    ("SELECT id FROM t WHERE at <= now() ORDER BY id", r"now\(\)"),
    ("SELECT id FROM t WHERE at::date <= current_date ORDER BY id", "CURRENT_DATE"),
    ("SELECT id FROM t WHERE at < 'tomorrow' ORDER BY id", "tomorrow"),
    ("SELECT id FROM t TABLESAMPLE BERNOULLI (90) ORDER BY id", "TABLESAMPLE"),
    (
        "SELECT id FROM t JOIN (VALUES (0, now()), (1, now())) v(k, d) ON k = g ORDER BY id",
        r"now\(\)",
    ),
    (
        'SELECT id FROM t JOIN (VALUES (0, "now"/* */()), (1, NULL)) v(k, d) ON k = g ORDER BY id',
        r"now\(\)",
    ),
    (
        r'SELECT id FROM t JOIN (VALUES (0, U&"n\006fw"()), (1, NULL)) v(k, d) ON k = g',
        "now",
    ),
    (
        "SELECT id FROM t JOIN (VALUES (0, current_date), (1, NULL)) v(k, d) ON k = g",
        "CURRENT_DATE",
    ),
    ("SELECT id FROM t JOIN (VALUES (0, unseen(1)), (1, 2)) v(k, d) ON k = g", r"unseen\(\)"),
    ("SELECT id FROM t JOIN (VALUES (0, 1 <~> 2), (1, 2)) v(k, d) ON k = g", r"odd\(\)"),
    ("SELECT * FROM recent ORDER BY id", r"now\(\)"),
    ("SELECT * FROM dated ORDER BY id", "current_date"),
    ("SELECT * FROM counted ORDER BY id", r"now\(\)"),
    ("SELECT id FROM t JOIN since() s ON s.k = g ORDER BY id", r"since\(\)"),
    ("SELECT id, moment() AS m FROM t ORDER BY id", r"moment\(\)"),
    ("SELECT id, outer_moment() AS m FROM t ORDER BY id", r"moment\(\)"),
    ("SELECT id FROM t ORDER BY id LIMIT date_part('second', now())::int", r"now\(\)"),
    ("SELECT id FROM t ORDER BY id OFFSET date_part('second', now())::int", r"now\(\)"),
    ("SELECT id FROM parts WHERE at > now() ORDER BY id", r"now\(\)"),
    ("SELECT id, ('{now}'::timestamptz[])[1] AS a FROM t ORDER BY id", "now"),
    ("SELECT id, upper('[2020-01-01,tomorrow)'::tstzrange) AS a FROM t ORDER BY id", "tomorrow"),
    ("SELECT id, $$now$$::timestamptz AS a FROM t ORDER BY id", "now"),
    ("SELECT id, $q$ Today 08:00 Europe/Rome $q$::timestamptz AS a FROM t ORDER BY id", "today"),
    (r"SELECT id, U&'\006eow'::timestamptz AS a FROM t ORDER BY id", "now"),
    (r"SELECT id, E'n\x6fw'::timestamptz AS a FROM t ORDER BY id", "now"),
    ("SELECT id, 'yester'\n'day'::date AS a FROM t ORDER BY id", "yesterday"),
    ("SELECT id, U&'!006eow' UESCAPE '!'::text AS a, 'now' AS b FROM t ORDER BY id", "now"),
    (
        """SELECT id, CASE WHEN "o'k" < 9 THEN now() ELSE '2024-01-01' END AS a FROM odd_names""",
        r"now\(\)",
    ),
    ("SELECT id, age('3'::xid) AS a FROM t ORDER BY id", r"age\(\)"),
    ("SELECT id, age(at) AS a FROM t ORDER BY id", "CURRENT_DATE"),
    ("SELECT id, (ARRAY(SELECT u.id FROM u))[5] AS a FROM t ORDER BY id", "ARRAY"),
    ("SELECT id, (ARRAY/* all */(SELECT u.id FROM u))[5] AS a FROM t ORDER BY id", "ARRAY"),
    ("SELECT id, (SELECT last_value FROM numbers) AS a FROM t ORDER BY id", "sequence numbers"),
    (
        "WITH RECURSIVE r(n) AS (SELECT num FROM t UNION SELECT n FROM r WHERE false) TABLE r",
        "recursive UNION",
    ),
    ("SELECT n FROM joined_numbers ORDER BY n", "recursive UNION"),
    ("SELECT * FROM (SELECT id FROM finer ORDER BY r LIMIT 500) x ORDER BY id", "leaves ties"),
    ("SELECT g, sum(DISTINCT num) AS s FROM t GROUP BY g ORDER BY g", "sum"),
    (
        "SELECT id, (SELECT reltuples FROM pg_class WHERE relname = 'u') AS n FROM t ORDER BY id",
        "in place",
    ),
    ("SELECT relname, oid FROM pg_class ORDER BY oid", "in place"),
    ("SELECT g, string_agg(name, g::text ORDER BY name) AS a FROM t GROUP BY g", "string_agg"),
]

NEWER = [  # syntax of PostgreSQL 16
    ("SELECT g, JSON_ARRAYAGG(id) AS a FROM t GROUP BY g ORDER BY g", "JSON_ARRAYAGG"),
    ("SELECT g, JSON_OBJECTAGG(name : id) AS a FROM t GROUP BY g ORDER BY g", "JSON_OBJECTAGG"),
    ("SELECT id, JSON_ARRAY(SELECT u.id FROM u) AS a FROM t ORDER BY id", "JSON_ARRAYAGG"),
]


@pytest.fixture(scope="module")
def ground(postgres_server: Server) -> Iterator[Database]:
    with fresh_databases(postgres_server) as databases:
        databases.source.execute(TABLES)
        yield databases.source


def job(ground: Database, sql: str, **options: object) -> MapperJob:
    return MapperJob(source_conn=ground.url, source_sql=sql, chunk_size=100, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("sql", REPEATABLE)
def test_what_is_shown_to_give_the_same_rows_is_cut(ground: Database, sql: str) -> None:
    plan = ChunkManager().plan(job(ground, sql, key_column="id"))

    assert len(plan.chunks) > 1, plan
    assert not any("lost or doubled" in note for note in plan.warnings), plan


@pytest.mark.parametrize(("sql", "why"), DOUBTFUL)
def test_what_is_not_shown_is_read_once_and_the_plan_says_which_part_decided(
    ground: Database, sql: str, why: str
) -> None:
    plan = ChunkManager().plan(job(ground, sql))

    assert len(plan.chunks) == 1
    assert re.search(why, plan.config.reason), plan.config.reason


@pytest.mark.parametrize(("sql", "why"), NEWER)
def test_what_newer_servers_put_in_a_row_is_not_shown(ground: Database, sql: str, why: str) -> None:
    if int(ground.fetch("SHOW server_version_num")[0][0]) < 160000:
        pytest.skip("this server does not know them")
    test_what_is_not_shown_is_read_once_and_the_plan_says_which_part_decided(ground, sql, why)


PAIRS = """
CREATE TYPE pair AS (a int);
CREATE FUNCTION alike(pair, pair) RETURNS bool LANGUAGE plpgsql STABLE
AS 'BEGIN RETURN $1.a IS NOT DISTINCT FROM $2.a; END';
CREATE OPERATOR = (LEFTARG = pair, RIGHTARG = pair, FUNCTION = alike);
CREATE TABLE pairs (id int PRIMARY KEY, a pair, b pair);
INSERT INTO pairs SELECT i, ROW(i)::pair, ROW(1)::pair FROM generate_series(1, 900) i;
ANALYZE
"""


@pytest.mark.parametrize(
    "compared", ["a IS DISTINCT FROM b", "NULLIF(a, b)::text", "CASE a WHEN b THEN 1 ELSE 2 END"]
)
def test_comparing_by_somebodys_operator_is_not_shown_by_a_plan(
    postgres_server: Server, compared: str
) -> None:
    with fresh_databases(postgres_server) as databases:
        databases.source.execute(PAIRS)
        sql = f"SELECT id, {compared} AS n FROM pairs ORDER BY id"
        plan = ChunkManager().plan(job(databases.source, sql))
        apart = ChunkManager().plan(job(databases.source, "SELECT id, a FROM pairs ORDER BY id"))

    assert "alike()" in plan.config.reason
    assert len(apart.chunks) > 1, apart


@pytest.mark.parametrize("volatility", ["STABLE", "VOLATILE"])
@pytest.mark.parametrize("context", ["", "AS IMPLICIT"])
def test_casts_by_somebodys_function_are_not_shown_by_a_plan(
    postgres_server: Server, volatility: str, context: str
) -> None:
    with fresh_databases(postgres_server) as databases:
        made = databases.source
        made.execute(
            "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 900) i;"
            "ALTER TABLE t ADD PRIMARY KEY (id); CREATE TYPE stamp AS (at timestamptz, id int);"
            f"CREATE FUNCTION to_stamp(int) RETURNS stamp LANGUAGE plpgsql {volatility}"
            " AS 'BEGIN RETURN ROW(now(), $1)::stamp; END'; ANALYZE"
        )
        sql = "SELECT id FROM t ORDER BY id"
        assert len(ChunkManager().plan(job(made, sql)).chunks) > 1
        made.execute(f"CREATE CAST (int AS stamp) WITH FUNCTION to_stamp(int) {context}")
        plan = ChunkManager().plan(job(made, "SELECT id, (id::stamp).id AS n FROM t ORDER BY id"))

    assert "casts from integer to stamp" in plan.config.reason
    assert "to_stamp()" in plan.config.reason


def test_a_whole_row_keeps_its_table(ground: Database) -> None:
    """A subselect in the table's place, as ranges of row addresses need it, has rows of no type."""
    for whole in (
        "SELECT g, pg_typeof(t)::text AS n FROM t",
        "SELECT g, pg_typeof(x.*)::text AS n FROM t AS x",
        "SELECT g, told(t) AS n FROM t",
        "SELECT g, (t).name AS n FROM t",
        "SELECT g FROM t WHERE t IS NOT NULL",
    ):
        plan = ChunkManager().plan(job(ground, whole))
        assert plan.config.strategy is not ChunkingStrategy.ROWID_BASED, whole
    for plain in ("SELECT g, num FROM t", "SELECT x.* FROM t AS x", "SELECT t.g, t.num FROM t"):
        asked = job(ground, plain, strategy=ChunkingStrategy.ROWID_BASED)
        assert len(ChunkManager().plan(asked).chunks) > 1, plain


def test_a_key_that_is_named_all_the_same_is_warned_of_in_the_first_line(ground: Database) -> None:
    sql = "SELECT * FROM (SELECT id FROM t ORDER BY g LIMIT 500) x"
    plan = ChunkManager().plan(job(ground, sql, key_column="id"))

    assert len(plan.chunks) > 1
    first = str(plan).splitlines()
    assert any("lost or doubled" in line for line in first[:2]), first[:3]


def test_a_plan_is_the_same_in_every_process(ground: Database) -> None:
    """Whatever order a set has there, and however deep its stack is."""
    script = (
        "import sys\n"
        "from mapper_dask import ChunkManager, MapperJob\n"
        "def deeper(n, f): return deeper(n - 1, f) if n else f()\n"
        "job = MapperJob(source_conn=sys.argv[1], source_sql=sys.argv[2], chunk_size=100)\n"
        "print(deeper(int(sys.argv[3]), lambda: ChunkManager().plan(job)))\n"
    )
    nested = "replace(" * 30 + "name" + ", 'a', 'b')" * 30
    sql = f"SELECT id, random() AS r, gen_random_uuid() AS v, unseen(id) AS n, {nested} AS c FROM t"
    told = {
        subprocess.run(
            [sys.executable, "-c", script, ground.url, sql, depth],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed, depth in (("1", "0"), ("2", "300"), ("3", "600"))
    }  # fmt: skip

    assert len(told) == 1, told
