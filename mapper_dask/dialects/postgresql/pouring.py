"""Passes on the rows of one COPY as they are decoded, without collecting them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mapper_dask.dialects.postgresql import copying
from mapper_dask.dialects.postgresql.spool import Filling
from mapper_dask.dialects.pouring import Pool
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import LoadCountError
from mapper_dask.schema.facts import Column


class _Counted:
    """Passes rows on, and counts them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        self._pool.add(rows)


def pour(conn: Driver, sql: str, columns: Sequence[Column], pool: Pool) -> None:
    """Hand all rows of a query to a pool.

    A value that its column's Arrow type cannot hold makes that column text throughout. Only reading
    finds such a value. Then the query is run once more in the same transaction, and the pool begins
    again: what it has at the end is of one statement.

    Raises
    ------
    LoadCountError
        When the database counts other rows than were handed on.
    """
    typed = [column.typed for column in columns]
    while True:
        pool.begin()
        counted = _Counted(pool)
        filling = Filling(columns, typed, counted)
        expected = copying.copy_out(conn, copying.Out(sql, "text"), filling.write)
        if not filling.refused:
            break
        typed = [keep and place not in filling.refused for place, keep in enumerate(typed)]
    if counted.rows != expected:
        message = f"the source sent {expected} rows, {counted.rows} were parsed"
        raise LoadCountError(message)
