"""Finds the staged rows that the target refuses, by a rehearsal of the publication, then undone.

The rehearsal inserts rows piece by piece, between savepoints. The refused rows are removed from the
staging table; then one statement publishes the others, proved as always. It runs outside of any
savepoint, so that the rows carry this transaction's number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg2
import pyarrow as pa

from mapper_dask.dialects.postgresql import faults, named_queries, staging, transfer
from mapper_dask.dialects.postgresql.keys import Key, key_of
from mapper_dask.dialects.postgresql.queries import quote
from mapper_dask.dialects.postgresql.watching import hazards
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.batches import Most
from mapper_dask.schema.facts import Column, Publication, TargetTable, TypeFamily
from mapper_dask.staging.bisect import Bisection, Blocks, Piece
from mapper_dask.staging.publishing import Publishing, of_some, require_able
from mapper_dask.staging.refused import StagedRow

READ_ROWS = 1000
"""Refused rows that are read at a time."""

REHEARSAL, PIECE = "mapper_dask_rehearsal", "mapper_dask_piece"
"""Savepoints."""

NONE = "false"
"""Condition that no row meets."""

_META = (
    Column("chunk", "integer", TypeFamily.INTEGER, pa.int32()),
    Column("writer", "bigint", TypeFamily.INTEGER, pa.int64()),
    Column("place", "text", TypeFamily.TEXT, pa.string()),
)
"""Columns that are read of a row beside its values."""


@dataclass(frozen=True, slots=True)
class _Rehearsal(Publishing):
    """A publication that is tried out."""

    key: Key

    def begin(self) -> None:
        """Do what comes before the rows, and check that the statement itself is accepted."""
        publication = self.publication
        if publication.newest_by:
            self.refuse_ties(self.count(staging.tied(publication)))
            self.cursor.execute(staging.drop_superseded(publication))
        self.cursor.execute(f"SAVEPOINT {REHEARSAL}")
        self._open()
        self.cursor.execute(self._entering(NONE))

    def attempt(self, piece: Piece) -> str | None:
        """Insert some rows, or none; return why not. Errors that no row causes are raised."""
        try:
            entering = self._entering(_where(piece))
            self.cursor.execute(f"SAVEPOINT {PIECE}; {entering}; RELEASE SAVEPOINT {PIECE}")
        except psycopg2.Error as error:
            if not faults.refuses_row(error):
                raise
            self.cursor.execute(f"ROLLBACK TO SAVEPOINT {PIECE}; RELEASE SAVEPOINT {PIECE}")
            return faults.reason(error)
        return None

    def reinsert(self, end: int, refused: Sequence[str]) -> None:
        """Insert again, by one statement, rows that were taken before; release their locks.

        Each piece that is taken holds a lock of its own to the transaction's end, of which a
        server has a few thousand for all its sessions.

        Parameters
        ----------
        end
            The first block of which no row was taken.
        refused
            The places of rows before it that were not.
        """
        self.cursor.execute(f"ROLLBACK TO SAVEPOINT {REHEARSAL}")
        self._open()
        taken = f"{_where(Blocks(0, end))} AND NOT ({_where(refused)})"
        self.cursor.execute(self._entering(taken))

    def _open(self) -> None:
        if self.publication.disposition == "replace":
            self.cursor.execute(staging.delete(self.publication, self.key))
        self.cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def _entering(self, where: str) -> str:
        """Return the statements that insert some rows."""
        part = of_some(self.publication, where)
        respelled = [staging.respell(part, self.key)] if self.key.written_otherwise else []
        return "; ".join([*respelled, staging.insert(part)])

    def without(self, places: Sequence[str]) -> None:
        """Remove what a replacement does not keep once some rows are not in it."""
        if self.publication.disposition == "replace" and self.publication.by_key:
            rest = of_some(self.publication, f"NOT ({_where(places)})")
            self.cursor.execute(staging.delete(rest, self.key))

    def rows_of(self, block: int) -> list[str]:
        """Return the places of a block's rows."""
        where = _where(Blocks(block, block + 1))
        self.cursor.execute(
            f"SELECT ctid::pg_catalog.text FROM {self.publication.staging} WHERE {where} "
            "ORDER BY ctid"
        )
        return [place for (place,) in self.cursor]

    def blocks(self) -> int:
        """Return the blocks in which the rows wait."""
        [(blocks,)] = named_queries.run(
            self.cursor.connection, "blocks_of", {"table": self.publication.staging}
        )
        return int(blocks)

    def together(self) -> bool:
        """Return whether a row may be taken only once others are in."""
        [(together,)] = named_queries.run(
            self.cursor.connection, "rows_depend", {"table": self.publication.target}
        )
        replaces_by_key = self.publication.by_key and self.publication.disposition == "replace"
        return bool(together) or replaces_by_key

    def end(self) -> None:
        """Undo it."""
        self.cursor.execute(f"ROLLBACK TO SAVEPOINT {REHEARSAL}")
        self.cursor.execute(f"RELEASE SAVEPOINT {REHEARSAL}")


def _where(piece: Piece) -> str:
    """Return the condition that rows of a piece meet."""
    if isinstance(piece, Blocks):
        first, end = (f"'({int(block)},0)'::pg_catalog.tid" for block in (piece.first, piece.end))
        return f"ctid OPERATOR(pg_catalog.>=) {first} AND ctid OPERATOR(pg_catalog.<) {end}"
    places = ",".join(f'"{place}"' for place in piece)
    return f"ctid OPERATOR(pg_catalog.=) ANY ('{{{places}}}'::pg_catalog.tid[])"


@dataclass(frozen=True, slots=True)
class PostgreSQLStagedRows:
    """What PostgreSQL does with staged rows."""

    conn: Driver
    target_table: Callable[[str | None, str], TargetTable | None]
    """Returns a table and its columns."""

    def refused(self, publication: Publication, most: int) -> dict[str, str]:
        """Return the places of the rows that the target refuses, and why."""
        with self.conn.cursor() as cursor:
            if publication.disposition != "append":
                cursor.execute(staging.lock(publication))
            known = hazards(self.conn, publication.target)
            require_able(publication, known)
            key = key_of(
                self.conn, publication.target, publication.key if publication.by_key else ()
            )
            rehearsal = _Rehearsal(cursor, publication, known, key)
            rehearsal.begin()
            found = Bisection(
                rehearsal.attempt,
                rehearsal.rows_of,
                most,
                publication.reject_limit,
                rehearsal.together(),
                rehearsal.without,
                rehearsal.reinsert,
            ).go(rehearsal.blocks())
            rehearsal.end()
        return found

    def read(self, publication: Publication, places: Sequence[str]) -> list[StagedRow]:
        """Return the rows at some places."""
        table = self.target_table(publication.schema, publication.staging_name)
        columns = (
            [] if table is None else [c for n in publication.columns if (c := table.column(n))]
        )
        names = [quote(column.name) for column in columns]
        chunk = quote(publication.chunk_column) if publication.chunk_column else "NULL::integer"
        meta = [chunk, "xmin::pg_catalog.text::bigint", "ctid::pg_catalog.text"]
        sql = f"SELECT {', '.join(names + meta)} FROM {publication.staging} WHERE {_where(places)}"
        read = transfer.read(self.conn, sql, [*columns, *_META], most=Most(READ_ROWS), strict=False)
        return [row for rows in read for row in _rows_of(rows, [c.name for c in columns])]

    def remove(self, publication: Publication, places: Sequence[str]) -> int:
        """Remove the rows at some places from where they wait; return how many were there."""
        with self.conn.cursor() as cursor:
            cursor.execute(f"DELETE FROM {publication.staging} WHERE {_where(places)}")
            return int(cursor.rowcount)


def _rows_of(rows: pa.Table, names: Sequence[str]) -> list[StagedRow]:
    columns = [column.to_pylist() for column in rows.columns]
    return [
        StagedRow(place, dict(zip(names, values, strict=True)), chunk, writer)
        for *values, chunk, writer, place in zip(*columns, strict=True)
    ]
