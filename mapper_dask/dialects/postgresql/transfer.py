"""COPY in and out: the only place where rows cross a connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg2
import pyarrow as pa

from mapper_dask.dialects.postgresql import copying, faults, session, wire
from mapper_dask.dialects.postgresql.decode import Decoder
from mapper_dask.dialects.postgresql.pipe import Pipe
from mapper_dask.dialects.postgresql.queries import quote
from mapper_dask.dialects.postgresql.spool import CopySpool, Filling
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import EncodeError, LoadCountError
from mapper_dask.schema.batches import Most, regrouped
from mapper_dask.schema.facts import Column, Loaded, TargetTable
from mapper_dask.schema.hazards import blame

COPY_BLOCK = 1 << 18
"""Bytes a COPY reads at a time; larger ones save no time."""


def _into(table: TargetTable, names: Sequence[str], wire_format: str) -> str:
    columns = ", ".join(quote(name) for name in names)
    return f"COPY {table.into} ({columns}) FROM STDIN (FORMAT {wire_format}, ENCODING 'UTF8')"


def read(
    conn: Driver, sql: str, columns: Sequence[Column], *, most: Most, strict: bool
) -> Iterator[pa.Table]:
    """Yield a query's rows as Arrow tables of at most so many rows and bytes, at least one.

    A value that its column's Arrow type cannot hold (an infinite date, a numeric NaN) makes that
    column text throughout, or with ``strict`` raises. Only reading finds such a value; the query
    is then run once more in the same transaction.
    """
    typed = [column.typed for column in columns]
    session.read_exactly(conn, columns)
    while True:
        with CopySpool(Decoder(columns, typed).schema) as spool:
            expected, refused = _spooled(conn, sql, columns, typed, spool)
            if not refused:
                tables = regrouped(spool.tables(), most.rows, most.bytes)
                yield from _counted(tables, expected)
                return
        if strict:
            raise _unfit(columns[refused[0]])
        typed = [keep and place not in refused for place, keep in enumerate(typed)]


def _spooled(
    conn: Driver, sql: str, columns: Sequence[Column], typed: Sequence[bool], spool: CopySpool
) -> tuple[int, list[int]]:
    """Fill a spool; return the rows the database counted, and the columns it is no use for."""
    filling = Filling(columns, typed, spool)
    expected = copying.copy_out(conn, copying.Out(sql, "text"), filling.write)
    return expected, filling.refused


def _counted(tables: Iterator[pa.Table], expected: int) -> Iterator[pa.Table]:
    count = 0
    for table in tables:
        count += table.num_rows
        yield table
    if count != expected:
        message = f"the source sent {expected} rows, {count} were parsed"
        raise LoadCountError(message)


def _unfit(column: Column) -> EncodeError:
    return EncodeError(
        f"column {column.name!r} ({column.type_name}) holds a value that "
        f"{column.arrow} cannot hold, "
        f"such as infinity or NaN; select it as text ({quote(column.name)}::text) or leave it out"
    )


def load(conn: Driver, table: TargetTable, rows: pa.Table) -> Loaded:
    """Copy Arrow rows into a table, in binary where that is exact, else as CSV.

    Raises
    ------
    LoadCountError
        When the database counts other rows than were sent.
    """
    columns = [column for name in rows.column_names if (column := table.column(name)) is not None]
    session.load_exactly(conn, columns)
    binary = wire.is_binary(columns, rows)
    stream = wire.to_binary(rows) if binary else wire.to_csv(rows)
    try:
        into = _into(table, rows.column_names, "binary" if binary else "csv")
        count = copying.copy_in(conn, into, stream, COPY_BLOCK)
    except Exception:
        stream.raise_error()  # the driver hides it: the database saw no more than a broken COPY
        raise
    if count != rows.num_rows:
        why = blame(table.hazards, ("INSERT",))
        message = f"{rows.num_rows} rows were sent to {table.quoted}, {count} arrived{why}"
        raise LoadCountError(message)
    return Loaded(count)


def load_format(columns: Sequence[Column]) -> str:
    """Return the format of a COPY that loads columns of exactly these types."""
    return "binary" if all(wire.is_binary_type(column) for column in columns) else "csv"


def relay_format(source: Sequence[Column], target: Sequence[Column]) -> str | None:
    """Return how bytes may pass undecoded between equal types; None when the types differ."""
    if [c.type_name for c in source] != [c.type_name for c in target]:
        return None
    return "binary" if all(c.native for c in (*source, *target)) else "csv"


def relay(
    source_conn: Driver,
    sql: str,
    target_conn: Driver,
    table: TargetTable,
    names: Sequence[str],
    wire_format: str,
) -> tuple[int, int]:
    """Pass a query's rows into a table undecoded; return rows read and rows loaded.

    Raises
    ------
    LoadCountError
        When the two databases count differently.
    """
    columns = [column for name in names if (column := table.column(name)) is not None]
    session.read_exactly(source_conn, columns)
    session.load_exactly(target_conn, columns)
    out, into = copying.Out(sql, wire_format), _into(table, names, wire_format)
    if copying.is_direct(source_conn) and copying.is_direct(target_conn):
        read_rows, loaded = copying.relay(source_conn, out, target_conn, into)
    else:
        read_rows, loaded = _through_a_pipe(source_conn, out, target_conn, into)
    if loaded != read_rows:
        why = blame(table.hazards, ("INSERT",))
        message = f"{read_rows} rows were read, {loaded} arrived in {table.quoted}{why}"
        raise LoadCountError(message)
    return read_rows, loaded


def _through_a_pipe(
    source_conn: Driver, out: copying.Out, target_conn: Driver, into: str
) -> tuple[int, int]:
    def read(sink: copying.Sink) -> int:
        try:
            return copying.copy_out(source_conn, out, sink)
        except psycopg2.Error as error:
            raise faults.met_at_source(error) from None

    with Pipe(source_conn, read) as pipe:
        try:
            loaded = copying.copy_in(target_conn, into, pipe, COPY_BLOCK)
        except Exception:
            pipe.raise_error()  # the driver hides it: the target saw no more than a broken COPY
            raise
        return pipe.result, loaded
