"""pyproject.toml, environment.yml and the imports tell the same story about dependencies.

The policy: environment.yml is the development environment, so it holds the dependencies and every
extra, each with pyproject.toml's bound. What conda-forge lacks stands in its pip section.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))

CONDA_NAMES = {"dask[dataframe]": "dask"}
"""conda has no extras; conda-forge's dask brings the dataframe's needs with it."""

IMPORT_NAMES = {
    "IPython": "ipython",
    "dask": "dask[dataframe]",
    "psycopg2": "psycopg2-binary",
    "pydantic_core": "pydantic",
    "yaml": "pyyaml",
}
"""Modules whose distribution is called something else."""


OPTIONAL = {"ipython", "openlineage", "opentelemetry"}
"""Imported where they are there already: inside a notebook, and where somebody listens."""


def split(requirement: str) -> tuple[str, str]:
    """Return a requirement's name, extra included, and its bound."""
    name, bound = re.fullmatch(r"([\w.-]+(?:\[[\w,-]+\])?)(.*)", requirement).groups()
    return name, bound


def project_requirements() -> dict[str, str]:
    extras = PROJECT["optional-dependencies"].values()
    everything = [*PROJECT["dependencies"], *(one for extra in extras for one in extra)]
    return dict(split(one) for one in everything if not one.startswith("mapper-dask["))


def environment_requirements() -> dict[str, str]:
    conda = [one for one in ENVIRONMENT["dependencies"] if isinstance(one, str)]
    (pip,) = [one["pip"] for one in ENVIRONMENT["dependencies"] if isinstance(one, dict)]
    return {name: bound for name, bound in map(split, conda + pip) if name not in {"python", "pip"}}


def imported_packages() -> set[str]:
    """Return the outside packages that any module of the library imports."""
    found = set()
    for path in (ROOT / "mapper_dask").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"mapper_dask"}


def test_environment_holds_the_same_names_and_bounds():
    expected = {CONDA_NAMES.get(name, name): b for name, b in project_requirements().items()}

    assert environment_requirements() == expected


def test_environment_holds_the_same_python():
    assert f"python{PROJECT['requires-python']}" in ENVIRONMENT["dependencies"]


def test_no_requirement_stands_twice():
    listed = re.findall(r"^ +- ([\w.-]+)>=", (ROOT / "environment.yml").read_text(), re.MULTILINE)

    assert sorted(listed) == sorted(set(listed))


@pytest.mark.parametrize("name", project_requirements())
def test_every_requirement_has_a_lower_bound_only(name):
    assert re.fullmatch(r">=[\d.]+", project_requirements()[name])


def test_every_import_is_a_declared_dependency():
    declared = {split(one)[0] for one in PROJECT["dependencies"]}

    imported = {IMPORT_NAMES.get(name, name) for name in imported_packages()}

    assert imported - OPTIONAL <= declared


def test_development_extra_includes_the_others():
    others = set(PROJECT["optional-dependencies"]) - {"dev"}

    assert f"mapper-dask[{','.join(sorted(others))}]" in PROJECT["optional-dependencies"]["dev"]
