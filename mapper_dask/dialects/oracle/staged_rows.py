"""Finds the staged rows that the target refuses, by a rehearsal of the publication, then undone.

The rehearsal inserts each row by its address, as array DML that continues after errors. The refused
rows are removed from the staging table; then one statement publishes the others, as always.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mapper_dask.dialects.oracle import catalogue, queries, session, staging, transfer
from mapper_dask.dialects.oracle.names import folded, held_place, quote
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.batches import Most
from mapper_dask.schema.facts import Column, Publication, TypeFamily
from mapper_dask.schema.hazards import Hazards
from mapper_dask.staging.bisect import MOST_WAITING, beyond
from mapper_dask.staging.publishing import Publishing, of_some, require_able
from mapper_dask.staging.refused import StagedRow, name_beside

READ_ROWS = 100
"""Refused rows that are read at a time: each is named in the statement."""

REHEARSAL = "mapper_dask_rehearsal"
"""A savepoint."""


@dataclass(frozen=True, slots=True)
class _Rehearsal(Publishing):
    """A publication that is tried out."""

    together: bool
    """Whether a row that is refused may be taken once others are in."""

    def refused(self, most: int) -> dict[str, str]:
        """Return the addresses of the rows that are refused, and why; nothing has entered."""
        self._begin()
        limit = max(most, MOST_WAITING) if self.together else most
        with contextlib.closing(self._every()) as every:
            refused = self._tried(every, limit)
        while self.together and refused:
            self._without(refused)
            again = self._tried(iter([list(refused)]), limit)
            if len(again) == len(refused):
                break
            refused = again
        self._require(refused, most)
        self.cursor.execute(f"ROLLBACK TO SAVEPOINT {REHEARSAL}")
        return refused

    def _begin(self) -> None:
        """Do what comes before the rows, and check that the statement itself is accepted."""
        publication = self.publication
        if publication.newest_by:
            self.refuse_ties(self.count(staging.tied(publication)))
            self.cursor.execute(staging.drop_superseded(publication))
        self.cursor.execute(f"SAVEPOINT {REHEARSAL}")
        if publication.disposition == "replace":
            self.cursor.execute(staging.delete(publication))
        self.cursor.execute(transfer.IMMEDIATE)
        self.cursor.execute(staging.enter(of_some(publication, "1 = 0")))

    def _tried(self, parts: Iterator[Sequence[str]], most: int) -> dict[str, str]:
        """Try to insert each row; return those that are refused."""
        sql = staging.enter(of_some(self.publication, "ROWID = CHARTOROWID(:1)"))
        refused: dict[str, str] = {}
        for places in parts:
            self.cursor.executemany(sql, [(place,) for place in places], batcherrors=True)
            for error in self.cursor.getbatcherrors():
                refused[places[error.offset]] = transfer.reason(error)
            self._require(refused, most)
        return refused

    def _without(self, refused: Mapping[str, str]) -> None:
        """Remove what a replacement does not keep once some rows are not in it."""
        if self.publication.disposition != "replace" or not self.publication.by_key:
            return
        sql = staging.delete_key_of(self.publication, "ROWID = CHARTOROWID(:1)")
        self.cursor.executemany(sql, [(place,) for place in refused])

    def _every(self) -> Generator[Sequence[str]]:
        """Yield the addresses of the staged rows, many at a time."""
        with self.cursor.connection.cursor() as cursor:
            cursor.arraysize = transfer.SENT_ROWS
            cursor.execute(f"SELECT ROWIDTOCHAR(ROWID) FROM {self.publication.staging}")
            while rows := cursor.fetchmany(transfer.SENT_ROWS):
                yield [str(place) for (place,) in rows]

    def _require(self, refused: Mapping[str, str], most: int) -> None:
        if len(refused) > most:
            raise beyond(most, self.publication.reject_limit, list(refused.values())[-1])


@dataclass(frozen=True, slots=True)
class OracleStagedRows:
    """What Oracle does with staged rows."""

    conn: Driver

    def refused(self, publication: Publication, most: int) -> dict[str, str]:
        """Return the addresses of the rows that the target refuses, and why."""
        self.conn.call_timeout = 0
        place = held_place(publication)
        with self.conn.cursor() as cursor:
            cursor.execute(staging.lock(publication))
            hazards: Hazards = catalogue.hazards(self.conn, place)
            require_able(publication, hazards)
            [(depend,)] = session.run(self.conn, "rows_depend", place)
            replaces_by_key = publication.by_key and publication.disposition == "replace"
            together = bool(depend) or replaces_by_key
            return _Rehearsal(cursor, publication, hazards, together).refused(most)

    def read(self, publication: Publication, places: Sequence[str]) -> list[StagedRow]:
        """Return the rows at some addresses."""
        found = []
        for start in range(0, len(places), READ_ROWS):
            found += self._read(publication, places[start : start + READ_ROWS])
        return found

    def _read(self, publication: Publication, places: Sequence[str]) -> list[StagedRow]:
        table = catalogue.target_table(
            self.conn, publication.schema, folded(publication.staging_name)
        )
        columns = [] if table is None else list(table.columns)
        names = [column.name for column in columns]
        address = Column(
            name_beside("mapper_dask_place", names), "VARCHAR2(18)", TypeFamily.TEXT, pa.string()
        )
        which = " OR ".join(f"ROWID = CHARTOROWID({queries.literal(place)})" for place in places)
        rows = (
            f"SELECT t.*, ROWIDTOCHAR(t.ROWID) AS {quote(address.name)} "
            f"FROM {publication.staging} t WHERE {which}"
        )
        sql = queries.wrapped(rows, queries.select_list([*columns, address]))
        read = transfer.read(
            self.conn, sql, [*columns, address], most=Most(READ_ROWS), strict=False
        )
        rows_read = [row for part in read for row in part.to_pylist()]
        return [_row(row, publication, address.name) for row in rows_read]

    def remove(self, publication: Publication, places: Sequence[str]) -> int:
        """Remove the rows at some addresses from where they wait; return how many were there."""
        sql = f"DELETE FROM {publication.staging} WHERE ROWID = CHARTOROWID(:1)"
        with self.conn.cursor() as cursor:
            cursor.executemany(sql, [(place,) for place in places])
            return int(cursor.rowcount)


def _row(row: dict[str, Any], publication: Publication, address: str) -> StagedRow:
    chunk = row.get(publication.chunk_column)
    values = {name: row[name] for name in publication.columns}
    return StagedRow(row[address], values, None if chunk is None else int(chunk))
