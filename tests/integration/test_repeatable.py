"""What PostgreSQL's plan shows of a query: that each statement sees the same rows, or why not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mapper_dask import ChunkManager, MapperJob
from tests.database import Database, Server, fresh_databases

TABLES = """
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
