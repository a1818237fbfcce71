"""Values of every kind as params: what a database says they are, whatever is set."""

from __future__ import annotations

import datetime as dt
import enum
import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest

from mapper_dask.dialects.oracle.literals import literal as oracle
from mapper_dask.dialects.postgresql.literals import literal as postgresql
from mapper_dask.errors import ConfigurationError
from mapper_dask.plan.params import with_values
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Server
from tests.oracle import standin_on

HOSTILE = (
    "SET standard_conforming_strings = off; SET escape_string_warning = off;"
    "SET intervalstyle = 'sql_standard'; SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Tokyo';"
    "CREATE DOMAIN pg_temp.uuid AS text; CREATE DOMAIN pg_temp.bytea AS text;"
    "CREATE DOMAIN pg_temp.date AS text; SET search_path = pg_temp, pg_catalog"
)
"""What changes how a plain literal is read, and types of the same names that come first."""


class Number(int, enum.Enum):
    FIVE = 5


class Word(enum.StrEnum):
    A = "a'b\\"


class Plain(enum.Enum):
    A = 1


ZONE = dt.timezone(dt.timedelta(hours=2))
MOMENT = dt.datetime(2024, 1, 31, 10, 20, 30, 5)  # noqa: DTZ001
ID = uuid.UUID("41424344-4546-4748-494a-4b4c4d4e4f50")

EXACT = [
    (ID, "uuid", str(ID)),
    (b"", "bytea", b""),
    (b"\x00\xff'\\x41", "bytea", b"\x00\xff'\\x41"),
    (bytearray(b"ab"), "bytea", b"ab"),
    (memoryview(b"ab"), "bytea", b"ab"),
    (np.bytes_(b"ab"), "bytea", b"ab"),
    (dt.timedelta(days=3, seconds=5, microseconds=7), "interval", dt.timedelta(3, 5, 7)),
    (dt.timedelta(seconds=-1), "interval", dt.timedelta(seconds=-1)),
    (dt.timedelta(days=-1, seconds=-1), "interval", dt.timedelta(days=-1, seconds=-1)),
    (dt.timedelta(microseconds=-1), "interval", dt.timedelta(microseconds=-1)),
    (dt.timedelta(0), "interval", dt.timedelta(0)),
    (pd.Timedelta("1D 2h"), "interval", dt.timedelta(days=1, hours=2)),
    (np.timedelta64(90, "m"), "interval", dt.timedelta(minutes=90)),
    (np.timedelta64(5_000, "ns"), "interval", dt.timedelta(microseconds=5)),
    (dt.date(2024, 2, 1), "date", dt.date(2024, 2, 1)),
    (dt.date(99, 2, 1), "date", dt.date(99, 2, 1)),
    (np.datetime64("2024-02-01"), "date", dt.date(2024, 2, 1)),
    (MOMENT, "timestamp without time zone", MOMENT),
    (np.datetime64("2024-01-31T10:20:30.000005000", "ns"), "timestamp without time zone", MOMENT),
    (np.datetime64("2024-01-31T10:20:30.000005", "us"), "timestamp without time zone", MOMENT),
    (pd.Timestamp(MOMENT), "timestamp without time zone", MOMENT),
    (MOMENT.replace(tzinfo=ZONE), "timestamp with time zone", MOMENT.replace(tzinfo=ZONE)),
    (
        pd.Timestamp(MOMENT, tz="Europe/Berlin"),
        "timestamp with time zone",
        MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))),
    ),
    (dt.time(1, 2, 3, 4), "time without time zone", dt.time(1, 2, 3, 4)),
    (dt.time(1, 2, tzinfo=ZONE), "time with time zone", dt.time(1, 2, tzinfo=ZONE)),
    (Decimal("1.10"), "numeric", Decimal("1.10")),
    (Decimal("NaN"), "numeric", Decimal("NaN")),
    (Decimal("-sNaN7"), "numeric", Decimal("NaN")),
    (Decimal("-Infinity"), "numeric", Decimal("-Infinity")),
    (float("inf"), "double precision", float("inf")),
    (np.float32(0.1), "double precision", float(np.float32(0.1))),
    (True, "boolean", True),
    (np.True_, "boolean", True),
    (np.int64(-5), "integer", -5),
    (np.array(5), "integer", 5),
    (2**70, "numeric", Decimal(2**70)),
    (Number.FIVE, "integer", 5),
    (Word.A, "text", "a'b\\"),
    (np.str_("a\\'b"), "text", "a\\'b"),
    (None, "text", None),
]
"""A param, the type that PostgreSQL says its literal has, and the value that it says it is."""

REFUSED = [
    (pd.NaT, "give None where NULL is meant"),
    (pd.NA, "give None where NULL is meant"),
    (np.datetime64("NaT", "ns"), "give None where NULL is meant"),
    (np.timedelta64("NaT", "ns"), "give None where NULL is meant"),
    (pd.Timestamp(1), "round it, as by .round('us')"),
    (pd.Timedelta(1), "round it, as by .round('us')"),
    (np.datetime64(1, "ns"), "round it, as by .round('us')"),
    (np.timedelta64(2, "M"), "give a datetime.timedelta"),
    (np.datetime64("20000-01-01", "s"), "give a datetime of the years 1 to 9999"),
    (dt.datetime.min.replace(tzinfo=ZONE), "beyond the years 1 to 9999 in UTC"),
    (Plain.A, "give its .value or its .name"),
    ("\ud800", "holds a character that no database text can hold"),
    (1j, "give a text, and c"),
    (object(), "give a text, and c"),
    ({"a": 1}, "give a text, and c"),
    ([1], "goes behind IN only"),
    (np.array([1]), "goes behind IN only"),
    (pd.Series([1]), "goes behind IN only"),
]


@pytest.fixture(scope="module")
def hostile(postgres_server: Server) -> Iterator[Any]:
    dsn = postgres_server.url("postgres").replace("postgresql+psycopg2", "postgresql")
    session = psycopg2.connect(dsn)
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute(HOSTILE)
    yield session
    session.close()


def answer(session: Any, sql: str) -> tuple[Any, ...]:
    with session.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchone())


def same(found: Any, wanted: Any) -> bool:
    found = bytes(found) if isinstance(found, memoryview) else found
    return bool(found == wanted) or (found is not None and str(found) == str(wanted) == "NaN")


def named(value: object) -> str:
    """Return a test's name for a value: the same in every process, so without addresses."""
    return re.sub(r" (object )?at 0x.*", "", repr(value))[:30]


@pytest.mark.parametrize(("value", "type_name", "wanted"), EXACT, ids=named)
def test_a_value_is_exactly_itself_whatever_is_set(
    hostile: Any, value: Any, type_name: str, wanted: Any
) -> None:
    sql = with_values("SELECT :x, pg_catalog.pg_typeof(:x)", {"x": value}, "postgres", postgresql)
    with hostile.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.set_config('datestyle', 'ISO, DMY', false)")
        found_sql = f"SELECT v FROM ({sql.partition(', pg_catalog')[0]} AS v) AS q"
        cursor.execute("SET intervalstyle = 'sql_standard'")
        cursor.execute(f"CREATE TEMPORARY TABLE held AS {found_sql}")
        cursor.execute("SET intervalstyle = 'postgres'")  # for the driver, which reads that alone
        cursor.execute("SELECT v FROM held")
        (found,) = cursor.fetchone()
        cursor.execute("DROP TABLE held")
    (told,) = answer(hostile, f"SELECT ({sql.split(', ', 1)[1]})")
    assert same(found, wanted)
    assert told.removeprefix("pg_catalog.") in (type_name, "unknown")


@pytest.mark.parametrize(("value", "said"), REFUSED, ids=named)
@pytest.mark.parametrize("grammar", ["postgres", "oracle"])
def test_what_cannot_be_one_is_refused_with_a_remedy(grammar: str, value: Any, said: str) -> None:
    write = {"postgres": postgresql, "oracle": oracle}[grammar]
    with pytest.raises(ConfigurationError) as caught:
        with_values("SELECT :x", {"x": value}, grammar, write)
    assert said in str(caught.value)
    assert str(caught.value).startswith("params: x ")
    assert caught.value.details["field"] == "params"


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        (pd.NaT, None),
        (pd.Timestamp(1), pd.Timestamp(1).round("us")),
        (np.timedelta64(2, "M"), dt.timedelta(60)),
        (Plain.A, Plain.A.value),
        (Plain.A, Plain.A.name),
    ],
    ids=repr,
)
def test_the_remedy_works(given: Any, mended: Any) -> None:
    with pytest.raises(ConfigurationError):
        with_values("SELECT :x", {"x": given}, "postgres", postgresql)
    assert with_values("SELECT :x", {"x": mended}, "postgres", postgresql)


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (b"\x01'", "HEXTORAW('0127')"),
        (dt.timedelta(days=3, seconds=5), "INTERVAL '3 00:00:05.000000' DAY(9) TO SECOND(6)"),
        (dt.timedelta(seconds=-1), "INTERVAL '-0 00:00:01.000000' DAY(9) TO SECOND(6)"),
        (dt.timedelta.max, "INTERVAL '999999999 23:59:59.999999' DAY(9) TO SECOND(6)"),
        (pd.Timedelta("90min"), "INTERVAL '0 01:30:00.000000' DAY(9) TO SECOND(6)"),
        (np.datetime64("2024-01-31", "ns"), "TIMESTAMP '2024-01-31 00:00:00.000000'"),
        (Number.FIVE, "5"),
        (Word.A, "'a''b\\'"),
    ],
    ids=repr,
)
def test_oracles_literals(value: Any, literal: str) -> None:
    assert with_values("SELECT :x", {"x": value}, "oracle", oracle) == f"SELECT {literal}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (ID, "give its .bytes for a RAW, or its str() for a text"),
        (dt.time(1), "give a timedelta, which is an INTERVAL"),
        (Decimal("NaN"), "give a float, which is a BINARY_DOUBLE"),
        (b"x" * 2001, "more than 2,000 bytes have no literal; read them from a table"),
    ],
    ids=named,
)
def test_what_oracle_has_no_type_for(value: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_values("SELECT :x FROM dual", {"x": value}, "oracle", oracle)
    assert said in str(caught.value)
    for mended in (ID.bytes, str(ID), dt.timedelta(hours=1), float("nan")):
        assert with_values("SELECT :x FROM dual", {"x": mended}, "oracle", oracle)


@pytest.fixture(scope="module")
def side(postgres_server: Server) -> Iterator[Side]:
    with standin_on(postgres_server) as running:
        yield sides.oracle(running.url("source"))


@pytest.mark.parametrize("value", [b"\x01\xff'", ID.bytes])
def test_bytes_are_a_raw_to_the_stand_in(side: Side, value: bytes) -> None:
    sql = with_values("SELECT :x AS v FROM SYS.DUAL", {"x": value}, "oracle", oracle)
    assert side.query(sql) == [(value,)]


# -- which colon is what ---------------------------------------------------------------------------

SUBSCRIPTS = [
    ("ARRAY[:a, :b]", {"a": 1, "b": 2}, "ARRAY[1, 2]"),
    ("array [:a]", {"a": 1}, "ARRAY[1]"),
    ("ARRAY[[:a, :b], [:b, :a]]", {"a": 1, "b": 2}, "ARRAY[[1, 2], [2, 1]]"),
    ("5 = ANY (ARRAY[:a, :b])", {"a": 5, "b": 2}, "true"),
    ("v[(:a)]", {"a": 2}, "20"),
    ("v[:a : :b]", {"a": 1, "b": 2}, "ARRAY[10, 20]"),
    ("v[1 : :b]", {"b": 2}, "ARRAY[10, 20]"),
    ("v[:a : ]", {"a": 2}, "ARRAY[20, 30]"),
    ("v[ : :b]", {"b": 2}, "ARRAY[10, 20]"),
    ("v[:a:2]", {"a": 1}, "ARRAY[10, 20]"),
    ("v[1 :g]", {}, "ARRAY[10, 20]"),
    ("v[1:g]", {}, "ARRAY[10, 20]"),
    ("v[:g]", {}, "ARRAY[10, 20]"),
    ("v[ :g ]", {}, "ARRAY[10, 20]"),
    ("v[:a:g]", {"a": 2}, "ARRAY[20]"),
    ("v[1 + :a]", {"a": 1}, "20"),
    ("v[g - :a : g + :a]", {"a": 1}, "ARRAY[10, 20, 30]"),
    ("v[CASE WHEN :t THEN 1 ELSE :a END]", {"t": False, "a": 3}, "30"),
    ("ARRAY[v[1 :g], ARRAY[:a, :a]]", {"a": 7}, "ARRAY[[10, 20], [7, 7]]"),
    ("v[v[1]/10 :g][:a : 1]", {"a": 1}, "ARRAY[]::int[]"),
    ("(ARRAY[:a, :a])[1]::int", {"a": 4}, "4"),
    ("'{a,:x}'::text[] || ARRAY[:a]", {"a": "b"}, "ARRAY['a', ':x', 'b']"),
]


@pytest.mark.parametrize(("expression", "params", "wanted"), SUBSCRIPTS)
def test_a_colon_in_brackets_is_what_postgresql_takes_it_for(
    hostile: Any, expression: str, params: dict[str, Any], wanted: str
) -> None:
    made = with_values(f"SELECT {expression} FROM w", params, "postgres", postgresql)
    table = "WITH w(v, g) AS (VALUES (ARRAY[10, 20, 30], 2))"
    (found,) = answer(hostile, f"{table} {made}")
    (expected,) = answer(hostile, f"SELECT {wanted}")
    assert found == expected


@pytest.mark.parametrize(
    ("expression", "params", "said", "mended"),
    [
        ("v[:g]", {"g": 2}, "write [(:g)] for the one, [ : g] for the other", "v[(:g)]"),
        ("v[:g + 0]", {"g": 2}, "may be the element that the value names", "v[(:g)]"),
        ("v[1 :g]", {"g": 2}, "write [… : :g] for the value", "v[1 : :g]"),
        ("v[1:g]", {"g": 2}, "write [… : :g] for the value", "v[1 : :g]"),
        ("v[:a:g]", {"a": 1, "g": 2}, "write [… : :g] for the value", "v[:a : :g]"),
        ("g = ANY (:g)", {"g": [1, 2]}, "In place of = ANY (:g) write IN :g", "g IN :g"),
    ],
)
def test_a_colon_that_may_be_either_is_refused_with_both_ways_to_write_it(
    hostile: Any, expression: str, params: dict[str, Any], said: str, mended: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_values(f"SELECT {expression} FROM w", params, "postgres", postgresql)
    assert said in str(caught.value)
    made = with_values(f"SELECT {mended} FROM w", params, "postgres", postgresql)
    table = "WITH w(v, g) AS (VALUES (ARRAY[10, 20, 30], 2))"
    assert answer(hostile, f"{table} {made}")


@pytest.mark.parametrize(
    "text",
    [
        "':x'",
        "E'\\':x'",
        "$$ :x $$",
        "$q$ :x $$ $q$",
        '1 AS ":x"',
        "1 /* :x /* :x */ :x */",
        "1 -- :x\n",
        "'$.a:x'",
        "'{\"a\": \":x\"}'::json ->> 'a'",
        "1::int",
        "pg_catalog.make_interval(days := 1)",
        "U&'\\0041:x'",
        "B'01' /*:x*/",
    ],
)
def test_what_is_no_mark_is_left_alone(hostile: Any, text: str) -> None:
    made = with_values(f"SELECT {text}", {}, "postgres", postgresql)
    assert made == f"SELECT {text}"
    with hostile.cursor() as cursor:
        cursor.execute("SET standard_conforming_strings = on")
        cursor.execute(made)
        cursor.execute("SET standard_conforming_strings = off")
