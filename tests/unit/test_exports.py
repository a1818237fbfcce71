"""The public names, and what a wheel must carry beside the modules."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import mapper_dask
from mapper_dask import errors
from mapper_dask.dialects.postgresql import named_queries
from tests.machine import no_git

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "mapper_dask"


def test_all_is_sorted():
    assert list(mapper_dask.__all__) == sorted(mapper_dask.__all__)


def test_all_is_exactly_what_is_public():
    assert list(mapper_dask._PLACES) == mapper_dask.__all__
    assert set(mapper_dask.__all__) <= set(dir(mapper_dask))
    with pytest.raises(AttributeError, match="nothing"):
        _ = mapper_dask.nothing


def test_errors_that_the_docs_name_are_where_they_say():
    named = {
        name
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name in re.findall(r"`([\w.]*Error)`", page.read_text(encoding="utf-8"))
    }

    assert {"RunFailedError", "mapper_dask.errors.RowsGoneError"} <= named
    for name in named:
        place, _, last = name.rpartition(".")
        known = vars(errors) if place == "mapper_dask.errors" else mapper_dask.__all__
        assert last in known, name
        assert place in ("", "mapper_dask.errors"), name


HEAVY = ("dask.dataframe", "mapper_dask.plan", "mapper_dask.run", "oracledb", "rich", "sqlglot")


def test_a_worker_imports_no_more_than_it_needs():
    """Its memory is a promise: imports are most of what it holds beside its chunks."""
    program = (
        "import sys, mapper_dask.chunk.chunk_processor, mapper_dask.dialects.postgresql\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []


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
    assert build["package-data"] == {"*": ["py.typed", "*.pyi", "*.sql", "*.yaml"]}
    assert all(extension["optional"] for extension in build["ext-modules"])


@pytest.mark.skipif(bool(no_git(ROOT)), reason=no_git(ROOT))
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
    folder = resources.files("mapper_dask.dialects") / "sql" / "postgresql"
    names = [file.name.removesuffix(".sql") for file in folder.iterdir()]

    assert all(named_queries.text(name).startswith("--") for name in names)
