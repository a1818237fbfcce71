"""Columns the database fills by itself: refused by name, or stored as they left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.errors import TargetError
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.database import Databases, Server, fresh_databases
from tests.integration.fidelity.ways import ARROW, NULLABLES, PANDAS, RELAY, Way

APART = {"reject_limit": 1}
FILLING = [
    RELAY,
    ARROW,
    PANDAS,
    NULLABLES,
    Way("replace", {"write_disposition": "replace"}),
    Way("replace_pandas", {"write_disposition": "replace"}, PANDAS.function),
    Way("merge", {"write_disposition": "merge", "primary_key": "k"}),
    Way("apart", APART, PANDAS.function),
]
KINDS = ["STORED", "VIRTUAL"]
IDENTITIES = ["ALWAYS", "BY DEFAULT"]


@pytest.fixture(scope="module")
def both(postgres_server: Server) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as made:
        yield made


@pytest.fixture
def databases(both: Databases) -> Databases:
    """Both databases without the table, which each test makes: quicker than new databases."""
    for database in both:
        database.execute("DROP TABLE IF EXISTS t")
    return both


def move(databases: Databases, way: Way, columns: str) -> ParallelProcessingResult:
    return way.move(databases, "t", columns)


def require_kind(databases: Databases, kind: str) -> None:
    [(version,)] = databases.target.fetch("SELECT current_setting('server_version_num')::int")
    if kind == "VIRTUAL" and version < 180000:
        pytest.skip("virtual generated columns came with PostgreSQL 18")


def generated(kind: str) -> str:
    return (
        "CREATE TABLE t (k int PRIMARY KEY, price numeric(10,2), "
        f"double numeric GENERATED ALWAYS AS (price * 2) {kind})"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", FILLING, ids=lambda way: way.name)
def test_a_generated_column_is_computed_anew_and_takes_no_values(
    databases: Databases, way: Way, kind: str
) -> None:
    require_kind(databases, kind)
    for database in databases:
        database.execute(generated(kind))
    databases.source.execute("INSERT INTO t VALUES (1, 1.50), (2, NULL)")
    with pytest.raises(TargetError, match="'double' is computed by the database"):
        move(databases, way, "*")
    assert databases.target.fetch("SELECT count(*) FROM t") == [(0,)]
    move(databases, way, "k, price").raise_for_status()
    left, arrived = (each.fetch("SELECT *, double::text FROM t ORDER BY k") for each in databases)
    assert arrived == left


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [RELAY, ARROW, PANDAS], ids=lambda way: way.name)
def test_a_generated_column_of_the_source_is_read_like_any_other(
    databases: Databases, way: Way, kind: str
) -> None:
    require_kind(databases, kind)
    databases.source.execute(generated(kind))
    databases.target.execute("CREATE TABLE t (k int, price numeric(10,2), double numeric)")
    databases.source.execute("INSERT INTO t VALUES (1, 1.50), (2, NULL)")
    move(databases, way, "*").raise_for_status()
    assert databases.target.fetch("SELECT k, double::text FROM t ORDER BY k") == [
        (1, "3.00"),
        (2, None),
    ]


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("way", FILLING, ids=lambda way: way.name)
def test_an_identity_column_keeps_the_values_it_is_given(
    databases: Databases, way: Way, identity: str
) -> None:
    """Never numbered anew: what refers to a row by its number would mean another one."""
    for database in databases:
        database.execute(
            f"CREATE TABLE t (k int8 GENERATED {identity} AS IDENTITY PRIMARY KEY, v text)"
        )
    databases.source.execute(
        "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (9007199254740993, 'a'), (7, 'b'), (-1, '')"
    )
    move(databases, way, "*").raise_for_status()
    left, arrived = (each.fetch("SELECT * FROM t ORDER BY k") for each in databases)
    assert arrived == left


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("way", FILLING, ids=lambda way: way.name)
def test_an_identity_beside_the_key_is_kept_or_refused(
    databases: Databases, way: Way, identity: str
) -> None:
    """A merge changes rows that are there, and PostgreSQL lets nothing change ALWAYS."""
    for database in databases:
        database.execute(
            f"CREATE TABLE t (k int PRIMARY KEY, n int GENERATED {identity} AS IDENTITY, v text)"
        )
    databases.source.execute("INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1, 70, 'a')")
    if way.name in ("merge", "replace", "replace_pandas"):
        databases.target.execute("INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1, 5, 'old')")
    outcome = attempt(databases, way)
    [row] = databases.target.fetch("SELECT * FROM t")
    if way.name == "merge" and identity == "ALWAYS":
        assert '"n" can only be updated to DEFAULT' in outcome
        assert row == (1, 5, "old")
    else:
        assert (outcome, row) == ("", (1, 70, "a"))


def attempt(databases: Databases, way: Way) -> str:
    """Return why a run ended early, by an error or in its result; empty when it did not."""
    try:
        result = move(databases, way, "*")
    except TargetError as error:
        return str(error)
    return "; ".join([*result.errors, result.error or ""]) if not result.succeeded else ""


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("way", FILLING, ids=lambda way: way.name)
def test_an_identity_that_the_rows_do_not_bring_is_numbered_by_the_target(
    databases: Databases, way: Way, identity: str
) -> None:
    databases.source.execute("CREATE TABLE t (k int PRIMARY KEY)")
    databases.source.execute("INSERT INTO t SELECT generate_series(1, 3)")
    databases.target.execute(
        f"CREATE TABLE t (k int PRIMARY KEY, n int GENERATED {identity} AS IDENTITY (START 10))"
    )
    move(databases, way, "*").raise_for_status()
    assert databases.target.fetch("SELECT k, n BETWEEN 10 AND 12 FROM t ORDER BY k") == [
        (1, True),
        (2, True),
        (3, True),
    ]


def test_a_merge_keeps_an_identity_that_the_rows_do_not_bring(databases: Databases) -> None:
    databases.source.execute("CREATE TABLE t AS SELECT 1 AS k, 'new' AS v")
    databases.target.execute(
        "CREATE TABLE t (k int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY (START 10), v text)"
    )
    databases.target.execute("INSERT INTO t (k, v) VALUES (1, 'old')")
    ParallelProcessor(enable_parallel=False).process_mapper_job(
        databases.source.url,
        "SELECT * FROM t",
        None,
        databases.target.url,
        None,
        "t",
        write_disposition="merge",
    ).raise_for_status()
    assert databases.target.fetch("SELECT * FROM t") == [(1, 10, "new")]
