"""What a refusal tells to grant is all it takes: pasted by an administrator, the job comes through.

Each case is a role that has CONNECT and no more, and a query of a kind. What is told is run as it
stands; no statement of it is refused by the server, and after few rounds the rows are read.
"""

# ruff: noqa: Q000, Q003 - SQL quotes names as it must

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from mapper_dask import MapperError, MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from tests.database import Database, Databases, Server, fresh_databases

ROUNDS = 4
PASSWORD = "choose one"

GRANT = re.compile(r'GRANT (?:"(?:[^"]|"")*"|[^"])+? TO (?:"(?:[^"]|"")*"|[\w$]+)')


@dataclass(frozen=True)
class Case:
    """What an administrator has made, and what a role reads of it."""

    made: str
    sql: str
    path: str = ""
    """The role's search path."""
    not_told: str = ""
    """What must not be granted."""
    options: str = ""
    """Of the role."""
    told: str = ""
    """What must be."""


S = "CREATE SCHEMA {s}; CREATE TABLE {s}.t (id int, name text); INSERT INTO {s}.t VALUES (1, 'a');"

CASES = {
    "a table": Case(S, "SELECT * FROM {s}.t"),
    "a table by the search path": Case(S, "SELECT * FROM t", path="{s}"),
    "a table of another schema of the same name": Case(
        S + "CREATE SCHEMA {s}_pay; CREATE TABLE {s}_pay.t (id int, salary int); "
            "GRANT USAGE ON SCHEMA {s} TO {r};",
        "SELECT id FROM t", path="{s}", not_told="_pay"),
    "the second of the path": Case(
        S + "CREATE SCHEMA {s}_first; CREATE TABLE {s}_first.u (id int); "
            "CREATE TABLE {s}_first.t (id int); GRANT USAGE ON SCHEMA {s} TO {r};",
        "SELECT id FROM t", path="{s}_first, {s}", not_told="_first"),
    "names with capitals and blanks": Case(
        ('CREATE SCHEMA "{s} My, ""Mart"""; CREATE TABLE "{s} My, ""Mart"""."big T" ("Id" int); '
         'INSERT INTO "{s} My, ""Mart"""."big T" VALUES (1)'),
        'SELECT "Id" FROM "{s} My, ""Mart"""."big T"'),
    "such a schema on the path": Case(
        ('CREATE SCHEMA "{s} My, ""Mart"""; CREATE TABLE "{s} My, ""Mart"""."order" (id int); '
         'INSERT INTO "{s} My, ""Mart"""."order" VALUES (1)'),
        'SELECT id FROM "order"', path='"{s} My, ""Mart"""'),
    "reserved words": Case(
        ('CREATE SCHEMA {s}; CREATE TABLE {s}."user" ("order" int, "select" int); '
         'INSERT INTO {s}."user" VALUES (1, 2); GRANT SELECT ("order") ON {s}."user" TO {r}'),
        'SELECT "order", "select" FROM {s}."user"', told='GRANT SELECT ("select") ON'),
    "some columns": Case(
        S + "GRANT USAGE ON SCHEMA {s} TO {r}; GRANT SELECT (id) ON {s}.t TO {r}",
        "SELECT c.id, c.name FROM {s}.t AS C",
        told="GRANT SELECT (name) ON"),
    "all columns where some may be read": Case(
        S + "GRANT SELECT (id) ON {s}.t TO {r}", "SELECT * FROM {s}.t"),
    "a view": Case(
        S + "CREATE VIEW {s}.v AS SELECT * FROM {s}.t", "SELECT * FROM {s}.v", not_told=".t "),
    "a view with the rights of who asks": Case(
        S + "CREATE VIEW {s}.v WITH (security_invoker) AS SELECT id FROM {s}.t; "
            "GRANT SELECT ON {s}.v TO {r}", "SELECT * FROM {s}.v"),
    "such a view within a view": Case(
        S + "CREATE VIEW {s}.v WITH (security_invoker=on) AS SELECT id FROM {s}.t; "
            "CREATE VIEW {s}.w AS SELECT * FROM {s}.v;", "SELECT * FROM {s}.w"),
    "a view whose owner may not read": Case(
        S + "CREATE SCHEMA {s}_b; CREATE VIEW {s}_b.v AS SELECT id FROM {s}.t; "
            "ALTER VIEW {s}_b.v OWNER TO {o}", "SELECT * FROM {s}_b.v"),
    "such a view of which some columns": Case(
        S + "CREATE SCHEMA {s}_b; CREATE VIEW {s}_b.v AS SELECT id, name FROM {s}.t; "
            "ALTER VIEW {s}_b.v OWNER TO {o}; GRANT SELECT (id) ON {s}.t TO {o}",
        "SELECT * FROM {s}_b.v"),
    "a view that calls a function": Case(
        S + "CREATE FUNCTION {s}.f(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; "
            "REVOKE EXECUTE ON FUNCTION {s}.f FROM PUBLIC;"
            "CREATE VIEW {s}.v AS SELECT {s}.f(id) AS id FROM {s}.t", "SELECT * FROM {s}.v"),
    "a materialized view": Case(
        S + "CREATE MATERIALIZED VIEW {s}.m AS SELECT * FROM {s}.t", "SELECT * FROM {s}.m",
        not_told=".t "),
    "a partitioned table": Case(
        ("CREATE SCHEMA {s}; CREATE TABLE {s}.p (id int) PARTITION BY RANGE (id); "
         "CREATE TABLE {s}.p1 PARTITION OF {s}.p FOR VALUES FROM (0) TO (9); "
         "INSERT INTO {s}.p VALUES (1)"),
        "SELECT * FROM {s}.p", not_told=".p1"),
    "a partition": Case(
        ("CREATE SCHEMA {s}; CREATE TABLE {s}.p (id int) PARTITION BY RANGE (id); "
         "CREATE TABLE {s}.p1 PARTITION OF {s}.p FOR VALUES FROM (0) TO (9); "
         "INSERT INTO {s}.p VALUES (1)"),
        "SELECT * FROM {s}.p1"),
    "an identity column": Case(
        ("CREATE SCHEMA {s}; CREATE TABLE {s}.i (id int GENERATED ALWAYS AS IDENTITY, n int); "
         "INSERT INTO {s}.i (n) VALUES (1)"), "SELECT * FROM {s}.i", not_told="SEQUENCE"),
    "a sequence": Case("CREATE SCHEMA {s}; CREATE SEQUENCE {s}.q", "SELECT last_value FROM {s}.q"),
    "a type of another schema": Case(
        S + "CREATE SCHEMA {s}_types; CREATE TYPE {s}_types.color AS ENUM ('a'); "
            "CREATE DOMAIN {s}_types.positive AS int CHECK (VALUE > 0);",
        "SELECT id::{s}_types.positive AS id FROM {s}.t WHERE name::{s}_types.color = 'a'"),
    "columns of such types": Case(
        ("CREATE SCHEMA {s}; CREATE SCHEMA {s}_types; CREATE TYPE {s}_types.color AS ENUM ('a'); "
         "CREATE DOMAIN {s}_types.positive AS int CHECK (VALUE > 0);"
         "CREATE TABLE {s}.t (id {s}_types.positive, c {s}_types.color); "
         "INSERT INTO {s}.t VALUES (1, 'a')"), "SELECT * FROM {s}.t"),
    "functions, one of several": Case(
        S + "CREATE FUNCTION {s}.f(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; "
            "CREATE FUNCTION {s}.f(int, text[]) RETURNS int LANGUAGE plpgsql "
            "AS 'BEGIN RETURN 2; END';"
            "REVOKE EXECUTE ON FUNCTION {s}.f(int), {s}.f(int, text[]) FROM PUBLIC",
        "SELECT {s}.f(id, ARRAY[name]) AS id FROM {s}.t", not_told="f(integer) TO"),
    "a function of a type of another schema": Case(
        S + "CREATE SCHEMA {s}_types; CREATE TYPE {s}_types.\"Color\" AS ENUM ('a'); "
            "CREATE FUNCTION {s}.\"F\"({s}_types.\"Color\") RETURNS int LANGUAGE plpgsql "
            "AS 'BEGIN RETURN 1; END'; REVOKE EXECUTE ON FUNCTION {s}.\"F\" FROM PUBLIC",
        "SELECT {s}.\"F\"(name::{s}_types.\"Color\") AS id FROM {s}.t", path="{s}, {s}_types"),
    "a function with a default and many": Case(
        S + "CREATE FUNCTION {s}.g(a int, b int DEFAULT 1, VARIADIC c int[] DEFAULT '{{}}') "
            "RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; "
            "REVOKE EXECUTE ON FUNCTION {s}.g FROM PUBLIC",
        "SELECT {s}.g(id, 1, 2, 3) AS id, {s}.g(id) AS o FROM {s}.t"),
    "a function behind FROM": Case(
        ("CREATE SCHEMA {s}; CREATE FUNCTION {s}.rows_of(int) RETURNS TABLE (id int) "
         "LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT 1; END'; "
         "REVOKE EXECUTE ON FUNCTION {s}.rows_of FROM PUBLIC"),
        "SELECT * FROM {s}.rows_of(3) r"),
    "an aggregate": Case(
        S + "CREATE AGGREGATE {s}.most(int) (SFUNC = int4larger, STYPE = int); "
            "REVOKE EXECUTE ON FUNCTION {s}.most(int) FROM PUBLIC",
        "SELECT {s}.most(id) AS id FROM {s}.t"),
    "a table that a function reads": Case(
        S + "CREATE TABLE {s}.hid (id int); "
            "CREATE FUNCTION {s}.f(int) RETURNS int LANGUAGE plpgsql STABLE "
            "AS 'BEGIN RETURN (SELECT count(*) FROM {s}.hid); END';"
            "GRANT USAGE ON SCHEMA {s} TO {r}; GRANT SELECT ON {s}.t TO {r}",
        "SELECT {s}.f(id) AS id FROM {s}.t"),
    "a query within WITH of the table's name": Case(
        S, "WITH t AS (SELECT * FROM {s}.t) SELECT * FROM t"),
    "what WITH hides": Case(
        S + "CREATE TABLE {s}.u (id int); GRANT USAGE ON SCHEMA {s} TO {r}",
        "WITH u AS (SELECT * FROM t) SELECT * FROM u", path="{s}", not_told=".u "),
    "several tables at once": Case(
        S + "CREATE SCHEMA {s}_b; CREATE TABLE {s}_b.u (id int); INSERT INTO {s}_b.u VALUES (1)",
        "SELECT t.id FROM {s}.t t JOIN {s}_b.u USING (id)"),
    "the schema of the role's name": Case(
        'CREATE SCHEMA {r}; CREATE TABLE {r}.t (id int); INSERT INTO {r}.t VALUES (1)',
        "SELECT id FROM t", path='"$user", public'),
    "a role that inherits nothing": Case(
        S + "GRANT USAGE ON SCHEMA {s} TO {o}; GRANT SELECT ON {s}.t TO {o}; GRANT {o} TO {r}",
        "SELECT * FROM {s}.t", options="NOINHERIT"),
    "an inherited table": Case(
        S + "CREATE TABLE {s}.child (more int) INHERITS ({s}.t)", "SELECT * FROM {s}.t"),
    "a join without a schema, in brackets": Case(
        S + "CREATE TABLE {s}.u (id int, v text); INSERT INTO {s}.u VALUES (1, 'b')",
        "SELECT q.id FROM (SELECT t.id FROM t, u WHERE t.id = u.id) q", path="{s}"),
    "a whole row": Case(
        S + "GRANT USAGE ON SCHEMA {s} TO {r}; GRANT SELECT (id) ON {s}.t TO {r}",
        "SELECT to_jsonb(t) AS doc FROM {s}.t t"),
    "rows with a policy": Case(
        S + "ALTER TABLE {s}.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {s}.t USING (true)",
        "SELECT * FROM {s}.t"),
}  # fmt: skip

T = "CREATE SCHEMA {s}; CREATE TABLE {s}.d (id int PRIMARY KEY, name text, n int);"


@dataclass(frozen=True)
class Load:
    """What an administrator has made, and how a role fills it."""

    made: str
    schema: str | None = "{s}"
    table: str = "d"
    path: str = ""
    sql: str = "SELECT 1 AS id, 'a' AS name"
    options: str = ""
    told: str = ""
    not_told: str = ""
    job: tuple[tuple[str, Any], ...] = ()


REPLACE, MERGE = ("write_disposition", "replace"), ("write_disposition", "merge")
ATOMIC = ("atomic", True)

LOADS = {
    "some columns": Load(T + "GRANT INSERT (id) ON {s}.d TO {r}", told="GRANT INSERT (name) ON"),
    "all of its columns": Load(
        T + "GRANT INSERT (id, name) ON {s}.d TO {r}", not_told="INSERT ON {s}.d"),
    "an atomic append": Load(
        T + "GRANT SELECT (id) ON {s}.d TO {r}", job=(ATOMIC,), told="SELECT, INSERT ON"),
    "a replacement": Load(T, job=(REPLACE,)),
    "a merge that may update some columns": Load(
        T + "GRANT UPDATE (name) ON {s}.d TO {r}", job=(MERGE,), told="UPDATE ON"),
    "a merge that may delete and update some": Load(
        T + "GRANT UPDATE (n) ON {s}.d TO {r}; GRANT SELECT, INSERT, DELETE ON {s}.d TO {r}",
        job=(MERGE,), told="GRANT UPDATE (name) ON"),
    "a merge by a key that is not the first": Load(
        T + "ALTER TABLE {s}.d ALTER name SET NOT NULL, ADD UNIQUE (name)",
        job=(MERGE, ("primary_key", ["name"]))),
    "names with capitals, reserved words": Load(
        'CREATE SCHEMA "{s} My ""Mart"; CREATE TABLE "{s} My ""Mart"."Order" (id int, name text)',
        schema='{s} My "Mart', table="Order"),
    "a table of the path": Load(
        T + 'CREATE SCHEMA "{s} A,b"; CREATE TABLE "{s} A,b".e (id int, name text)', schema=None,
        table="e", path='{s}, "{s} A,b"'),
    "a sequence of another schema": Load(
        T + "CREATE SCHEMA {s}_q; CREATE SEQUENCE {s}_q.\"My seq\"; "
            "ALTER TABLE {s}.d ALTER n SET DEFAULT nextval('{s}_q.\"My seq\"')"),
    "the same, replaced": Load(
        T + "CREATE SCHEMA {s}_q; CREATE SEQUENCE {s}_q.q; "
            "ALTER TABLE {s}.d ALTER n SET DEFAULT nextval('{s}_q.q')", job=(REPLACE,)),
    "an identity column": Load(
        T + "ALTER TABLE {s}.d ALTER n SET NOT NULL, ALTER n ADD GENERATED ALWAYS AS IDENTITY",
        job=(REPLACE,), not_told="SEQUENCE"),
    "a type that may not be used": Load(
        ("CREATE SCHEMA {s}; CREATE DOMAIN {s}.\"My int\" AS int CHECK (VALUE > 0); "
         "REVOKE USAGE ON TYPE {s}.\"My int\" FROM PUBLIC; "
         "CREATE TABLE {s}.d (id {s}.\"My int\", name text)"), job=(REPLACE,)),
    "an array of such a type": Load(
        ("CREATE SCHEMA {s}; CREATE TYPE {s}.c AS ENUM ('a'); "
         "REVOKE USAGE ON TYPE {s}.c FROM PUBLIC; "
         "CREATE TABLE {s}.d (id int, name text, cs {s}.c[])"), job=(ATOMIC,)),
    "the same, appended": Load(
        ("CREATE SCHEMA {s}; CREATE DOMAIN {s}.positive AS int CHECK (VALUE > 0); "
         "REVOKE USAGE ON TYPE {s}.positive FROM PUBLIC; "
         "CREATE TABLE {s}.d (id {s}.positive, name text)"), not_told="TYPE"),
    "a default of a function": Load(
        T + "CREATE FUNCTION {s}.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; "
            "REVOKE EXECUTE ON FUNCTION {s}.f FROM PUBLIC; "
            "ALTER TABLE {s}.d ALTER n SET DEFAULT {s}.f()"),
    "a check by a function": Load(
        T + "CREATE FUNCTION {s}.f(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql "
            "AS 'BEGIN RETURN true; END'; REVOKE EXECUTE ON FUNCTION {s}.f FROM PUBLIC; "
            "ALTER TABLE {s}.d ADD CHECK ({s}.f(id))"),
    "an index by a function": Load(
        T + "CREATE FUNCTION {s}.f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql "
            "AS 'BEGIN RETURN 1; END'; REVOKE EXECUTE ON FUNCTION {s}.f FROM PUBLIC; "
            "CREATE INDEX ON {s}.d (({s}.f(id)))"),
    "a column that a function computes": Load(
        T + "CREATE FUNCTION {s}.f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql "
            "AS 'BEGIN RETURN 1; END'; REVOKE EXECUTE ON FUNCTION {s}.f FROM PUBLIC; "
            "ALTER TABLE {s}.d ADD g int GENERATED ALWAYS AS ({s}.f(id)) STORED"),
    "a partitioned table": Load(
        ("CREATE SCHEMA {s}; CREATE TABLE {s}.d (id int, name text) PARTITION BY RANGE (id); "
         "CREATE TABLE {s}.d1 PARTITION OF {s}.d FOR VALUES FROM (0) TO (9)"), job=(REPLACE,),
        not_told=".d1"),
    "a table that others refer to, replaced": Load(
        T + "CREATE TABLE {s}.child (id int REFERENCES {s}.d)", job=(REPLACE,)),
    "the same, of which all but the key may be updated": Load(
        T + "CREATE TABLE {s}.child (id int REFERENCES {s}.d); "
            "GRANT UPDATE (name, n) ON {s}.d TO {r}", job=(REPLACE,), not_told="UPDATE"),
    "a role that inherits nothing": Load(
        T + "GRANT USAGE ON SCHEMA {s} TO {o}; GRANT INSERT ON {s}.d TO {o}; GRANT {o} TO {r}",
        options="NOINHERIT"),
    "rows are set aside": Load(T, job=(("reject_limit", 5),)),
}  # fmt: skip


@dataclass(frozen=True)
class Poor:
    """A login that has nothing but CONNECT, and an administrator."""

    admin: Database
    role: str
    owner: str
    schema: str

    def filled(self, text: str) -> str:
        return text.format(r=f'"{self.role}"', o=f'"{self.owner}"', s=self.schema)

    def read(self, case: Case) -> Any:
        url = sa.make_url(self.admin.url).set(username=self.role, password=PASSWORD)
        processor = ParallelProcessor(enable_parallel=False, on_failure="raise", progress=False)
        source = url.render_as_string(hide_password=False)
        return processor.run(MapperJob(source_conn=source, source_sql=self.filled(case.sql)))

    def fill(self, load: Load) -> Any:
        url = sa.make_url(self.admin.url).set(username=self.role, password=PASSWORD)
        processor = ParallelProcessor(enable_parallel=False, on_failure="raise", progress=False)
        job = MapperJob(
            source_conn=self.admin.url, source_sql=load.sql, target_table=load.table,
            target_conn=url.render_as_string(hide_password=False),
            target_schema=load.schema and self.filled(load.schema), **dict(load.job),
        )  # fmt: skip
        return processor.run(job)


@pytest.fixture(scope="module")
def place(postgres_server: Server) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as databases:
        yield databases


@pytest.fixture
def poor(place: Databases) -> Iterator[Poor]:
    unique = uuid.uuid4().hex[:8]
    poor = Poor(place.source, f"Poor role {unique}", f"owner_{unique}", f"s_{unique}")
    yield poor
    dispose_engines()
    for role in (poor.role, poor.owner):
        poor.admin.execute(f'DROP OWNED BY "{role}" CASCADE; DROP ROLE "{role}"')
    schemas = poor.admin.fetch(
        "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname ~ %s", f"{poor.schema}|Poor"
    )
    for (schema,) in schemas:
        poor.admin.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.parametrize("name", CASES)
def test_what_is_told_is_all_it_takes(poor: Poor, name: str) -> None:
    case = CASES[name]
    made(poor, case)
    assert come_through(poor, case, lambda: poor.read(case)).succeeded


@pytest.mark.parametrize("name", LOADS)
def test_what_is_told_of_a_target_is_all_it_takes(poor: Poor, name: str) -> None:
    load = LOADS[name]
    made(poor, load)
    poor.admin.execute(f'CREATE SCHEMA "{poor.schema}_home"')
    if not load.path:
        poor.admin.execute(f'ALTER ROLE "{poor.role}" SET search_path = "{poor.schema}_home"')
    assert come_through(poor, load, lambda: poor.fill(load)).total_rows_successful == 1


def come_through(poor: Poor, case: Case | Load, run: Callable[[], Any]) -> Any:
    """Grant what is told until nothing is; return what then came of it."""
    told: list[str] = []
    for _ in range(ROUNDS):
        try:
            done = run()
        except MapperError as error:
            told += granted(poor, error, told)
        else:
            break
    assert told
    assert not [one for one in told if case.not_told and poor.filled(case.not_told) in one]
    assert not case.told or [one for one in told if case.told in one]
    return done


def made(poor: Poor, case: Case | Load) -> None:
    admin = poor.admin
    admin.execute(f"CREATE ROLE \"{poor.role}\" LOGIN PASSWORD '{PASSWORD}' {case.options}")
    admin.execute(f'CREATE ROLE "{poor.owner}"')
    admin.execute(poor.filled(case.made).replace("%", "%%"))
    if case.path:
        admin.execute(f'ALTER ROLE "{poor.role}" SET search_path = {poor.filled(case.path)}')


def granted(poor: Poor, error: MapperError, told: list[str]) -> list[str]:
    """Run what an error tells, as its administrator; return it."""
    statements = GRANT.findall(str(error))
    assert statements, error
    assert not set(statements) & set(told), error  # told again, it did not help
    for statement in statements:
        poor.admin.execute(statement)
    dispose_engines()
    return statements
