"""docs/architecture.md names every module, the floors in their order, and every state."""

from __future__ import annotations

import re
from enum import Enum

import pytest

from mapper_dask.flow import JobState
from mapper_dask.ledger.flow_tables import FlowState
from mapper_dask.ledger.run_record import RunState
from mapper_dask.parallel_models import ChunkState
from tests.unit.test_architecture import LAYERS, LIBRARY, MODULES

ROOT = LIBRARY.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TABLES = PAGE.partition("## Where is what")[2].partition("\n## ")[0]
DRAWN = dict(re.findall(r"`(\w+)`, in `mapper_dask_\w+`.*?```mermaid\n(.*?)```", PAGE, re.DOTALL))


def listed() -> list[tuple[str, str]]:
    """Return the modules of the tables, each with its folder."""
    sections = re.split(r"^### `(.*?)/`$", TABLES, flags=re.MULTILINE)[1:]
    found = zip(sections[::2], sections[1::2], strict=True)
    return [
        (folder.removeprefix("mapper_dask"), name)
        for folder, text in found
        for name in re.findall(r"^\| `(\w+\.py)` \| .{3,} \|$", text, re.MULTILINE)
    ]


def test_every_module_is_listed_once_and_is_there():
    modules = [path.relative_to(LIBRARY) for path in MODULES if path.name != "__init__.py"]
    there = [(path.parent.as_posix().removeprefix("."), path.name) for path in modules]

    assert sorted(listed()) == sorted(there)


def test_every_package_has_a_table():
    packages = {path.parent.relative_to(LIBRARY).as_posix() for path in MODULES} - {"."}
    modules_of = {folder for folder, _ in listed()}

    # What holds folders only needs no table.
    empty = {p for p in packages if len(list((LIBRARY / p).glob("*.py"))) == 1}
    assert packages - empty == modules_of - {""}


def test_the_floors_are_those_that_the_imports_keep_to():
    drawing = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for line in drawing[1].splitlines() if not line.startswith("──")]

    floors = [tuple(re.split(r"\s{2,}", line)[0].split(" · ")) for line in lines]

    kept = [layer if isinstance(layer, tuple) else (layer,) for layer in LAYERS]
    assert [set(floor) for floor in floors] == [set(layer) for layer in reversed(kept)]


@pytest.mark.parametrize("states", [RunState, ChunkState, FlowState, JobState])
def test_the_states_drawn_are_those_there_are(states: type[Enum]):
    ends = re.findall(r"^ +(\S+) --> ([^\s:]+)", DRAWN[states.__name__], re.MULTILINE)

    drawn = {state for pair in ends for state in pair} - {"[*]"}

    assert drawn == {state.value for state in states}


def test_the_files_named_beside_the_tables_are_there():
    named = re.findall(r"`([\w/]+\.(?:py|sql|md|yaml|c)|(?:tests|docs)/[\w/]+)`", PAGE)
    folders = (LIBRARY, ROOT / "docs", ROOT / "tests")
    paths = [path.as_posix() for folder in folders for path in folder.rglob("*")]

    lost = [name for name in named if not any(path.endswith(f"/{name}") for path in paths)]

    assert lost == []
