"""What a move promises, from either database to either: every row, every value, once."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import pytest

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor
from mapper_dask.errors import MapperError
from tests.builders import job_between

KINDS = {
    "id": "key",
    "small": "integer",
    "wide": "wide",
    "loose": "number",
    "money": "money",
    "label": "text",
    "bytes": "bytes",
    "moment": "second",
    "exact": "time",
    "instant": "instant",
    "ratio": "float",
}
NOON = dt.datetime(2024, 2, 29, 12, 30, 15, tzinfo=dt.UTC).replace(tzinfo=None)
LOOSE = ["9007199254740993", "0.1", "-0.5", "1E-30", "12345678901234567890123456789012345678"]


def row(number: int) -> tuple[object, ...]:
    """Return a row with a value of each kind; every seventh key and every third value is NULL."""
    full = (
        Decimal(number),
        number * 1_000_003,
        Decimal(10**37 + number),
        Decimal(LOOSE[number % len(LOOSE)]),
        Decimal(number) / 100,
        f"é漢{number}'\"\\",
        bytes([number % 256, 0, 255]),
        NOON + dt.timedelta(seconds=number),
        NOON + dt.timedelta(microseconds=number),
        (NOON + dt.timedelta(microseconds=number)).replace(tzinfo=dt.UTC),
        number / 7,
    )
    return tuple(
        None if (number % 7 == 0 if place == 0 else (number + place) % 3 == 0) else value
        for place, value in enumerate(full)
    )


def moved(pair, count=1500, function=None, **options):
    source, target = pair
    names = (source.table(KINDS), target.table(KINDS))
    source.insert(names[0], KINDS, [row(n) for n in range(count)])
    result = ParallelProcessor(enable_parallel=False, chunk_size=200, progress=False).run(
        job_between(
            source,
            names[0],
            target,
            names[1],
            transformation_logic=function,
            chunk_size=200,
            **options,
        )
    )
    return names, result


def untouched(frame):
    return frame


@pytest.mark.parametrize("function", [None, untouched], ids=["no function", "function"])
@pytest.mark.parametrize(
    "options",
    [{"key_column": "id"}, {"key_column": ["label", "id"]}, {"strategy": "ROWID_BASED"}],
    ids=["key", "two keys", "row addresses"],
)
def test_every_value_arrives_as_it_left(pair, function, options):
    (there, here), result = moved(pair, function=function, **options)
    result.raise_for_status()
    assert result.consistent
    assert result.total_rows_successful == 1500
    assert pair[0].rows(there, KINDS) == pair[1].rows(here, KINDS)


def test_windows_of_a_unique_order_cover_every_row(pair):
    source, target = pair
    kinds = {"id": "key NOT NULL", "label": "text"}
    there, here = source.table(kinds, "PRIMARY KEY (id)"), target.table(kinds)
    source.insert(there, kinds, [(n, f"x{n}") for n in range(1000)])
    ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        source.url,
        f"SELECT * FROM {there} ORDER BY id",
        None,
        target.url,
        None,
        here,
        strategy="OFFSET_LIMIT",
        chunk_size=150,
    ).raise_for_status()
    assert source.rows(there, kinds) == target.rows(here, kinds)


def test_large_values_and_no_values_arrive(pair):
    source, target = pair
    kinds = {"id": "key", "lengthy": "long", "large": "large"}
    rows = [(1, "x" * 1_000_000 + "é", b"\0\xff" * 200_000), (2, None, None), (3, "漢", b"a")]
    there, here = source.table(kinds), target.table(kinds)
    source.insert(there, kinds, rows)
    ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        source.url, f"SELECT * FROM {there}", untouched, target.url, None, here, key_column="id"
    ).raise_for_status()
    assert source.rows(there, kinds) == target.rows(here, kinds)


def test_no_rows_are_a_run_too(pair):
    (there, here), result = moved(pair, count=0, key_column="id")
    result.raise_for_status()
    assert pair[1].rows(here, KINDS) == Counter() == pair[0].rows(there, KINDS)


def test_an_empty_text_is_kept_or_named(pair):
    source, target = pair
    kinds = {"id": "key", "label": "text"}
    there, here = source.table(kinds), target.table(kinds)
    source.insert(there, kinds, [(1, ""), (2, None), (3, "x")])
    result = ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        source.url, f"SELECT * FROM {there}", untouched, target.url, None, here, key_column="id"
    )
    result.raise_for_status()
    lost = source.kind == "postgresql" and target.kind == "oracle"
    named = [note for note in result.warnings if "stored as NULL" in note]
    assert bool(named) is lost
    kept = source.rows(there, kinds)
    expected = Counter((i, None if lost and v == "" else v) for i, v in kept.elements())
    assert target.rows(here, kinds) == expected


def test_a_plan_says_how_it_cuts_and_moves_nothing(pair):
    source, target = pair
    there = source.table({"id": "key NOT NULL", "v": "text"}, "PRIMARY KEY (id)")
    source.insert(there, {"id": "key", "v": "text"}, [(n, "x") for n in range(900)])
    here = target.table({"id": "key", "v": "text"})
    plan = ChunkManager().plan(
        MapperJob(source_conn=source.url, source_sql=f"SELECT * FROM {there}", chunk_size=100)
    )
    assert "unique index" in str(plan)
    assert len(plan.chunks) >= 9
    assert target.rows(here, ["id"]) == Counter()


def test_a_missing_table_is_told_with_the_statement_that_makes_it(pair):
    source, target = pair
    there = source.table(KINDS)
    with pytest.raises(MapperError, match="CREATE TABLE") as raised:
        ParallelProcessor(progress=False).process_mapper_job(
            source.url, f"SELECT * FROM {there}", None, target.url, None, "mdt_is_not_there"
        )
    statement = str(raised.value).partition("create it with: ")[2].partition(" [")[0]
    target.execute(statement)
    target.made.append("mdt_is_not_there")
    assert target.rows("mdt_is_not_there", KINDS) == Counter()
