"""How often what repeats is repeated: a few times in ``make test``, more in ``make test-long``.

``make test-long`` runs the tests marked ``long_form``, with ``MAPPER_DASK_TEST_LONG`` set: all of
``tests/property``, every test of hypothesis, and those that take their numbers from here. Those
marked ``long_only`` take a path that others take too, and run there alone; so do the cases that
``make test`` leaves out because they take long (``tests/short_form.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

from tests import short_form

Case = TypeVar("Case")

LONG = bool(os.environ.get("MAPPER_DASK_TEST_LONG"))

EXAMPLES = 100 if LONG else 30
"""Of each test of hypothesis that says nothing else."""

NAMES, VALUES, MADE, UNFIT, SECRETS = (200, 150, 50, 50, 50) if LONG else (60, 50, 20, 20, 20)
"""Of hostile names and values read, of values made, of those no text can hold, of secrets: runs of
about 80 ms."""

NAMES_OF_OURS = 60 if LONG else 20
"""Of names that are also in the library's own statements: runs of a third of a second."""

KEYS = 40 if LONG else 15
"""For each type of key; an example plans, and reads every chunk twice, in about 30 ms."""

QUERIES = int(os.environ.get("MAPPER_DASK_TEST_QUERIES", "500" if LONG else "150"))
"""Random queries; ``make queries`` plans 5,000."""

PLANTED = int(os.environ.get("MAPPER_DASK_TEST_PLANTED", "40" if LONG else "15"))
"""Values that are planted in each place: 200 take half an hour."""

PAIRS = 1 if LONG else 4
"""One in so many pairs of types is tried."""

ALONE = 1 if LONG else 2
"""One in so many types goes by itself each way; each goes two ways of four then."""

CHAINED = 200_000 if LONG else 20_000
"""Rows that go through all four pairs of databases: 200,000 take three minutes."""

SEEDS = 2
"""Of tests with seeds, how many ``make test`` runs."""


def seeds(count: int) -> list[object]:
    """Return as many seeds, the later ones for ``make test-long``."""
    mark = pytest.mark.long_only
    return [seed if seed < SEEDS else pytest.param(seed, marks=mark) for seed in range(count)]


def choose(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return which tests are run now, and which are not."""
    later = {item for item in items if item.get_closest_marker("long_only")}
    if LONG or not short_form.is_named():
        later |= short_form.left_out([item for item in items if item not in later])
    if LONG:
        for item in later:
            item.add_marker(pytest.mark.long_form)
        return items, []
    return [item for item in items if item not in later], [i for i in items if i in later]


def is_repeated(item: pytest.Item, folder: str) -> bool:
    """Return whether a test has a long form without saying so."""
    of_hypothesis = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return folder == "property" or of_hypothesis


def one_in(step: int, cases: Iterable[Case], offset: int) -> list[Case]:
    """Return one case in so many, others for another offset."""
    return [case for number, case in enumerate(cases) if (number + offset) % step == 0]
