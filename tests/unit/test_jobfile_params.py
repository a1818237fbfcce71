"""Values in the places a query marks, as text: which places there are, and what a literal is."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mapper_dask.connections.reference import reference
from mapper_dask.dialects.oracle.literals import literal as oracle
from mapper_dask.dialects.postgresql.literals import literal as postgresql
from mapper_dask.errors import ConfigurationError
from mapper_dask.ledger.stored_job import job_fingerprint
from mapper_dask.mapper_job import MapperJob
from mapper_dask.plan.params import bound, with_values

LITERALS = {"postgres": postgresql, "oracle": oracle}


def filled(sql, params, grammar="postgres"):
    return with_values(sql, params, grammar, LITERALS[grammar])


@pytest.mark.parametrize("grammar", LITERALS)
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT :x", "SELECT 1"),
        ("SELECT :x + :x", "SELECT 1 + 1"),
        ("SELECT -:x", "SELECT - 1"),
        ("SELECT a FROM t WHERE a=:x AND b<:x", "SELECT a FROM t WHERE a=1 AND b< 1"),
        ("SELECT ':x', :x", "SELECT ':x', 1"),
        ("SELECT 'it''s :x', :x", "SELECT 'it''s :x', 1"),
        ('SELECT ":x", :x FROM t', 'SELECT ":x", 1 FROM t'),
        ("SELECT :x -- not :x, nor :y", "SELECT 1 -- not :x, nor :y"),
        ("SELECT /* :x */ :x", "SELECT /* :x */ 1"),
        ("-- :x\nSELECT :x", "-- :x\nSELECT 1"),
        ("SELECT f(a := 1, b := :x)", "SELECT f(a := 1, b := 1)"),
        ("  SELECT\t:x\r\n;  ", "  SELECT\t1\r\n;  "),
        ("SELECT 'ü', :x, '→'", "SELECT 'ü', 1, '→'"),
        ("SELECT :x||'a'", "SELECT 1 ||'a'"),
    ],
)
def test_marks_are_filled_in_and_nothing_else_is_touched(sql, expected, grammar):
    assert filled(sql, {"x": 1}, grammar) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT :x::int", "SELECT 1 ::int"),
        ("SELECT a::int, :x", "SELECT a::int, 1"),
        ("SELECT a[1:x], a[ : x], :x", "SELECT a[1:x], a[ : x], 1"),
        ("SELECT E'\\':x', :x", "SELECT E'\\':x', 1"),
        ("SELECT $$ :x $$, :x", "SELECT $$ :x $$, 1"),
        ("SELECT $a$ :x $$ $a$, :x", "SELECT $a$ :x $$ $a$, 1"),
        ("SELECT '\\', :x", "SELECT '\\', 1"),
        ("SELECT /* /* */ :x */ :x", "SELECT /* /* */ :x */ 1"),
        ("SELECT U&'\\0041:x', :x", "SELECT U&'\\0041:x', 1"),
    ],
)
def test_marks_of_postgresql(sql, expected):
    assert filled(sql, {"x": 1}) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT q'[it's :x]', :x FROM t", "SELECT q'[it's :x]', 1 FROM t"),
        ("SELECT /*+ FULL(t) :x */ :x FROM t", "SELECT /*+ FULL(t) :x */ 1 FROM t"),
        ("SELECT N':x', :x FROM t", "SELECT N':x', 1 FROM t"),
    ],
)
def test_marks_of_oracle(sql, expected):
    assert filled(sql, {"x": 1}, "oracle") == expected


@pytest.mark.parametrize("name", ["date", "end", "limit", "Since_2", "_", "from"])
def test_a_keyword_may_be_a_name(name):
    assert filled(f"SELECT a FROM t WHERE b > :{name}", {name: 5}).endswith("b > 5")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a IN :x", "a IN (1, 2)"),
        ("a IN (:x)", "a IN (1, 2)"),
        ("a IN ( :x )", "a IN ( 1, 2 )"),
        ("a NOT IN :x", "a NOT IN (1, 2)"),
        ("a in(:x)", "a in(1, 2)"),
    ],
)
def test_a_list_stands_behind_in(sql, expected):
    assert filled(f"SELECT a FROM t WHERE {sql}", {"x": [1, 2]}).endswith(expected)


@pytest.mark.parametrize(
    ("sql", "params", "said"),
    [
        ("SELECT :x, :y", {"x": 1}, "params has no value for :y, which source_sql names"),
        ("SELECT :x", {}, "params has no value for :x"),
        ("SELECT :x", {"x": 1, "z": 2}, "params has 'z', and source_sql has no :z"),
        ("SELECT :since", {"since": 1, "sinse": 2}, "no :sinse; did you mean :since?"),
        ("SELECT ':x'", {"x": 1}, "source_sql has no :x"),
        ("SELECT a[:x]", {"x": 1}, "[:x] in source_sql may be the element that the value names"),
        ("SELECT:x", {"x": 1}, "source_sql has no :x"),
        ("SELECT :x", {"x": [1]}, "x is a list, which goes behind IN only"),
        ("SELECT a IN (:x, 2)", {"x": [1]}, "x is a list, which goes behind IN only"),
        ("SELECT a IN :x", {"x": []}, "x is an empty list"),
        ("SELECT a IN :x", {"x": [1, None]}, "x is a list with a missing value"),
        ("SELECT :x", {"x": object()}, "x cannot be written into source_sql: a object has no"),
        ("SELECT :x", {"x": "a\0b"}, "a text with a NUL character has no literal"),
        ("SELECT :x", {"x": pd.NaT}, "x is a missing value of pandas; give None"),
        ("SELECT :x", {"x": pd.Timestamp(1)}, "x is no time in microseconds"),
        ("SELECT ':x", {"x": 1}, "a quote or a comment in it is never closed"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(sql, params, said):
    with pytest.raises(ConfigurationError) as caught:
        filled(sql, params)

    assert said in str(caught.value)
    assert caught.value.details["field"] == "params"


def test_numpys_scalars_are_pythons():
    assert filled("SELECT :x", {"x": np.int64(5)}) == "SELECT 5"
    assert filled("SELECT :x", {"x": np.float64(0.1)}) == "SELECT '0.1'::double precision"
    assert filled("SELECT :x", {"x": np.True_}) == "SELECT TRUE"


DAY = dt.date(2024, 1, 31)
MOMENT = dt.datetime(2024, 1, 31, 10, 20, 30, 500)  # noqa: DTZ001
ZONED = dt.datetime(2024, 1, 31, 10, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize(
    ("value", "in_postgresql", "in_oracle"),
    [
        (None, "NULL", "NULL"),
        (True, "TRUE", "1"),
        (False, "FALSE", "0"),
        (12, "12", "12"),
        (-12, "(-12)", "(-12)"),
        (0.1, "'0.1'::double precision", "CAST(0.1 AS BINARY_DOUBLE)"),
        (-1e20, "'-1e+20'::double precision", "CAST(-100000000000000000000 AS BINARY_DOUBLE)"),
        (-0.0, "'-0.0'::double precision", "(-0.0d)"),
        (1e300, "'1e+300'::double precision", "1e+300d"),
        (float("nan"), "'nan'::double precision", "BINARY_DOUBLE_NAN"),
        (float("inf"), "'inf'::double precision", "BINARY_DOUBLE_INFINITY"),
        (float("-inf"), "'-inf'::double precision", "(-BINARY_DOUBLE_INFINITY)"),
        (Decimal("1.10"), "'1.10'::numeric", "1.10"),
        (Decimal("-1E+3"), "'-1000'::numeric", "(-1000)"),
        ("it's", "'it''s'", "'it''s'"),
        ("a\\b", "E'a\\\\b'", "'a\\b'"),
        ("", "''", "''"),
        (DAY, "'2024-01-31'::pg_catalog.date", "DATE '2024-01-31'"),
        (
            MOMENT,
            "'2024-01-31 10:20:30.000500'::timestamp",
            "TIMESTAMP '2024-01-31 10:20:30.000500'",
        ),
        (
            ZONED,
            "'2024-01-31 08:00:00+00:00'::timestamp with time zone",
            "TIMESTAMP '2024-01-31 08:00:00.000000 +00:00'",
        ),
    ],
)
def test_a_value_has_one_literal(value, in_postgresql, in_oracle):
    assert postgresql(value) == in_postgresql
    assert oracle(value) == in_oracle


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"),
        Decimal("Infinity"),
        10**38 + 1,
        Decimal("1E+126"),
        Decimal("1E-131"),
        Decimal("0." + "1" * 39),
        "x" * 4001,
    ],
)
def test_what_oracle_would_round_or_refuse_has_no_literal_there(value):
    with pytest.raises(ValueError, match=r"NUMBER|literal"):
        oracle(value)
    assert postgresql(value)


@pytest.mark.parametrize("value", [[1], {}, object(), 1j])
def test_what_has_no_literal_is_said_so(value):
    for literal in LITERALS.values():
        with pytest.raises(ValueError, match="has no literal"):
            literal(value)


# The job.

URL = "postgresql://db/airline"


def job(sql="SELECT :x AS id", **changes):
    return MapperJob(source_conn=URL, source_sql=sql, **changes)


def test_a_job_without_params_is_left_alone():
    assert bound(job(), reference(URL)) == job()


def test_a_bound_job_has_no_params_any_more():
    made = bound(job(params={"x": 1}), reference(URL))

    assert (made.source_sql, made.params) == ("SELECT 1 AS id", None)


def test_params_are_a_part_of_the_fingerprint():
    source = reference(URL)
    known = {
        job_fingerprint(bound(job(params={"x": value}), source), source)
        for value in (1, 2, "1", 1.0, Decimal(1), True, None)
    }

    assert len(known) == 7


@pytest.mark.parametrize("params", [1, "x", ["x"], {1: 2}, {"a b": 1}, {"": 1}, {"é": 1}])
def test_params_that_are_none_are_refused(params):
    with pytest.raises(ConfigurationError, match="params must map names of letters"):
        job(params=params).validated()


def test_params_are_not_shown():
    assert "hunter2" not in repr(job(params={"x": "hunter2"}))
