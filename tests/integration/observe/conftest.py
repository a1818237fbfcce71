"""A shop to run in, and an environment that names no collector."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database import Databases


@pytest.fixture
def shop(databases: Databases) -> Databases:
    databases.source.execute("CREATE TABLE shop (id int PRIMARY KEY, name text)")
    rows = "SELECT i, 'value-' || i FROM generate_series(1, 1000) i"
    databases.source.execute(f"INSERT INTO shop {rows}")
    databases.source.execute("ANALYZE shop")
    databases.target.execute("CREATE TABLE sold (id int PRIMARY KEY, name varchar(20))")
    return databases


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No collector of this machine's, and nothing left of what the client writes there itself."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        del os.environ[name]
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    monkeypatch.undo()
    os.environ.clear()
    os.environ.update(before)
