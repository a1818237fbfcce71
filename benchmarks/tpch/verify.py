"""Whether a target holds exactly what SQL makes of the source: rows, and an order-free digest."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from benchmarks.tpch.lineitem import Workload, expected, loaded
from benchmarks.tpch.server import Server


class WrongRowsError(Exception):
    """A target does not hold what it should."""


def verify(server: Server, table: str, workload: Workload, target: str) -> None:
    """Compare a target with its source.

    Raises
    ------
    WrongRowsError
        When they differ, or the target holds what cannot be compared.
    """
    wanted = _expected(server, table, workload)
    try:
        found = server.row("target", loaded(target, workload))
    except sa.exc.DBAPIError as error:
        raise WrongRowsError(f"{target} cannot be compared: {error.orig}") from error
    if found != wanted:
        message = f"{target} has (rows, digest) {found}, expected {wanted}"
        raise WrongRowsError(message)


@cache
def _expected(server: Server, table: str, workload: Workload) -> tuple[Any, ...]:
    """Compute once a source table and workload: the source never changes."""
    return server.row("source", expected(table, workload))
