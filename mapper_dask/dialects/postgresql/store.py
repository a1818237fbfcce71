"""PostgreSQL as a store: how the named queries of the ledger are run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2.extras

from mapper_dask.dialects.postgresql import encodings, named_queries, session
from mapper_dask.dialects.session import Session


class PostgreSQLSession(Session):
    """What a session of each role has."""

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a named query with bound values; return its rows, none for one that returns none."""
        fitting = encodings.of_query(self.conn, name)
        return fitting.rows(named_queries.run(self.conn, name, fitting.params(params)))

    def end_sessions(self, tag: str) -> int:
        """End every session that works on a chunk of a run; return how many there were."""
        pattern = f"^{re.escape(tag)}:[0-9]+$"
        return len(self.run("sessions_end", {"pattern": pattern}))

    def begin_load(self, application: str, lock_timeout: float) -> None:
        """Begin a transaction that loads: READ COMMITTED, to see what another copy commits."""
        session.prepare(self.conn)
        with self.conn.cursor() as cursor:
            mode = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; "
            # One message, for each costs a round trip.
            cursor.execute(f"{mode}{session.settings(self.conn)}; {named_queries.DURABLE}")
            session.fence(cursor, application, lock_timeout)


class PostgreSQLStore(PostgreSQLSession):
    """A session that keeps the ledger."""

    def run_each(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a named statement once for each of some rows of bound values, many in a message."""
        fitted = encodings.of_query(self.conn, name).each(rows)
        with self.conn.cursor() as cursor:
            psycopg2.extras.execute_batch(cursor, named_queries.text(name), fitted, page_size=1000)

    def end_frozen(self, tag: str, chunk_id: int | None, seconds: float) -> int:
        """End sessions of a run that hold a chunk while their clients have been silent so long."""
        which = "[0-9]+" if chunk_id is None else str(int(chunk_id))
        values = {"pattern": f"^{re.escape(tag)}:{which}$", "seconds": seconds}
        return len(self.run("sessions_frozen", values))
