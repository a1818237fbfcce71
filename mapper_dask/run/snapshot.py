"""The keeper: one session that holds the source's state open while the chunks read it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mapper_dask.connections import ConnectionRef, engine_for, raw_connection
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Dialect


@dataclass(frozen=True, slots=True)
class Keeper:
    """A planning session; while it is open, its snapshot can be joined."""

    dialect: Dialect
    conn: Any
    snapshot: str | None
    """Name for other sessions; None where the run reads without one."""


@contextlib.contextmanager
def keep_snapshot(source: ConnectionRef, *, consistent: bool) -> Iterator[Keeper]:
    """Open the session a run plans in, and keep its snapshot to the end of the run.

    Its transaction also keeps the tables it planned over from being rewritten, so that row
    addresses stay what they are. It holds back VACUUM meanwhile; the plan says so.
    """
    dialect = dialect_for(source)
    engine = engine_for(source, connect_args=dialect.connect_args())
    with raw_connection(engine) as conn:
        with dialect.errors(engine.url):
            dialect.begin_read(conn, None)
            shared = consistent and dialect.capabilities.snapshots
            snapshot = dialect.export_snapshot(conn) if shared else None
        yield Keeper(dialect, conn, snapshot)
