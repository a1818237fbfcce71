"""What PostgreSQL's planner expects of a query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mapper_dask.dialects.facts import Estimate
from mapper_dask.dialects.postgresql import statement

ONE_PRICE = (
    "SELECT pg_catalog.set_config("
    "'random_page_cost', pg_catalog.current_setting('seq_page_cost'), true)"
)
"""Lets the planner count pages alike, however they are reached."""

OWN_PRICE = "SET LOCAL random_page_cost TO DEFAULT"

MOVED_ROW, MOVED_BYTE = 0.5, 0.005
"""Cost of moving a row, and each of its bytes, in units of about 2.5 us (a page read in sequence):
a row of TPC-H's lineitem, of 117 bytes, takes about 2.8 us from COPY to COPY."""

_STRING = re.compile(r"'(?:[^']|'')*'")
_CALL = re.compile(r'(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))\(')


def estimate(conn: Any, sql: str) -> Estimate:
    """Return what the planner expects of a query.

    The cost is that of pages at one price. By default a page through an index costs four times one
    of a scan, so that a fortieth of a table by its index looks like half of it. But the plan is the
    one that will run: where the price keeps it from an index, what it reads instead counts.
    """
    usual = _plan(conn, sql, "VERBOSE, ")
    with conn.cursor() as cursor:
        cursor.execute(ONE_PRICE)
    fair = _plan(conn, sql)
    with conn.cursor() as cursor:
        cursor.execute(OWN_PRICE)
    rows, width = int(fair["Plan Rows"]), int(fair["Plan Width"])
    plan = fair if _scanned(fair) == _scanned(usual) else usual
    moving = rows * (MOVED_ROW + width * MOVED_BYTE)
    return Estimate(rows, float(plan["Total Cost"]), width, moving, _calls(usual))


def _calls(plan: dict[str, Any]) -> frozenset[str]:
    """Return the names before a bracket in a plan: functions, also those of views and policies."""
    texts = (text for node in _nodes(plan) for text in _texts(node))
    return frozenset(
        quoted.replace('""', '"') or plain
        for text in texts
        for quoted, plain in _CALL.findall(_STRING.sub("''", text))
    )


def _plan(conn: Any, sql: str, options: str = "") -> dict[str, Any]:
    ((found,),) = statement.rows(conn, sql, head=f"EXPLAIN ({options}FORMAT JSON) ")
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def _texts(node: dict[str, Any]) -> Iterator[str]:
    for value in node.values():
        yield from (text for text in _listed(value) if isinstance(text, str))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _scanned(plan: dict[str, Any]) -> list[str]:
    """Return the tables that a plan reads from end to end."""
    return sorted(node["Alias"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
