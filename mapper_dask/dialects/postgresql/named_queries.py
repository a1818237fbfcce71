"""The named queries of ``sql/postgresql``: their texts, and how one is run."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Any

from mapper_dask.dialects.session import Driver

DURABLE = (
    "SELECT pg_catalog.set_config('synchronous_commit', 'on', true) WHERE "
    "pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'"
)
"""Makes an acknowledged commit durable, even where the role turned that off."""


@functools.cache
def text(name: str) -> str:
    """Return the text of a catalogue or ledger query."""
    folder = resources.files("mapper_dask.dialects") / "sql" / "postgresql"
    return (folder / f"{name}.sql").read_text(encoding="utf-8")


def run(conn: Driver, name: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Run a named query with bound values; return its rows, none for one that returns none."""
    with conn.cursor() as cursor:
        cursor.execute(text(name), params)
        return list(cursor.fetchall()) if cursor.description else []
