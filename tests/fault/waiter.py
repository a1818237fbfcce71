"""A program whose thread waits for a database, and that breaks this off when it is told to.

It says a line at each step: what it is asked to do, it does after a line on its standard input.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading

from mapper_dask.connections.pool import engine_for, raw_connection
from mapper_dask.connections.reference import reference
from mapper_dask.dialects import dialect_for
from mapper_dask.halting import Halt


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main(url: str, how: str) -> None:
    if how == "without libpq":  # as of a driver that has libpq within itself, and does not show it
        from mapper_dask.dialects.postgresql import links

        links.functions = lambda: None  # type: ignore[assignment]
    if how == "of an old libpq":
        from mapper_dask.dialects.postgresql import links

        old = links.functions(encrypted=False)
        links.functions = lambda: old  # type: ignore[assignment]
    ref = reference(url)
    engine = engine_for(ref, connect_args=dialect_for(ref).connect_args())
    halt = Halt()

    def wait() -> None:
        with contextlib.suppress(Exception), halt.current(), raw_connection(engine) as conn:
            conn.cursor().execute("SELECT pg_catalog.pg_sleep(3600)")

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    say("waits")
    sys.stdin.readline()
    halt.set()
    say("goes on")
    thread.join()
    say("ended")
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
