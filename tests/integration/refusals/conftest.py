"""A shop where each refusal is checked to have left nothing behind.

Every refusal names the field and the remedy, leaves both databases as they were (no row, no table
of the ledger), starts no worker process and shows no secret: ``refused`` looks at all of it.
"""

# ruff: noqa: EM101 - short errors raised on purpose

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import cloudpickle
import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from mapper_dask.connections.masking import secrets_of
from mapper_dask.errors import (
    MapperError,
)
from mapper_dask.workers import local_cluster as own_cluster
from tests.database import Databases, Server, fresh_databases
from tests.integration.refusals.shop import (
    CLOSED_PORT,
    ROWS,
    SIZE,
    Refused,
    assert_untouched,
    move,
    secretive,
)


@pytest.fixture(scope="module")
def premises(postgres_server: Server) -> Iterator[Databases]:
    """A thousand rows to move, in ten chunks of a hundred, for every test of this file."""
    with fresh_databases(postgres_server) as databases:
        databases.source.execute(
            "CREATE TABLE shop (id int PRIMARY KEY, name text, price numeric(10,2))"
        )
        databases.source.execute(
            f"INSERT INTO shop SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, {ROWS}) i"
        )
        databases.source.execute("ANALYZE")
        yield databases


@pytest.fixture
def shop(premises: Databases) -> Databases:
    """The rows to move, and a target with nothing but an empty table that fits them."""
    premises.target.execute(
        "DROP SCHEMA IF EXISTS away CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        "CREATE TABLE sold (id int, name text, price numeric(10,2))"
    )
    return premises


@pytest.fixture
def refused(shop: Databases, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """A function that runs a job which must be refused, and returns the error."""
    monkeypatch.setattr(own_cluster, "LocalCluster", _no_cluster)

    def run(
        kind: type[MapperError], field: str = "", *, named: str | None = None, **changes: Any
    ) -> MapperError:
        with pytest.raises(MapperError) as caught:
            move(shop, **changes)
        assert type(caught.value) is kind
        assert caught.value.details.get("field", "") == field
        assert (field if named is None else named) in str(caught.value)
        assert_untouched(shop)
        assert_hidden(caught.value, shop)
        return caught.value

    return run


def _no_cluster(*_: object, **__: object) -> None:
    raise AssertionError("worker processes were started")


def assert_hidden(error: MapperError, shop: Databases) -> None:
    """No spelling of a password is in the error, in what it came from, or in its pickle."""
    seen = [*traceback.format_exception(error), repr(error), repr(error.details)]
    pickled = cloudpickle.dumps(error)
    assert type(pickle.loads(pickled)) is type(error)
    for url in (secretive(shop.source), secretive(shop.target), sa.make_url(CLOSED_PORT)):
        for secret in secrets_of(url):
            assert secret not in "".join(seen)
            assert secret.encode() not in pickled


@pytest.fixture(params=["dask", "loop"])
def processor(request: pytest.FixtureRequest) -> ParallelProcessor:
    """Two worker processes, and the loop that does without."""
    if request.param == "loop":
        return ParallelProcessor(chunk_size=SIZE, enable_parallel=False)
    return ParallelProcessor(2, SIZE, client=request.getfixturevalue("client"))
