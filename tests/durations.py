"""How long tests take: ``durations.txt`` has the seconds of a case of each slow function.

``MAPPER_DASK_WRITE_DURATIONS=1 make test`` writes the functions it has run, and keeps the others.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

FILE = Path(__file__).with_name("durations.txt")
LEAST = 0.25
"""Seconds below which a function is not listed."""


def function_of(nodeid: str) -> str:
    """Return a test's name without its parameters."""
    return nodeid.partition("[")[0]


def known() -> dict[str, float]:
    """Return the seconds of a case of each function listed."""
    lines = (line.split() for line in FILE.read_text(encoding="utf-8").splitlines())
    return {function: float(seconds) for seconds, function in lines}


class Recorder:
    """A plugin that writes how long a case of each function took."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Not the teardown: a process's last test ends what all of them used.
        if report.when != "teardown" and report.outcome == "passed":
            self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        cases: dict[str, list[float]] = defaultdict(list)
        for nodeid, seconds in self._seconds.items():
            cases[function_of(nodeid)].append(seconds)
        measured = {function: median(seconds) for function, seconds in cases.items()}
        listed = {**known(), **measured}
        lines = [f"{listed[name]:.2g} {name}\n" for name in sorted(listed) if listed[name] >= LEAST]
        FILE.write_text("".join(lines), encoding="utf-8")


def record(config: pytest.Config) -> None:
    """Write durations at the end of this session if that is asked for."""
    if os.environ.get("MAPPER_DASK_WRITE_DURATIONS") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())
