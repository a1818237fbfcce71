"""Oracle's dictionary, functions and packages, made inside PostgreSQL."""

from __future__ import annotations

from importlib import resources

import psycopg

LOCK = 7377024814
"""One maker at a time; the number means nothing but this."""


def install(dsn):
    """Make what is missing; several servers may do so on one database."""
    text = (resources.files(__package__) / "dictionary.sql").read_text(encoding="utf-8")
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(text)
