"""Mistakes that people make, what they are told, and that doing as they are told works.

``messages/*.md`` has each mistake with its whole message, to be read by a person. Each is made
here, and then mended by nothing but what the message says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mapper_dask import MapperError, MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from tests.builders import job_of
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Database, Databases, Server, fresh_databases
from tests.oracle import standin_on

GOLDEN = Path(__file__).parent / "messages"

ROWS = 40

MERGE: dict[str, Any] = {"write_disposition": "merge"}


def golden(name: str) -> dict[str, str]:
    """Return the messages of a file by their mistakes."""
    text = (GOLDEN / name).read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    pairs = (section.split("\n", 1) for section in sections)
    return {title: " ".join(message.split()) for title, message in pairs}


@dataclass(frozen=True)
class Mistake:
    """A job that is refused, or that fails, for a reason that can be mended."""

    name: str
    """As ``messages/*.md`` calls it."""
    setup: str
    """What is in the target."""
    table: str
    job: dict[str, Any] = field(default_factory=dict)
    sql: str = "SELECT id, n FROM things"
    mended: dict[str, Any] = field(default_factory=dict)
    """What to change where the message says it in words."""
    follow: bool = True
    """Whether the message gives the remedy in a form that is followed here."""


X = "(id int, n text)"
"""Columns that the rows fit."""

LOADED = f"CREATE TABLE x {X}"
CALLED = "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"

TARGETS = [
    Mistake("a materialized view", "CREATE MATERIALIZED VIEW mv AS SELECT 1 AS id", "mv"),
    Mistake("a sequence", "CREATE SEQUENCE sq", "sq"),
    Mistake("an index", f"{LOADED}; CREATE INDEX ix ON x (id)", "ix"),
    Mistake("a composite type", "CREATE TYPE ct AS (id int)", "ct"),
    Mistake("an enum", "CREATE TYPE en AS ENUM ('a')", "en"),
    Mistake("a domain", "CREATE DOMAIN dom AS int", "dom"),
    Mistake(
        "a name that is taken, and so is the one proposed",
        "CREATE SEQUENCE sq; CREATE VIEW sq_rows AS SELECT 1 AS id",
        "sq",
    ),
    Mistake("nothing of that name", "", "nothing"),
    Mistake(
        "a name that is nearly right", "CREATE TABLE orders_2024 (id int, n text)", "orders_2023"
    ),
    Mistake("a table of another schema", f"CREATE SCHEMA mart; CREATE TABLE mart.x {X}", "x"),
    Mistake("a schema and a name in one", f"CREATE SCHEMA mart; CREATE TABLE mart.x {X}", "mart.x"),
    Mistake(
        "a schema and a name in one, in capitals",
        f"CREATE SCHEMA mart; CREATE TABLE mart.x {X}",
        "MART.X",
    ),
    Mistake(
        "a schema and a name in quotes",
        f'CREATE SCHEMA "Mart"; CREATE TABLE "Mart"."X y" {X}',
        '"Mart"."X y"',
    ),
    Mistake(
        "a database, a schema and a name",
        f"CREATE SCHEMA mart; CREATE TABLE mart.x {X}",
        "shop.mart.x",
    ),
    Mistake("a schema and a name that is not there", "CREATE SCHEMA mart", "mart.x"),
    Mistake("a schema and a name, neither is there", "", "mart.x"),
    Mistake(
        "a schema and a materialized view in one",
        "CREATE SCHEMA mart; CREATE MATERIALIZED VIEW mart.mv AS SELECT 1 AS id",
        "mart.mv",
    ),
    Mistake("a name in quotes", LOADED, '"x"'),
    Mistake("capitals", LOADED, "X"),
    Mistake("no capitals", f'CREATE TABLE "Orders" {X}', "orders"),
    Mistake("a schema that is not there", "", "x", {"target_schema": "mart"}),
    Mistake(
        "a schema that is nearly right",
        f"CREATE SCHEMA mart; CREATE TABLE mart.y {X}",
        "y",
        {"target_schema": "marts"},
    ),
    Mistake("the wrong schema", f"{LOADED}; CREATE SCHEMA mart", "x", {"target_schema": "mart"}),
    Mistake("a view", f"{LOADED}; CREATE VIEW v AS SELECT * FROM x", "v"),
    Mistake(
        "a view of a view",
        f"{LOADED}; CREATE VIEW v AS SELECT * FROM x; CREATE VIEW vv AS SELECT * FROM v",
        "vv",
    ),
    Mistake(
        "a view that groups",
        f"{LOADED}; CREATE VIEW v AS SELECT id, max(n) AS n FROM x GROUP BY id",
        "v",
    ),
    Mistake(
        "a view that groups, all at once",
        f"{LOADED}; CREATE VIEW v AS SELECT id, max(n) AS n FROM x GROUP BY id",
        "v",
        {"atomic": True},
    ),
    Mistake(
        "a view that is merged into",
        "CREATE TABLE x (id int PRIMARY KEY, n text); CREATE VIEW v AS SELECT * FROM x",
        "v",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake(
        "a foreign table",
        (
            f"CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; "
            f"CREATE FOREIGN TABLE ft {X} SERVER s"
        ),
        "ft",
        follow=False,
    ),
    Mistake(
        "a trigger that drops rows",
        (
            f'{LOADED}; {CALLED}; CREATE TRIGGER "No rows" BEFORE '
            f"INSERT ON x FOR EACH ROW EXECUTE FUNCTION drop_it()"
        ),
        "x",
    ),
    Mistake(
        "a trigger that drops rows, in a replacement",
        (
            f"{LOADED}; {CALLED}; CREATE TRIGGER t BEFORE "
            f"INSERT ON x FOR EACH ROW EXECUTE FUNCTION drop_it()"
        ),
        "x",
        {"write_disposition": "replace"},
    ),
]

KEYS = [
    Mistake(
        "a deferrable key", "CREATE TABLE x (id int PRIMARY KEY DEFERRABLE, n text)", "x", MERGE
    ),
    Mistake(
        "a deferrable key beside one that is not",
        "CREATE TABLE x (id int PRIMARY KEY DEFERRABLE, n text); CREATE UNIQUE INDEX ON x (id)",
        "x",
        MERGE,
    ),
    Mistake(
        "a deferrable key that may be NULL",
        'CREATE TABLE x (id int, n text, CONSTRAINT "The key" UNIQUE (id) DEFERRABLE)',
        "x",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake(
        "a key without overlaps",
        "CREATE TABLE x (id int4range, n int4range, PRIMARY KEY (n, id WITHOUT OVERLAPS))",
        "x",
        MERGE,
        "SELECT int4range(id, id + 1) AS id, int4range(id, id + 1) AS n FROM things",
        {"primary_key": ["n", "id"]},
    ),
    Mistake(
        "a partial unique index",
        "CREATE TABLE x (id int NOT NULL, n text); CREATE UNIQUE INDEX part ON x (id) WHERE id > 9",
        "x",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake(
        "a partial unique index, and no key is named",
        "CREATE TABLE x (id int NOT NULL, n text); CREATE UNIQUE INDEX part ON x (id) WHERE id > 9",
        "x",
        MERGE,
        mended={"primary_key": "id"},
    ),
    Mistake(
        "an index over an expression",
        "CREATE TABLE x (id int, n text NOT NULL); CREATE UNIQUE INDEX low ON x (lower(n))",
        "x",
        {**MERGE, "primary_key": "n"},
    ),
    Mistake(
        "a key that may be NULL",
        "CREATE TABLE x (id int UNIQUE, n text)",
        "x",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake(
        "a key whose NULLs are not distinct",
        "CREATE TABLE x (id int, n text, UNIQUE NULLS NOT DISTINCT (id))",
        "x",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake(
        "two columns of a key that may be NULL",
        "CREATE TABLE x (id int, n text, UNIQUE (n, id))",
        "x",
        {**MERGE, "primary_key": ["id", "n"]},
    ),
    Mistake(
        "an index that was not built to the end",
        (
            "CREATE TABLE x (id int NOT NULL, n text); "
            "CREATE UNIQUE INDEX half ON x (id); "
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass"
        ),
        "x",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake("no key at all", LOADED, "x", {**MERGE, "primary_key": "id"}),
    Mistake(
        "another key than there is",
        "CREATE TABLE x (id int PRIMARY KEY, n text)",
        "x",
        {**MERGE, "primary_key": "n"},
        mended={"primary_key": "id"},
    ),
    Mistake(
        "a key that is no column",
        "CREATE TABLE x (id int PRIMARY KEY, n text)",
        "x",
        {**MERGE, "primary_key": "ids"},
        mended={"primary_key": "id"},
    ),
]

COLUMNS = [
    Mistake(
        "NULL for an integer",
        "CREATE TABLE x (id int, n int)",
        "x",
        sql="SELECT id, NULL AS n FROM things",
    ),
    Mistake(
        "NULL for a date",
        "CREATE TABLE x (id int, n date)",
        "x",
        sql="SELECT id, NULL AS n FROM things",
    ),
    Mistake(
        "NULL for a decimal",
        "CREATE TABLE x (id int, n numeric(10,2))",
        "x",
        sql="SELECT id, NULL AS n FROM things",
    ),
    Mistake(
        "NULL for a time with a zone",
        "CREATE TABLE x (id int, n timestamptz)",
        "x",
        sql="SELECT id, NULL AS n FROM things",
    ),
    Mistake(
        "NULL for a boolean",
        "CREATE TABLE x (id int, n boolean)",
        "x",
        sql="SELECT id, NULL n FROM things",
    ),
    Mistake(
        "a literal for an integer",
        "CREATE TABLE x (id int, n int)",
        "x",
        sql="SELECT id, '5' AS n FROM things",
    ),
    Mistake(
        "a literal for a date",
        "CREATE TABLE x (id int, n date)",
        "x",
        sql="SELECT id, '2024-01-31' AS n FROM things",
    ),
    Mistake(
        "a text column for an integer",
        "CREATE TABLE x (id int, n int)",
        "x",
        sql="SELECT id, n FROM things",
    ),
    Mistake(
        "a text column of a table with a name",
        "CREATE TABLE x (id int, n numeric)",
        "x",
        sql="SELECT id, t.n AS n FROM things t",
    ),
    Mistake(
        "a NULL within a subquery",
        "CREATE TABLE x (id int, n int)",
        "x",
        sql="SELECT * FROM (SELECT id, NULL AS n FROM things) t",
        follow=False,
    ),
    Mistake(
        "an integer for a date",
        "CREATE TABLE x (id int, n date)",
        "x",
        sql="SELECT id, id AS n FROM things",
        follow=False,
    ),
]


@pytest.fixture(scope="module")
def premises(postgres_server: Server) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as databases:
        databases.source.execute("CREATE TABLE things (id int PRIMARY KEY, n text)")
        databases.source.execute(
            f"INSERT INTO things SELECT i, i::text FROM generate_series(1, {ROWS}) i"
        )
        yield databases


@pytest.fixture
def shop(premises: Databases) -> Databases:
    """The rows to move, and a target without any table."""
    for (name,) in premises.target.fetch(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"
    ):
        premises.target.execute(f'DROP SCHEMA "{name}" CASCADE')
    premises.target.execute("CREATE SCHEMA public; DROP FOREIGN DATA WRAPPER IF EXISTS w CASCADE")
    return premises


def move(databases: Any, mistake: Mistake, **changes: Any) -> None:
    job: dict[str, Any] = {
        "source_conn": databases.source.url,
        "source_sql": mistake.sql,
        "target_conn": databases.target.url,
        "target_table": mistake.table,
        "chunk_size": 10,
        **mistake.job,
        **changes,
    }
    ParallelProcessor(enable_parallel=False).run(MapperJob(**job)).raise_for_status()


def told(databases: Any, mistake: Mistake) -> str:
    """Return the whole message, without what differs from run to run."""
    with pytest.raises(MapperError) as caught:
        move(databases, mistake)
    message = re.sub(r"\S+://\S+?(?=[;:,]? |$)", "DATABASE", str(caught.value))
    return re.sub(r"resume\('\w+'\)", "resume('RUN')", message)


def followed(message: str) -> tuple[str, dict[str, Any]]:
    """Return the statements that a message gives, and the fields that it says to give."""
    fields = dict(re.findall(r"(target_schema|target_table)='([^']*)'", message))
    if behind := re.search(r"behind it, (\w+)\.(\w+)", message):
        fields = {"target_schema": behind[1], "target_table": behind[2]}
    given = re.search(r"(?:with|by|it): ((?:CREATE|ALTER|REINDEX) .*?)(?:, and give|$)", message)
    off = re.search(r"ALTER TABLE \S+ DISABLE TRIGGER \"[^\"]+\"", message)
    statement = given[1] if given else off[0] if off else ""
    if made := re.search(r'CREATE TABLE (?:"(\w+)"\.)?"([^"]+)"', statement):
        fields |= {"target_table": made[2], **({"target_schema": made[1]} if made[1] else {})}
    return statement, fields


def rows_of(database: Database, fields: dict[str, Any]) -> int:
    schema = fields.get("target_schema") or "public"
    (count,) = database.fetch(f'SELECT count(*) FROM "{schema}"."{fields["target_table"]}"')[0]
    return int(count)


@pytest.mark.parametrize("mistake", [*TARGETS, *KEYS], ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_and_mended_by_what_is_said(shop: Databases, mistake: Mistake) -> None:
    if mistake.setup:
        shop.target.execute(mistake.setup)
    message = told(shop, mistake)
    assert message == golden("postgresql.md")[mistake.name]
    if not mistake.follow:
        return
    statement, fields = followed(message)
    assert statement or fields or mistake.mended
    if statement:
        shop.target.execute(statement)
    move(shop, mistake, **mistake.mended, **fields)
    assert rows_of(shop.target, {"target_table": mistake.table, **fields}) == ROWS


@pytest.mark.parametrize("mistake", COLUMNS, ids=lambda mistake: mistake.name)
def test_a_column_that_does_not_fit_is_told_and_cast(shop: Databases, mistake: Mistake) -> None:
    shop.target.execute(mistake.setup)
    message = told(shop, mistake)
    assert message == golden("columns.md")[mistake.name]
    if not mistake.follow:
        return
    written = re.search(r"(?:write|source_sql:) (.*? AS \"n\")", message)
    assert written
    literal = re.search(r"'[^']*'", mistake.sql)
    cast = written[1].replace("'…'", literal[0] if literal else "")
    sql = re.sub(r"id, .*? FROM", lambda _: f"id, {cast} FROM", mistake.sql, count=1)
    move(shop, mistake, source_sql=sql)
    assert rows_of(shop.target, {"target_table": "x"}) == ROWS


def test_a_temporary_table_of_another_session(shop: Databases) -> None:
    import psycopg2

    mistake = Mistake("a temporary table", "", "tmp")
    dsn = shop.target.url.replace("postgresql+psycopg2", "postgresql")
    session = psycopg2.connect(dsn)
    try:
        session.cursor().execute("CREATE TEMPORARY TABLE tmp (id int, n text)")
        session.commit()
        message = told(shop, mistake)
    finally:
        session.close()
    assert message == golden("postgresql.md")[mistake.name]
    statement, fields = followed(message)
    shop.target.execute(statement)
    move(shop, mistake, **fields)
    assert rows_of(shop.target, fields) == ROWS


def test_a_login_that_policies_bind(shop: Databases) -> None:
    """COPY's own words are to use INSERT statements, which nobody who calls this can."""
    shop.target.execute(
        f"{LOADED}; ALTER TABLE x ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON x USING (true);"
        "DROP ROLE IF EXISTS mapper_dask_bound; CREATE ROLE mapper_dask_bound;"
        "GRANT ALL ON SCHEMA public TO mapper_dask_bound; GRANT ALL ON x TO mapper_dask_bound"
    )
    url = sa.make_url(shop.target.url)
    bound = url.update_query_dict({"options": "-c role=mapper_dask_bound"})
    mistake = Mistake("a login that policies bind", "", "x", {"target_conn": bound})
    try:
        message = told(shop, mistake)
        assert message == golden("postgresql.md")[mistake.name]
        move(shop, mistake, target_conn=shop.target.url)  # the owner's login
        assert rows_of(shop.target, {"target_table": "x"}) == ROWS
    finally:
        shop.target.execute(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP OWNED BY mapper_dask_bound;"
            "DROP ROLE mapper_dask_bound"
        )


@pytest.mark.parametrize("how", [{}, {"atomic": True}, {"write_disposition": "replace"}])
def test_a_table_with_a_deferrable_key_is_loaded_in_every_other_way(
    shop: Databases, how: dict[str, Any]
) -> None:
    """The key's own trigger, which the staging table has too, is none that does something."""
    shop.target.execute("CREATE TABLE x (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n text)")
    move(shop, Mistake("", "", "x"), **how)
    assert rows_of(shop.target, {"target_table": "x"}) == ROWS


def test_an_unlogged_table_is_loaded_and_the_plan_says_what_a_crash_does(shop: Databases) -> None:
    shop.target.execute("CREATE UNLOGGED TABLE x (id int, n text)")
    job = job_of(shop, source_sql="SELECT id, n FROM things", target_table="x")
    said = "is unlogged: a crash of the server empties it"
    result = ParallelProcessor(enable_parallel=False).run(job).raise_for_status()
    assert any(said in note for note in result.warnings)
    shop.target.execute("ALTER TABLE x SET LOGGED")
    result = ParallelProcessor(enable_parallel=False).run(job).raise_for_status()
    assert not any(said in note for note in result.warnings)


# -- Oracle ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneSide:
    """A schema that is source and target."""

    source: Side
    target: Side


ORACLE = [
    Mistake("a sequence", "CREATE SEQUENCE sq", "sq"),
    Mistake(
        "an index", "CREATE TABLE x (id NUMBER(10), n VARCHAR2(9)); CREATE INDEX ix ON x (id)", "ix"
    ),
    Mistake("nothing of that name", "", "nothing"),
    Mistake(
        "a name that is nearly right",
        "CREATE TABLE orders_2024 (id NUMBER(10), n VARCHAR2(9))",
        "orders_2023",
    ),
    Mistake(
        "a schema and a name in one", "CREATE TABLE x (id NUMBER(10), n VARCHAR2(9))", "source.x"
    ),
    Mistake(
        "a schema and a name in capitals and quotes",
        "CREATE TABLE x (id NUMBER(10), n VARCHAR2(9))",
        '"SOURCE"."X"',
    ),
    Mistake("mixed case", 'CREATE TABLE "Orders" (id NUMBER(10), n VARCHAR2(9))', "orders"),
    Mistake(
        "a key that may be NULL",
        "CREATE TABLE x (id NUMBER(10) UNIQUE, n VARCHAR2(9))",
        "x",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake(
        "no key at all",
        "CREATE TABLE x (id NUMBER(10) NOT NULL, n VARCHAR2(9))",
        "x",
        {**MERGE, "primary_key": "id"},
    ),
    Mistake("a text column for a number", "CREATE TABLE x (id NUMBER(10), n NUMBER(10))", "x"),
]


@pytest.fixture(scope="module")
def oracle(postgres_server: Server) -> Iterator[OneSide]:
    with standin_on(postgres_server) as running:
        made = sides.oracle(running.url("source"))
        made.execute("CREATE TABLE things (id NUMBER(10) PRIMARY KEY, n VARCHAR2(9))")
        made.insert("things", {"id": "key", "n": "text"}, [(n, str(n)) for n in range(ROWS)])
        yield OneSide(made, made)
        dispose_engines()


@pytest.mark.parametrize("mistake", ORACLE, ids=lambda mistake: mistake.name)
def test_a_mistake_with_oracle_is_told(oracle: OneSide, mistake: Mistake) -> None:
    made = [*filter(None, mistake.setup.split("; "))]
    for statement in made:
        oracle.target.execute(statement)
    try:
        assert told(oracle, mistake) == golden("oracle.md")[mistake.name]
    finally:
        for statement in reversed(made):
            kind, name = statement.split()[1:3]
            oracle.target.execute(f"DROP {kind} {name}")
