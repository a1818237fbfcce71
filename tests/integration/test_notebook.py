"""The notebooks run from top to bottom, in a kernel of their own, as a reader runs them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PRIVATE = re.compile(r"/home/|/root/|/work/|/Users/|password|://[^/\s]*:[^/\s]*@", re.IGNORECASE)


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def shown(notebook: Any) -> str:
    """Return all that a reader sees below the cells."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [output.get("text", "") for output in outputs]
    return "\n".join([*texts, *(str(output.get("data", "")) for output in outputs)])


@pytest.fixture(scope="module")
def tour() -> Any:
    """The tour, executed."""
    notebook = nbformat.read(ROOT / "notebooks" / "00_tour.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )
    with asyncio.Runner() as runner:  # its own loop, closed at the end
        runner.run(client.async_execute())
    return notebook


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_and_its_python_file_say_the_same(path: Path) -> None:
    assert cells(jupytext.read(path)) == cells(jupytext.read(path.with_suffix(".py")))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_paths_and_secrets(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert shown(notebook).strip() == ""
    assert PRIVATE.search(path.read_text(encoding="utf-8")) is None


def test_the_tour_shows_a_plan_a_dask_dataframe_and_a_result(tour: Any) -> None:
    text = shown(tour)
    assert "ranges of id: ORDER BY, a unique key" in text
    assert "Dask DataFrame Structure" in text
    assert "<progress" in text, "the run showed no bar"
    assert "too fast" in text, "no failure was shown"
    assert "336,776 rows, each once" in text


def test_the_tour_shows_no_warning_and_nothing_on_stderr(tour: Any) -> None:
    assert "Warning" not in shown(tour)
    streams = [o for cell in tour.cells for o in cell.get("outputs", []) if o.get("name")]
    assert [o["text"] for o in streams if o["name"] == "stderr"] == []
