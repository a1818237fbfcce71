"""Reads and loads rows as Arrow: the only place where rows cross a connection to Oracle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import oracledb
import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.dialects.oracle import faults, settings, written_times
from mapper_dask.dialects.oracle.names import quote
from mapper_dask.dialects.oracle.settings import POINT
from mapper_dask.dialects.oracle.types import LARGE, has_nanoseconds, insert_expression
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import EncodeError, LoadCountError, RejectLimitError
from mapper_dask.schema.batches import BATCH_BYTES, Most, cut, pieces
from mapper_dask.schema.facts import Column, Loaded, TargetTable, TypeFamily

FETCH_ROWS = 20_000
"""Rows a message brings at most; more save no time."""

FETCH_LARGE = 32
"""Rows with large objects a message brings at most: their size is not known before."""

BYTES_OF_A_CHARACTER = 4
"""Bytes the longest character takes."""

SENT_ROWS = 10_000
"""Rows a message takes at most; the server counts errors of one message in 16 bits."""

NUMBERS = (TypeFamily.DECIMAL, TypeFamily.INTEGER, TypeFamily.FLOAT)
"""Families whose texts the database reads with a decimal point."""

TIMES = (TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ)
"""Families whose texts the database reads by a format."""


def read(
    conn: Driver, sql: str, columns: Sequence[Column], *, most: Most, strict: bool
) -> Iterator[pa.Table]:
    """Yield a query's rows as Arrow tables of at most so many rows and bytes, at least one.

    The driver limits rows only, so as many are asked for at a time as have so many bytes by their
    types; of large objects few.

    The types are asked for, never inferred: the driver's own choice for a NUMBER is a float.
    """
    del strict  # every value of a column's type fits, or the driver raises
    schema = pa.schema([(column.name, _asked(column)) for column in columns])
    wanted = pa.schema([(column.name, column.arrow) for column in columns])
    size = max(1, min(most.rows, FETCH_ROWS, _fetched(columns, most.bytes)))
    empty = True
    for frame in conn.fetch_df_batches(statement=sql, size=size, requested_schema=schema):
        rows = _as_planned(pa.table(frame), wanted, columns)
        if rows.num_rows:
            empty = False
            yield from (rows,) if most.bytes is None else cut(rows, most.bytes)
    if empty:
        yield wanted.empty_table()


def _fetched(columns: Sequence[Column], most_bytes: int | None) -> int:
    """Return how many rows to ask for at a time."""
    if most_bytes is None:
        return FETCH_ROWS
    width = sum(column.precision or 0 for column in columns if pa.types.is_string(column.arrow))
    rows = most_bytes // max(1, width * BYTES_OF_A_CHARACTER)
    return min(rows, FETCH_LARGE) if any(c.type_name in LARGE for c in columns) else rows


def _asked(column: Column) -> pa.DataType:
    """Return the type to ask the driver for; it knows no zones, and SYS_EXTRACT_UTC left none."""
    arrow = column.arrow
    if has_nanoseconds(column):
        return pa.string()
    if pa.types.is_timestamp(arrow):
        return pa.timestamp(arrow.unit)
    if column.type_name not in LARGE:
        return arrow
    return pa.large_string() if pa.types.is_string(arrow) else pa.large_binary()


def _as_planned(rows: pa.Table, wanted: pa.Schema, columns: Sequence[Column]) -> pa.Table:
    arrays = [
        _nanoseconds(array, column.arrow) if has_nanoseconds(column) else array.cast(column.arrow)
        for array, column in zip(rows.columns, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, names=wanted.names)


def _nanoseconds(texts: pa.ChunkedArray, arrow: pa.DataType) -> pa.ChunkedArray:
    """Return times from texts; the texts themselves where one is of a year Arrow cannot hold."""
    trimmed = pc.utf8_trim_whitespace(texts)
    with contextlib.suppress(pa.ArrowInvalid):
        return trimmed.cast(pa.timestamp("ns")).cast(arrow)
    return written_times.passed_on(texts, zoned=arrow.tz is not None)


def load(conn: Driver, table: TargetTable, rows: pa.Table) -> Loaded:
    """Insert Arrow rows in the caller's transaction.

    Raises
    ------
    LoadCountError
        When the database counts other rows than were sent.
    EncodeError
        When the driver cannot send a value.
    """
    sent = sendable(rows, table, settings.point(conn))
    sql = _insert(table, rows.column_names, sent)
    count = 0
    with conn.cursor() as cursor:
        if not rows.num_rows:
            cursor.parse(sql)  # reports a missing right or column, too
        for piece in pieces(sent, SENT_ROWS, BATCH_BYTES):
            count += _send(cursor, sql, piece)
    if count != rows.num_rows:
        message = f"{rows.num_rows} rows were sent to {table.into}, {count} arrived"
        raise LoadCountError(message)
    return Loaded(count)


IMMEDIATE = "SET CONSTRAINTS ALL IMMEDIATE"
"""Makes deferred constraints refuse rows at once: at the commit, none is named."""


def load_skipping_refused(conn: Driver, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
    """Insert Arrow rows but for those the database refuses; nothing is deferred to the commit.

    Raises
    ------
    RejectLimitError
        When more rows are refused than ``most``.
    """
    sent = sendable(rows, table, settings.point(conn))
    sql = _insert(table, rows.column_names, sent)
    refused: dict[int, str] = {}
    count = start = 0
    with conn.cursor() as cursor:
        cursor.execute(IMMEDIATE)
        for piece in pieces(sent, SENT_ROWS, BATCH_BYTES):
            count += _send(cursor, sql, piece, batch_errors=True)
            for error in cursor.getbatcherrors():
                refused[start + error.offset] = reason(error)
            if len(refused) > most:
                last = list(refused.values())[-1]
                head = f"reject_limit: more than the {most} rows left to it are refused"
                message = f"{head}; last: {last}"
                raise RejectLimitError(message)
            start += piece.num_rows
    if count + len(refused) != rows.num_rows:
        message = (
            f"{rows.num_rows} rows were sent to {table.into}, {count} arrived, "
            f"{len(refused)} were refused"
        )
        raise LoadCountError(message)
    return Loaded(count, refused)


def _insert(table: TargetTable, names: Sequence[str], sent: pa.Table) -> str:
    columns = [table.column(name) for name in names]
    values = [
        insert_expression(column, f":{place}", array.type)
        for place, (column, array) in enumerate(zip(columns, sent.columns, strict=True), 1)
        if column is not None
    ]
    names = ", ".join(quote(name) for name in names)
    return f"INSERT INTO {table.into} ({names}) VALUES ({', '.join(values)})"


def sendable(rows: pa.Table, table: TargetTable, point: str = POINT) -> pa.Table:
    """Return rows in types the driver binds without loss, under names of no meaning.

    Parameters
    ----------
    point
        What the session takes for a decimal point in a text.
    """
    arrays = [
        _pointed(_bindable(_exact_time(array, table.column(name))), table.column(name), point)
        for name, array in zip(rows.column_names, rows.columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, names=[f"c{n}" for n in range(len(arrays))])


def _pointed(array: pa.ChunkedArray, column: Column | None, point: str) -> pa.ChunkedArray:
    """Return texts of numbers as the session reads them, and of times as its formats do."""
    if column is None or not pa.types.is_string(array.type):
        return array
    if column.family in TIMES:
        return written_times.of_oracle(array)
    numbers = column.family in NUMBERS
    return pc.replace_substring(array, POINT, point) if numbers and point != POINT else array


def _exact_time(array: pa.ChunkedArray, column: Column | None) -> pa.ChunkedArray:
    """Return times as the driver can send them: it cuts nanoseconds off without a word."""
    kind = array.type
    if not pa.types.is_timestamp(kind) or kind.unit != "ns":
        return array
    if column is None or not has_nanoseconds(column):
        rounded = pc.round_temporal(array, unit="microsecond")
        return rounded.cast(pa.timestamp("us", kind.tz))
    local = array if kind.tz is None else array.cast(pa.timestamp("ns", "UTC"))
    return pc.strftime(local.cast(pa.timestamp("ns")), format="%Y-%m-%d %H:%M:%S")


def _bindable(  # noqa: PLR0911 - one line for each kind
    array: pa.ChunkedArray,
) -> pa.ChunkedArray:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _bindable(array.cast(kind.value_type))
    if pa.types.is_boolean(kind):
        return array.cast(pa.int8())
    if pa.types.is_date(kind):
        return array.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return array.cast(pa.timestamp(kind.unit, tz="UTC")).cast(pa.timestamp(kind.unit))
    if pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_string(kind) and pc.any(pc.equal(array, "")).as_py():
        return pc.if_else(pc.equal(array, ""), pa.scalar(None, kind), array)
    return array


def _send(cursor: Any, sql: str, rows: pa.Table, *, batch_errors: bool = False) -> int:
    if not rows.num_rows:
        return 0
    try:
        cursor.executemany(sql, rows.combine_chunks(), batcherrors=batch_errors)
    except oracledb.Error as error:
        code = faults.code_of(error)
        if code.startswith(("DPY-3", "DPY-403", "DPY-4003")):
            message = f"the driver cannot send a value: {faults.text_of(error)}"
            raise EncodeError(message) from None
        raise
    return int(cursor.rowcount)


def reason(error: Any) -> str:
    """Return why a row was refused; anything else than a row's own fault is raised."""
    if not faults.refuses_row(error):
        raise oracledb.DatabaseError(error)
    return f"{faults.text_of(error)} [{error.full_code}]"
