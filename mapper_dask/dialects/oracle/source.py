"""Oracle as a source: it reads queries, and describes them for a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mapper_dask.dialects.oracle import (
    catalogue,
    explain,
    proof,
    queries,
    remedies,
    session,
    settings,
    transfer,
    types,
)
from mapper_dask.dialects.oracle.store import OracleSession
from mapper_dask.dialects.oracle.watermarks import OracleWatermarks
from mapper_dask.dialects.pouring import Pool
from mapper_dask.dialects.session import on_connection
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import Chunk
from mapper_dask.schema.batches import Most
from mapper_dask.schema.definition import Definition, Relied
from mapper_dask.schema.facts import Column, Estimate, FunctionFact, KeyMark, Settings, SourceQuery


class OracleSource(OracleSession):
    """A session that reads and plans."""

    relation = on_connection(catalogue.relation)
    functions = on_connection(catalogue.functions)
    histogram = on_connection(catalogue.histogram)
    address_bounds = on_connection(catalogue.address_bounds)
    read = on_connection(transfer.read)
    remedy = on_connection(remedies.remedy)
    export_snapshot = on_connection(session.state_number)
    watermarks = on_connection(OracleWatermarks)
    meaning = on_connection(settings.meaning)
    changed_to_read = on_connection(session.changed_to_read)
    writes = on_connection(session.writes)
    write_as = on_connection(session.write_as)

    def relied(self, columns: Sequence[Column]) -> Relied | None:
        """Return None: the database refuses to read a state before its table was altered."""
        del columns
        return None

    def source_definition(self, relied: Relied) -> Definition:
        """Raise: ``relied`` never offers it."""
        raise NotImplementedError

    def begin_read(self, snapshot: str | None, application: str = "", like: Settings = ()) -> None:
        """Begin to read. The snapshot is a part of each query: see ``as_of``."""
        del snapshot
        session.begin(self.conn, application, None, like)

    def ping(self) -> None:
        """Raise when the session is gone."""
        self.conn.ping()

    def mark(self) -> None:
        """Do nothing: a statement that is refused undoes itself alone."""

    def back_to_mark(self) -> None:
        """Do nothing, as ``mark`` does."""

    def describe_query(self, sql: str) -> tuple[Column, ...]:
        """Return a query's columns without reading a row.

        Raises
        ------
        DatabaseError
            The database's own message for bad SQL.
        PlanError
            For a column whose type cannot be read.
        """
        with self.conn.cursor() as cursor:
            with self.errors(prefix=len(queries.SELECT_ALL)):
                cursor.execute(f"{queries.wrapped(sql)} WHERE 1 = 0")
            return tuple(types.column_of_result(info) for info in cursor.description)

    def estimate(self, sql: str) -> Estimate:
        """Return what the optimizer expects; where it may not be asked, the rows are counted."""
        return explain.estimate(self.conn, sql) or Estimate(self.count(sql)[0])

    def doubt(self, sql: str, estimate: Estimate, functions: Sequence[FunctionFact]) -> str | None:
        """Return the doubt about the names in a query; None where its text decides."""
        del estimate, functions
        return proof.doubt(self.conn, sql) or None

    def count(self, sql: str, keys: Sequence[str] = ()) -> tuple[int, int]:
        """Return a query's rows, and those among them that have every key."""
        ((total, keyed),) = self._fetched(queries.count(sql, keys))
        return int(total), int(keyed)

    def digest(self, sql: str, *, wanted: bool) -> tuple[int, str | None]:
        """Return a query's rows and, if wanted, two sums of hashes over them, in any order.

        Raises
        ------
        PlanError
            When a column holds large objects, which the database does not hash.
        """
        if not wanted:
            return self.count(sql)[0], None
        columns = self.describe_query(sql)
        large = [c.name for c in columns if c.type_name in types.LARGE]
        if large:
            message = f"checksum: Oracle hashes no large objects: {', '.join(large)}"
            raise PlanError(message, field="checksum")
        ((rows, digest),) = self._fetched(queries.digest(sql, columns))
        return int(rows), digest

    def key_marks(self, sql: str, keys: Sequence[Column], step: int) -> list[KeyMark]:
        """Return every ``step``-th key in the database's own order."""
        rows = self._fetched(queries.key_marks(sql, session.by_bytes(self.conn, keys), step))
        return [KeyMark(int(place), tuple(map(str, key))) for place, *key in rows]

    def sorted_bounds(
        self, query: SourceQuery, bounds: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, ...]]:
        """Return bounds of a query's key in the database's own order."""
        if not bounds:
            return []
        query = replace(query, keys=session.by_bytes(self.conn, query.keys))
        marks = self.key_marks(queries.bounds(query, bounds), query.keys, 1)
        return [mark.key for mark in marks]

    def has_duplicates(self, sql: str, keys: Sequence[str]) -> bool:
        """Return whether two rows of the query have the same key; NULLs count as equal."""
        ((found,),) = self._fetched(queries.duplicates(sql, keys))
        return bool(found)

    def chunk_query(self, query: SourceQuery, chunk: Chunk) -> str:
        """Return the query of one chunk."""
        query = replace(query, keys=session.by_bytes(self.conn, query.keys))
        return queries.chunk_query(query, chunk, int(self.conn.version.split(".")[0]))

    def pour(self, sql: str, columns: Sequence[Column], pool: Pool) -> None:
        """Hand all rows of a query, read by one statement, to a pool as they come."""
        pool.begin()
        for rows in transfer.read(
            self.conn, sql, columns, most=Most(transfer.FETCH_ROWS), strict=False
        ):
            pool.add(rows)

    def waits_for_keeper(self, keeper: str) -> str:
        """Return nothing: a read locks nothing, and waits for no lock."""
        del keeper
        return ""

    def _fetched(self, sql: str) -> list[tuple[Any, ...]]:
        with self.conn.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())
