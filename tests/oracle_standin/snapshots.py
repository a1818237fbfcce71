"""State numbers: each is a snapshot of PostgreSQL's that a connection keeps open."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import psycopg

from tests.oracle_standin.errors import OracleError

KEPT = 32
"""States that are remembered; older ones are too old."""

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Snapshots:
    """The states that can still be read."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._kept: OrderedDict[int, tuple[str, psycopg.Connection]] = OrderedDict()
        self._lock = threading.Lock()

    def register(self, number: int) -> None:
        """Keep the present state under a number."""
        connection = psycopg.connect(self._dsn, autocommit=True)
        connection.execute(BEGIN)
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        with self._lock:
            self._kept[number] = (row[0], connection)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)[1][1].close()

    @contextlib.contextmanager
    def reading(
        self, written: str, binds: Sequence[bytes], search_path: str
    ) -> Iterator[psycopg.Connection]:
        """Lend a connection that reads the state whose number stands in a query, or is bound.

        Raises
        ------
        OracleError
            ORA-01555 when it is forgotten.
        """
        bound = re.search(r"ora_b(\d+)", written)
        number = int(float(binds[int(bound.group(1)) - 1])) if bound else int(written)
        with self._lock:
            kept = self._kept.get(number)
        if kept is None:
            message = 'snapshot too old: rollback segment number 1 with name "_STANDIN" too small'
            raise OracleError(1555, message)
        with contextlib.closing(psycopg.connect(self._dsn, autocommit=True)) as connection:
            connection.execute(BEGIN)
            connection.execute(f"SET TRANSACTION SNAPSHOT '{kept[0]}'".encode())
            connection.execute(search_path.encode())
            yield connection

    def forget(self) -> None:
        """Let every state be too old."""
        with self._lock:
            for _, connection in self._kept.values():
                connection.close()
            self._kept.clear()
