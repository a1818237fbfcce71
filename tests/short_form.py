"""Which cases ``make test`` leaves to ``make test-long``, so that it takes minutes.

By the seconds that ``durations.txt`` lists for a case of a function:

- what is not listed runs whole;
- of a function that takes long, as many cases run as show most of its parameters' values, and no
  more than ``CASES``;
- a function that takes very long is left out. Of a file of which nothing would run, one case of its
  quickest function does, unless that takes longer than everybody would wait for.

Nothing is left out of a session that names files, tests or a keyword: it runs what it names.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

import pytest

from tests.durations import function_of, known

CASES = 3
SLOW = 1.5
"""Seconds from which a case of a function is left out."""
TOO_SLOW = 10.0
"""Seconds from which nothing of a file is run that has only such."""

NAMED = "MAPPER_DASK_TEST_NAMED"
"""Set for the processes of a session that names what it runs."""


def decide(config: pytest.Config) -> None:
    """Note for all processes of a session whether it names what it runs."""
    if not hasattr(config, "workerinput"):
        by_path = config.args_source is pytest.Config.ArgsSource.ARGS
        os.environ[NAMED] = "1" if by_path or config.option.keyword else ""


def is_named() -> bool:
    """Return whether this session names the tests it runs, and so runs all cases of them."""
    return bool(os.environ.get(NAMED))


def left_out(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return the cases that ``make test`` does not run."""
    seconds = known()
    functions: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        functions[function_of(item.nodeid)].append(item)
    kept = {item for name in functions if name not in seconds for item in functions[name]}
    slow = []
    for name in functions.keys() & seconds.keys():
        if seconds[name] < SLOW:
            kept.update(_chosen(functions[name], CASES))
        else:
            slow.append(name)
    shown = {item.path for item in kept}
    for name in sorted(slow, key=lambda name: (seconds[name], name)):
        first = functions[name][0]
        if first.path not in shown and seconds[name] < TOO_SLOW:
            kept.add(first)
            shown.add(first.path)
    return set(items) - kept


def _chosen(cases: list[pytest.Item], most: int) -> list[pytest.Item]:
    """Return a few of a function's cases: each the one that shows most that is not shown yet."""
    unseen = [(case, _values(case)) for case in cases]
    chosen: list[pytest.Item] = []
    shown: set[tuple[str, int]] = set()
    while unseen and len(chosen) < most:
        best = max(unseen, key=lambda candidate: len(candidate[1] - shown))
        unseen.remove(best)
        chosen.append(best[0])
        shown |= best[1]
    return chosen


def _values(case: pytest.Item) -> set[tuple[str, int]]:
    """Return the values of a case's parameters, each as its place in their list."""
    callspec = getattr(case, "callspec", None)
    return set() if callspec is None else set(callspec.indices.items())


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return tests with the files first that take longest, so that no process waits at the end."""
    seconds = known()
    files: dict[object, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[item.path].append(item)
    durations = {
        path: sum(seconds.get(function_of(item.nodeid), 0.02) for item in tests)
        for path, tests in files.items()
    }
    ordered = sorted(files, key=lambda path: -durations[path])
    return [item for path in ordered for item in files[path]]
