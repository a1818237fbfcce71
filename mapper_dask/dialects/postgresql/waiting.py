"""Finds a session that blocks reads while it waits for the run's snapshot: neither would end.

The session that keeps a snapshot holds the tables it planned over, as every reader does. A
session that wants one of them alone, as for TRUNCATE and ALTER TABLE, waits for it, and the chunks'
reads wait behind that session. The server sees no deadlock: the keeper itself waits for nothing.
"""

from __future__ import annotations

import re

from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.dialects.session import Driver

_WORDS = re.compile(r"\s*([A-Za-z]+(?: (?:TABLE|MATERIALIZED VIEW|INDEX|VIEW)\b)?)", re.IGNORECASE)
"""The first words of a statement: the rest may hold values."""


def waits_for_keeper(conn: Driver, keeper: str) -> str:
    """Return which session waits for one that keeps a snapshot; empty when none does.

    Parameters
    ----------
    keeper
        Name of that session.
    """
    found = named_queries.run(conn, "lock_waiters", {"name": keeper})
    if not found:
        return ""
    pid, user, query, mode, table = found[0]
    words = _WORDS.match(query)
    does = f" ({words[1].upper()})" if words else ""
    owner = f" of {user}" if user else ""
    return (
        f"session {pid}{owner}{does} waits for an {mode} on {table}, which the run's own session "
        "holds that keeps the snapshot, and the reads wait behind it: neither ends. Let it "
        f"wait until the run is done, or cancel it (SELECT pg_cancel_backend({pid})); resume "
        "continues with what is not committed"
    )
