"""What Oracle's optimizer expects of a query."""

from __future__ import annotations

import uuid
from typing import Any

import oracledb

from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Estimate

MOVED_ROW, MOVED_BYTE = 0.125, 0.00125
"""Cost of moving a row, and each of its bytes. The unit is the read of a single block, by the
optimizer's own defaults that of about four blocks of a scan. Not measured on a server."""


PLANS = "SYS.PLAN_TABLE$"
"""The table behind the public synonym PLAN_TABLE; a schema may hold another of that name."""


def estimate(conn: Driver, sql: str) -> Estimate | None:
    """Return what the optimizer expects of a query, None where it may not be asked."""
    mark = f"mapper_dask_{uuid.uuid4().hex[:12]}"
    with conn.cursor() as cursor:
        try:
            cursor.execute(f"EXPLAIN PLAN SET STATEMENT_ID = '{mark}' INTO {PLANS} FOR {sql}")
            rows, cost = _entered(cursor, "cardinality, cost", mark) or (None, None)
        except oracledb.DatabaseError:
            rows = cost = None
        size = None if rows is None else _size(cursor, mark)
    conn.rollback()
    if rows is None:
        return None
    width = None if size is None else round(size / max(1, int(rows)))
    moving = int(rows) * MOVED_ROW + (size or 0) * MOVED_BYTE
    return Estimate(int(rows), None if cost is None else float(cost), width, moving)


def _size(cursor: Any, mark: str) -> int | None:
    """Return the bytes of the result; None where the table of plans is of an older make."""
    try:
        found = _entered(cursor, "bytes", mark)
    except oracledb.DatabaseError:
        return None
    return int(found[0]) if found and found[0] else None


def _entered(cursor: Any, columns: str, mark: str) -> Any:
    cursor.execute(
        f"SELECT {columns} FROM {PLANS} WHERE statement_id = :mark AND id = 0", {"mark": mark}
    )
    return cursor.fetchone()
