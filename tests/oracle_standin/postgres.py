"""The session's own connection to PostgreSQL: statements, transactions."""

from __future__ import annotations

from psycopg import pq

from tests.oracle_standin.errors import ora_error
from tests.oracle_standin.packets import Interrupted


class Backend:
    """The session's own connection to PostgreSQL: statements, transactions."""

    def x(self, sql, conn=None):
        res = (conn or self.pg).pgconn.exec_(sql)
        if res.status == pq.ExecStatus.FATAL_ERROR:
            raise ora_error(res)
        return res

    def xp(self, sql, vals, types, upd=False, conn=None):
        self.busy = True
        guard = 0 in types and self.in_txn() and conn is None
        if guard:
            self.x(b"SAVEPOINT ora_guess")
        try:
            res = (
                (conn or self.pg).pgconn.exec_params(sql, vals, types)
                if vals
                else (conn or self.pg).pgconn.exec_params(sql, None)
            )
        finally:
            self.busy = False
        if res.status == pq.ExecStatus.FATAL_ERROR:
            if (
                res.error_field(pq.DiagnosticField.SQLSTATE) == b"42P18"
                and 0 in types
                and (guard or self.pg.pgconn.transaction_status != pq.TransactionStatus.INERROR)
            ):
                if guard:
                    self.x(b"ROLLBACK TO ora_guess")
                return self.xp(
                    sql, vals, [t or 25 for t in types], upd, conn
                )  # untyped bind: take it as text
            e = ora_error(res, upd)
            if self.interrupted and e.code == 1013:
                raise Interrupted()
            raise e
        return res

    def in_txn(self):
        return (
            self.pg is not None and self.pg.pgconn.transaction_status != pq.TransactionStatus.IDLE
        )

    def commit(self):
        if self.in_txn():
            self.x(b"COMMIT")
        self.dirty = False

    def rollback(self):
        if self.in_txn():
            self.x(b"ROLLBACK")
        self.dirty = False

    def begin(self):
        if not self.in_txn():
            self.x(b"BEGIN")
        self.dirty = True
