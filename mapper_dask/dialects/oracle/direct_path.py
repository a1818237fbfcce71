"""Direct path loads: fast, but committed at once. So each fills a table of its own.

Each attempt at a chunk has tables of its own, made on a connection beside the load's transaction.
In that transaction their rows enter the target together with the ledger's row; then they go.
"""

from __future__ import annotations

import contextlib

import oracledb
import pyarrow as pa

from mapper_dask.dialects.oracle import faults, session, settings, transfer
from mapper_dask.dialects.oracle.names import folded, quote
from mapper_dask.dialects.oracle.types import insert_expression
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import EncodeError, LoadCountError
from mapper_dask.schema.facts import Aside, Column, Loaded, TargetTable

SUB_SECOND_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def load_aside(conn: Driver, table: TargetTable, rows: pa.Table, name: str) -> Aside:
    """Load Arrow rows into a new table in the login's schema; both are committed.

    Raises
    ------
    EncodeError
        When a value does not fit its column, or the driver cannot send it.
    """
    [(schema, *_)] = session.run(conn, "ledger_schema", {})
    made = f"{quote(folded(str(schema)))}.{quote(name)}"
    sent = transfer.sendable(rows, table, settings.point(conn))
    types = [
        (name, array.type) for name, array in zip(rows.column_names, sent.columns, strict=True)
    ]
    kinds = [
        _filled_from(column, kind)
        for name, kind in types
        if (column := table.column(name)) is not None
    ]
    names = [quote(column) for column in rows.column_names]
    selected = ", ".join(f"{kind} AS {name}" for kind, name in zip(kinds, names, strict=True))
    with conn.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {made} AS SELECT {selected} FROM {table.into} t WHERE 1 = 0")
    held = [folded(column) for column in rows.column_names]
    try:
        conn.direct_path_load(str(schema), folded(name), held, sent.combine_chunks())
    except oracledb.Error as error:
        if faults.code_of(error).startswith(("DPY-3", "DPY-4003", "DPY-8")):
            message = f"a value cannot be loaded: {faults.text_of(error)}"
            raise EncodeError(message) from None
        raise
    return Aside(made, tuple(types), rows.num_rows)


def load_from(conn: Driver, table: TargetTable, aside: Aside) -> Loaded:
    """Insert rows that were loaded aside into a table, in the caller's transaction.

    Raises
    ------
    LoadCountError
        When other rows enter than were loaded aside.
    """
    names = ", ".join(quote(name) for name, _ in aside.columns)
    values = ", ".join(
        insert_expression(column, f"a.{quote(name)}", kind)
        for name, kind in aside.columns
        if (column := table.column(name)) is not None
    )
    with conn.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table.into} ({names}) SELECT {values} FROM {aside.table} a")
        count = int(cursor.rowcount)
    if count != aside.rows:
        message = f"{aside.rows} rows were loaded for {table.into}, {count} entered it"
        raise LoadCountError(message)
    return Loaded(count)


def drop_all(conn: Driver, prefix: str) -> None:
    """Drop the tables of a run's attempts that ended without doing so; it commits.

    One that is still being filled stays: nothing of it enters the target any more.
    """
    for schema, name in session.run(conn, "loads", {"prefix": folded(prefix)}):
        with conn.cursor() as cursor, contextlib.suppress(oracledb.DatabaseError):
            cursor.execute(f"DROP TABLE {quote(folded(schema))}.{quote(folded(name))} PURGE")


def _filled_from(column: Column, arrow: pa.DataType) -> str:
    """Return an expression with the type of what is sent; where nothing is cast, the target's."""
    if pa.types.is_decimal(arrow):
        return f"CAST(NULL AS NUMBER({arrow.precision},{arrow.scale}))"
    if pa.types.is_integer(arrow):
        return "CAST(NULL AS NUMBER(20))"
    if pa.types.is_timestamp(arrow):
        return f"CAST(NULL AS TIMESTAMP({SUB_SECOND_DIGITS[arrow.unit]}))"
    if pa.types.is_floating(arrow):
        single = pa.types.is_float32(arrow)
        return f"CAST(NULL AS {'BINARY_FLOAT' if single else 'BINARY_DOUBLE'})"
    as_it_is = insert_expression(column, ":1", arrow) == ":1"
    return f"t.{quote(column.name)}" if as_it_is else "CAST(NULL AS VARCHAR2(4000))"
