"""Variables in a job file, and what a word in it means."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.unit.jobfile.files import job_of, one, parsed, refused


# Variables, and what a word means.
def test_variables_are_filled_in():
    text = one(
        "    target: {connection: 'env:TARGET', table: '${A}_${B:-b}_$${C}', schema: '${S}'}\n"
    )

    made = job_of(text, A="a", B="", S="2024").job

    assert (made.target_table, made.target_schema) == ("a_b_${C}", "2024")


@pytest.mark.parametrize("size", ["${SIZE}", '"${SIZE}"', "'${SIZE:-3}'", "${NONE:-12}"])
def test_a_variable_is_a_number_where_one_is_wanted(size):
    assert job_of(one(f"    chunking:\n      size: {size}\n"), SIZE="12").job.chunk_size == 12


def test_an_empty_variable_without_quotes_is_nothing():
    text = one("    target:\n      connection: env:TARGET\n      table: t\n      schema: ${S:-}\n")

    assert job_of(text).job.target_schema is None


def test_a_document_keeps_its_variables():
    text = one("    chunking:\n      size: ${SIZE}\n")

    assert parsed(text, SIZE="12").flow().document == text


PARAMS = """\
version: 1
jobs:
  one:
    source:
      connection: env:SOURCE
      sql: SELECT 1
      params:
"""


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("12", 12),
        ("'12'", "12"),
        ("0x1F", 31),
        ("0.1", 0.1),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("null", None),
        ("", None),
        ("2024-01-31", dt.date(2024, 1, 31)),
        ("2024-01-31 10:20:30.5", dt.datetime(2024, 1, 31, 10, 20, 30, 500_000)),  # noqa: DTZ001
        ("2024-01-31T10:20:30Z", dt.datetime(2024, 1, 31, 10, 20, 30, tzinfo=dt.UTC)),
        ("'2024-01-31'", "2024-01-31"),
        ("{decimal: '0.10'}", Decimal("0.10")),
        ("{decimal: 0.1}", Decimal("0.1")),
        ("{date: '2024-01-31'}", dt.date(2024, 1, 31)),
        ("{text: 12}", "12"),
        ("{integer: '7'}", 7),
        ("{boolean: 'true'}", True),
        ("[1, 'a', {decimal: '1'}]", [1, "a", Decimal(1)]),
        ("${DAY}", dt.date(2024, 1, 31)),
        ("'${DAY}'", "2024-01-31"),
        ("{date: '${DAY}'}", dt.date(2024, 1, 31)),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
    ],
)
def test_a_param_is_what_it_is_written_as(written, value):
    found = job_of(f"{PARAMS}        x: {written}\n", DAY="2024-01-31").job.params["x"]

    assert found == value
    assert type(found) is type(value)


def overlapping(written):
    incremental = f"{{column: c, overlap: {written}}}"
    return (
        f"{{connection: 'env:SOURCE', sql: SELECT 1, incremental: {incremental}}}",
        "    target: {connection: 'env:TARGET', table: t, write_disposition: merge}\n",
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1h", dt.timedelta(hours=1)),
        ("2 days", dt.timedelta(days=2)),
        ("1 day 12 hours", dt.timedelta(days=1, hours=12)),
        ("1h30m", dt.timedelta(minutes=90)),
        ("P1DT12H", dt.timedelta(hours=36)),
        ("PT0.5S", dt.timedelta(milliseconds=500)),
        ("1.5h", dt.timedelta(minutes=90)),
        ("3", 3),
        ("0.5", 0.5),
    ],
)
def test_an_overlap_is_a_time_or_a_number(written, value):
    source, target = overlapping(written)

    assert job_of(one(target, source)).incremental.overlap == value


@pytest.mark.parametrize(
    "written",
    [
        "1" * 30_000,
        "'" + "1" * 30_000 + "'",
        "'" + "1" * 30_000 + " days'",
        "'" + "1 " * 30_000 + "'",
        "1e999",
        ".inf",
        ".nan",
        "P999999999999W",
        "999999999999 weeks",
        "2000 weeks 9999999 days",
        "-1",
    ],
    ids=len,
)
def test_an_overlap_has_bounds(written):
    source, target = overlapping(written)

    said = refused(one(target, source))
    assert "overlap" in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("in_progress", "ignore", "ignore"),
        ("commit_wait", "0", 0),
        ("commit_wait", "2.5", 2.5),
        ("range_end", "open", "open"),
        ("check_target", "false", False),
    ],
)
def test_an_option_of_an_incremental_read_is_read(key, written, value):
    source = (
        f"{{connection: 'env:SOURCE', sql: SELECT 1, incremental: {{column: c, {key}: {written}}}}}"
    )

    assert getattr(job_of(one("", source)).incremental, key) == value


@pytest.mark.parametrize(
    ("key", "written"),
    [("in_progress", "later"), ("commit_wait", "-1"), ("commit_wait", "1e999"),
     ("commit_wait", "1e9"), ("commit_wait", ".nan"), ("range_end", "ajar"), ("check_target", "3")],
)  # fmt: skip
def test_an_option_of_an_incremental_read_has_bounds(key, written):
    source = (
        f"{{connection: 'env:SOURCE', sql: SELECT 1, incremental: {{column: c, {key}: {written}}}}}"
    )

    assert key in refused(one("", source))


@pytest.mark.parametrize("written", ["1", "h", "1x", "P", "1h and more", "-1h", "P1Y"])
def test_what_is_no_time_is_refused(written):
    source, target = overlapping(f"'{written}'")

    assert "must be a number of at least 0, or a time" in refused(one(target, source))
