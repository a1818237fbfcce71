"""Oracle's dictionary, functions and packages, made inside PostgreSQL."""

from __future__ import annotations

from importlib import resources

import psycopg

LOCK = 7377024814
"""One maker at a time; the number means nothing but this."""


def install(dsn: str) -> None:
    """Make them, unless another stand-in on the same database has done so."""
    folder = resources.files(__package__) / "dictionary"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'ora'").fetchone():
            return
        for name in files:
            connection.execute((folder / name).read_text(encoding="utf-8"))  # type: ignore[arg-type]
