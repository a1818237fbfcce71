"""What a query's own text names, where its plan does not show all of it."""

from __future__ import annotations

import pytest

from mapper_dask.dialects.postgresql.query_texts import clocks, days, names


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT f(1)", {"f"}),
        ("SELECT F (1), g\n(2)", {"f", "g"}),
        ('SELECT "F"(1), "a""b"(2)', {"F", 'a"b'}),
        ("SELECT f/* a */ (1), g -- b\n (2)", {"f", "g"}),
        ("SELECT s.f(1)", {"f"}),
        ("SELECT a <~> b", {"<~>"}),
        (r'SELECT U&"n\006fw"()', {"now"}),
        (r'SELECT U&"n\+00006fw"()', {"now"}),
        ("SELECT 'f(1)'", {"f"}),
        ("SELECT a, b", set()),
    ],
)
def test_what_looks_like_a_call_is_found_whatever_it_stands_in(sql, found):
    assert found <= names(sql)
    assert found or not names(sql)


def test_words_for_the_time_are_found_in_any_case():
    assert clocks("SELECT current_date, Localtime (2), current_dates") == {
        "CURRENT_DATE", "LOCALTIME",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("'now'", {"now"}),
        ("' Today '", {"today"}),
        ("'tomorrow 08:00'", {"tomorrow"}),
        ("'yesterday 08:00 America/New_York'", {"yesterday"}),
        ("'today 08:00 am utc'", {"today"}),
        ("'{2020-01-01,now}'", {"now"}),
        ("'[today,tomorrow)'", {"today", "tomorrow"}),
        ("'(now,abc)'", {"now"}),
        ("$$now$$, $q$today$q$", {"now", "today"}),
        (r"E'n\x6fw'", {"now"}),
        (r"E'n\157w'", {"now"}),
        (r"e'n\u006fw' 'a'", {"now"}),
        (r"E'\U0000006eow'", {"now"}),
        (r"U&'n\006fw'", {"now"}),
        (r"u&'n\+00006fw'", {"now"}),
        ("U&'n!006fw' UESCAPE '!' || 'now'", {"now"}),
        ("'to'\n  'day'", {"today"}),
        ("'to' -- and\n'day'", {"today"}),
        ("\"it's\" || 'now'", {"now"}),
        ("/* it's */ 'now'", {"now"}),
        ("-- it's\n'now'", {"now"}),
        ("'now available'", set()),
        ("'known', 'nowhere', 'no'", set()),
        ("'call now()'", set()),
        ("now, \"today\", -- 'now'\n/* 'today' */ a", set()),
    ],
)
def test_days_are_found_in_strings_however_they_are_written(sql, found):
    assert days(f"SELECT {sql}", unclear=False) == found


@pytest.mark.parametrize("sql", ["'a\\' || now", r"E'\x6eow'", r"U&'\006eow'"])
def test_where_lexers_differ_every_such_word_counts(sql):
    assert days(sql, unclear=True) == {"now"}
