"""COPY in and out: the only place where rows cross a connection."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Self

import pyarrow as pa

from mapper_dask.dialects.facts import Column, Loaded, TargetTable
from mapper_dask.dialects.postgresql import wire
from mapper_dask.dialects.postgresql.pipe import Pipe
from mapper_dask.dialects.postgresql.queries import quote
from mapper_dask.errors import EncodeError, LoadCountError

IN_MEMORY = 64 << 20
"""Bytes of a chunk kept in memory. A larger one, such as a single key with millions of rows, goes
to a temporary file and through the function in pieces, so that memory stays bounded."""

LARGEST_BLOCK = 2_000_000_000
"""No row can need more: COPY itself refuses one over 1 GB."""

GATHERED = 1 << 20
"""Bytes gathered before they are spooled."""

COPY_BLOCK = 1 << 18
"""Bytes a COPY reads at a time; larger ones save no time."""


class Spool:
    """Bytes of one COPY, in memory while they are few, in a temporary file when they are many."""

    def __init__(self) -> None:
        self._memory = io.BytesIO()
        self._file: Any = None
        self._readers: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (*self._readers, self._file):
            if file is not None:
                file.close()

    @property
    def in_memory(self) -> bool:
        """Whether it all fits in memory."""
        return self._file is None

    @contextlib.contextmanager
    def filling(self) -> Iterator[Any]:
        """Lend a file to write to; a COPY writes each row by itself, which this gathers."""
        writer = io.BufferedWriter(_Sink(self), GATHERED)
        yield writer
        writer.flush()
        writer.detach()

    def write(self, data: bytes) -> int:
        """Append bytes."""
        if self._file is None and self._memory.tell() + len(data) > IN_MEMORY:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
            self._file.write(self._memory.getbuffer())
            self._memory = io.BytesIO()
        return int((self._memory if self._file is None else self._file).write(data))

    def reader(self) -> Any:
        """Return a file at the beginning of the bytes; each call returns a fresh one."""
        if self._file is None:
            return pa.BufferReader(self._memory.getbuffer())
        self._file.flush()
        copy = os.fdopen(os.dup(self._file.fileno()), "rb")
        copy.seek(0)
        self._readers.append(copy)
        return pa.PythonFile(copy, mode="r")


class _Sink(io.RawIOBase):
    """A spool as a buffered writer wants it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes."""
        return self._spool.write(data)


def copy_out(conn: Any, sql: str, sink: Any, wire_format: str = "csv") -> int:
    """Copy a query's rows into a sink; return how many there were."""
    with conn.cursor() as cursor:
        cursor.copy_expert(
            f"COPY (\n{sql}\n) TO STDOUT (FORMAT {wire_format}, ENCODING 'UTF8')", sink, COPY_BLOCK
        )
        return int(cursor.rowcount)


def copy_in(
    conn: Any, table: TargetTable, names: Sequence[str], source: Any, wire_format: str
) -> int:
    """Copy a stream into a table; return how many rows the database counted."""
    columns = ", ".join(quote(name) for name in names)
    with conn.cursor() as cursor:
        cursor.copy_expert(
            f"COPY {table.into} ({columns}) FROM STDIN (FORMAT {wire_format}, ENCODING 'UTF8')",
            source,
            COPY_BLOCK,
        )
        return int(cursor.rowcount)


def read(
    conn: Any, sql: str, columns: Sequence[Column], *, batch_rows: int, strict: bool
) -> Iterator[pa.Table]:
    """Yield a query's rows as Arrow tables of at most ``batch_rows`` rows, at least one.

    A value that its column's Arrow type cannot hold (an infinite date, a numeric NaN) makes that
    column text throughout, or with ``strict`` raises.
    """
    with Spool() as spool:
        with spool.filling() as sink:
            expected = copy_out(conn, sql, sink)
        count = 0
        for table in wire.regrouped(_parsed(spool, columns, strict=strict), batch_rows):
            count += table.num_rows
            yield table
        if count != expected:
            message = f"the source sent {expected} rows, {count} were parsed"
            raise LoadCountError(message)


def _parsed(spool: Spool, columns: Sequence[Column], *, strict: bool) -> Iterator[pa.Table]:
    """Parse with the types that hold every value: found by parsing, since only the values tell."""
    typed, block = [column.typed for column in columns], wire.BLOCK
    while True:
        try:
            tables = wire.parse_csv(spool.reader(), columns, typed=typed, block=block)
            if spool.in_memory:
                return iter(list(tables))
            for _ in tables:  # one pass to learn the types, one to yield: pieces must not drift
                pass
            return wire.parse_csv(spool.reader(), columns, typed=typed, block=block)
        except pa.ArrowInvalid as error:
            number = wire.refused_column(error)
            if wire.block_too_small(error) and block < LARGEST_BLOCK:
                block = min(block * 16, LARGEST_BLOCK)
            elif number is None or not typed[number]:
                raise
            elif strict:
                raise _unfit(columns[number]) from None
            else:
                typed[number] = False


def _unfit(column: Column) -> EncodeError:
    return EncodeError(
        f"column {column.name!r} ({column.type_name}) holds a value that "
        f"{column.arrow} cannot hold, "
        f"such as infinity or NaN; select it as text ({quote(column.name)}::text) or leave it out"
    )


def load(conn: Any, table: TargetTable, rows: pa.Table) -> Loaded:
    """Copy Arrow rows into a table, in binary where that is exact, else as CSV.

    Raises
    ------
    LoadCountError
        When the database counts other rows than were sent.
    """
    columns = [column for name in rows.column_names if (column := table.column(name)) is not None]
    if wire.is_binary(columns, rows):
        count = copy_in(conn, table, rows.column_names, wire.to_binary(rows), "binary")
    else:
        count = copy_in(conn, table, rows.column_names, wire.to_csv(rows), "csv")
    if count != rows.num_rows:
        message = f"{rows.num_rows} rows were sent to {table.quoted}, {count} arrived"
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
    source_conn: Any,
    sql: str,
    target_conn: Any,
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
    with Pipe(source_conn, lambda sink: copy_out(source_conn, sql, sink, wire_format)) as pipe:
        try:
            loaded = copy_in(target_conn, table, names, pipe, wire_format)
        except Exception:
            pipe.raise_error()  # the driver hides it: the target saw no more than a broken COPY
            raise
        read_rows = pipe.result
    if loaded != read_rows:
        message = f"{read_rows} rows were read, {loaded} arrived in {table.quoted}"
        raise LoadCountError(message)
    return read_rows, loaded
