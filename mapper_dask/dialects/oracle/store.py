"""Oracle as a store: how the named queries of the ledger are run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import oracledb

from mapper_dask.dialects.oracle import encodings, faults, session
from mapper_dask.dialects.session import Session

UNIQUE_VIOLATED = "ORA-00001"


class OracleSession(Session):
    """What a session of each role has."""

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a named script; return the last statement's rows, or how many it changed."""
        fitting = encodings.of_query(self.conn, name)
        try:
            return fitting.rows(session.run(self.conn, name, fitting.params(params) or {}))
        except oracledb.IntegrityError as error:
            if name == "ledger_open_run" and faults.code_of(error) == UNIQUE_VIOLATED:
                return []  # another coordinator entered it in the same moment
            raise

    def end_sessions(self, tag: str) -> int:
        """End every session that works on a chunk of a run; return how many there were."""
        return session.end_others(self.conn, f"^{re.escape(tag)}:[0-9]+$")

    def begin_load(self, application: str, lock_timeout: float) -> None:
        """Begin a transaction that loads; each statement sees what is committed before it."""
        session.begin(self.conn, application, lock_timeout)


class OracleStore(OracleSession):
    """A session that keeps the ledger."""

    def run_each(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a named statement once for each of some rows of bound values."""
        session.run_each(self.conn, name, encodings.of_query(self.conn, name).each(rows))

    def end_frozen(self, tag: str, chunk_id: int | None, seconds: float) -> int:
        """End sessions of a run that hold a chunk while their clients have been silent so long."""
        which = "[0-9]+" if chunk_id is None else str(int(chunk_id))
        return session.end_others(self.conn, f"^{re.escape(tag)}:{which}$", seconds)
