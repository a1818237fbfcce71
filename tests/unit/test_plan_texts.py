"""The expressions of a plan, as EXPLAIN writes them."""

from __future__ import annotations

import pytest

from mapper_dask.dialects.postgresql.plan_texts import (
    Call,
    called,
    calls,
    column_of,
    unquoted,
    without_alias,
)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("lower(name)", [("lower", "name", False)]),
        ("sum((t.a * abs(t.b)))", [("sum", "(t.a * abs(t.b))", False), ("abs", "t.b", False)]),
        ("rank() OVER (?)", [("rank", "", True)]),
        ("count(*) FILTER (WHERE (a > 1)) OVER w1", [("count", "*", True)]),
        ("concat('f(', name, ')')", [("concat", "'f(', name, ')'", False)]),
        ('"Odd"(a)', [("Odd", "a", False)]),
        ('"a""b"(1)', [('a"b', "1", False)]),
        ("(a)::numeric(10,2)", []),
        ('"a t(1)".b', []),
        ("public.f(a)", [("f", "a", False)]),
    ],
)
def test_calls_are_found_outside_of_strings(expression, found):
    assert list(calls(expression)) == [Call(*each) for each in found]


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("t.id", ("t", "id")),
        ("id", ("", "id")),
        ('"My t"."a.b"', ("My t", "a.b")),
        ('t."a""b"', ("t", 'a"b')),
        ("(t.id + 1)", None),
        ("t.id DESC", None),
        ("'t.id'", None),
    ],
)
def test_a_column_is_told_from_an_expression(expression, column):
    assert column_of(expression) == column


def test_an_alias_goes_where_it_stands_before_a_column():
    assert without_alias("((t.a + at.b) || 't.c'::text)", "t") == "((a + at.b) || 't.c'::text)"
    assert without_alias('("My t".a)', "My t") == "(a)"


def test_names_and_operators_of_a_plan_are_found_at_any_depth():
    plan = {"Output": ["f(a)"], "Plans": [{"Filter": "(g(x) <~> 'h(y)'::text)"}]}

    assert called(plan) == {"f", "g", "<~>"}
    for compared in ("CASE a WHEN b THEN 1 END", "NULLIF(a, b)", "(a IS DISTINCT FROM b)"):
        assert "=" in called({"Output": [compared]})
    assert called({"Output": ["'NULLIF' || c"]}) == {"||"}
    assert called({"Output": ["age(a, f(b, c))", "age((a), b)"]}) == {"f"}
    assert "age" in called({"Output": ["age(f(b, c))"]}), "of one time, it is that until now"
    assert list(unquoted({"a": "\"CURRENT_DATE\" || 'now'"})) == ["\"\" || '   '"]
