"""The limit: what two streams of binary COPY make of the machine, with the cheapest client.

Each stream is a ``psql`` that reads its half of the table, by row addresses, into a ``psql`` that
writes. Nothing is decoded, planned or remembered, and Python only waits. Where the wheel has no
psql, two Python processes with psycopg2 take its place.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.tpch.data import middle_page
from benchmarks.tpch.server import Server, programs

RELAY = """
import io, os, sys, threading
import psycopg2
source, read, target, write = sys.argv[1:]
out, into = os.pipe()
def reader():
    with psycopg2.connect(source) as connection, os.fdopen(into, "wb") as pipe:
        connection.cursor().copy_expert(read, pipe, 1 << 16)
thread = threading.Thread(target=reader)
thread.start()
with psycopg2.connect(target) as connection, os.fdopen(out, "rb") as pipe:
    connection.cursor().copy_expert(write, pipe, 1 << 16)
thread.join()
"""


def client() -> str:
    """Return what moves the bytes: psql, or psycopg2."""
    return "psql" if _psql() else "psycopg2"


def two_streams(server: Server, table: str, target: str) -> float:
    """Copy a table by two streams side by side, and return the seconds."""
    middle = middle_page(server, table)
    halves = [f"ctid < '({middle},0)'", f"ctid >= '({middle},0)'"]
    started = time.perf_counter()
    processes = [one for half in halves for one in _stream(server, table, half, target)]
    codes = [process.wait() for process in processes]
    seconds = time.perf_counter() - started
    if any(codes):
        sys.exit(f"the limit failed, with exit codes {codes}")
    return seconds


def _psql() -> Path | None:
    folder = programs()
    return folder / "psql" if folder and (folder / "psql").exists() else None


def _stream(server: Server, table: str, half: str, target: str) -> list[subprocess.Popen[bytes]]:
    read = f"COPY (SELECT * FROM {table} WHERE {half}) TO STDOUT (FORMAT binary)"
    write = f"COPY {target} FROM STDIN (FORMAT binary)"
    psql = _psql()
    if psql is None:
        relay = [sys.executable, "-c", RELAY]
        ends = [server.libpq("source"), read, server.libpq("target"), write]
        return [subprocess.Popen([*relay, *ends])]
    quiet = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    reader = subprocess.Popen(
        [*quiet, "-d", server.libpq("source"), "-c", read], stdout=subprocess.PIPE
    )
    writer = subprocess.Popen(
        [*quiet, "-d", server.libpq("target"), "-c", write], stdin=reader.stdout
    )
    assert reader.stdout is not None
    reader.stdout.close()  # so that the reader notices when the writer ends early
    return [reader, writer]
