"""Finds parts of a query's text that may return other rows each time. Pure.

This is for a database whose plan does not show them. Expressions that only pass rows on, or
aggregate them where no order matters, are known here; anything else is a doubt.
"""

from __future__ import annotations

from sqlglot import exp

CLOCKS = (
    exp.CurrentTimestamp,
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentDatetime,
    exp.Localtime,
    exp.Localtimestamp,
    *(getattr(exp, name) for name in ("Systimestamp",) if hasattr(exp, name)),
)
_CLOCK_NAMES = frozenset({"SYSDATE", "SYSTIMESTAMP"})

_RANKS = frozenset({"RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST"})
_FOLDING = frozenset({"COUNT", "MIN", "MAX"})
"""Window functions that ignore order where none is given, and treat ties alike where one is."""

_GATHERING = (exp.ArrayAgg, exp.GroupConcat, exp.JSONArrayAgg, exp.JSONObjectAgg)
_GATHERING_NAMES = frozenset({"LISTAGG", "XMLAGG", "COLLECT", "STRING_AGG", "ARRAY_AGG"})


def of_text(tree: exp.Expression) -> str:
    """Return what may differ each time in a parsed query; empty if nothing may."""
    if asks_time(tree):
        return "it asks for the time, which each statement has its own of"
    if any(distinct.args.get("on") for distinct in tree.find_all(exp.Distinct)):
        return "its DISTINCT ON picks one of several rows"
    if tree.find(exp.MatchRecognize) is not None:
        return "its MATCH_RECOGNIZE may go by an order that leaves ties"
    by_rows = any(_counts_rows(spec) for spec in tree.find_all(exp.WindowSpec))
    for window in tree.find_all(exp.Window):
        if said := _window(window, by_rows=by_rows):
            return said
    gathers = tree.find(*_GATHERING) or next(
        (f for f in tree.find_all(exp.Anonymous) if f.name.upper() in _GATHERING_NAMES), None
    )
    if gathers is not None:
        return "it puts values of several rows in a row, in an order that may leave ties"
    return ""


def asks_time(tree: exp.Expression) -> bool:
    """Return whether a query asks for the time."""
    return tree.find(*CLOCKS) is not None or any(
        name.name.upper() in _CLOCK_NAMES and not name.args.get("table")
        for name in tree.find_all(exp.Column, exp.Pseudocolumn)
    )


def _counts_rows(spec: exp.WindowSpec) -> bool:
    return str(spec.args.get("kind", "")).upper() == "ROWS"


def _window(window: exp.Window, *, by_rows: bool) -> str:
    function = window.this
    while isinstance(function, (exp.IgnoreNulls, exp.RespectNulls, exp.Filter)):
        function = function.this
    if not isinstance(function, exp.Func):
        return ""  # a reference to a named window
    name = function.name if isinstance(function, exp.Anonymous) else function.sql_name()
    if name.upper() in _RANKS or (name.upper() in _FOLDING and not by_rows):
        return ""
    return f"the window of {name.lower()}() may go by an order that leaves ties"
