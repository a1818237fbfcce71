"""How a peer is called and what it answers; imported by every peer, so it needs nothing installed.

A peer's file calls :func:`main` with a function that moves the rows. The function imports nothing:
imports and start-up are not counted, as they are not for this library.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

MARK = "RESULT "


@dataclass(frozen=True, slots=True)
class Move:
    """What a peer is to do."""

    workload: str
    rows: int
    table: str
    """In the source."""
    target: str
    source: str
    """libpq URL on the Unix socket, as is ``sink``."""
    sink: str
    source_tcp: str
    """URL for clients that know no Unix sockets, as is ``sink_tcp``."""
    sink_tcp: str

    @property
    def transforms(self) -> bool:
        """Whether the function is applied."""
        return self.workload == "transform"

    def environment(self) -> dict[str, str]:
        """Return what the peer's process reads it from; URLs hold a password, so no argument."""
        return {"TPCH_MOVE": json.dumps({name: getattr(self, name) for name in self.__slots__})}


def asked() -> Move:
    """Return what this process is to do."""
    return Move(**json.loads(os.environ["TPCH_MOVE"]))


def sqlalchemy_url(url: str) -> str:
    """Return a libpq URL as SQLAlchemy's."""
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def main(move_rows: Callable[[Move], object], distributions: Sequence[str]) -> None:
    """Time the function and print the seconds, and the versions of what it uses."""
    move = asked()
    started = time.perf_counter()
    move_rows(move)
    report(time.perf_counter() - started, {name: version(name) for name in distributions})


def report(seconds: float, versions: dict[str, str]) -> None:
    """Print what the benchmark reads."""
    print(MARK + json.dumps({"seconds": seconds, "versions": versions}), flush=True)
