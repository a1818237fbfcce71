"""What a query means comes from the login: its role, its database, its URL, its surroundings.

Each case asks a plain session of the same login for the query's rows, in the database itself, and
compares them with what the library has moved. Where a setting had to be changed the plan says so.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psycopg2
import pyarrow as pa
import pytest
import sqlalchemy as sa

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor
from mapper_dask.chunk.extract import source_session
from mapper_dask.chunk.task import ReadTask
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.postgresql import decode, lines, types, zones
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.database import Database, Server

TABLE = """
CREATE TYPE pair AS (a interval, b float8);
CREATE TABLE s (
    id int PRIMARY KEY, t text, d date, ts timestamp, at timestamptz, tm time, tz timetz,
    iv interval, ivt text, ivs interval[], b bytea, bs bytea[], f float8, r real, fs float8[],
    n numeric, arr text[], span tstzrange, days daterange, p pair, j jsonb, u uuid);
INSERT INTO s SELECT i,
    lpad((i % 12 + 1)::text, 2, '0') || '/' || lpad((i % 9 + 1)::text, 2, '0') || '/0' || i % 7 + 1,
    date '2024-01-31' + i, timestamp '2024-03-09 20:30:00.5' + i * interval '7 hours',
    timestamptz '2024-03-09 20:30:00.25+00' + i * interval '31 minutes',
    time '10:00' + i * interval '1 s', '10:00:00+02', - interval '1 day 2:03:04' * i,
    CASE i % 3 WHEN 0 THEN '-1 2:03:04' WHEN 1 THEN '1-2 -3 4:05:06' ELSE '1 day ago' END,
    ARRAY[- interval '1 day 2:03:04', interval '3 mons -1 day 4:00'],
    decode(lpad(to_hex(i), 4, '0') || '5c785c2700ff', 'hex'), ARRAY['\\x5c00ff'::bytea, 'a'::bytea],
    0.1::float8 + 0.2::float8 + i / 7.0::float8, (i / 7.0)::real, ARRAY[0.1::float8 + 0.2::float8],
    i / 7.0, ARRAY['NULL', NULL, 'x"y'],
    tstzrange('2024-03-09 20:00+00'::timestamptz, '2024-11-03 06:30+00'::timestamptz),
    daterange('2024-01-02', '2024-03-04'),
    ROW(- interval '1 day 2:03:04', 0.1::float8 + 0.2::float8)::pair,
    '{"a": 1.10}', '41424344-4546-4748-494a-4b4c4d4e4f50'
FROM generate_series(1, 60) i;
INSERT INTO s (id, t, at) VALUES (61, '01/02/03', '1890-01-01 00:00:00+00'),
    (62, '02/03/01', '1937-06-30 12:00:00.123456+00'), (63, '03/01/02', NULL);
"""

VALUES = "id, d, ts, at, tm, tz, iv, ivs, b, bs, f, r, fs, n, arr, span, days, j, u"
"""Columns of every kind, read as they are."""

MEANT = (
    "id, t::date AS t_date, d::text AS d_text, at::date AS at_date, at::text AS at_text, "
    "date_trunc('day', at) AS at_day, ts::timestamptz AS ts_at, iv::text AS iv_text, "
    "ivt::interval AS ivt_iv, b::text AS b_text, f::text AS f_text, r::text AS r_text, "
    "arr::text AS arr_text, '{NULL,a}'::text[] AS parsed, span::text AS span_text, "
    "to_char(at, 'YYYY-MM-DD HH24 TZ') AS at_char, (NULLIF(id, 5) = NULL) AS is_null, "
    "to_tsvector('the rats') AS vector, quote_ident('plain') AS quoted, "
    "id || E'\\\\' || '\\x' AS slash, "
    "to_json(f)::text AS f_json, to_json(at)::text AS at_json, "
    "current_setting('search_path') AS path, current_setting('my.tenant', true) AS tenant, "
    "current_setting('work_mem') AS memory, md5(current_setting('TimeZone')) AS zone"
)
"""What hangs on settings."""

SETTINGS = [
    *[("DateStyle", v) for v in ("ISO, DMY", "ISO, MDY", "ISO, YMD", "German", "SQL, DMY",
                                 "SQL, MDY", "Postgres, DMY", "German, YMD")],
    *[("TimeZone", v) for v in ("America/New_York", "Asia/Kathmandu", "Europe/Amsterdam", "UTC",
                                "Pacific/Kiritimati", "-03:30", "Australia/Lord_Howe", "PST8PDT")],
    *[("IntervalStyle", v) for v in ("postgres", "sql_standard", "iso_8601", "postgres_verbose")],
    *[("bytea_output", v) for v in ("hex", "escape")],
    *[("extra_float_digits", v) for v in ("3", "1", "0", "-5", "-15")],
    ("xmlbinary", "hex"), ("xmloption", "document"), ("array_nulls", "off"),
    ("standard_conforming_strings", "off"), ("backslash_quote", "off"),
    ("escape_string_warning", "off"), ("transform_null_equals", "on"),
    ("quote_all_identifiers", "on"), ("default_text_search_config", "pg_catalog.english"),
    ("default_text_search_config", "pg_catalog.simple"), ("search_path", "other, public"),
    ("search_path", "public, pg_catalog"), ("timezone_abbreviations", "Australia"),
    ("lc_messages", "C"), ("lc_monetary", "C"), ("lc_numeric", "C"), ("lc_time", "C"),
    ("my.tenant", "seven"), ("work_mem", "5MB"), ("row_security", "on"),
    ("client_encoding", "LATIN1"), ("client_min_messages", "debug1"),
    ("default_transaction_isolation", "serializable"), ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "on"), ("enable_seqscan", "off"), ("enable_hashagg", "off"),
    ("geqo", "off"), ("jit", "off"), ("join_collapse_limit", "1"), ("constraint_exclusion", "off"),
    ("plan_cache_mode", "force_generic_plan"), ("synchronize_seqscans", "on"),
    ("lock_timeout", "5s"), ("statement_timeout", "60s"), ("idle_session_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"), ("synchronous_commit", "off"),
    ("application_name", "theirs"), ("force_parallel_mode", "off"), ("commit_siblings", "3"),
    ("gin_fuzzy_search_limit", "5"), ("cursor_tuple_fraction", "1"),
    ("check_function_bodies", "off"),
]  # fmt: skip

NAMED = {
    ("DateStyle", v) for v in ("German", "SQL, DMY", "SQL, MDY", "Postgres, DMY", "German, YMD")
} | {("extra_float_digits", v) for v in ("0", "-5", "-15")}
"""Those a plan of a query of the database's own types names, and what they may then change."""

CHANGED = {
    "DateStyle": {"d_text", "at_text", "span_text"},
    "extra_float_digits": {"f_text", "r_text", "f_json"},
}

HOW = ("role", "database", "URL", "environment")


@dataclass(frozen=True)
class Place:
    """A database with the table, and logins of its own."""

    url: str
    admin: Database

    def login(self, how: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """Return a URL whose session has a setting, given in some way."""
        url = sa.make_url(self.url)
        quoted = (
            ", ".join(f"'{part.strip()}'" for part in value.split(","))
            if name in LISTS
            else f"'{value}'"
        )
        option = f"-c {name}={value}".replace(", ", ",\\ ")
        if how == "URL":
            url = url.update_query_dict({"options": option})
        elif how == "environment":
            monkeypatch.setenv("PGOPTIONS", option)
        elif how == "database":
            self.admin.execute(f'ALTER DATABASE "{url.database}" SET {name} = {quoted}')
        else:
            self.admin.execute(f"ALTER ROLE mapper_settings SET {name} = {quoted}")
            url = url.set(username="mapper_settings")
        return url.render_as_string(hide_password=False)

    def forget(self) -> None:
        self.admin.execute(f'ALTER DATABASE "{sa.make_url(self.url).database}" RESET ALL')
        self.admin.execute("ALTER ROLE mapper_settings RESET ALL")


LISTS = ("search_path", "DateStyle")


@contextlib.contextmanager
def database(server: Server, options: str = "") -> Iterator[Database]:
    name = f"mapper_dask_test_{uuid.uuid4().hex[:12]}"
    admin = Database(server.url())
    admin.execute(f'CREATE DATABASE "{name}" {options}')
    try:
        yield Database(server.url(name))
    finally:
        dispose_engines()
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def made(postgres_server: Server) -> Iterator[Place]:
    with database(postgres_server) as there:
        there.execute(TABLE.replace("%", "%%"))
        there.execute("CREATE SCHEMA other")
        there.execute(f"CREATE TABLE v_dst AS SELECT {VALUES} FROM s WITH NO DATA")
        there.execute(f"CREATE TABLE m_dst AS SELECT {MEANT} FROM s WITH NO DATA")
        there.execute("CREATE TABLE v_want (LIKE v_dst); CREATE TABLE m_want (LIKE m_dst)")
        there.execute(
            "DROP ROLE IF EXISTS mapper_settings; CREATE ROLE mapper_settings SUPERUSER LOGIN"
        )
        yield Place(there.url, there)
        there.execute("DROP OWNED BY mapper_settings; DROP ROLE mapper_settings")


@pytest.fixture
def place(made: Place) -> Iterator[Place]:
    yield made
    made.forget()
    dispose_engines()


def plainly(url: str, *statements: str) -> Any:
    """Run statements in a session that is opened as anybody opens one."""
    made = sa.make_url(url)
    conn = psycopg2.connect(
        dbname=made.database, user=made.username, **{str(k): v for k, v in made.query.items()}
    )
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        conn.close()


def as_psql(url: str, statement: str) -> Any:
    """As ``plainly``, with the DateStyle that the login gives, which the driver sets to ISO."""
    return plainly(url, "RESET DateStyle", statement)


def same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def move(url: str, sql: str, target: str, way: str, **options: Any) -> ParallelProcessingResult:
    job = MapperJob(
        source_conn=url, source_sql=sql, target_conn=options.pop("to", url), target_table=target,
        transformation_logic=same if way == "function" else None,
        reject_limit=5 if way == "rejects" else 0, chunk_size=25, key_column="id", **options,
    )  # fmt: skip
    result = ParallelProcessor(enable_parallel=False).run(job)
    result.raise_for_status()
    return result


def differing(there: Database, one: str, other: str) -> set[str]:
    """Return the columns in which two tables hold other values, as a neutral session tells them."""
    conn = psycopg2.connect(there.url.replace("+psycopg2", ""))
    found = set()
    with contextlib.closing(conn), conn.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET bytea_output = 'hex'")
        cursor.execute(f"SELECT * FROM {one} LIMIT 0")
        names = [column.name for column in cursor.description]
        texts = ", ".join(f'"{name}"::text' for name in names)
        rows = []
        for table in (one, other):
            cursor.execute(f"SELECT {texts} FROM {table} ORDER BY id")
            rows.append(cursor.fetchall())
    assert len(rows[0]) == len(rows[1]) > 0
    for mine, theirs in zip(*rows, strict=True):
        found |= {n for n, a, b in zip(names, mine, theirs, strict=True) if a != b}
    return found


WAYS = ("relay", "function", "rejects")
CORE = (
    ("DateStyle", "ISO, DMY"), ("TimeZone", "Asia/Kathmandu"), ("IntervalStyle", "sql_standard"),
    ("bytea_output", "escape"), ("client_encoding", "LATIN1"),
    ("standard_conforming_strings", "off"),
)  # fmt: skip
CASES = [
    (HOW[n % len(HOW)], WAYS[n % len(WAYS)], name, value)
    for n, (name, value) in enumerate(SETTINGS)
] + [
    (how, way, name, value)
    for name, value in CORE
    for how, way in zip(HOW, (*WAYS, "relay"), strict=True)
]
"""Each setting in some way, and those that matter most in each."""


def known(place: Place, name: str) -> bool:
    return "." in name or bool(
        place.admin.fetch("SELECT 1 FROM pg_settings WHERE lower(name) = lower(%s)", name)
    )


@pytest.mark.parametrize(("how", "way", "name", "value"), CASES)
def test_what_arrives_is_what_a_plain_session_of_the_login_has(
    place: Place, how: str, way: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known(place, name):
        pytest.skip("this server has no such setting")
    place.admin.execute("TRUNCATE v_dst, v_want, m_dst, m_want")
    url = place.login(how, name, value, monkeypatch)
    values, meant = f"SELECT {VALUES} FROM public.s", f"SELECT {MEANT} FROM public.s"
    plainly(url, f"INSERT INTO public.v_want {values}")
    as_psql(url, f"INSERT INTO public.m_want {meant}")

    moved = move(url, values, "v_dst", way, target_schema="public")
    plan = ChunkManager().plan(MapperJob(source_conn=url, source_sql=meant, key_column="id"))
    move(url, meant, "m_dst", way, target_schema="public")

    monkeypatch.delenv("PGOPTIONS", raising=False)
    place.forget()
    named = (name, value) in NAMED
    assert differing(place.admin, "v_dst", "v_want") == set()
    assert differing(place.admin, "m_dst", "m_want") <= (CHANGED[name] if named else set())
    assert any(name in note for note in plan.warnings) == named
    assert any(name in note for note in moved.warnings) == (
        named or (value == "off" and name == "array_nulls")
    )


# -- between sessions that are unlike --------------------------------------------------------------


def test_a_span_within_a_type_of_the_users_is_read_alike_and_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell from a text of such a type where the span in it begins."""
    place.admin.execute("DROP TABLE IF EXISTS pairs; CREATE TABLE pairs (id int, p pair)")
    url = place.login("URL", "IntervalStyle", "sql_standard", monkeypatch)
    for way in ("relay", "function"):
        place.admin.execute("TRUNCATE pairs")
        result = move(url, "SELECT id, p FROM s", "pairs", way, to=place.url)

        assert any("IntervalStyle" in note for note in result.warnings)
        wrong = "SELECT count(*) FROM pairs JOIN s USING (id) WHERE pairs.p IS DISTINCT FROM s.p"
        assert place.admin.fetch(wrong) == [(0,)]
        assert place.admin.fetch("SELECT count(*) FROM pairs") == [(63,)]


@pytest.mark.parametrize("way", ["relay", "function"])
def test_values_pass_between_sessions_of_other_settings(
    place: Place, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.admin.execute("TRUNCATE v_dst, v_want")
    monkeypatch.setenv("PGOPTIONS", "-c TimeZone=Asia/Kathmandu -c IntervalStyle=sql_standard "
                       "-c bytea_output=escape -c DateStyle=SQL,\\ DMY")  # fmt: skip
    there = place.login("role", "TimeZone", "America/New_York", monkeypatch)
    there = place.login("role", "DateStyle", "ISO, YMD", monkeypatch)
    place.admin.execute(f"INSERT INTO v_want SELECT {VALUES} FROM s")
    options = {"options": "-c TimeZone=Pacific/Auckland -c IntervalStyle=iso_8601"}
    there = sa.make_url(there).update_query_dict(options).render_as_string(hide_password=False)

    move(place.url, f"SELECT {VALUES} FROM s", "v_dst", way, to=there)

    monkeypatch.delenv("PGOPTIONS")
    assert differing(place.admin, "v_dst", "v_want") == set()


def test_a_trigger_at_the_target_sees_the_sessions_own_settings(place: Place) -> None:
    shown = ", ".join(f"current_setting('{name}')" for name in (
        "TimeZone", "DateStyle", "IntervalStyle", "bytea_output", "xmloption", "array_nulls",
        "row_security", "search_path", "extra_float_digits"))  # fmt: skip
    place.admin.execute(
        "DROP TABLE IF EXISTS seen; CREATE TABLE seen (id int, at timestamptz, day date, s text);"
        "CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN "
        f"NEW.day := NEW.at::date; NEW.s := ROW({shown})::text; RETURN NEW; END $f$;"
        "CREATE TRIGGER look BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION look()"
    )
    options = (
        "-c TimeZone=Asia/Kathmandu -c DateStyle=ISO,DMY -c IntervalStyle=iso_8601 "
        "-c bytea_output=escape -c xmloption=document -c array_nulls=off "
        "-c search_path=other,public -c extra_float_digits=2"
    )
    url = sa.make_url(place.url).update_query_dict({"options": options})
    url = url.render_as_string(hide_password=False)
    for way in ("relay", "function", "rejects"):
        place.admin.execute("TRUNCATE public.seen")
        move(url, "SELECT id, at FROM public.s", "seen", way, target_schema="public")
        mine = place.admin.fetch("SELECT day, s FROM seen ORDER BY id")
        place.admin.execute("TRUNCATE public.seen")
        plainly(url, "INSERT INTO public.seen SELECT id, at FROM public.s")
        assert mine == place.admin.fetch("SELECT day, s FROM seen ORDER BY id")


def test_a_chunk_means_what_the_session_meant_that_planned(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker elsewhere has another environment, and a role is altered in mid-run."""
    sql = f"SELECT {MEANT} FROM public.s"
    place.admin.execute("TRUNCATE m_dst, m_want")
    url = place.login("role", "TimeZone", "Asia/Kathmandu", monkeypatch)
    plainly(url, f"INSERT INTO public.m_want {sql}")
    plan = ChunkManager().plan(MapperJob(source_conn=url, source_sql=sql, key_column="id"))
    place.admin.execute("ALTER ROLE mapper_settings SET TimeZone = 'America/New_York'")
    place.admin.execute("ALTER ROLE mapper_settings SET DateStyle = 'ISO, DMY'")
    place.admin.execute("ALTER ROLE mapper_settings SET IntervalStyle = 'iso_8601'")
    dispose_engines()

    read = ReadTask(reference(url), plan.query, 1000)
    with source_session(read, plan.chunks[0]) as session, session.session.conn.cursor() as cursor:
        cursor.execute(f"SELECT ROW(q.*)::text FROM ({sql}) q ORDER BY id")
        mine = cursor.fetchall()
    plain = sa.make_url(place.url).update_query_dict({"options": "-c TimeZone=Asia/Kathmandu"})
    wanted = "SELECT ROW(m.*)::text FROM m_want m ORDER BY id"
    assert mine == plainly(plain.render_as_string(hide_password=False), wanted)


OPTIONS = ("TimeZone=Asia/Kathmandu", "bytea_output=escape", "IntervalStyle=sql_standard",
           "extra_float_digits=-5")  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_checksums_compare_values_not_what_two_sessions_write(place: Place, option: str) -> None:
    place.admin.execute("DROP TABLE IF EXISTS copied")
    place.admin.execute("CREATE TABLE copied AS TABLE s WITH NO DATA")
    url = sa.make_url(place.url).update_query_dict({"options": f"-c {option}"})
    url = url.render_as_string(hide_password=False)
    names = "id, at, iv, b, f"
    place.admin.execute("ALTER TABLE copied DROP COLUMN p")
    result = move(url, f"SELECT {names} FROM s", "copied", "relay", to=place.url)

    counted = ParallelProcessor().reconcile(result.run_id, target_conn=place.url, source_conn=url)
    assert counted.matches
    count = "SELECT id, at, iv, b, f FROM copied"
    assert place.admin.fetch(f"SELECT count(*) FROM ({count} EXCEPT SELECT {names} FROM s) x") == [
        (0,)
    ]


def test_a_functions_columns_have_their_types_where_all_names_are_quoted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = MapperJob(source_conn=place.url, source_sql="SELECT * FROM s", key_column="id")
    usual = ChunkManager().plan(job).query.columns

    url = place.login("URL", "quote_all_identifiers", "on", monkeypatch)
    quoted = ChunkManager().plan(job.evolve(source_conn=url)).query.columns

    kept = [(c.name, c.type_name, c.arrow, c.key_type) for c in usual]
    assert [(c.name, c.type_name, c.arrow, c.key_type) for c in quoted] == kept


# -- the readers, without a database ---------------------------------------------------------------

MOMENTS = {
    "2024-03-09 15:00:00-05": "2024-03-09 20:00:00+00",
    "2024-03-10 01:45:00.5+05:45": "2024-03-09 20:00:00.5+00",
    "1937-06-30 12:19:32+00:19:32": "1937-06-30 12:00:00+00",
    "1883-11-18 12:03:57-04:56:03": "1883-11-18 17:00:00+00",
    "0001-01-01 00:00:00+00:53:28": "0001-12-31 23:06:32+00 BC",
    "0044-03-15 00:00:00+01 BC": "0044-03-14 23:00:00+00 BC",
    "10000-01-01 01:00:00+02": "9999-12-31 23:00:00+00",
    "294276-12-31 23:59:59.999999+00": "294276-12-31 23:59:59.999999+00",
    "infinity": "infinity",
    "-infinity": "-infinity",
}


@pytest.mark.parametrize(("text", "wanted"), MOMENTS.items())
def test_a_moment_is_told_in_utc(text: str, wanted: str) -> None:
    assert zones.utc(text) == wanted


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("text", "wanted"), MOMENTS.items())
def test_a_moment_is_read_alike_by_both_readers(
    text: str,
    wanted: str,
    compiled: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not compiled:
        monkeypatch.setattr(lines, "compiled", None)
    column = types.column("at", "timestamp with time zone", "timestamp with time zone", "D")
    block = f"{text}\n\\N\n".encode()
    ordinary = text[4:5] == "-" and text[0].isdigit() and not wanted.endswith("BC")
    if ordinary:
        rows = decode.Decoder([column], [True]).decode(block)
        want = pa.array([wanted, None]).cast(column.arrow)
        assert rows.column(0).combine_chunks().equals(want)
    else:
        with pytest.raises(pa.ArrowInvalid):
            decode.Decoder([column], [True]).decode(block)
    texts = decode.Decoder([column], [False]).decode(block)
    assert texts.column(0).to_pylist() == [wanted, None]


@pytest.mark.parametrize("value", [b"", b"\\", b"\\x41", b"a'\"\t\n\x00\xff", bytes(range(256))])
def test_bytes_are_read_in_either_form(value: bytes) -> None:
    octal = "".join(
        "\\\\" if b == 0x5C else chr(b) if 0x20 <= b < 0x7F else f"\\{b:03o}" for b in value
    )
    column = types.column("b", "bytea", "bytea", "U")
    for text in (octal, "\\x" + value.hex()):
        block = (text.replace("\\", "\\\\") + "\n").encode()
        assert decode.Decoder([column], [True]).decode(block).column(0).to_pylist() == [value]
