"""Loads rows but for those the database refuses: found piece by piece, between savepoints.

COPY stops at the first row it refuses and names its line, so the rows before it are sent again and
the piece after it follows. Where it names none, as for a foreign key, the piece is halved. Pieces
grow while all is well and shrink where rows are refused, so that few rows are sent in vain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pyarrow as pa

from mapper_dask.dialects.base import Loaded, TargetTable
from mapper_dask.dialects.postgresql import faults, transfer
from mapper_dask.errors import RejectLimitError

SMALLEST = 16
"""Rows of a piece at least, after a refusal."""

SAVEPOINT = "mapper_dask_piece"


@dataclass(slots=True)
class _Loading:
    """One table of rows on its way."""

    conn: Any
    table: TargetTable
    rows: pa.Table
    most: int
    refused: dict[int, str] = field(default_factory=dict)
    loaded: int = 0

    def go(self) -> Loaded:
        place, size = 0, self.rows.num_rows
        while place < self.rows.num_rows:
            size = min(size, self.rows.num_rows - place)
            error = self._attempt(place, size)
            if error is None:
                place, size = place + size, size * 2
            else:
                done = self._apart(place, size, error)
                place, size = place + done, max(SMALLEST, 2 * done)
        return Loaded(self.loaded, self.refused)

    def _apart(self, place: int, size: int, error: psycopg2.Error) -> int:
        """Deal with the beginning of a piece that was refused; return how many rows that was."""
        if size == 1:
            self._refuse(place, error)
            return 1
        line = faults.copied_line(error)
        good = line - 1 if line is not None and 1 <= line <= size else None
        if good is not None and (good == 0 or self._attempt(place, good) is None):
            self._refuse(place + good, error)
            return good + 1
        half = size // 2  # no line, or one counted past a line break within a value
        again = self._attempt(place, half)
        return half if again is None else self._apart(place, half, again)

    def _attempt(self, place: int, size: int) -> psycopg2.Error | None:
        """Load some rows, or none of them; return why they were refused."""
        self._say(f"SAVEPOINT {SAVEPOINT}")
        try:
            count = transfer.load(self.conn, self.table, self.rows.slice(place, size)).rows
        except psycopg2.Error as error:
            if not faults.refuses_row(error):
                raise
            self._say(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}")
            return error
        self._say(f"RELEASE SAVEPOINT {SAVEPOINT}")
        self.loaded += count
        return None

    def _refuse(self, place: int, error: psycopg2.Error) -> None:
        self.refused[place] = faults.reason(error)
        if len(self.refused) > self.most:
            message = (
                f"more than reject_limit={self.most} rows are refused; last: {self.refused[place]}"
            )
            raise RejectLimitError(message)

    def _say(self, statement: str) -> None:
        with self.conn.cursor() as cursor:
            cursor.execute(statement)


def load(conn: Any, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
    """Load rows but for those the database refuses; deferred constraints are checked at once.

    Raises
    ------
    RejectLimitError
        When more rows are refused than ``most``.
    """
    with conn.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return _Loading(conn, table, rows, most).go()
