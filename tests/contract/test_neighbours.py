"""Times that Arrow or Oracle cannot hold change nothing for the rows beside them.

The row itself Oracle refuses, or holds (a year before Christ); the stand-in reads a text by
PostgreSQL's rules, so what becomes of it there shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mapper_dask import MapperJob, ParallelProcessingResult, ParallelProcessor
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Databases

ROWS, ODD = 60, 17
FORMAT = "'SYYYY-MM-DD HH24:MI:SS.FF9'"
WAYS = {"no function": None, "a function": lambda frame: frame}
ALL_WAYS = pytest.mark.parametrize("function", WAYS.values(), ids=WAYS)


@pytest.fixture
def oracle(oracle_url: Callable[[str], str]) -> Iterator[Side]:
    made = sides.oracle(oracle_url("target"))
    yield made
    made.clean()


@pytest.fixture
def postgresql(databases: Databases) -> Iterator[Side]:
    made = sides.postgresql(databases.source)
    yield made
    made.clean()


def move(source: Side, sql: str, target: Side, here: str, **more: Any) -> ParallelProcessingResult:
    job = MapperJob(
        source_conn=source.url, source_sql=sql, target_conn=target.url, target_table=here,
        key_column="id", **more,
    )  # fmt: skip
    result = ParallelProcessor(enable_parallel=False, progress=False).run(job)
    return result.raise_for_status()


INTO_ORACLE = {
    "infinity": ("timestamp", "instant", "infinity"),
    "its own kind": ("timestamptz", "instant", "-infinity"),
    "no zone": ("timestamptz", "time", "infinity"),
    "its own kind without a zone": ("timestamp", "time", "infinity"),
    "a date": ("date", "second", "infinity"),
    "a date with a zone": ("date", "instant", "infinity"),
    "whole seconds": ("timestamp", "second", "infinity"),
    "nine digits": ("timestamp", "fine", "infinity"),
    "beyond Oracle": ("timestamp", "time", "10000-01-01"),
    "BC": ("timestamp", "instant", "0044-03-15 12:00:00.5 BC"),
    "BC, its own kind": ("timestamptz", "instant", "0044-03-15 12:00:00.5+00 BC"),
    "BC, a date": ("date", "second", "0044-03-15 BC"),
}


@ALL_WAYS
@pytest.mark.parametrize("case", INTO_ORACLE)
def test_a_time_that_arrow_lacks_changes_no_other_row_in_oracle(
    postgresql: Side, oracle: Side, case: str, function: Any
) -> None:
    kind, target, odd = INTO_ORACLE[case]
    here = oracle.table({"id": "key", "v": target})
    sql = (
        f"SELECT i AS id, (CASE WHEN i = {ODD} THEN '{odd}' ELSE '2024-03-10 21:32:00.75' "
        f"END)::{kind} AS v FROM generate_series(1, {ROWS}) i"
    )
    usual = f"SELECT * FROM ({sql}) x WHERE id <> {ODD}"
    value = "SYS_EXTRACT_UTC(v)" if target == "instant" else "CAST(v AS TIMESTAMP(9))"
    shown = f"SELECT id, TO_CHAR({value}, {FORMAT}) FROM {here}"
    move(postgresql, usual, oracle, here, transformation_logic=function)
    alone = dict(oracle.query(shown))
    assert len(alone) == ROWS - 1
    oracle.execute(f"DELETE FROM {here}")
    result = move(postgresql, sql, oracle, here, transformation_logic=function, reject_limit=5)
    held = dict(oracle.query(shown))
    assert {place: time for place, time in held.items() if place != ODD} == alone
    assert len(held) + result.total_rows_rejected == ROWS


FROM_ORACLE = {
    "timestamptz": ("instant", "{}+00", "0044-03-15 12:00:00.123457+00"),
    "timestamp": ("time", "{}", "0044-03-15 12:00:00.123457"),
    "text": ("long", None, "0044-03-15 12:00:00.123456789{}"),
}


@ALL_WAYS
@pytest.mark.parametrize("zoned", [False, True], ids=["naive", "zoned"])
@pytest.mark.parametrize("case", FROM_ORACLE)
def test_a_year_without_nanoseconds_changes_no_other_row(
    oracle: Side,
    postgresql: Side,
    case: str,
    zoned: bool,  # noqa: FBT001
    function: Any,
) -> None:
    target, shown, odd = FROM_ORACLE[case]
    there = oracle.table({"id": "key"})
    oracle.execute(f"DROP TABLE {there} PURGE")
    oracle.execute(
        f"CREATE TABLE {there} (id NUMBER(10), x TIMESTAMP(9), z TIMESTAMP(9) WITH TIME ZONE)"
    )
    for place, time in enumerate(["2024-03-10 21:32:00.5", "0044-03-15 12:00:00.123456789"]):
        text = f"TO_TIMESTAMP('{time}', {FORMAT})"
        oracle.execute(f"INSERT INTO {there} VALUES ({place}, {text}, FROM_TZ({text}, 'UTC'))")
    zone = "+00" if zoned else ""
    usual = (shown or "{}" + zone).format("2024-03-10 21:32:00.5")
    for where, expected in (("id = 0", [(usual,)]), ("id < 9", [(usual,), (odd.format(zone),)])):
        here = postgresql.table({"id": "key", "v": target})
        sql = f"SELECT id, {'z' if zoned else 'x'} AS v FROM {there} WHERE {where}"
        move(oracle, sql, postgresql, here, transformation_logic=function)
        assert postgresql.query(f"SELECT v::text FROM {here} ORDER BY id") == expected
