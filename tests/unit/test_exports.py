"""The public names, and what a wheel must carry beside the modules."""

from __future__ import annotations

import subprocess
import tomllib
import types
from importlib import resources
from pathlib import Path

import pytest

import mapper_dask
from mapper_dask.dialects.postgresql import PostgreSQL

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "mapper_dask"


def public_names() -> set[str]:
    return {
        name
        for name, value in vars(mapper_dask).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }


def test_all_is_sorted():
    assert list(mapper_dask.__all__) == sorted(mapper_dask.__all__)


def test_all_is_exactly_what_is_public():
    assert set(mapper_dask.__all__) == public_names()


def test_the_seed_names_are_there():
    seed = {
        "ParallelProcessor", "ChunkManager", "ChunkProcessor", "ChunkingStrategy", "ChunkConfig",
        "ChunkResult", "ParallelProcessingResult",
    }  # fmt: skip

    assert seed <= set(mapper_dask.__all__)


@pytest.mark.parametrize("name", mapper_dask.__all__)
def test_a_public_name_has_a_docstring_and_comes_from_this_library(name):
    value = getattr(mapper_dask, name)

    assert value.__doc__
    assert value.__module__.startswith("mapper_dask")


def test_the_wheel_is_the_whole_folder():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = project["tool"]["setuptools"]

    assert build["packages"]["find"] == {"include": ["mapper_dask*"], "namespaces": True}
    assert build["package-data"] == {"*": ["py.typed", "*.sql", "*.yaml"]}
    assert all(extension["optional"] for extension in build["ext-modules"])


def test_no_file_the_library_reads_is_left_out_of_the_wheel():
    # The build leaves out what git ignores, and nothing else of the folder.
    data = [p for p in LIBRARY.rglob("*") if p.suffix in {".sql", ".yaml", ".typed"}]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *data],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert LIBRARY / "py.typed" in data
    assert any(p.suffix == ".sql" for p in data)
    assert ignored.stdout == ""


def test_every_query_is_found_as_package_data():
    folder = resources.files("mapper_dask.dialects") / "sql" / PostgreSQL.name
    names = [file.name.removesuffix(".sql") for file in folder.iterdir()]

    assert all(PostgreSQL().statement(name).startswith("--") for name in names)
