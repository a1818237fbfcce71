"""Times with nine digits, which only Oracle holds: exact to Oracle, rounded and named elsewhere."""

from __future__ import annotations

import pytest

from tests.builders import job_between, run_here
from tests.contract import sides

FORMAT = "'SYYYY-MM-DD HH24:MI:SS.FF9'"
TIMES = [
    "2024-02-29 23:59:59.123456789",
    "1700-01-01 00:00:00.000000001",
    "1969-12-31 23:59:59.999999999",
    "2024-01-01 00:00:00.000000000",
]
COLUMNS = "(id NUMBER(10), x TIMESTAMP(9), z TIMESTAMP(9) WITH TIME ZONE)"


@pytest.fixture
def oracles(oracle_url):
    made = [sides.oracle(oracle_url(role)) for role in ("source", "target")]
    yield made
    for side in made:
        side.clean()


def filled(side, times=TIMES):
    name = made(side, COLUMNS)
    for place, time in enumerate(times):
        text = f"TO_TIMESTAMP('{time}', {FORMAT})"
        side.execute(f"INSERT INTO {name} VALUES ({place}, {text}, FROM_TZ({text}, '-03:30'))")
    side.execute(f"INSERT INTO {name} VALUES (99, NULL, NULL)")
    return name


def made(side, columns):
    name = side.table({"id": "key"})
    side.execute(f"DROP TABLE {name} PURGE")
    side.execute(f"CREATE TABLE {name} {columns}")
    return name


def shown(side, table):
    return side.query(
        f"SELECT id, TO_CHAR(x, {FORMAT}), TO_CHAR(SYS_EXTRACT_UTC(z), {FORMAT}) "
        f"FROM {table} ORDER BY id"
    )


def move(source, there, target, here, function=None, **options):
    usual = {"transformation_logic": function, "key_column": "x", "chunk_size": 2}
    result = run_here(job_between(source, there, target, here, **usual, **options))
    result.raise_for_status()
    return result


@pytest.mark.parametrize("function", [None, lambda frame: frame], ids=["no function", "function"])
@pytest.mark.parametrize("direct", [False, True], ids=["array", "direct path"])
def test_every_nanosecond_arrives(oracles, function, direct):
    source, target = oracles
    there, here = filled(source), made(target, COLUMNS)
    move(source, there, target, here, function, direct_path=direct)
    assert shown(source, there) == shown(target, here)
    assert any(".123456789" in str(row) for row in shown(target, here))


def test_a_year_too_early_for_nanoseconds_arrives_as_well(oracles):
    source, target = oracles
    there = filled(source, [*TIMES, "0044-03-15 12:00:00.123456789"])
    here = made(target, COLUMNS)
    move(source, there, target, here)
    assert shown(source, there) == shown(target, here)


def test_six_digits_take_nine_rounded_and_say_so(oracles):
    source, target = oracles
    there = filled(source)
    here = made(target, COLUMNS.replace("(9)", "(6)"))
    result = move(source, there, target, here)
    assert any("x: " in note and "rounded" in note for note in result.warnings)
    times = [row[1] for row in shown(target, here)]
    assert times[0] == " 2024-02-29 23:59:59.123457000"
    assert times[2] == " 1970-01-01 00:00:00.000000000"


def test_postgresql_takes_nine_digits_rounded_and_says_so(oracles, databases):
    source, target = oracles[0], sides.postgresql(databases.target)
    there = filled(source)
    here = target.table({"id": "key", "x": "time", "z": "instant"})
    result = move(source, there, target, here)
    assert any("x: " in note and "rounded" in note for note in result.warnings)
    [first, *_] = target.query(f"SELECT CAST(x AS text) FROM {here} ORDER BY id")
    assert first == ("2024-02-29 23:59:59.123457",)
    target.clean()
