"""The stand-in by hand, or as a child of a test.

A child is told what to do by JSON lines on its standard input, answers each with one line, and
ends when that closes: nothing is left behind by a test process that is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading

from mapper_dask.embedded import embedded_postgres
from tests.oracle_standin.install import install
from tests.oracle_standin.journal import Journal
from tests.oracle_standin.server import StandIn, User

COMMANDS = ("inject", "clear_faults", "lose_snapshots")


def arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.oracle_standin", description=__doc__)
    parser.add_argument("--postgres", help="PostgreSQL that runs the SQL; else one from the wheel")
    parser.add_argument("--port", type=int, default=1521)
    parser.add_argument(
        "--user",
        action="append",
        help="NAME/PASSWORD, or NAME/PASSWORD/plain for one without rights; scott/tiger",
    )
    parser.add_argument("--journal", help="file to which each distinct statement is written")
    parser.add_argument("--child", action="store_true", help="obey JSON lines, end with the input")
    return parser.parse_args()


def obey(server):
    for line in sys.stdin:
        command = json.loads(line)
        name = command.pop("command")
        if name in COMMANDS:
            getattr(server, name)(**command)
        print(json.dumps({"done": name}), flush=True)  # noqa: T201 - its answer


def main():
    asked = arguments()
    users = dict(User.from_text(text) for text in asked.user or ["scott/tiger"])
    with contextlib.ExitStack() as stack:
        dsn = asked.postgres
        if dsn is None:
            server = stack.enter_context(embedded_postgres(settings={"max_connections": "200"}))
            dsn = f"host={server.directory} port=5432 user=postgres dbname=postgres"
        install(dsn)
        journal = Journal(asked.journal) if asked.journal else None
        standin = StandIn(dsn, users, port=asked.port, journal=journal)
        print(json.dumps({"port": standin.port}) if asked.child else standin.dsn, flush=True)  # noqa: T201 - its answer
        with contextlib.suppress(KeyboardInterrupt):
            obey(standin) if asked.child else threading.Event().wait()
        standin.close()


if __name__ == "__main__":
    main()
