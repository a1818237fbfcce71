"""Breaks COPYs off in several ways, each a dozen times; prints what was raised, one a line."""

# ruff: noqa: T201 - what it prints is what the test reads

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from typing import Any

import psycopg2
import sqlalchemy as sa

from mapper_dask.dialects.postgresql import copying, faults, lines, rows, transfer
from mapper_dask.dialects.postgresql.spool import Filling
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.schema.batches import Most

TIMES = 12
ROWS = 60_000
ROW = "secret row " + "x" * 290
COLUMNS = [
    column("id", "integer", "integer", "N", native=True),
    column("t", "text", "text", "S", native=True),
]
SELECT = f"SELECT g, '{ROW}'::text FROM pg_catalog.generate_series(1, {ROWS}) AS s (g)"


def main(url: str, direction: str, compiled: str, way: str) -> None:
    """Break COPYs off."""
    if compiled == "python":
        copying.compiled = lines.compiled = rows.compiled = None
    dsn = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    admin = psycopg2.connect(dsn)
    admin.autocommit = True
    draw = random.Random(direction)
    for _ in range(TIMES):
        conn = psycopg2.connect(dsn)
        with conn.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE t (id integer, t text)")
        breaking = breaker(admin, conn, way, draw.randrange(1, 8))
        try:
            with faults.translated(None, 0):
                (copy_out if direction == "out" else copy_in)(conn, breaking)
        except Exception as error:  # noqa: BLE001
            print(f"{type(error).__name__}: {str(error).splitlines()[0]}")
        conn.close()
    gc.collect()


def breaker(admin: Any, conn: Any, way: str, at: int) -> Callable[[], None]:
    """Return what breaks a COPY off when it is called for the ``at``-th time."""
    pid, calls = conn.info.backend_pid, 0

    def called() -> None:
        nonlocal calls
        calls += 1
        if calls == at and way != "raise":
            act = "pg_cancel_backend(%s)" if way == "cancel" else "pg_terminate_backend(%s, 5000)"
            with admin.cursor() as cursor:
                cursor.execute(f"SELECT pg_catalog.{act}", (pid,))
        if calls >= at and "raise" in way:
            message = "it cannot be decoded"
            raise ValueError(message)

    return called


def copy_out(conn: Any, breaking: Callable[[], None]) -> None:
    """Read rows into Arrow."""
    write = Filling.write

    def told(self: Filling, data: Any) -> None:
        breaking()
        write(self, data)

    Filling.write = told  # type: ignore[method-assign]
    try:
        for _ in transfer.read(conn, SELECT, COLUMNS, most=Most(1000), strict=False):
            pass
    finally:
        Filling.write = write  # type: ignore[method-assign]


def copy_in(conn: Any, breaking: Callable[[], None]) -> None:
    """Load rows from a stream."""

    pieces = [f"1\t{ROW}\n".encode() * 1000] * (ROWS // 1000)  # no end: a server reads to it

    class Stream:
        def read(self, _size: int) -> bytes:
            breaking()
            return pieces.pop() if pieces else b""

    copying.copy_in(conn, "COPY t FROM STDIN", Stream(), transfer.COPY_BLOCK)


if __name__ == "__main__":
    main(*sys.argv[1:])
