"""Asks the target who is loading a chunk at this moment, again and again."""

from __future__ import annotations

from typing import Any

import psycopg2
import sqlalchemy as sa

from tests.database import Database

UNDER_WAY = """
SELECT a.pid, split_part(c.worker, ':', 2)::int
FROM mapper_dask_chunk c
JOIN pg_stat_activity a ON a.application_name = format('mapper_dask:%s:%s', c.run_id, c.chunk_id)
WHERE c.state <> 'PROCESSED' AND c.worker <> '' AND a.datname = current_database()
"""
"""A session has a chunk's name only while its transaction lasts."""


def connected(database: Database) -> Any:
    """Return a connection on which each statement commits itself."""
    url = sa.make_url(database.url).set(drivername="postgresql")
    conn = psycopg2.connect(url.render_as_string(hide_password=False))
    conn.autocommit = True
    return conn


class Watch:
    """A connection to the target, kept for the next question."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conn: Any = None

    def fetch(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return a query's rows; none where the ledger is not there yet."""
        if self._conn is None:
            self._conn = connected(self._database)
        with self._conn.cursor() as cursor:
            try:
                cursor.execute(sql, params or None)
            except psycopg2.errors.UndefinedTable:
                return []
            return cursor.fetchall()

    def under_way(self) -> list[tuple[int, int]]:
        """Return the server and worker processes that are loading a chunk at this moment."""
        return self.fetch(UNDER_WAY)

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None
