"""``make test`` leaves out cases that take long, and ``make test-long`` runs those."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import durations, long_form, short_form

ROOT = Path(__file__).parents[2]


class Case:
    """What a selection asks of a collected test."""

    def __init__(self, nodeid: str, **indices: int) -> None:
        self.nodeid, self.path = nodeid, Path(nodeid.partition("::")[0])
        self.marks: set[str] = set()
        if indices:
            self.callspec = SimpleNamespace(indices=indices)

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.add(mark.name)

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    seconds = {
        "a.py::thin": 1.0,
        "a.py::slow": 1.5,
        "b.py::slower": 9.0,
        "b.py::slow": 4.0,
        "c.py::all": 10.0,
    }
    monkeypatch.setattr(short_form, "known", lambda: seconds)
    monkeypatch.setattr(long_form, "LONG", False)
    monkeypatch.delenv(short_form.NAMED, raising=False)
    thin = [Case(f"a.py::thin[{x}-{y}]", x=x, y=y) for x in range(4) for y in range(3)]
    slow = [Case(f"{name}[{x}]", x=x) for name in ("a.py::slow", "b.py::slow") for x in range(2)]
    return [Case("a.py::quick"), *thin, *slow, Case("b.py::slower"), Case("c.py::all")]


def names(cases: list[Case]) -> set[str]:
    return {case.nodeid for case in cases}


def test_few_cases_of_what_takes_long_are_run_and_one_of_a_file_that_is_slow(suite) -> None:
    chosen, later = long_form.choose(suite)
    assert names(chosen) == {"a.py::quick", "a.py::thin[0-0]", "a.py::thin[1-1]",
                             "a.py::thin[2-2]", "b.py::slow[0]"}  # fmt: skip
    assert names(chosen) | names(later) == names(suite)


def test_what_only_the_long_form_runs_stands_for_nothing(suite) -> None:
    """Neither as one of a function's few cases, nor as the one of a slow file."""
    for case in suite:
        if case.nodeid in ("a.py::thin[0-0]", "b.py::slow[0]"):
            case.add_marker(pytest.mark.long_only)
    chosen, later = long_form.choose(suite)
    assert len([case for case in chosen if "thin" in case.nodeid]) == 3
    assert {case.nodeid for case in chosen if case.path.name == "b.py"} == {"b.py::slow[1]"}
    assert names(chosen) | names(later) == names(suite)
    assert not names(chosen) & names(later)


def test_the_long_form_runs_exactly_what_is_left_out(suite, monkeypatch) -> None:
    _, later = long_form.choose(suite)
    monkeypatch.setattr(long_form, "LONG", True)
    chosen, none = long_form.choose(suite)
    assert names(chosen) == names(suite)
    assert none == []
    assert {case.nodeid for case in chosen if "long_form" in case.marks} == names(later)


def test_all_of_what_is_named_is_run(suite, monkeypatch) -> None:
    monkeypatch.setenv(short_form.NAMED, "1")
    assert long_form.choose(suite) == (suite, [])


def test_what_takes_longest_comes_first_and_a_file_keeps_its_order(suite) -> None:
    ordered = short_form.longest_first(suite)
    assert [case.nodeid for case in ordered] == [
        case.nodeid for path in ("b.py", "a.py", "c.py") for case in suite if case.path.name == path
    ]


def test_every_function_that_is_listed_is_there() -> None:
    listed = durations.known()
    assert listed == dict(sorted(listed.items()))
    there = set()
    for path in {ROOT / function.partition("::")[0] for function in listed}:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        there |= {
            f"{path.relative_to(ROOT)}::{node.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
        }
    assert sorted(listed.keys() - there) == []
