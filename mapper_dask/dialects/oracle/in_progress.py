"""Which transactions of an Oracle source may still commit rows below a column's greatest value.

``V$TRANSACTION`` holds every transaction that has written. Any other still has to get its number or
time: ``SYSDATE`` and ``NEXTVAL`` belong to the statement that writes.
"""

from __future__ import annotations

from typing import Any

import oracledb

from mapper_dask.dialects.oracle import faults, session
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import CommitOrder, Transaction

HIDDEN = ("ORA-00942", "ORA-01031")
"""Errors for a login that lacks the right."""

BLIND = (
    "this login may not read V$TRANSACTION and V$SESSION, which show transactions in progress: "
    "rows that are committed late are lost. GRANT SELECT ON V_$TRANSACTION and V_$SESSION to it, "
    "or merge with an overlap"
)

RULE = (
    "no row is passed over of a transaction that had written, and not ended, when the greatest "
    "value was read; the mark does not move while one of them remains"
)

RESTS_ON = (
    (
        "that the column gets its number or time in the statement that inserts the row, and that "
        "this statement has begun to write when the next one commits: what was fetched before, is "
        "set by hand or by a statement that takes long to its first row may come late unseen"
    ),
    "on a cluster (RAC), that sequences are made with ORDER, and that writers use this instance",
)


def commit_order(conn: Driver) -> CommitOrder:
    """Return how rows come to be seen."""
    return CommitOrder(RULE, "" if _rows(conn) is not None else BLIND, RESTS_ON)


def in_progress(conn: Driver) -> tuple[Transaction, ...]:
    """Return the transactions that may commit late; none where they are hidden."""
    return tuple(
        Transaction(str(key), _owner(sid, user, start))
        for key, sid, user, start in _rows(conn) or ()
    )


def _rows(conn: Driver) -> list[tuple[Any, ...]] | None:
    try:
        return session.run(conn, "watermark_transactions", {})
    except oracledb.DatabaseError as error:
        if faults.code_of(error) not in HIDDEN:
            raise
        return None


def _owner(sid: Any, user: str | None, start: str | None) -> str:
    where = "a transaction without a session" if sid is None else f"session {int(sid)}"
    return f"{where}{f' of {user}' if user else ''}{f', begun {start}' if start else ''}"
