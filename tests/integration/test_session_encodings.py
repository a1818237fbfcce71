"""Texts outside of ASCII, whatever encoding a database has and a session begins in."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor, read_sql_query
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.postgresql import copying, libpq
from mapper_dask.errors import MapperError
from mapper_dask.parallel_models import ChunkKind
from tests.database import Database, Server

ENCODINGS = ("LATIN1", "WIN1252", "LATIN9", "SQL_ASCII", "UTF8")
HOW = ("as it comes", "role", "database", "URL", "options", "environment")
SPOKEN = ("libpq", "psycopg2 alone")

TABLE = """
CREATE TABLE "Städte" (id int PRIMARY KEY, "Straße" text, city text);
INSERT INTO "Städte" SELECT i, 'Weg ' || i, (ARRAY['ü', 'é', 'Z', 'a', 'ß'])[i % 5 + 1] || i
FROM generate_series(1, 300) i;
CREATE TABLE dst (LIKE "Städte");
"""


@pytest.fixture(scope="module")
def made(postgres_server: Server) -> Iterator[dict[str, Database]]:
    """A database in each encoding."""
    admin, there = Database(postgres_server.url()), {}
    for encoding in ENCODINGS:
        name = f"mapper_dask_test_{uuid.uuid4().hex[:12]}"
        made = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        admin.execute(f'CREATE DATABASE "{name}" {made}')
        there[encoding] = Database(postgres_server.url(name))
        run(there[encoding].url, TABLE)
    admin.execute("DROP ROLE IF EXISTS mapper_latin; CREATE ROLE mapper_latin SUPERUSER LOGIN")
    yield there
    dispose_engines()
    for database in there.values():
        admin.execute(f'DROP DATABASE "{sa.make_url(database.url).database}" WITH (FORCE)')
    admin.execute("DROP ROLE mapper_latin")


def run(url: str, sql: str) -> list[tuple[object, ...]]:
    conn = psycopg2.connect(url.replace("+psycopg2", ""), client_encoding="UTF8")
    with contextlib.closing(conn), conn, conn.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(params=ENCODINGS)
def place(request: pytest.FixtureRequest, made: dict[str, Database]) -> Iterator[Database]:
    database = made[request.param]
    name = sa.make_url(database.url).database
    yield database
    dispose_engines()
    run(database.url, "TRUNCATE dst; ALTER ROLE mapper_latin RESET ALL")
    run(database.url, f'ALTER DATABASE "{name}" RESET ALL')


def login(place: Database, how: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a URL whose session would begin in an encoding of its own."""
    url = sa.make_url(place.url)
    match how:
        case "role":
            require(place, "LATIN1")
            run(place.url, "ALTER ROLE mapper_latin SET client_encoding = 'LATIN1'")
            url = url.set(username="mapper_latin")
        case "database":
            require(place, "WIN1252")
            run(place.url, f"ALTER DATABASE \"{url.database}\" SET client_encoding = 'WIN1252'")
        case "URL":
            url = url.update_query_dict({"client_encoding": "latin1"})
        case "options":
            url = url.update_query_dict({"options": "-c client_encoding=WIN1252"})
        case "environment":
            monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    return url.render_as_string(hide_password=False)


def require(place: Database, encoding: str) -> None:
    """Skip what the database itself refuses to be asked for."""
    try:
        run(place.url, f"SET client_encoding = '{encoding}'")
    except psycopg2.errors.FeatureNotSupported:
        pytest.skip("the server converts between these in no session")


@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("how", HOW)
def test_literals_names_params_and_keys_outside_of_ascii(
    place: Database, how: str, spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spoken == "psycopg2 alone":
        monkeypatch.setattr(copying, "compiled", None)
        monkeypatch.setattr(libpq, "library", lambda: None)
    url = login(place, how, monkeypatch)
    where = "WHERE city LIKE 'ü%' OR city >= :least"
    job = MapperJob(
        source_conn=url, source_sql=f'SELECT id, "Straße", city FROM "Städte" {where}',
        params={"least": "ß"}, key_column="city", target_conn=url, target_table="dst",
        transformation_logic=None if how == "URL" else lambda df: df, chunk_size=20,
    )  # fmt: skip

    plan = ChunkManager().plan(job)
    result = ParallelProcessor(enable_parallel=False).run(job)
    result.raise_for_status()

    query = f'SELECT id, "Straße", city FROM "Städte" {where.replace(":least", "%ß%")}'
    wanted = run(place.url, query.replace("%ß%", "'ß'"))
    assert sorted(run(place.url, "TABLE dst")) == sorted(wanted)
    bounds = [str(chunk.lower) for chunk in plan.chunks if chunk.kind is ChunkKind.KEY_RANGE]
    assert any("ü" in bound or "é" in bound or "ß" in bound for bound in bounds)


@pytest.mark.parametrize("how", HOW)
def test_an_error_names_columns_outside_of_ascii(
    place: Database, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = login(place, how, monkeypatch)
    job = MapperJob(source_conn=url, source_sql='SELECT "Gäßchen" FROM "Städte"')

    with pytest.raises(MapperError, match="Gäßchen"):
        ChunkManager().plan(job)


def test_a_frame_of_names_outside_of_ascii(place: Database) -> None:
    frame = read_sql_query('SELECT id, "Straße" FROM "Städte"', place.url, "id", chunk_size=90)

    assert list(frame.columns) == ["Straße"]
    assert len(frame.compute(scheduler="synchronous")) == 300


def test_what_a_database_cannot_hold_is_refused_with_its_encoding(
    made: dict[str, Database],
) -> None:
    job = MapperJob(
        source_conn=made["UTF8"].url, source_sql="SELECT 1 AS id, chr(937) AS city",
        target_conn=made["LATIN1"].url, target_table="dst",
    )  # fmt: skip
    result = ParallelProcessor(enable_parallel=False).run(job)

    assert "has no equivalent in encoding" in str(result.errors[0])
    assert run(made["LATIN1"].url, "TABLE dst") == []


def test_bytes_of_no_known_encoding_are_refused_with_the_remedy(made: dict[str, Database]) -> None:
    """The remedy that is told: what they are is named in the query."""
    there = made["SQL_ASCII"]
    run(there.url, r"CREATE TABLE old AS SELECT 1 AS id, convert_from('\xfc', 'SQL_ASCII') AS city")
    sql = "SELECT id, city FROM old"
    job = MapperJob(
        source_conn=there.url, source_sql=sql, target_conn=there.url, target_table="dst",
        transformation_logic=lambda df: df,
    )  # fmt: skip
    with pytest.raises(MapperError, match=r"SQL_ASCII.*convert_from"):
        ParallelProcessor(enable_parallel=False).run(job).raise_for_status()

    known = "convert_from(convert(convert_to(city, 'SQL_ASCII'), 'LATIN1', 'UTF8'), 'SQL_ASCII')"
    job = job.evolve(source_sql=f"SELECT id, {known} AS city FROM old")
    ParallelProcessor(enable_parallel=False).run(job).raise_for_status()

    assert run(there.url, "SELECT city FROM dst") == [("ü",)]
    run(there.url, "DROP TABLE old; TRUNCATE dst")
