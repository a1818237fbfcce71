"""What an Oracle session's NLS settings make of a query is left to them; keys are cut by bytes.

The stand-in's linguistic sort is one that knows no capitals. Its trigger at logon is a table
LOGON_SETTINGS in the login's schema.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import oracledb
import pytest
import sqlalchemy as sa

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.parallel_models import ChunkKind

SORTED = {"NLS_SORT": "BINARY_CI", "NLS_COMP": "LINGUISTIC"}
ORDERED = {"NLS_SORT": "BINARY_CI", "NLS_COMP": "BINARY"}
GERMAN = {
    "NLS_DATE_FORMAT": "DD.MM.YYYY", "NLS_NUMERIC_CHARACTERS": ",.", "TIME_ZONE": "+05:30",
    "NLS_DATE_LANGUAGE": "GERMAN", "NLS_TERRITORY": "GERMANY", "NLS_LANGUAGE": "GERMAN",
}  # fmt: skip
Run = Callable[..., list[tuple[object, ...]]]


def connected(url: str) -> oracledb.Connection:
    made = sa.make_url(url)
    dsn = f"{made.host}:{made.port}/{made.query['service_name']}"
    return oracledb.connect(user=made.username, password=made.password, dsn=dsn)


@pytest.fixture
def run(standin) -> Iterator[Run]:
    """Run statements as anybody would, in a session of their own."""

    def statements(*texts: str, role: str = "source") -> list[tuple[object, ...]]:
        with connected(standin.url(role)) as conn, conn.cursor() as cursor:
            for text in texts:
                cursor.execute(text)
            rows = list(cursor.fetchall()) if cursor.description else []
            conn.commit()
            return rows

    yield statements
    dispose_engines()
    for role in ("source", "target"):
        for table in ("LOGON_SETTINGS", "NAMES", "CAME"):
            with contextlib.suppress(oracledb.DatabaseError):  # it is not there
                statements(f"DROP TABLE {table}", role=role)


def at_logon(run: Run, settings: dict[str, str], role: str = "source") -> None:
    run(
        "CREATE TABLE logon_settings (name VARCHAR2(64), value VARCHAR2(64))",
        *(f"INSERT INTO logon_settings VALUES ('{n}', '{v}')" for n, v in settings.items()),
        role=role,
    )


def names(run: Run, settings: dict[str, str], *, roles: tuple[str, ...] = ("source",)) -> None:
    """Make a table of texts that a sort without capitals mixes, read by a session with settings."""
    run("CREATE TABLE names (k VARCHAR2(20) NOT NULL, n NUMBER)")
    with_rows = (
        f"INSERT INTO names VALUES ('{letter}{number:03d}', {number}.5)"
        for number in range(40)
        for letter in "aAbBzZ"
    )
    run(*with_rows)
    run("CREATE TABLE came (k VARCHAR2(100) NOT NULL, n NUMBER)", role="target")
    for role in roles:
        at_logon(run, settings, role)


def job(standin, sql: str, **options: object) -> MapperJob:
    return MapperJob(
        source_conn=standin.url("source"), source_sql=sql, target_conn=standin.url("target"),
        target_table="came", **{"chunk_size": 17, **options},
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings", [{}, SORTED, ORDERED, {**SORTED, "NLS_SORT": "GERMAN"}, GERMAN]
)
@pytest.mark.parametrize("options", [{"key_column": "k"}, {"key_column": ("k", "n")}])
def test_ranges_of_texts_hold_each_row_once(standin, run: Run, settings, options) -> None:
    names(run, settings)
    moved = job(standin, "SELECT k, n FROM names", **options)

    plan = ChunkManager().plan(moved)
    result = ParallelProcessor(enable_parallel=False).run(moved)
    result.raise_for_status()

    assert len(plan.chunks) > 10
    assert {chunk.kind for chunk in plan.chunks} <= {ChunkKind.KEY_RANGE, ChunkKind.NULL_KEY}
    found = run("SELECT k, n FROM came", role="target")
    assert len(found) == 240
    assert sorted(found) == sorted(run("SELECT k, n FROM names"))
    told = any("orders texts by a language" in note for note in plan.warnings)
    assert told == (settings.get("NLS_SORT", "BINARY") != "BINARY")


@pytest.mark.parametrize("settings", [{}, SORTED, ORDERED, GERMAN])
def test_the_users_predicate_means_what_the_session_says(standin, run: Run, settings) -> None:
    names(run, settings)
    sql = "SELECT k, n FROM names WHERE k = 'a001'"
    moved = job(standin, sql)

    ParallelProcessor(enable_parallel=False).run(moved).raise_for_status()

    found = sorted(k for k, _ in run("SELECT k, n FROM came", role="target"))
    assert found == sorted(str(k) for k, _ in run(sql))
    assert found == (["A001", "a001"] if settings is SORTED else ["a001"])


@pytest.mark.parametrize("way", ["function", "none"])
def test_the_users_formats_and_zone_are_left_alone(standin, run: Run, way: str) -> None:
    names(run, GERMAN)
    sql = (
        "SELECT parameter || '=' || value AS k, 1.5 AS n FROM NLS_SESSION_PARAMETERS "
        "UNION ALL SELECT SESSIONTIMEZONE AS k, 2.25 AS n FROM DUAL"
    )
    moved = job(standin, sql, transformation_logic=(lambda df: df) if way == "function" else None)

    ParallelProcessor(enable_parallel=False).run(moved).raise_for_status()

    found = {str(k) for k, _ in run("SELECT k, n FROM came", role="target")}
    assert found >= {"+05:30", "NLS_TERRITORY=GERMANY"}


def test_numbers_pass_sessions_of_another_decimal_point(standin, run: Run) -> None:
    names(run, GERMAN, roles=("source", "target"))
    moved = job(standin, "SELECT k, n FROM names", key_column="n")

    ParallelProcessor(enable_parallel=False).run(moved).raise_for_status()

    assert sorted(run("SELECT k, n FROM came", role="target")) == sorted(
        run("SELECT k, n FROM names")
    )


def test_a_merge_tells_keys_apart_that_a_language_takes_for_one(standin, run: Run) -> None:
    names(run, SORTED, roles=("source", "target"))
    run("CREATE UNIQUE INDEX came_key ON came (k)", role="target")
    moved = job(standin, "SELECT k, n FROM names", key_column="k",
                write_disposition="merge", primary_key=("k",))  # fmt: skip
    for _ in range(2):
        result = ParallelProcessor(enable_parallel=False).run(moved)
        result.raise_for_status()

    assert len(run("SELECT k FROM came", role="target")) == 240
    assert any("target's session orders texts by a language" in note for note in result.warnings)
