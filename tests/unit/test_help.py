"""``help()`` of what users make: each option with its meaning, numbers with their unit."""

from __future__ import annotations

import inspect
import pydoc
import re
import tomllib
from pathlib import Path

import pytest

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessor,
    RunHandle,
)
from mapper_dask.limits.budget import Budget

CLASSES = [
    MapperJob, Flow, FlowJob, Incremental, ParallelProcessor, ExecutionEngine, Budget, RunHandle,
]  # fmt: skip

SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-+\n", re.MULTILINE)
UNIT = re.compile(
    r"\b(rows?|seconds|attempts|workers?|connections|jobs|worker processes|integer)\b",
    re.IGNORECASE,
)


def sections(cls: type) -> dict[str, str]:
    """Return what a class says under each of its headings."""
    parts = SECTION.split(inspect.cleandoc(cls.__doc__ or ""))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def parameters(cls: type) -> dict[str, str]:
    parts = re.split(r"^(\w+)\n", sections(cls)["Parameters"], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options(cls: type) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(cls).parameters)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_option_is_told_in_the_order_of_the_signature(cls: type) -> None:
    told = parameters(cls)
    assert list(told) == list(options(cls))
    assert all(len(text.split()) >= 3 for text in told.values())


def test_a_job_has_21_options() -> None:
    assert len(options(MapperJob)) == 21


@pytest.mark.parametrize("cls", CLASSES)
def test_help_shows_them(cls: type) -> None:
    shown = pydoc.render_doc(cls, renderer=pydoc.plaintext)
    for name, text in parameters(cls).items():
        assert re.search(
            rf"^ \|  {name}\n \|      {re.escape(text.split()[0])}", shown, re.MULTILINE
        )


@pytest.mark.parametrize("cls", CLASSES)
def test_a_number_has_a_unit(cls: type) -> None:
    told = parameters(cls)
    for name, option in options(cls).items():
        if re.match(r"(int|float|ChunkSize)\b", str(option.annotation)):
            assert UNIT.search(told[name]), name


@pytest.mark.parametrize("cls", [c for c in CLASSES if c not in (Budget, RunHandle)])
def test_what_is_raised_is_told(cls: type) -> None:
    raised = sections(cls)["Raises"]
    assert re.match(r"(UnknownOption|Configuration)Error\n    \w", raised)


@pytest.mark.parametrize("cls", [MapperJob, Flow, FlowJob, Incremental])
def test_a_default_that_the_text_names_is_the_default(cls: type) -> None:
    """A text says what None stands for, where that is the default."""
    told = parameters(cls)
    for name, option in options(cls).items():
        if option.default is None and name not in ("document", "directory", "overlap"):
            assert "None" in told[name], name


def test_the_package_claims_what_runs() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    claims = project["classifiers"]
    versions = [c.rpartition(" ")[2] for c in claims if re.search(r":: 3\.\d+$", c)]
    assert versions == ["3.11", "3.12", "3.13"], "the versions that .ci/run and .ci/pythons run"
    assert {"Typing :: Typed", "Topic :: Database", "Operating System :: POSIX :: Linux"} <= {
        *claims
    }
    assert project["license"] == "BSD-3-Clause"
    assert not [c for c in claims if c.startswith("License")], "the licence is an expression"
