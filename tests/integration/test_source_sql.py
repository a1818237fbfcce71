"""A source session does what the user's query says and nothing else; the plan says what that is."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
import sqlalchemy as sa

from mapper_dask import (
    ChunkManager,
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessor,
    read_sql_query,
)
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.postgresql import copying, libpq, statement
from mapper_dask.dialects.postgresql.dialect import PostgreSQL
from mapper_dask.errors import DatabaseError, PlanError
from mapper_dask.parallel_models import ChunkKind
from tests.builders import job_of
from tests.database import Database, Databases
from tests.sessions import source_of

SPOKEN = ["libpq", "not compiled", "psycopg2 alone"]
"""How the driver's library is reached."""


@pytest.fixture(params=SPOKEN)
def spoken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "libpq":
        monkeypatch.setattr(copying, "compiled", None)
    if request.param == "psycopg2 alone":
        monkeypatch.setattr(libpq, "library", lambda: None)
    return str(request.param)


@pytest.fixture
def shop(databases: Databases) -> Iterator[Databases]:
    for database in databases:
        database.execute("CREATE TABLE shop (id int PRIMARY KEY, v text, at timestamp NOT NULL)")
    databases.source.execute(
        "INSERT INTO shop SELECT g, 'v' || g, timestamp '2024-01-01' + g * interval '1 s'"
        " FROM generate_series(1, 1000) g"
    )
    yield databases
    dispose_engines()


@pytest.fixture
def session(shop: Databases) -> Iterator[Any]:
    conn = psycopg2.connect(shop.source.url.replace("+psycopg2", ""))
    source_of(conn).begin_read(None)
    yield conn
    conn.close()


def plan_of(database: Database, sql: str, **options: Any) -> Any:
    options = {"chunk_size": 100, **options}
    return ChunkManager().plan(MapperJob(source_conn=database.url, source_sql=sql, **options))


def move(shop: Databases, sql: str, **options: Any) -> Any:
    return ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        source_conn=shop.source.url,
        source_sql=sql,
        target_conn=shop.target.url,
        target_table=options.pop("target_table", "shop"),
        **{"chunk_size": 300, **options},
    )


# -- one statement ---------------------------------------------------------------------------------


class Recording(psycopg2.extensions.cursor):
    """A cursor that writes down what it sends by itself: in the simple protocol."""

    sent: list[str] = []  # noqa: RUF012 - shared by all of them

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        self.sent.append(query.decode() if isinstance(query, bytes) else str(query))
        super().execute(query, vars)

    def copy_expert(self, sql: Any, *args: Any, **kwargs: Any) -> None:
        self.sent.append(sql.decode() if isinstance(sql, bytes) else str(sql))
        super().copy_expert(sql, *args, **kwargs)


def test_the_driver_itself_sends_nothing_of_the_users_text(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever way it is used: all of it goes by the protocol that takes one statement."""
    mine = f"mine_{uuid.uuid4().hex}"
    sql = f"SELECT id, v, at FROM shop /* {mine} */ ORDER BY id"
    known = PostgreSQL().connect_args()
    recorded = replace(known, given={**known.given, "cursor_factory": Recording})
    monkeypatch.setattr(PostgreSQL, "connect_args", lambda _: recorded)
    dispose_engines()
    Recording.sent.clear()

    plan_of(shop.source, sql, strategy="OFFSET_LIMIT")
    ChunkManager().estimate_total_rows(shop.source.url, sql)
    assert len(read_sql_query(sql, shop.source.url, npartitions=3).compute()) == 1000
    result = move(shop, sql).raise_for_status()
    same = lambda frame: frame  # noqa: E731
    move(
        shop, sql, transformation_logic=same, write_disposition="replace", key_column="id"
    ).raise_for_status()
    ParallelProcessor(enable_parallel=False).reconcile(
        result.run_id, target_conn=shop.target.url, source_conn=shop.source.url, checksum=True
    )
    merged = {"primary_key": "id", "write_disposition": "merge"}
    job = job_of(shop, source_sql=sql, target_table="shop", **merged)
    flow = Flow(name="f", jobs=(FlowJob(name="a", job=job, incremental=Incremental(column="at")),))
    ExecutionEngine(1, progress=False).run(flow).raise_for_status()

    assert len(Recording.sent) > 100
    assert not [sql for sql in Recording.sent if mine in sql]


ATTACK = (
    "SELECT E'a'\n'\\'' AS a FROM shop) AS q LIMIT 0; COMMIT; CREATE TABLE planted (i int); "
    "DROP TABLE shop; COMMIT; SELECT * FROM (SELECT 1 AS a --'"
)


def test_planning_creates_no_table_and_drops_none(shop: Databases, spoken: str) -> None:
    with pytest.raises((PlanError, DatabaseError)) as caught:
        plan_of(shop.source, ATTACK)

    assert shop.source.fetch("SELECT to_regclass('planted')") == [(None,)]
    assert shop.source.fetch("SELECT count(*) FROM shop") == [(1000,)], spoken
    assert "42601" in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM shop) AS r, (SELECT 2 AS b",
        "SELECT id FROM shop) AS r CROSS JOIN (SELECT 2 AS b",
        "SELECT id FROM shop) UNION ALL SELECT id FROM (SELECT 2 AS id",
        "shop CROSS JOIN (SELECT 1 AS one) AS o",
    ],
)
def test_a_text_is_a_query_by_itself(shop: Databases, spoken: str, sql: str) -> None:
    """In brackets of ours each of these is one, or would become one."""
    with pytest.raises((PlanError, DatabaseError), match=r"syntax|one query") as caught:
        plan_of(shop.source, sql)
    assert caught.value.__class__ in (PlanError, DatabaseError), spoken


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1 AS id; SELECT 2 AS id", "must hold one query, found 2 statements"),
        ("SELECT 1 AS id; -- and\nDROP TABLE shop", "must hold one query, found 2 statements"),
        ("DELETE FROM shop RETURNING *", "must be a query, found DELETE"),
        ("SELECT $1 AS id", r"there is no parameter \$1.*42P02"),
        (
            "SELECT id FROM nothing",
            r'line 1, column 16: relation "nothing" does not exist; .* \[42P01\]',
        ),
        (
            "  SELECT id, FROM shop",
            r"line 1, column 14: syntax error at or near \"FROM\"; take out the comma",
        ),
    ],
)
def test_what_is_refused_is_told_as_it_always_was(
    shop: Databases, spoken: str, sql: str, told: str
) -> None:
    with pytest.raises((PlanError, DatabaseError), match=told) as caught:
        plan_of(shop.source, sql)
    assert not caught.value.transient, spoken


@pytest.mark.parametrize("standard", ["on", "off"])
@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT E'a'\n';b' AS v", "a;b"),
        ("SELECT U&'d!0061t;!0061' UESCAPE '!' AS v", "dat;a"),
        ("SELECT /* ; /* ; */ ; */ 'x' AS v -- ;\r", "x"),
        ("SELECT a$b$ AS v FROM (SELECT ';' AS a$b$) AS x$b$", ";"),
        ("SELECT $é$;'$é$ AS v", ";'"),
        ("SELECT 'x' AS v; -- it's done", "x"),
    ],
)
def test_what_is_one_statement_to_the_database_is_not_refused(
    shop: Databases, spoken: str, sql: str, value: str, standard: str
) -> None:
    if standard == "off" and sql.startswith("SELECT U&"):
        pytest.skip("the server refuses these there")
    shop.target.execute("CREATE TABLE texts (v text)")
    url = sa.make_url(shop.source.url).update_query_dict(
        {"options": f"-cstandard_conforming_strings={standard}"}
    )
    source = Database(url.render_as_string(hide_password=False))

    move(Databases(source, shop.target), sql, target_table="texts").raise_for_status()

    assert shop.target.fetch("TABLE texts") == [(value,)], spoken
    assert plan_of(source, sql).query.columns[0].name == "v"


def test_backslashes_mean_what_the_session_says(shop: Databases, spoken: str) -> None:
    """Read by the parser, the first is a query over u, cut at a table that stands in a string."""
    sql = r"SELECT 'a\' AS v FROM shop --' AS v FROM (SELECT 1) AS u"
    shop.target.execute("CREATE TABLE texts (v text)")
    off = sa.make_url(shop.source.url).update_query_dict(
        {"options": "-cstandard_conforming_strings=off"}
    )
    for url, rows in ((shop.source.url, 1000), (off.render_as_string(hide_password=False), 1)):
        shop.target.execute("TRUNCATE texts")
        move(Databases(Database(url), shop.target), sql, target_table="texts").raise_for_status()
        assert shop.target.fetch("SELECT count(*) FROM texts") == [(rows,)], spoken


# -- one transaction -------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["COMMIT", "COMMIT; BEGIN", "COMMIT; BEGIN READ ONLY"])
def test_nothing_is_sent_to_a_session_that_left_its_transaction(session: Any, leave: str) -> None:
    """Whatever a query might find to do so: seen before its types are believed."""
    with session.cursor() as cursor:
        cursor.execute(leave)

    with pytest.raises(DatabaseError, match="has left the read-only transaction"):
        source_of(session).describe_query("SELECT 1 AS a")
    with pytest.raises(DatabaseError, match="has left the read-only transaction"):
        statement.prove_by_asking(session)


def test_a_query_that_makes_its_transaction_write_is_noticed(session: Any) -> None:
    with pytest.raises(DatabaseError, match="has left the read-only transaction"):
        statement.prove(session, statement._marks[session], "off")


def test_a_query_cannot_make_its_transaction_write(shop: Databases) -> None:
    sql = "SELECT set_config('transaction_read_only', 'off', false) AS v"
    with pytest.warns(UserWarning, match=r"source_sql calls set_config\(\), which may change"):
        frame = read_sql_query(sql, shop.source.url)
    with pytest.raises(DatabaseError, match="read-write mode"):
        frame.compute()


# -- side effects ----------------------------------------------------------------------------------


def notes(database: Database, sql: str) -> str:
    return "\n".join(plan_of(database, sql).warnings)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("nextval('numbers')", "nextval"),
        ("setval('numbers', 5)", "setval"),
        ("lo_import('/etc/hostname')", "lo_import"),
        ("lo_export(5, '/tmp/x')", "lo_export"),
        ("pg_terminate_backend(0)", "pg_terminate_backend"),
        ("pg_advisory_lock(5)::text", "pg_advisory_lock"),
        ("pg_notify('a', 'b')::text", "pg_notify"),
        ("set_config('a.b', 'c', false)", "set_config"),
        ("pg_read_file('/etc/hostname')", "pg_read_file"),
        ("query_to_xml('SELECT 1', false, false, '')::text", "query_to_xml"),
        ("writes(5)", "writes"),
        ('"Writes too"(5)', "Writes too"),
        ('U&"wr\\0069tes"(5)', "writes"),
        ("@@ 5", "writes"),
        ("owners(5)", "owners"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True], ids=["said", "in a view"])
def test_a_plan_names_what_has_side_effects(
    shop: Databases, call: str, name: str, *, hidden: bool
) -> None:
    source = shop.source
    source.execute("CREATE SEQUENCE numbers")
    body = "(i int) RETURNS int LANGUAGE plpgsql"
    source.execute(f"CREATE FUNCTION writes{body} VOLATILE AS 'BEGIN RETURN i; END'")
    source.execute(f"CREATE FUNCTION \"Writes too\"{body} VOLATILE AS 'BEGIN RETURN i; END'")
    source.execute(f"CREATE FUNCTION owners{body} STABLE SECURITY DEFINER AS 'BEGIN RETURN i; END'")
    source.execute("CREATE OPERATOR @@ (RIGHTARG = int, FUNCTION = writes)")
    sql = f"SELECT id, {call} AS f FROM shop"
    if hidden:
        source.execute(f"CREATE VIEW inner_view AS {sql}")
        source.execute("CREATE VIEW outer_view AS SELECT * FROM inner_view WHERE id > 5")
        sql = "SELECT id FROM outer_view"
    elif call.startswith("@@"):
        return  # told of where a view holds it: the catalogue knows those only

    told = notes(source, sql)

    assert f"source_sql calls {name}()" in told
    if not call.startswith(("U&", "@@")):
        assert ("behind another name" in told) is hidden
    assert source.fetch("SELECT last_value, is_called FROM numbers") == [(1, False)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, random() AS r, clock_timestamp() AS c, gen_random_uuid() AS u FROM shop",
        "SELECT id, upper(v) AS v, count(*) OVER () AS n FROM shop",
        "SELECT 'nextval(5)' AS v",
        "SELECT pid FROM pg_locks",
    ],
)
def test_a_plan_says_nothing_of_what_only_answers(shop: Databases, sql: str) -> None:
    assert "source_sql calls" not in notes(shop.source, sql)


def test_what_a_view_answers_anew_each_time_is_read_once(shop: Databases) -> None:
    shop.source.execute("CREATE VIEW drawn AS SELECT id FROM shop WHERE random() < 0.5")

    plan = plan_of(shop.source, "SELECT id FROM drawn ORDER BY id")

    assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE]
    assert "random()" in plan.config.reason


# -- keys ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def own_type(database: Database, *, backwards: bool) -> Iterator[None]:
    """Lend a type in a schema off the path, ordered by operators of other names, as hstore's is."""
    database.execute("CREATE SCHEMA ext")
    database.execute("CREATE TYPE ext.num")
    for name, source, takes, gives in (
        ("num_in", "int4in", "cstring", "ext.num"),
        ("num_out", "int4out", "ext.num", "cstring"),
    ):
        database.execute(
            f"CREATE FUNCTION ext.{name}({takes}) RETURNS {gives} AS '{source}' LANGUAGE internal"
            " IMMUTABLE STRICT"
        )
    database.execute(
        "CREATE TYPE ext.num (INPUT = ext.num_in, OUTPUT = ext.num_out, LIKE = integer)"
    )
    signs = dict(
        zip(("lt", "le", "eq", "ge", "gt"), ("#<#", "#<=#", "#=#", "#>=#", "#>#"), strict=True)
    )
    turned = {"lt": "gt", "le": "ge", "ge": "le", "gt": "lt"} if backwards else {}
    for name, sign in signs.items():
        database.execute(
            f"CREATE FUNCTION ext.num_{name}(ext.num, ext.num) RETURNS bool"
            f" AS 'int4{turned.get(name, name)}' LANGUAGE internal IMMUTABLE STRICT"
        )
        database.execute(
            f"CREATE OPERATOR ext.{sign} (LEFTARG = ext.num, RIGHTARG = ext.num,"
            f" FUNCTION = ext.num_{name})"
        )
    compare = (
        "SELECT $2::text::int - $1::text::int"
        if backwards
        else "SELECT btint4cmp($1::text::int, $2::text::int)"
    )
    database.execute(
        f"CREATE FUNCTION ext.num_cmp(ext.num, ext.num) RETURNS int LANGUAGE sql IMMUTABLE STRICT"
        f" AS '{compare}'"
    )
    operators = ", ".join(
        f"OPERATOR {place} ext.{sign}" for place, sign in enumerate(signs.values(), 1)
    )
    database.execute(
        "CREATE OPERATOR CLASS ext.num_ops DEFAULT FOR TYPE ext.num USING btree AS "
        f"{operators}, FUNCTION 1 ext.num_cmp(ext.num, ext.num)"
    )
    yield


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("keys", [["k"], ["k", "id"], ["id", "k"]], ids="-".join)
def test_a_key_is_compared_by_the_operators_of_its_own_order(
    shop: Databases, keys: list[str], *, backwards: bool
) -> None:
    with own_type(shop.source, backwards=backwards):
        shop.source.execute(
            "CREATE TABLE numbered AS SELECT (id / 3)::text::ext.num AS k, id FROM shop"
        )
        shop.source.execute("UPDATE numbered SET k = NULL WHERE mod(id, 50) = 0")
        shop.target.execute("CREATE TABLE numbered (k text, id int)")

        plan = plan_of(shop.source, "SELECT * FROM numbered", key_column=keys)
        move(
            shop, "SELECT * FROM numbered", target_table="numbered", key_column=keys, chunk_size=70
        ).raise_for_status()

    same = "SELECT k::text, id FROM numbered ORDER BY id"
    assert shop.target.fetch(same) == shop.source.fetch(same)
    assert len(plan.chunks) > 5


@pytest.mark.parametrize(
    "kind",
    ["json", "xid", "point", "json[]", "xid[]", "box", "xml", "aclitem", "polygon", "cid"],
)
def test_a_type_without_an_order_is_no_key(shop: Databases, kind: str) -> None:
    shop.source.execute(f"CREATE TABLE unordered (k {kind})")

    with pytest.raises(PlanError, match=r"k .* cannot be cut by: .*order") as caught:
        plan_of(shop.source, "SELECT k FROM unordered", key_column="k")

    assert caught.value.details["field"] == "key_column"


def test_a_row_is_no_key_that_is_chosen_by_itself(shop: Databases) -> None:
    shop.source.execute("CREATE TYPE pair AS (a int, b int)")
    shop.source.execute("CREATE TABLE pairs AS SELECT id, ROW(id, id)::pair AS p FROM shop")
    shop.source.execute("ALTER TABLE pairs ADD PRIMARY KEY (id)")

    assert plan_of(shop.source, "SELECT p FROM pairs ORDER BY p").config.key_columns == ()
    assert plan_of(shop.source, "SELECT * FROM pairs ORDER BY id, p").config.key_columns == ("id",)


ROUNDED = [
    ("timestamp(0)", "'294276-12-31 23:59:59.9'::timestamp"),
    ("timestamp(3)", "'294276-12-31 23:59:59.9999'::timestamp"),
    ("timestamptz(0)", "'294276-12-31 23:59:59.9+00'::timestamptz"),
    ("time(0)", "'23:59:59.9'::time"),
    ("timetz(0)", "'23:59:59.9+00'::timetz"),
    ("numeric(5,2)", "999.994"),
    ("numeric(3,-2)", "99940"),
    ("interval(0)", "'1 day 23:59:59.9'::interval"),
    ("char(4)", "'a  '"),
    ("varchar(3)", "'abc'"),
    ("bit(3)", "B'101'"),
    ("varbit(5)", "B'10110'"),
]


@pytest.mark.parametrize(("kind", "last"), ROUNDED, ids=[kind for kind, _ in ROUNDED])
def test_a_key_that_rounds_is_cut_at_the_end_of_its_range(
    shop: Databases, kind: str, last: str
) -> None:
    """``timestamp(0)`` rounds the last time to one that it keeps, and shows, and never reads."""
    shop.source.execute(f"CREATE TABLE ends (id int, k {kind})")
    shop.source.execute(f"INSERT INTO ends SELECT g, {last} FROM generate_series(1, 40) g")
    shop.target.execute("CREATE TABLE ends (id int, k text)")
    sql = "SELECT id, k FROM ends"

    for key in ("k", ["k", "id"], ["id", "k"]):
        plan = plan_of(shop.source, sql, key_column=key, chunk_size=7)
        shop.target.execute("TRUNCATE ends")
        move(shop, sql, target_table="ends", key_column=key, chunk_size=7).raise_for_status()
        assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM ends") == [(40, 40)]
        assert len(plan.chunks) > 1


def test_ranges_use_the_index_by_their_qualified_operators(shop: Databases) -> None:
    shop.source.execute(
        "CREATE TABLE wide AS SELECT g / 10 AS a, mod(g, 10) AS b, g AS c"
        " FROM generate_series(1, 50000) g"
    )
    shop.source.execute("ALTER TABLE wide ADD PRIMARY KEY (a, b)")
    shop.source.execute("ANALYZE wide")
    for keys in (["a"], ["a", "b"]):
        plan = plan_of(shop.source, "SELECT * FROM wide", key_column=keys, chunk_size=500)
        sql = ChunkManager().create_chunked_query(shop.source.url, plan, 40)
        assert "OPERATOR(pg_catalog.>=)" in sql
        found = "\n".join(
            line for (line,) in shop.source.fetch(f"EXPLAIN {sql.replace('%', '%%')}")
        )
        assert "wide_pkey" in found
        assert "Seq Scan" not in found


def test_operators_that_others_plant_compare_no_key(shop: Databases) -> None:
    shop.source.execute("CREATE SCHEMA planted")
    shop.source.execute(
        "CREATE FUNCTION planted.f(a int, b int) RETURNS bool LANGUAGE sql AS 'SELECT false'"
    )
    for sign in ("<", ">=", "<=", ">", "="):
        shop.source.execute(
            f"CREATE OPERATOR planted.{sign} (LEFTARG = int, RIGHTARG = int, FUNCTION = planted.f)"
        )
    url = sa.make_url(shop.source.url).update_query_dict(
        {"options": "-csearch_path=planted,public,pg_catalog"}
    )
    source = Database(url.render_as_string(hide_password=False))

    result = move(Databases(source, shop.target), "SELECT * FROM shop", key_column="id")

    result.raise_for_status()
    assert shop.target.fetch("SELECT count(*) FROM shop") == [(1000,)]
