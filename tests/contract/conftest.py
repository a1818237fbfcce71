"""Both databases, as source and as target of every test in this folder.

Oracle is a server of yours when ``MAPPER_DASK_TEST_ORACLE_DSN``, ``…_USER`` and ``…_PASSWORD`` are
set, and the protocol stand-in otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Databases

PAIRS = [
    pytest.param((source, target), id=f"{source}-{target}")
    for source in ("postgresql", "oracle")
    for target in ("postgresql", "oracle")
]


FIRST_KINDS = ("integer", "instant")
"""Kinds of watermark that go between unlike databases in ``make test``; all go between like ones,
where each database is source and target."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        given = getattr(getattr(item, "callspec", None), "params", {})
        if item.path.name == "test_incremental.py" and "pair" in given and "kind" in given:
            source, target = given["pair"]
            if source != target and given["kind"] not in FIRST_KINDS:
                item.add_marker(pytest.mark.long_only)


@pytest.fixture(params=PAIRS)
def pair(
    request: pytest.FixtureRequest, databases: Databases, oracle_url: Callable[[str], str]
) -> Iterator[tuple[Side, Side]]:
    """A source and a target, of each kind."""
    made = tuple(
        sides.oracle(oracle_url(role))
        if kind == "oracle"
        else sides.postgresql(getattr(databases, role))
        for role, kind in zip(("source", "target"), request.param, strict=True)
    )
    yield made
    for side in made:
        side.clean()


@pytest.fixture(params=["postgresql", "oracle"])
def target(
    request: pytest.FixtureRequest, databases: Databases, oracle_url: Callable[[str], str]
) -> Iterator[Side]:
    """A target of each kind; the source of such a test is ``databases.source``."""
    made = (
        sides.oracle(oracle_url("target"))
        if request.param == "oracle"
        else sides.postgresql(databases.target)
    )
    yield made
    made.clean()


@pytest.fixture
def source(databases: Databases) -> Iterator[Side]:
    """A PostgreSQL source."""
    made = sides.postgresql(databases.source)
    yield made
    made.clean()
