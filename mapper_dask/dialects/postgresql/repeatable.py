"""Whether a plan gives the same rows each time it is made and run. Pure: judges what was found.

A query that is read in several statements must show each of them the same rows. A step that only
passes rows on does so. A step that picks rows or adds them up does so only where their order is
determined: not a LIMIT over ties, DISTINCT ON, row_number() or a sum of floats. A step of an
unknown kind is a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mapper_dask.dialects.postgresql.plan_texts import (
    CLOCK,
    Call,
    Node,
    calls,
    column_of,
    nodes,
    texts,
    unquoted,
    without_alias,
)

PASSING = frozenset(
    {
        *("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Bitmap Index Scan"),
        *("BitmapAnd", "BitmapOr", "Tid Scan", "Tid Range Scan", "Subquery Scan", "Values Scan"),
        *("Function Scan", "Table Function Scan", "CTE Scan", "WorkTable Scan"),
        *("Result", "ProjectSet", "Append", "Merge Append", "Nested Loop", "Hash Join", "Hash"),
        *("Merge Join", "Materialize", "Memoize", "Sort", "Incremental Sort", "Gather"),
        *("Gather Merge",),
    }
)
"""Steps that give all their rows, in any order."""

ORDERLESS = frozenset(
    {"count", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor", "regr_count"}
)
"""Aggregates with the same result in any order of the values."""

EXACT = frozenset(
    {
        *("sum", "avg", "min", "max", "stddev", "stddev_pop", "stddev_samp"),
        *("variance", "var_pop", "var_samp"),
    }
)
"""Aggregates with the same result in any order of numbers that are added without rounding."""

GATHERING = frozenset({"array_agg", "string_agg", "json_agg", "jsonb_agg", "xmlagg"})
"""Aggregates that list values: with the same result where they are ordered by these values."""

_WRITTEN_OUT = frozenset({"JSON_ARRAYAGG", "JSON_OBJECTAGG"})
"""Aggregates that a plan shows by their syntax, not by a function's name."""

RANKS = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist"})
"""Window functions that treat ties alike."""

_IN_PLACE = ("pg_class", "pg_database")
_HIDING = frozenset({"Values Scan", "Limit", "WindowAgg"})
"""Steps that a plan does not show whole: rows of a list, what is counted to, a frame's bounds."""

_UNITING = ("Append", "Merge Append", "Recursive Union", "SetOp")
_SAME_ROWS = ("Sort", "Materialize", "Memoize", "Hash", "Limit", "Result", "Unique", "WindowAgg")
_SUFFIX = re.compile(r"(?: (?:ASC|DESC))?(?: NULLS (?:FIRST|LAST))?\Z")
_GATHERED = re.compile(
    r"(?:DISTINCT )?(?P<value>.*?)(?:, '(?:[^']|'')*'(?:::\w+)?)?(?: ORDER BY (?P<order>.*))?\Z"
)
_ARRAY = re.compile(r"\bARRAY\(\(?(?:hashed )?(?:SubPlan|InitPlan)", re.IGNORECASE)
_WHOLE_ROW = re.compile(r"\.\*")
_MOST_KEYS = 16


@dataclass(frozen=True, slots=True)
class ColumnFact:
    """What matters of a column where rows are compared."""

    identical: bool
    """Whether values that are equal are the same to the last digit: not so 1.0 and 1.00."""
    by_modifier: bool
    """Whether only its modifier makes them so, which a union with another column takes away."""
    exact: bool
    """Whether its values are added up without rounding."""


@dataclass(frozen=True, slots=True)
class TableFact:
    """What the catalogue knows of a table in a plan."""

    columns: Mapping[str, ColumnFact] = field(default_factory=dict)
    unique_keys: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the plan."""

    tables: Mapping[str, TableFact]
    """By the alias that the plan gives them."""
    reshaping: frozenset[str]
    """Names of functions that fold rows or look at others."""
    asked: Callable[[str], ColumnFact | None]
    """Asks for what is known of an expression's type; None of one that it can't be asked of."""
    arrays_shown: bool
    """Whether the plan shows which correlated subqueries gather their rows in an array."""
    arrays: bool = False
    """Whether one may, where the plan does not show it."""
    unions: bool = False
    """Whether a UNION may take one of equal rows, where the plan does not show it."""

    def column(self, expression: str) -> tuple[str, str] | None:
        """Return alias and name of a column; a plan over one table leaves the alias out."""
        found = column_of(expression)
        if found is None or found[0]:
            return found
        return (next(iter(self.tables)), found[1]) if len(self.tables) == 1 else None

    def plain(self, key: str) -> object:
        """Return a sort key in comparable form: a column, or the expression's text."""
        written = _SUFFIX.sub("", key)
        if len(self.tables) == 1:  # some places of its plan name the table, others do not
            written = without_alias(written, next(iter(self.tables)))
        return self.column(written) or written

    def of(self, expression: str) -> ColumnFact | None:
        """Return what is known of an expression, None where that is nothing."""
        found = self.column(expression)
        if found is not None:
            table = self.tables.get(found[0])
            return None if table is None else table.columns.get(found[1])
        return self.asked(expression)

    def identical(self, expression: str, *, united: bool = False) -> bool:
        """Return whether equal values of an expression are the same."""
        known = self.of(expression)
        return known is not None and known.identical and not (united and known.by_modifier)

    def exact(self, expression: str) -> bool:
        """Return whether values of an expression are added up without rounding."""
        known = self.of(expression)
        return known is not None and known.exact


def is_passing(plan: Node) -> bool:
    """Return whether all that a plan does is to pass rows on."""
    found = list(nodes(plan))
    return all(node["Node Type"] in PASSING for node in found) and not any(
        "Subplan Name" in node or _is_written_in_place(node) for node in found
    )


def hides(plan: Node) -> bool:
    """Return whether a plan leaves out some of the expressions that will be computed."""
    return any(node["Node Type"] in _HIDING or "Subplans Removed" in node for node in nodes(plan))


def takes_whole_rows(plan: Node) -> bool:
    """Return whether a plan takes a table's row as one value."""
    return any(_WHOLE_ROW.search(text) for text in unquoted(plan))


def clocks(plan: Node) -> list[str]:
    """Return the words in a plan that mean the transaction's time."""
    found = {word for text in unquoted(plan) for word in CLOCK.findall(text)}
    return sorted(found)


def doubt(plan: Node, facts: Facts) -> str:
    """Return the first step that is not shown to give the same rows each time; empty for none."""
    for node in nodes(plan):
        if said := _doubt_of(node, facts):
            return said
    return ""


def _is_written_in_place(node: Node) -> bool:
    return node.get("Schema") == "pg_catalog" and node.get("Relation Name") in _IN_PLACE


def _doubt_of(node: Node, facts: Facts) -> str:
    said = _array(node, facts)
    kind = str(node["Node Type"])
    if _is_written_in_place(node):
        return f"it reads {node['Relation Name']}, rows of which are written over in place"
    if said or kind in PASSING:
        return said
    judge = {
        "Limit": _limit,
        "Unique": _unique,
        "WindowAgg": _window,
        "Aggregate": _aggregate,
        "Group": _aggregate,
        "SetOp": _set_operation,
        "Recursive Union": _recursion,
    }.get(kind)
    if judge is None:
        return f"it has a step of the kind {kind}, which nothing is known of"
    return judge(node, facts)


# -- what picks rows by their order ---------------------------------------------------------------


def _limit(node: Node, facts: Facts) -> str:
    sort = _sorted_below(node)
    if sort is None:
        return "a LIMIT in it is over rows in no order of their own"
    if _is_total(sort, facts):
        return ""
    return f"a LIMIT in it is ordered by {_shown(sort)}, which leaves ties"


def _unique(node: Node, facts: Facts) -> str:
    sort = _sorted_below(node)
    if sort is not None and _is_total(sort, facts):
        return ""
    if sort is None:
        return (
            "DISTINCT or UNION in it picks one of rows that are equal, and not shown to be the same"
        )
    return f"DISTINCT or UNION in it picks one of several rows by {_shown(sort)}, which leaves ties"


def _window(node: Node, facts: Facts) -> str:
    over = [c for text in node.get("Output", ()) for c in calls(text) if c.windowed]
    names = {call.name for call in over}
    if names <= RANKS or _whole_peers(node, over, facts):
        return ""
    sort = _child(node)
    called = ", ".join(f"{name}()" for name in sorted(names))
    if sort["Node Type"] != "Sort":
        return f"the window of {called} has no order of its own that leaves no ties"
    if _is_total(sort, facts):
        return ""
    return f"the window of {called} goes by {_shown(sort)}, which leaves ties"


def _whole_peers(node: Node, over: Sequence[Call], facts: Facts) -> bool:
    """Return whether windows are shown to take ties together, and functions not to see an order."""
    window = str(node.get("Window", "ROWS"))
    return "ROWS" not in window and all(
        call.name in RANKS or (call.name not in GATHERING and not _aggregate_doubt(call, facts))
        for call in over
    )


def _set_operation(node: Node, facts: Facts) -> str:
    return _same_values(node, node.get("Output", ()), facts, "INTERSECT or EXCEPT")


def _recursion(node: Node, facts: Facts) -> str:
    """Judge it as a UNION where it may be one: a plan shows UNION ALL in the same way."""
    if not facts.unions:
        return ""
    return _same_values(node, _child(node).get("Output", ()), facts, "a recursive UNION")


# -- what folds rows ------------------------------------------------------------------------------


def _aggregate(node: Node, facts: Facts) -> str:
    keys = [*node.get("Group Key", ())]
    for grouping in node.get("Grouping Sets", ()):
        keys += [key for part in grouping.get("Group Keys", ()) for key in part]
        keys += [key for part in grouping.get("Hash Keys", ()) for key in part]
    if said := _same_values(node, keys, facts, "GROUP BY or DISTINCT"):
        return said
    folded = (text for name in ("Output", "Filter") for text in _listed(node.get(name)))
    for call in (call for text in folded for call in calls(text)):
        if (call.name in facts.reshaping or call.name in _WRITTEN_OUT) and (
            said := _aggregate_doubt(call, facts)
        ):
            return said
    return ""


def _aggregate_doubt(call: Call, facts: Facts) -> str:
    """Return why an aggregate may give another answer of the same rows; empty when it does not."""
    written = f"{call.name}({call.arguments})"
    if call.name in ORDERLESS:
        return ""
    if call.name in EXACT:
        value = call.arguments.removeprefix("DISTINCT ")
        picks = call.name in ("min", "max")
        one_of_equals = picks or value != call.arguments
        known = (picks or facts.exact(value)) and (not one_of_equals or facts.identical(value))
        return "" if known else f"{written} is not shown to be the same in any order of its rows"
    if call.name in GATHERING:
        match = _GATHERED.match(call.arguments)
        value, order = (match["value"], match["order"]) if match else ("", None)
        ordered = order is not None and facts.plain(order) == facts.plain(value)
        if ordered and facts.identical(value):
            return ""
        return f"{written} puts values in a row whose order it leaves open"
    return f"{written} is not known to be the same in any order of its rows"


def _same_values(node: Node, expressions: Sequence[str], facts: Facts, what: str) -> str:
    """Return why a step may show another one of values that are equal; empty when it can't."""
    united = _unites(node)
    for expression in expressions:
        if not facts.identical(expression, united=united):
            return (
                f"{what} in it takes one of several values of {expression} that are equal, and not "
                "shown to be the same"
            )
    return ""


def _unites(node: Node) -> bool:
    """Return whether rows of several queries come together below a step."""
    return any(inner["Node Type"] in _UNITING for inner in nodes(node))


def _array(node: Node, facts: Facts) -> str:
    """Return the doubt about subqueries whose rows become an array; empty for none."""
    has_array = any(_ARRAY.search(text) for text in _own_texts(node))
    for inner in node.get("Plans", ()):
        name = str(inner.get("Subplan Name", ""))
        hidden = not facts.arrays_shown or name.startswith("InitPlan")  # shown as its column alone
        if not name or not (has_array or (hidden and facts.arrays)):
            continue
        sort = inner if inner["Node Type"] == "Sort" else _sorted_below(inner)
        if sort is None or not _is_total(sort, facts):
            return "ARRAY(SELECT …) in it puts rows in an order that it leaves open"
    return ""


# -- orders ---------------------------------------------------------------------------------------


def _sorted_below(node: Node) -> Node | None:
    """Return the sort right under a step that gives the step its order; None without one."""
    child = _child(node)
    while child["Node Type"] == "Result" and len(child.get("Plans", ())) == 1:
        child = _child(child)
    return child if child["Node Type"] in ("Sort", "Merge Append") else None


def _is_total(sort: Node, facts: Facts) -> bool:
    """Return whether an order leaves no ties, or only such of rows that are the same."""
    keys = {facts.plain(key) for key in sort.get("Sort Key", ())}
    output = sort.get("Output") or _child(sort).get("Output", ())  # a merge shows none of its own
    united = _unites(sort)
    if output and all(
        facts.plain(text) in keys and facts.identical(text, united=united) for text in output
    ):
        return True
    alone = sort["Node Type"] == "Sort"  # else rows of several queries are merged in that order
    return alone and any(key <= keys for key in _unique_keys(_child(sort), facts))


def _unique_keys(node: Node, facts: Facts) -> list[frozenset[object]]:
    """Return sets of expressions that no two rows of a step share, and that are never all NULL."""
    kind = node["Node Type"]
    if "Relation Name" in node:
        alias = str(node.get("Alias", ""))
        keys = facts.tables.get(alias, TableFact()).unique_keys
        return [frozenset((alias, name) for name in key) for key in keys]
    if "Join Type" in node:
        return _joined_keys(node, facts)[:_MOST_KEYS]
    if kind in ("Aggregate", "Group") and node.get("Group Key") and "Grouping Sets" not in node:
        return [frozenset(map(facts.plain, node["Group Key"]))]
    if kind in _SAME_ROWS and len(_plans(node)) == 1:
        return _unique_keys(_child(node), facts)
    return []


def _joined_keys(node: Node, facts: Facts) -> list[frozenset[object]]:
    outer, inner = (_unique_keys(plan, facts) for plan in _plans(node)[:2])
    kind = node["Join Type"]
    if kind in ("Semi", "Anti"):
        return outer
    if kind.startswith("Right "):
        return inner
    alone = outer if node.get("Inner Unique") and kind in ("Inner", "Left") else []
    return [*alone, *(one | other for one in outer for other in inner)]


def _plans(node: Node) -> list[Node]:
    return [plan for plan in node.get("Plans", ()) if "Subplan Name" not in plan]


def _child(node: Node) -> Node:
    found = _plans(node)
    return found[0] if found else {"Node Type": "Result"}


def _own_texts(node: Node) -> Iterator[str]:
    yield from texts({name: value for name, value in node.items() if name != "Plans"})


def _listed(value: Any) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _shown(sort: Node) -> str:
    return ", ".join(sort.get("Sort Key", ()))
