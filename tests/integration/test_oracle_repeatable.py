"""What Oracle's dictionary shows of a query: that each statement sees the same rows, or why not.

Functions are written in the language of the database behind the stand-in, where a package is a
schema of a lower-case name; the dictionary tells of them as Oracle's does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import mapper_dask
from mapper_dask import ChunkManager, MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.oracle import proof, reached
from mapper_dask.plan.strategy import LOST_OR_DOUBLED
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Database
from tests.oracle import standin_on

ROWS = 900
KINDS = {
    "id": "key NOT NULL", "g": "key", "name": "text", "any_number": "number", "amount": "money",
    "f": "float", "doc": "long",
}  # fmt: skip

FUNCTIONS = """
CREATE FUNCTION "SOURCE".promised(n numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN n; END';
CREATE FUNCTION "SOURCE".unsure(n numeric) RETURNS numeric LANGUAGE plpgsql VOLATILE
    AS 'BEGIN RETURN n; END';
CREATE SCHEMA shop;
COMMENT ON SCHEMA shop IS 'package of SOURCE';
CREATE FUNCTION shop.promised(n numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN n; END';
CREATE FUNCTION shop.unsure(n numeric) RETURNS numeric LANGUAGE plpgsql VOLATILE
    AS 'BEGIN RETURN n; END';
CREATE FUNCTION shop.twofold(n numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN n; END';
CREATE FUNCTION shop.twofold(n numeric, m numeric) RETURNS numeric LANGUAGE plpgsql VOLATILE
    AS 'BEGIN RETURN n; END';
CREATE SCHEMA depot;
COMMENT ON SCHEMA depot IS 'package of TARGET';
CREATE FUNCTION depot.promised(n numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN n; END'
"""

VIEWS = {
    "passed": "SELECT id, g, name FROM {t}",
    "joined": "SELECT a.id, b.id AS other FROM {t} a JOIN {t} b ON b.id = a.g",
    "closed": "SELECT id, name FROM {t} WITH READ ONLY",
    "passed_again": "SELECT p.id, p.name FROM passed p WHERE p.g > 3",
    "mine": "SELECT id, promised(g) AS p, shop.promised(g) AS q FROM {t}",
    "ranked": "SELECT id, RANK() OVER (PARTITION BY g ORDER BY name) AS n FROM {t}",
    "summed": "SELECT g AS id, SUM(amount * 2) AS s, COUNT(*) AS n FROM {t} GROUP BY g",
    "limited": "SELECT id, name FROM (SELECT id, name FROM {t} ORDER BY g) WHERE ROWNUM <= 500",
    "fetched": "SELECT id, name FROM {t} ORDER BY g FETCH FIRST 500 ROWS ONLY",
    "newest": (
        "SELECT id, name FROM (SELECT id, name, row_number() OVER (PARTITION BY g ORDER BY amount)"
        " AS place FROM {t}) WHERE place = 1"
    ),
    "shuffled": "SELECT TRUNC(dbms_random.value(0, 900)) AS id, id AS own FROM {t}",
    "drawn": "SELECT id FROM {t} WHERE dbms_random.value < 0.5",
    "sampled": "SELECT id FROM {t} SAMPLE (50)",
    "recent": "SELECT id FROM {t} WHERE SYSDATE > DATE '2020-01-01'",
    "just_now": "SELECT id, SYSTIMESTAMP AS moment FROM {t}",
    "gathered": (
        "SELECT g AS id, LISTAGG(name, ',') WITHIN GROUP (ORDER BY g) AS x FROM {t} GROUP BY g"
    ),
    "floated": "SELECT g AS id, SUM(f) AS s FROM {t} GROUP BY g",
    "yours": "SELECT id, unsure(g) AS p FROM {t}",
    "theirs": "SELECT id, shop.unsure(g) AS p FROM {t}",
    "limited_again": "SELECT l.id FROM limited l JOIN passed p ON p.id = l.id",
    "and_again": "SELECT id FROM limited_again",
    "named_otherwise": "SELECT id FROM s_limited",
    "through_name": "SELECT id FROM s_t",
    "present": "SELECT table_name AS id FROM user_tables",
    "hidden": "SELECT id FROM {t}",
    "modelled": "SELECT id FROM {t}",
    "guarded": "SELECT id FROM {u}",
}  # fmt: skip

SYNONYMS = {
    "s_t": "{t}", "s_passed": "passed_again", "s_limited": "limited", "s_shop": "shop",
    "s_of_s": "s_limited", "s_unsure": "unsure",
}  # fmt: skip

SHOWN = [
    "SELECT id, name FROM {t} ORDER BY id",
    "SELECT * FROM passed",
    "SELECT * FROM passed_again WHERE name LIKE 'x1%'",
    "SELECT * FROM SOURCE.passed",
    "SELECT * FROM joined",
    "SELECT * FROM closed",
    "SELECT * FROM mine",
    "SELECT * FROM ranked",
    "SELECT * FROM summed",
    "SELECT a.id, s.s FROM SOURCE.{t} a JOIN summed s ON s.id = a.id",
    "SELECT * FROM s_t",
    "SELECT * FROM s_passed",
    "SELECT * FROM p_passed",
    "SELECT * FROM through_name",
    "SELECT * FROM kept",
    "SELECT a.id, b.name FROM {t} a LEFT JOIN passed b ON b.id = a.id",
    "SELECT id FROM {t} WHERE EXISTS (SELECT 1 FROM passed p WHERE p.id = {t}.id)",
    "SELECT id, (SELECT MAX(p.id) FROM passed p WHERE p.g = {t}.g) AS m FROM {t}",
    "WITH limited AS (SELECT id FROM {t}) SELECT id FROM limited",
    "WITH a (id) AS (SELECT id FROM {t}), b AS (SELECT id FROM a) SELECT id FROM b",
    "SELECT id FROM passed UNION SELECT id FROM {t}",
    "SELECT id, promised(g) AS p FROM {t}",
    "SELECT id, SOURCE.promised(g) AS p FROM {t}",
    "SELECT id, shop.promised(g) AS p FROM {t}",
    "SELECT id, s_shop.promised(g) AS p FROM {t}",
    "SELECT id, dbms_lob.getlength(doc) AS l FROM {t}",
    "SELECT id, NVL(UPPER(name), TO_CHAR(g)) AS n, CASE WHEN g IN (1, 2) THEN 1 END AS c FROM {t}",
    "SELECT id, SYS_CONTEXT('USERENV', 'DB_NAME') AS d FROM {t}",
    "SELECT id, SUM(amount) AS s, AVG(g) AS a FROM {t} GROUP BY id",
    "SELECT id, SUM(CAST(any_number AS NUMBER(20, 4))) AS s FROM {t} GROUP BY id",
    "SELECT id, SUM(x) AS s FROM (SELECT id, amount + g AS x FROM {t}) GROUP BY id",
]  # fmt: skip

DOUBTED = [
    ("SELECT * FROM limited", r"in the view source\.limited: a LIMIT or ROWNUM in it"),
    ("SELECT * FROM fetched", r"in the view source\.fetched: a LIMIT or ROWNUM in it"),
    ("SELECT * FROM newest", r"the window of row_number\(\) may go by an order that leaves ties"),
    ("SELECT * FROM shuffled", r"source\.shuffled: dbms_random\.value\(\) is not declared DETERM"),
    ("SELECT * FROM drawn", r"dbms_random\.value\(\) is not declared DETERMINISTIC"),
    ("SELECT * FROM sampled", "its SAMPLE draws other rows"),
    ("SELECT * FROM recent", "it asks for the time"),
    ("SELECT * FROM just_now", "it asks for the time"),
    ("SELECT id, SYSTIMESTAMP AS moment FROM {t}", "it asks for the time"),
    ("SELECT id, CURRENT_TIMESTAMP AS moment FROM {t}", "it asks for the time"),
    ("SELECT * FROM gathered", "puts values of several rows in a row"),
    ("SELECT * FROM floated", r"SUM\(f\) in it is not shown to be the same in any order"),
    ("SELECT * FROM limited_again", r"in the view source\.limited: a LIMIT"),
    ("SELECT * FROM and_again", r"in the view source\.limited: a LIMIT"),
    ("SELECT * FROM named_otherwise", r"in the view source\.limited: a LIMIT"),
    ("SELECT * FROM s_limited", r"in the view source\.limited: a LIMIT"),
    ("SELECT * FROM s_of_s", r"in the view source\.limited: a LIMIT"),
    ("SELECT * FROM SOURCE.limited", r"in the view source\.limited: a LIMIT"),
    ("SELECT * FROM p_limited", r"in the view source\.limited: a LIMIT"),
    ("SELECT * FROM yours", r"in the view source\.yours: unsure\(\) is not declared DETERM"),
    ("SELECT * FROM theirs", r"in the view source\.theirs: shop\.unsure\(\) is not declared"),
    ("SELECT a.id FROM {t} a, limited b WHERE a.id = b.id", r"source\.limited: a LIMIT"),
    ("SELECT id FROM {t} WHERE id IN (SELECT id FROM drawn)", "dbms_random"),
    ("SELECT id, (SELECT MAX(l.id) FROM limited l) AS m FROM {t}", r"source\.limited: a LIMIT"),
    ("SELECT id FROM passed UNION ALL SELECT id FROM newest", r"row_number\(\)"),
    ("WITH x AS (SELECT id FROM limited) SELECT id FROM x", r"source\.limited: a LIMIT"),
    (
        "WITH b AS (SELECT id FROM limited), limited AS (SELECT id FROM {t}) SELECT id FROM b",
        r"source\.limited: a LIMIT",
    ),
    ("SELECT id, unsure(g) AS p FROM {t}", r"unsure\(\)"),
    ("SELECT id, SOURCE.unsure(g) AS p FROM {t}", r"source\.unsure\(\)|unsure\(\)"),
    ("SELECT id, s_unsure(g) AS p FROM {t}", r"s_unsure\(\) is not declared DETERMINISTIC"),
    ("SELECT id, shop.unsure(g) AS p FROM {t}", r"shop\.unsure\(\)"),
    ("SELECT id, s_shop.unsure(g) AS p FROM {t}", r"shop\.unsure\(\)"),
    ("SELECT id, shop.twofold(g) AS p FROM {t}", r"shop\.twofold\(\)"),
    ("SELECT id, depot.promised(g) AS p FROM {t}", r"nothing is known of depot\.promised\(\)"),
    ("SELECT id, reverse(name) AS r FROM {t}", r"nothing is known of reverse\(\)"),
    ("SELECT id, SYS_CONTEXT('USERENV', 'SID') AS s FROM {t}", r"known of sys_context\(\)"),
    ("SELECT id, SUM(any_number) AS s FROM {t} GROUP BY id", r"SUM\(any_number\) in it"),
    ("SELECT id, AVG(f) AS s FROM {t} GROUP BY id", r"AVG\(f\) in it"),
    ("SELECT id, SUM(x) AS s FROM (SELECT id, g / 3 AS x FROM {t}) GROUP BY id", r"SUM\(x\) in it"),
    ("SELECT * FROM {u}", r"policies choose the rows of \S+ again in each statement: MINE"),
    ("SELECT * FROM guarded", r"policies choose the rows of source\.\S+ again"),
    ("SELECT * FROM far_away", "far_away is behind a database link"),
    ("SELECT * FROM unknown", "the dictionary does not show to this login what unknown is"),
    ("SELECT * FROM passing", "passing is a temporary table"),
    ("SELECT * FROM outside", "outside is an external table"),
    ("SELECT * FROM hidden", r"source\.hidden: its text is not shown to this login"),
    ("SELECT * FROM modelled", r"source\.modelled: its text is not understood"),
    ("SELECT * FROM present", "shows the server's present state"),
    ("SELECT table_name AS id FROM user_tables", "shows the server's present state"),
]  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """A schema with views, functions and synonyms, and the database behind it."""

    side: Side
    behind: Database
    t: str
    u: str

    def named(self, sql: str) -> str:
        return sql.format(t=self.t, u=self.u)

    def job(self, sql: str, **options: Any) -> MapperJob:
        usual = {"source_conn": self.side.url, "source_sql": self.named(sql), "chunk_size": 50}
        return MapperJob(**{**usual, **options})

    def make(self) -> None:
        """Make what the queries name, in the order in which one names another."""
        self.behind.execute(FUNCTIONS)
        made = dict(VIEWS)
        for name in ("limited", "passed", "passed_again"):
            self.side.execute(f"CREATE VIEW {name} AS {self.named(made.pop(name))}")
        for name, target in SYNONYMS.items():
            self.side.execute(f"CREATE SYNONYM {name} FOR {self.named(target)}")
        for name in ("passed", "limited"):
            self.side.execute(f"CREATE PUBLIC SYNONYM p_{name} FOR {name}")
        for name, query in made.items():
            self.side.execute(f"CREATE VIEW {name} AS {self.named(query)}")
        for name in ("passing", "outside"):
            self.side.execute(f"CREATE TABLE {name} (id NUMBER(10))")
        self.side.execute("CREATE SYNONYM far_away FOR elsewhere@head_office")
        self.side.execute(self.named("CREATE MATERIALIZED VIEW kept AS SELECT id, name FROM {t}"))
        self._pretend()

    def _pretend(self) -> None:
        """Let the dictionary tell of things that the stand-in has no way to make."""
        model = "SELECT id FROM t MODEL DIMENSION BY (id) MEASURES (g) RULES (g[1] = 2)"
        for view, body in (("HIDDEN", ""), ("MODELLED", model)):
            oid = f'\'"SOURCE"."{view}"\'::regclass'
            self.behind.execute(f"UPDATE ora.view_texts SET body = '{body}' WHERE view = {oid}")
        self.behind.execute(
            "INSERT INTO ora.taken_for VALUES ('SOURCE', 'PASSING', 'temporary'), "
            "('SOURCE', 'OUTSIDE', 'external')"
        )
        for name in ("FAR_AWAY", "UNKNOWN"):  # found by a query, not by the dictionary
            self.behind.execute(f'CREATE TABLE public."{name}" ("ID" numeric(10))')
        table = f'"SOURCE"."{self.u.upper()}"'
        self.behind.execute(f'CREATE POLICY "MINE" ON {table} FOR SELECT USING (true)')
        self.behind.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


@pytest.fixture(scope="module")
def ground(postgres_server: Any) -> Iterator[Ground]:
    with standin_on(postgres_server) as running:
        side = sides.oracle(running.url("source"))
        behind = Database(running.postgres.replace("postgresql://", "postgresql+psycopg2://"))
        t = side.table(KINDS, "PRIMARY KEY (id)")
        u = side.table({"id": "key NOT NULL"}, "PRIMARY KEY (id)")
        rows = [(n, n % 7, f"x{n}", n, n, n / 10, f"d{n}") for n in range(ROWS)]
        side.insert(t, KINDS, rows)
        side.insert(u, {"id": "key"}, [(n,) for n in range(ROWS)])
        made = Ground(side, behind, t, u)
        made.make()
        yield made
        dispose_engines()


@pytest.mark.parametrize("sql", SHOWN)
def test_what_is_shown_to_give_the_same_rows_is_cut(ground: Ground, sql: str) -> None:
    plan = ChunkManager().plan(ground.job(sql, key_column="id", chunk_size=2))

    assert len(plan.chunks) > 1, plan
    assert not any(LOST_OR_DOUBLED in note for note in plan.warnings), plan


@pytest.mark.parametrize(("sql", "why"), DOUBTED)
def test_what_is_not_shown_is_read_once_and_the_plan_says_which_part_decided(
    ground: Ground, sql: str, why: str
) -> None:
    plan = ChunkManager().plan(ground.job(sql))

    assert len(plan.chunks) == 1
    assert re.search(why, plan.config.reason), plan.config.reason


def test_a_key_that_is_named_all_the_same_is_warned_of_in_the_first_line(ground: Ground) -> None:
    plan = ChunkManager().plan(ground.job("SELECT * FROM limited_again", key_column="id"))

    assert len(plan.chunks) > 1
    assert any(LOST_OR_DOUBLED in line for line in str(plan).splitlines()[:2]), plan


def test_a_frame_by_a_key_that_is_named_is_warned_of(ground: Ground) -> None:
    with pytest.warns(UserWarning, match=r"in the view source\.limited: .*lost or doubled"):
        mapper_dask.read_sql_query(
            "SELECT id, name FROM s_limited", ground.side.url, "id", chunk_size=50
        )


def test_every_row_of_a_view_that_answers_otherwise_each_time_arrives_once(ground: Ground) -> None:
    """Each statement gives the rows other keys: cut by them, some come twice, others never."""
    here = ground.side.table({"id": "key", "own": "key"})
    job = ground.job(
        "SELECT id, own FROM shuffled ORDER BY id", target_conn=ground.side.url, target_table=here
    )

    result = ParallelProcessor(enable_parallel=False, progress=False).run(job).raise_for_status()

    assert result.total_rows_successful == ROWS
    assert result.chunks_total > 1, "rows wait, and are cut where they wait"
    assert ground.side.rows(here, ["own"]) == Counter((n,) for n in range(ROWS))
    once = ground.side.query(f"SELECT COUNT(*) FROM mapper_dask_chunk WHERE rows_read > {ROWS}")
    assert once == [(0,)]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The looks at the dictionary that the proof takes."""
    taken: list[str] = []
    run = reached._run

    def counted(conn: Any, name: str, lists: Any) -> list[tuple[Any, ...]]:
        taken.append(name)
        return run(conn, name, lists)

    monkeypatch.setattr(reached, "_run", counted)
    return taken


@pytest.mark.parametrize(
    ("sql", "most"),
    [
        ("SELECT id, UPPER(name) AS n FROM {t}", ["reached"]),
        ("SELECT a.id, promised(b.g) AS p FROM {t} a, s_t b WHERE a.id = b.id", ["reached"] * 2),
        ("SELECT * FROM passed", ["reached", "view_texts"] * 1 + ["reached"]),
        ("SELECT * FROM passed_again", ["reached", "view_texts"] * 2 + ["reached"]),
    ],
)
def test_a_plan_looks_once_a_level_and_chunks_never(
    ground: Ground, looks: list[str], sql: str, most: list[str]
) -> None:
    here = ground.side.table({"id": "key"})
    job = ground.job(
        f"SELECT id FROM ({sql})", key_column="id", target_conn=ground.side.url, target_table=here
    )

    result = ParallelProcessor(enable_parallel=False, progress=False).run(job).raise_for_status()

    assert len(result.chunk_results) > 1
    assert looks == most


def test_views_that_lie_behind_one_another_without_end_are_given_up(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "MOST_LEVELS", 2)
    plan = ChunkManager().plan(ground.job("SELECT * FROM and_again"))

    assert "views behind more than 2 others" in plan.config.reason


def test_a_function_is_found_without_its_brackets(ground: Ground) -> None:
    """Oracle calls one without arguments so; the database behind the stand-in does not."""
    with ground.side.cursor() as cursor:
        assert "unsure()" in proof.doubt(cursor.connection, ground.named("SELECT unsure FROM {t}"))
        assert not proof.doubt(cursor.connection, ground.named("SELECT promised FROM {t}"))
        assert "shop.unsure()" in proof.doubt(
            cursor.connection, ground.named("SELECT shop.unsure FROM {t}")
        )


def test_a_session_that_compares_by_a_language_picks_one_of_several_texts(ground: Ground) -> None:
    ground.side.execute("CREATE TABLE logon_settings (name VARCHAR2(30), value VARCHAR2(30))")
    kinds = {"name": "text", "value": "text"}
    settings = [("NLS_SORT", "BINARY_CI"), ("NLS_COMP", "LINGUISTIC")]
    ground.side.insert("logon_settings", kinds, settings)
    sql = "SELECT name AS id, COUNT(*) AS n FROM {t} GROUP BY name"
    dispose_engines()
    try:
        plan = ChunkManager().plan(ground.job(sql))
    finally:
        ground.side.execute("DROP TABLE logon_settings PURGE")
        dispose_engines()

    assert "GROUP in it takes one of several texts" in plan.config.reason
    assert "GROUP in it" not in ChunkManager().plan(ground.job(sql)).config.reason
