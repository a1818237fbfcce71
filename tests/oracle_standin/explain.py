"""EXPLAIN PLAN: PostgreSQL's estimate, in the form of Oracle's table of plans."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.oracle_standin.errors import OracleError

STATEMENT = re.compile(
    r"\s*EXPLAIN\s+PLAN\s+(?:SET\s+STATEMENT_ID\s*=\s*'([^']*)'\s*)?"
    r"(?:INTO\s+SYS\.PLAN_TABLE\$\s+)?FOR\s+(.*)",
    re.IGNORECASE | re.DOTALL,
)
MADE = (
    b'CREATE TEMP TABLE IF NOT EXISTS "PLAN_TABLE" ("STATEMENT_ID" varchar(30), "ID" numeric, '
    b'"OPERATION" varchar(30), "CARDINALITY" numeric, "COST" numeric)'
)


def plan_table(session: Any, sql: str) -> None:
    """Enter what is expected of a query into the session's table of plans."""
    found = STATEMENT.match(sql)
    if found is None:
        raise OracleError(905, "missing keyword")
    session.begin()
    session.run(MADE)
    query = session.translated(found.group(2))["sql"]
    answer = session.run(f"EXPLAIN (FORMAT JSON) {query}".encode()).get_value(0, 0)
    plan = json.loads(answer)[0]["Plan"]
    values = [
        (found.group(1) or "").encode(),
        str(plan["Plan Rows"]).encode(),
        str(round(plan["Total Cost"])).encode(),
    ]
    session.run_with(
        b"INSERT INTO \"PLAN_TABLE\" VALUES ($1, 0, 'SELECT STATEMENT', $2, $3)",
        values,
        [1043, 1700, 1700],
    )
