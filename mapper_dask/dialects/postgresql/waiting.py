"""Whom a read waits for that waits itself for the run's own snapshot: nobody would ever end.

The session that keeps a snapshot holds the tables it planned over, as every reader does. Whoever
wants one of them for himself, as TRUNCATE and ALTER TABLE do, waits for it, and the chunks' reads
wait behind him. The server sees no deadlock in that, for the keeper waits for nothing in it.
"""

from __future__ import annotations

import re

from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.dialects.session import Driver

_WORDS = re.compile(r"\s*([A-Za-z]+(?: (?:TABLE|MATERIALIZED VIEW|INDEX|VIEW)\b)?)", re.IGNORECASE)
"""What a statement begins with: not what it is about, which may be anything."""


def waits_for_keeper(conn: Driver, keeper: str) -> str:
    """Return who waits for a session that keeps a snapshot; empty when nobody does.

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
    who = f" of {user}" if user else ""
    return (
        f"session {pid}{who}{does} waits for an {mode} on {table}, which the run's own session "
        "holds that keeps the snapshot, and the reads wait behind it: neither ends. Let it "
        f"wait until the run is done, or cancel it (SELECT pg_cancel_backend({pid})); resume "
        "goes on with what is not committed"
    )
