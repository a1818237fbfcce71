"""Loads rows but for those the database refuses: found piece by piece, between savepoints.

COPY stops at the first row it refuses and names its line. So a piece is sent again without that
row, until it passes: one COPY for each refused row, and one more. Where the line cannot be trusted
(a value holds a line break, which COPY counts too), the rows before it have to pass first. Where no
line is named, as for a foreign key, the piece is halved. Pieces are as long as to hold a few
refused rows.

No list says which errors rows cause: a row is at fault where COPY names its line, or where a COPY
of no rows passes. A row that was refused without a line is tried once more when the others are in:
it may refer to one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.dialects.postgresql import faults, named_queries, transfer, watching
from mapper_dask.dialects.postgresql.watching import LoadWatch
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import RejectLimitError
from mapper_dask.schema.facts import Loaded, TargetTable
from mapper_dask.schema.hazards import Unwatched
from mapper_dask.staging.bisect import MOST_WAITING

SMALLEST = 16
"""Rows of a piece at least, after a refusal."""

WANTED = 2
"""Refused rows a piece should hold: with fewer there are more pieces, with more each is sent again
more often."""

SAVEPOINT = "mapper_dask_piece"


@dataclass(slots=True)
class _Loading:
    """One table of rows on its way."""

    conn: Driver
    table: TargetTable
    rows: pa.Table
    most: int
    exact: bool
    """Whether the line that COPY names is the row's number."""
    watch: LoadWatch | Unwatched
    """Looks after what was loaded, where triggers might take it away again."""
    refused: dict[int, str] = field(default_factory=dict)
    unplaced: list[int] = field(default_factory=list)
    """Refused rows whose line was not named: they may have come too early."""
    takes_none: bool = False
    """Whether it is known that a COPY without a row passes."""
    depend: bool | None = None
    """Whether rows may refer to one another; None: not asked yet."""
    loaded: int = 0

    def go(self) -> Loaded:
        self._say(f"SAVEPOINT {SAVEPOINT}")
        place, size = 0, self.rows.num_rows
        while place < self.rows.num_rows:
            size = min(size, self.rows.num_rows - place)
            error = self._attempt(self.rows.slice(place, size))
            if error is None:
                place, size = place + size, size * 2
                continue
            before = len(self.refused)
            done = self._narrow(place, size, error)
            found = len(self.refused) - before
            place, size = place + done, max(SMALLEST, WANTED * done // max(found, 1))
        self._try_unplaced()
        if len(self.refused) > self.most:
            raise self._beyond(list(self.refused.values())[-1])
        return Loaded(self.loaded, self.refused)

    def _try_unplaced(self) -> None:
        """Try rows again that may refer to others of this table, until no more are taken."""
        while self.unplaced:
            before, waiting, self.unplaced = len(self.refused), self.unplaced, []
            for place in waiting:
                del self.refused[place]
                if (error := self._attempt(self.rows.slice(place, 1))) is not None:
                    self._refuse(place, error)
            if len(self.refused) == before:
                return

    def _narrow(self, place: int, size: int, error: psycopg2.Error) -> int:
        """Find refused rows at the beginning of a refused piece; return how many rows are done."""
        line = self._line(error)
        if size == 1:
            self._refuse(place, error)
            return 1
        if line is None or line > size:
            return self._halved(place, size)
        if self.exact:
            return self._resent(place, min(size, max(SMALLEST, WANTED * line)), line, error)
        if line == 1 or self._attempt(self.rows.slice(place, line - 1)) is None:
            self._refuse(place + line - 1, error)
            return line
        return self._halved(place, size)

    def _resent(self, place: int, size: int, line: int, error: psycopg2.Error) -> int:
        """Send a piece again without each refused row, until it passes; return its rows."""
        kept, piece = list(range(place, place + size)), self.rows.slice(place, size)
        again: psycopg2.Error | None = error
        while again is not None:
            self._refuse(kept.pop(line - 1), again)
            piece = pa.concat_tables([piece.slice(0, line - 1), piece.slice(line)])
            again = self._attempt(piece) if kept else None
            found = None if again is None else self._line(again)
            if again is not None and (found is None or found > len(kept)):
                return self._one_by_one(kept, size)
            line = found or 1
        return size

    def _one_by_one(self, kept: list[int], size: int) -> int:
        """Send the rest of a piece that mixes refusals with and without a line."""
        for place in kept:
            again = self._attempt(self.rows.slice(place, 1))
            if again is not None:
                self._refuse(place, again)
        return size

    def _halved(self, place: int, size: int) -> int:
        half = size // 2
        again = self._attempt(self.rows.slice(place, half))
        return half if again is None else self._narrow(place, half, again)

    def _attempt(self, rows: pa.Table) -> psycopg2.Error | None:
        """Load some rows, or none of them; return why they were refused."""
        try:
            count = transfer.load(self.conn, self.table, rows).rows
        except psycopg2.Error as error:
            if not faults.refuses_row(error):
                raise
            self._undone()
            self._require_of_row(error)
            return error
        self._kept(count)
        self.loaded += count
        return None

    def _require_of_row(self, error: psycopg2.Error) -> None:
        """Raise an error that no row caused: it names no line, and sending no rows fails as well.

        Such are a missing right, and the error of a trigger for each statement.
        """
        if self.takes_none or self._line(error) is not None:
            return
        try:
            transfer.load(self.conn, self.table, self.rows.slice(0, 0))
        except psycopg2.Error:
            raise error from None
        self._undone()  # what a trigger for each statement has done
        self.takes_none = True

    def _line(self, error: psycopg2.Error) -> int | None:
        return faults.copied_line(error, self.table.into_name)

    def _undone(self) -> None:
        """Undo a piece. The counters keep what it did, so they are read again."""
        back = f"ROLLBACK TO SAVEPOINT {SAVEPOINT}"
        if isinstance(self.watch, Unwatched):
            self._say(back)
        else:
            self.watch.again(f"{back};")

    def _kept(self, count: int) -> None:
        """Keep a piece; check that all of it is there."""
        on = f"RELEASE SAVEPOINT {SAVEPOINT}; SAVEPOINT {SAVEPOINT}"
        if isinstance(self.watch, Unwatched):
            self._say(on)
        else:
            self.watch.require(count, f"{on};")

    def _refuse(self, place: int, error: psycopg2.Error) -> None:
        self.refused[place] = faults.reason(error)
        if self._line(error) is None:
            self.unplaced.append(place)
        count = len(self.refused)
        if count > self.most and not (self.unplaced and count <= MOST_WAITING and self._depend()):
            raise self._beyond(self.refused[place])

    def _depend(self) -> bool:
        """Return whether a row may be taken once others are in, so that it is early to give up."""
        if self.depend is None:
            values = {"table": self.table.quoted}
            [(found,)] = named_queries.run(self.conn, "rows_depend", values)
            self.depend = bool(found) and self.table.staging is None
        return self.depend

    def _beyond(self, last: str) -> RejectLimitError:
        message = (
            f"reject_limit: more than the {self.most} rows left to it are refused; last: {last}"
        )
        return RejectLimitError(message)

    def _say(self, statement: str) -> None:
        with self.conn.cursor() as cursor:
            cursor.execute(statement)


def _holds_line_breaks(rows: pa.Table) -> bool:
    texts = (column for column in rows.columns if pa.types.is_string(column.type))
    return any(pc.any(pc.match_substring(text, "\n")).as_py() for text in texts)


def load(conn: Driver, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
    """Load rows but for those the database refuses; deferred constraints are checked at once.

    Raises
    ------
    RejectLimitError
        When more rows are refused than ``most``.
    LoadCountError
        When triggers take rows away again.
    """
    with conn.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    watch = watching.watch(conn, table, subtransactions=True)
    return _Loading(conn, table, rows, most, not _holds_line_breaks(rows), watch).go()
