"""A part of ``make chaos``: whatever writes may be killed at any of its messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fault.operations.campaign import Yard, campaign, wrong_one, yard
from tests.fault.operations.works import WORKS
from tests.fault.operations.wrong import MUTANTS

SEED = 1
KILLS = 6


@pytest.fixture(scope="module")
def ground() -> Iterator[Yard]:
    with yard() as ready:
        yield ready


@pytest.mark.parametrize("work", WORKS)
def test_what_is_killed_and_done_again_is_exact_and_says_so_only_then(
    ground: Yard, work: str
) -> None:
    toll = campaign(ground, work, KILLS, SEED)
    assert toll.exact, (toll, toll.stuck)
    assert toll.kills.total() == KILLS
    assert not toll.strays


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_library_that_commits_in_two_what_is_one_is_caught(ground: Yard, mutant: str) -> None:
    toll = wrong_one(ground, mutant)
    assert toll.lost or toll.more or toll.untrue, toll
