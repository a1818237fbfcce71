"""Runs a peer as a process of its own, and reads its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tpch.lineitem import half_tables, source_table
from benchmarks.tpch.peers.protocol import MARK, Move
from benchmarks.tpch.server import Server, programs
from benchmarks.tpch.timing import Timing
from benchmarks.tpch.ways import Way

ENVIRONMENT = Path(".bench-venv")

PATIENCE_SECONDS = 420
"""A peer that has not ended by then is stopped, and named in the table."""

REASON_LENGTH = 200


class NotRunError(Exception):
    """A peer that does not install, or fails; the message is the line that says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer did."""

    timing: Timing
    versions: dict[str, str]


def run_peer(server: Server, way: Way, rows: int) -> Answer:
    """Let a peer move so many rows.

    Raises
    ------
    NotRunError
        Says why there is no answer.
    """
    try:
        done = subprocess.run(
            [_python(way), "-m", f"benchmarks.tpch.peers.{way.module}", *way.arguments],
            env=_environment(server, way, rows), capture_output=True, text=True, check=False,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotRunError(f"not done after {PATIENCE_SECONDS} s") from None
    answers = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not answers:
        raise NotRunError(_reason(done.stderr or done.stdout, server))
    answer = json.loads(answers[-1].removeprefix(MARK))
    return Answer(Timing(rows, answer["seconds"]), answer["versions"])


def _python(way: Way) -> str:
    if not way.own_environment:
        return sys.executable
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        message = "the peers' environment is missing: make bench-peers"
        raise NotRunError(message)
    return str(python)


def peer_target(way: Way, rows: int) -> str:
    """Return where a peer's rows arrive: two of them name the table themselves."""
    match way.peer:
        case "dlt":
            return f"dlt_tpch.{way.target}"
        case "pgcopydb":
            halves = " UNION ALL ".join(
                f"SELECT * FROM {half}" for half in half_tables(source_table(rows))
            )
            return f"({halves}) AS halves"
        case _:
            return way.target


def _environment(server: Server, way: Way, rows: int) -> dict[str, str]:
    table = source_table(rows)
    move = Move(
        way.workload, rows, table, way.target,
        server.libpq("source"), server.libpq("target"), server.tcp("source"), server.tcp("target"),
    )  # fmt: skip
    folder = programs()
    # pgcopydb wants a pg_dump of the server's version.
    path = os.pathsep.join(filter(None, (str(folder or ""), os.environ.get("PATH"))))
    return {**os.environ, **move.environment(), "PATH": path}


def _reason(printed: str, server: Server) -> str:
    """Return the last line that says something, without a path or a password."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    last = (lines or ["no answer"])[-1].replace(server.password, "…")
    return last.replace(str(server.directory), "…").replace(str(Path.cwd()), "…")[:REASON_LENGTH]
