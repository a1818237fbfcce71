"""A fifth of ``make chaos``: the library survives it, and three wrong loaders do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fault.chaos import honest, mutant
from tests.fault.kills import KINDS
from tests.fault.playground import Playground, playground
from tests.fault.sabotage import MUTANTS

SEED = 1


@pytest.fixture(scope="module")
def ground() -> Iterator[Playground]:
    with playground() as ready:
        yield ready


def test_twenty_kills_neither_lose_nor_double_a_row(ground: Playground) -> None:
    outcome = honest(ground, 20, SEED)
    assert outcome.exact, outcome
    assert outcome.kills.total() == 20
    assert set(outcome.kills) == set(KINDS)
    assert outcome.repeated >= 3, "the kills hit too little work to show anything"


@pytest.mark.parametrize("loader", MUTANTS)
def test_a_loader_whose_ledger_is_not_in_the_transaction_is_caught(
    ground: Playground, loader: str
) -> None:
    outcome = mutant(ground, loader, SEED)
    assert (outcome.lost > 0) == (loader == "ledger_before"), outcome
    assert (outcome.doubled > 0) == (loader != "ledger_before"), outcome
