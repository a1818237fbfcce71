"""The session's own connection to PostgreSQL: statements, transactions."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import pq

from tests.oracle_standin.errors import OracleError, ora_error
from tests.oracle_standin.packets import Interrupted

UNKNOWN_TYPE = b"42P18"
TEXT = 25
CANCELLED = 1013


class Backend:
    """What a session does in PostgreSQL."""

    postgres: Any
    busy: bool
    interrupted: bool
    changed: bool

    def run(self, sql: bytes) -> Any:
        """Run statements without values."""
        result = self.postgres.pgconn.exec_(sql)
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise self._error(result)
        return result

    def run_with(
        self,
        sql: bytes,
        texts: list[bytes | None],
        types: list[int],
        *,
        updates: bool = False,
        connection: psycopg.Connection | None = None,
    ) -> Any:
        """Run one statement with values; where a type cannot be told it is a text.

        Raises
        ------
        OracleError
            What PostgreSQL answered, in Oracle's words.
        Interrupted
            When the client broke it off.
        """
        guessing = 0 in types and self.in_transaction() and connection is None
        if guessing:
            self.run(b"SAVEPOINT ora_guess")
        result = self._sent(sql, texts, types, connection or self.postgres)
        if result.status != pq.ExecStatus.FATAL_ERROR:
            return result
        unknown = result.error_field(pq.DiagnosticField.SQLSTATE) == UNKNOWN_TYPE and 0 in types
        if unknown and (guessing or not self._failed()):
            if guessing:
                self.run(b"ROLLBACK TO ora_guess")
            told = [kind or TEXT for kind in types]
            return self.run_with(sql, texts, told, updates=updates, connection=connection)
        error = self._error(result, updates=updates)
        if self.interrupted and error.code == CANCELLED:
            raise Interrupted
        raise error

    def _sent(
        self, sql: bytes, texts: list[bytes | None], types: list[int], connection: Any
    ) -> Any:
        self.busy = True
        try:
            return connection.pgconn.exec_params(sql, texts or None, types or None)
        finally:
            self.busy = False

    def _failed(self) -> bool:
        return self.postgres.pgconn.transaction_status == pq.TransactionStatus.INERROR

    def _error(self, result: Any, *, updates: bool = False) -> OracleError:
        """Return why it failed; a session that was ended may not have been told."""
        if self.is_killed():
            return OracleError(28, "your session has been killed")
        return ora_error(result, updates=updates)

    def is_killed(self) -> bool:
        """Return whether PostgreSQL has been seen to end the session."""
        return self.postgres is not None and self.postgres.pgconn.status == pq.ConnStatus.BAD

    def in_transaction(self) -> bool:
        """Return whether a transaction is open."""
        idle = pq.TransactionStatus.IDLE
        return self.postgres is not None and self.postgres.pgconn.transaction_status != idle

    def begin(self) -> None:
        """Begin a transaction unless one is open."""
        if not self.in_transaction():
            self.run(b"BEGIN")
        self.changed = True

    def commit(self) -> None:
        """Commit what is open."""
        self._end(b"COMMIT")

    def rollback(self) -> None:
        """Roll back what is open."""
        self._end(b"ROLLBACK")

    def _end(self, sql: bytes) -> None:
        if self.postgres is not None:  # without a transaction too: a killed session cannot
            self.run(sql if self.in_transaction() else b"")
        self.changed = False
