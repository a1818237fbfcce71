"""What PostgreSQL's planner expects of a query."""

from __future__ import annotations

import json

from mapper_dask.dialects.postgresql import query_texts, repeatable, statement
from mapper_dask.dialects.postgresql.plan_texts import Node, called, nodes
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Estimate

ONE_PRICE = (
    "SELECT pg_catalog.set_config("
    "'random_page_cost', pg_catalog.current_setting('seq_page_cost'), true)"
)
"""Lets the planner count pages alike, however they are reached."""

OWN_PRICE = "SET LOCAL random_page_cost TO DEFAULT"

MOVED_ROW, MOVED_BYTE = 0.5, 0.005
"""Cost of moving a row, and each of its bytes, in units of about 2.5 us (a page read in sequence):
a row of TPC-H's lineitem, of 117 bytes, takes about 2.8 us from COPY to COPY."""


def estimate(conn: Driver, sql: str) -> Estimate:
    """Return what the planner expects of a query.

    The cost is that of pages at one price. By default a page through an index costs four times one
    of a scan, so that a fortieth of a table by its index looks like half of it. But the plan is the
    one that will run: where the price keeps it from an index, what it reads instead counts.
    """
    usual = plan(conn, sql, "VERBOSE, ")
    with conn.cursor() as cursor:
        cursor.execute(ONE_PRICE)
    fair = plan(conn, sql)
    with conn.cursor() as cursor:
        cursor.execute(OWN_PRICE)
    rows, width = int(fair["Plan Rows"]), int(fair["Plan Width"])
    real = fair if _scanned(fair) == _scanned(usual) else usual
    moving = rows * (MOVED_ROW + width * MOVED_BYTE)
    hidden = repeatable.hides(usual)
    clocks = {*repeatable.clocks(usual), *(query_texts.clocks(sql) if hidden else ())}
    return Estimate(
        rows,
        float(real["Total Cost"]),
        width,
        moving,
        called(usual) | (query_texts.names(sql) if hidden else frozenset()),
        passing=repeatable.is_passing(usual),
        clocks=tuple(sorted(clocks)),
        whole_rows=repeatable.takes_whole_rows(usual),
    )


def plan(conn: Driver, sql: str, options: str = "") -> Node:
    """Return the plan of a query."""
    ((found,),) = statement.rows(conn, sql, head=f"EXPLAIN ({options}FORMAT JSON) ")
    made: Node = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return made


def _scanned(made: Node) -> list[str]:
    """Return the tables that a plan reads from end to end."""
    return sorted(node["Alias"] for node in nodes(made) if node["Node Type"] == "Seq Scan")
