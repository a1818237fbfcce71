"""Two databases for a module."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from mapper_dask.connections.pool import dispose_engines
from tests.database import Server, fresh_databases
from tests.property.hostile import Pair, _side


@pytest.fixture(scope="module")
def pair(postgres_server: Server) -> Iterator[Pair]:
    with fresh_databases(postgres_server) as fresh, contextlib.ExitStack() as stack:
        yield Pair(*(stack.enter_context(_side(database.url)) for database in fresh))
        dispose_engines()
