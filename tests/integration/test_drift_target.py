"""The target is altered while its rows are on their way: the run is refused, no value is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ParallelProcessingResult, ParallelProcessor
from mapper_dask.errors import FingerprintError
from mapper_dask.events.run_events import RunEvent
from tests.builders import job_of
from tests.database import Databases

ROWS, SIZE = 2_000, 200
AFTER = 3
"""Chunks that are committed before somebody alters the table."""


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class Attack:
    """What is done to the target between two chunks."""

    kind: str
    """Type of the column ``v`` on both sides."""
    value: str
    """Its value in row ``g``."""
    alter: str
    says: str
    """What the refusal names."""


TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN part AS integer; "
    "CREATE TYPE pair AS (a int, b int)"
)

ATTACKS = {
    "float to bigint": Attack(
        "float8", "g + 0.5", "ALTER TABLE d ALTER v TYPE bigint",
        "'v' of public.d was double precision, now it is bigint"),
    "bigint to float": Attack(
        "bigint", "g", "ALTER TABLE d ALTER v TYPE float8",
        "'v' of public.d was bigint, now it is double precision"),
    "bigint to time": Attack(
        "bigint", "g", "ALTER TABLE d ALTER v TYPE timestamp USING to_timestamp(v)",
        "'v' of public.d was bigint, now it is timestamp"),
    "date to int": Attack(
        "date", "date '2024-01-01' + g",
        "ALTER TABLE d ALTER v TYPE int USING v - date '2000-01-01'",
        "'v' of public.d was date, now it is integer"),
    "time zone": Attack(
        "timestamp", "timestamp '2024-01-01' + g * interval '1 s'",
        "ALTER TABLE d ALTER v TYPE timestamptz", "'v' of public.d was timestamp"),
    "length": Attack(
        "varchar(20)", "g::text", "ALTER TABLE d ALTER v TYPE varchar(30)",
        "'v' of public.d was character varying(20)"),
    "dropped and added": Attack(
        "bigint", "g", "ALTER TABLE d DROP v; ALTER TABLE d ADD v bigint",
        "'v' of public.d is another one"),
    "renamed crosswise": Attack(
        "int", "g",
        "ALTER TABLE d RENAME v TO x; ALTER TABLE d RENAME id TO v; ALTER TABLE d RENAME x TO id",
        "of public.d is another one"),
    "another table": Attack(
        "bigint", "g", "DROP TABLE d; CREATE TABLE d (id int, v bigint)",
        "table public.d is another one"),
    "swapped tables": Attack(
        "bigint", "g", "ALTER TABLE d RENAME TO old; CREATE TABLE d (id int, v bigint)",
        "table public.d is another one"),
    "enum renamed": Attack(
        "mood", "CASE WHEN g %% 2 = 0 THEN 'sad' ELSE 'ok' END::mood",
        ("ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'ok' TO 'sad'; "
         "ALTER TYPE mood RENAME VALUE 'x' TO 'ok'"), "type mood was enum of 'sad', 'ok'"),
    "enum widened": Attack(
        "mood", "'ok'::mood", "ALTER TYPE mood ADD VALUE 'new'", "type mood was enum"),
    "domain": Attack(
        "part", "g", "ALTER DOMAIN part ADD CHECK (value > -5)",
        "type part was domain over integer"),
    "composite": Attack(
        "pair", "(g, -g)::pair",
        ("ALTER TYPE pair RENAME ATTRIBUTE a TO x; ALTER TYPE pair RENAME ATTRIBUTE b TO a; "
         "ALTER TYPE pair RENAME ATTRIBUTE x TO b"), "type pair was row of a integer, b integer"),
    "array of enum": Attack(
        "mood[]", "ARRAY['ok']::mood[]",
        "ALTER TYPE mood RENAME VALUE 'ok' TO 'x'; ALTER TYPE mood RENAME VALUE 'sad' TO 'ok'",
        "type mood was enum"),
    "trigger": Attack(
        "bigint", "g",
        ("CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM d "
         "WHERE id = new.id; RETURN NULL; END'; "
         "CREATE TRIGGER steal AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION steal()"),
        "trigger steal of public.d is new"),
    "rule": Attack(
        "bigint", "g", "CREATE RULE none AS ON INSERT TO d DO INSTEAD NOTHING",
        "rule none of public.d is new"),
}  # fmt: skip


def prepared(databases: Databases, attack: Attack) -> None:
    for database in databases:
        database.execute(TYPES)
    databases.source.execute(f"CREATE TABLE s (id int PRIMARY KEY, v {attack.kind})")
    databases.source.execute(
        f"INSERT INTO s SELECT g, {attack.value} FROM generate_series(1, {ROWS}) g"
    )
    databases.source.execute("ANALYZE s")
    databases.target.execute(f"CREATE TABLE d (id int, v {attack.kind})")


def move(
    databases: Databases,
    alter: str | Callable[[], None],
    processor: dict[str, Any] | None = None,
    **options: Any,
) -> ParallelProcessingResult:
    """Run the job; between two chunks the table is altered."""
    done: list[int] = []

    def between(event: RunEvent) -> None:
        if event.done >= AFTER and not done:
            done.append(event.done)
            if callable(alter):
                alter()
            else:
                databases.target.execute(alter)

    job = job_of(databases, key_column="id", chunk_size=SIZE, **{"run_id": "r", **options})
    result = ParallelProcessor(**(processor or {"enable_parallel": False}), progress=between).run(
        job
    )
    assert done, "the table was never altered"
    return result


def booked(databases: Databases) -> int:
    [(rows,)] = databases.target.fetch("SELECT sum(rows_loaded)::int FROM mapper_dask_chunk")
    return rows


def refusal(result: ParallelProcessingResult) -> str:
    assert not result.succeeded
    return " ".join([*(str(error) for error in result.errors), str(result.error)])


@pytest.mark.parametrize("function", [None, unchanged], ids=["relay", "function"])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_altered_target_is_refused(
    databases: Databases, name: str, function: Callable[..., Any] | None
) -> None:
    attack = ATTACKS[name]
    prepared(databases, attack)
    result = move(databases, attack.alter, transformation_logic=function)
    assert attack.says in refusal(result)
    assert "Undo the change and resume" in refusal(result)
    assert booked(databases) == AFTER * SIZE
    table = "old" if name == "swapped tables" else "d"
    [(rows,)] = databases.target.fetch(f"SELECT count(*) FROM {table}")
    assert rows == (0 if name == "another table" else AFTER * SIZE)


@pytest.mark.parametrize("name", ["float to bigint", "bigint to float", "date to int"])
def test_workers_refuse_it_too_and_no_value_is_wrong(databases: Databases, name: str) -> None:
    attack = ATTACKS[name]
    prepared(databases, attack)
    result = move(databases, attack.alter, {"max_workers": 2}, transformation_logic=unchanged)
    assert attack.says in refusal(result)
    [(rows,)] = databases.target.fetch("SELECT count(*) FROM d")
    assert AFTER * SIZE <= rows == booked(databases) < ROWS
    expected = "v - 0.5 - id" if name == "float to bigint" else "v - id"
    if name == "date to int":
        expected = "v - 8766 - id"
    assert databases.target.fetch(f"SELECT max(abs({expected})) <= 1 FROM d") == [(True,)]


def test_rows_that_are_set_aside_go_the_same_way(databases: Databases) -> None:
    attack = ATTACKS["bigint to float"]
    prepared(databases, attack)
    result = move(databases, attack.alter, reject_limit=10)
    assert attack.says in refusal(result)
    assert booked(databases) == AFTER * SIZE


def test_a_column_that_is_added_harms_nobody(databases: Databases) -> None:
    prepared(databases, ATTACKS["bigint to float"])
    move(databases, "ALTER TABLE d ADD late int; CREATE INDEX ON d (id)").raise_for_status()
    assert databases.target.fetch("SELECT count(*), sum(v) FROM d") == [
        (ROWS, ROWS * (ROWS + 1) // 2)
    ]


@pytest.mark.parametrize(
    "alter", ["DETACH PARTITION d2", "ATTACH PARTITION d3 FOR VALUES FROM (5000) TO (6000)"]
)
def test_a_partition_that_comes_or_goes_is_refused(databases: Databases, alter: str) -> None:
    prepared(databases, ATTACKS["bigint to float"])
    databases.target.execute(
        "DROP TABLE d; CREATE TABLE d (id int, v bigint) PARTITION BY RANGE (id)"
    )
    databases.target.execute("CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (1500)")
    databases.target.execute("CREATE TABLE d2 PARTITION OF d FOR VALUES FROM (1500) TO (5000)")
    databases.target.execute("CREATE TABLE d3 (id int, v bigint)")
    result = move(databases, f"ALTER TABLE d {alter}")
    assert "the set of partitions of public.d was 2" in refusal(result)
    assert databases.target.fetch("SELECT count(*) FROM d") == [(AFTER * SIZE,)]


# -- staged ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"write_disposition": "replace"},
        {"atomic": True},
        {"write_disposition": "merge", "primary_key": "id"},
    ],
    ids=["replace", "atomic", "merge"],
)
@pytest.mark.parametrize("function", [None, unchanged], ids=["relay", "function"])
def test_an_altered_target_takes_nothing_that_was_staged(
    databases: Databases, options: dict[str, Any], function: Callable[..., Any] | None
) -> None:
    attack = ATTACKS["float to bigint"]
    prepared(databases, attack)
    databases.target.execute("ALTER TABLE d ADD UNIQUE (id), ALTER id SET NOT NULL")
    result = move(databases, attack.alter, transformation_logic=function, **options)
    assert attack.says in refusal(result)
    assert databases.target.fetch("SELECT count(*) FROM d") == [(0,)]
    databases.target.execute("ALTER TABLE d ALTER v TYPE float8")
    ParallelProcessor(enable_parallel=False).resume(
        "r", target_conn=databases.target.url, transformation_logic=function
    ).raise_for_status()
    assert databases.target.fetch("SELECT count(*), sum(v - id) FROM d") == [(ROWS, ROWS / 2)]


def test_an_altered_staging_table_is_refused(databases: Databases) -> None:
    prepared(databases, ATTACKS["bigint to float"])

    def alter() -> None:
        [(name,)] = databases.target.fetch(
            "SELECT relname FROM pg_class WHERE relname LIKE 'mapper_dask_stage%%' "
            "AND relkind = 'r'"
        )
        databases.target.execute(f"ALTER TABLE {name} ALTER v TYPE float8")

    result = move(databases, alter, transformation_logic=unchanged, write_disposition="replace")
    assert "the staging table of" in refusal(result)
    assert "'v' of public.d was bigint, now it is double precision" in refusal(result)
    assert booked(databases) == AFTER * SIZE
    assert databases.target.fetch("SELECT count(*) FROM d") == [(0,)]


# -- resumed ---------------------------------------------------------------------------------------


def stopped(databases: Databases, kind: str, **options: Any) -> None:
    """Leave a run behind that has committed some chunks."""
    prepared(databases, Attack(kind, "g", "", ""))
    databases.target.execute(f"ALTER TABLE d ADD CHECK (id <= {AFTER * SIZE})")
    job = job_of(databases, key_column="id", chunk_size=SIZE, run_id="r", **options)
    assert not ParallelProcessor(enable_parallel=False).run(job).succeeded
    assert booked(databases) == AFTER * SIZE
    databases.target.execute("ALTER TABLE d DROP CONSTRAINT d_id_check")


def resumed(databases: Databases) -> ParallelProcessingResult:
    return ParallelProcessor(enable_parallel=False).resume("r", target_conn=databases.target.url)


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''not today''; END';
CREATE TRIGGER refuse BEFORE INSERT ON d FOR EACH STATEMENT EXECUTE FUNCTION refuse()
"""


def test_a_run_that_is_only_to_be_published_does_not_go_into_another_column(
    databases: Databases,
) -> None:
    prepared(databases, ATTACKS["float to bigint"])
    databases.target.execute(REFUSE)
    job = job_of(databases, key_column="id", chunk_size=SIZE, run_id="r", atomic=True)
    result = ParallelProcessor(enable_parallel=False).run(job)
    assert "not today" in refusal(result)
    assert booked(databases) == ROWS
    databases.target.execute("DROP TRIGGER refuse ON d; ALTER TABLE d ALTER v TYPE bigint")
    with pytest.raises(FingerprintError, match="'v' was double precision when the run began"):
        resumed(databases)
    assert databases.target.fetch("SELECT count(*) FROM d") == [(0,)]
    databases.target.execute("ALTER TABLE d ALTER v TYPE float8")
    resumed(databases).raise_for_status()
    assert databases.target.fetch("SELECT count(*), sum(v - id) FROM d") == [(ROWS, ROWS / 2)]


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        ("ALTER TABLE d ALTER v TYPE float8",
         "column 'v' was bigint when the run began, now it is double precision"),
        ("ALTER TABLE d ALTER v TYPE text",
         "column 'v' was bigint when the run began, now it is text"),
        ("ALTER TABLE d DROP v; ALTER TABLE d ADD v bigint",
         "column 'v' is another one of that name"),
    ],
)  # fmt: skip
def test_a_run_does_not_go_on_into_another_column(
    databases: Databases, alter: str, says: str
) -> None:
    stopped(databases, "bigint")
    databases.target.execute(alter)
    with pytest.raises(FingerprintError, match="cannot be resumed") as refused:
        resumed(databases)
    assert says in str(refused.value)
    assert booked(databases) == AFTER * SIZE


def test_a_run_goes_on_into_a_wider_column_and_says_so(databases: Databases) -> None:
    """That is how a person mends a value that did not fit."""
    stopped(databases, "int")
    databases.target.execute("ALTER TABLE d ALTER v TYPE bigint")
    result = resumed(databases).raise_for_status()
    assert any(
        "column 'v' was integer when the run began, now it is bigint" in w for w in result.warnings
    )
    assert databases.target.fetch("SELECT count(*), sum(v) FROM d") == [
        (ROWS, ROWS * (ROWS + 1) // 2)
    ]
