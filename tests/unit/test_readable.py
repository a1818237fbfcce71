"""What a person reads: a plan says what it leaves out, tables take the theme's colours."""

from __future__ import annotations

import fnmatch
import re
from importlib.metadata import version
from pathlib import Path

import mapper_dask
from mapper_dask.cli.page import STYLE
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.plan.chunk_plan import CHUNKS_SHOWN, _chunk_lines
from mapper_dask.rendering import as_html

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "mapper_dask"


def test_the_version_is_that_of_the_package():
    assert mapper_dask.__version__ == version("mapper-dask")


def test_a_long_plan_says_how_many_chunks_it_leaves_out():
    chunks = [Chunk(number, ChunkKind.WHOLE) for number in range(1_000)]
    lines = _chunk_lines(chunks)
    assert len(lines) == 2 * CHUNKS_SHOWN + 1
    assert lines[CHUNKS_SHOWN].split() == ["…", "992", "more"]


def test_a_short_plan_leaves_out_nothing():
    chunks = [Chunk(number, ChunkKind.WHOLE) for number in range(2 * CHUNKS_SHOWN)]
    assert not any("…" in line for line in _chunk_lines(chunks))


def test_a_table_has_no_colours_of_its_own():
    shown = as_html("plan", [("read", "SELECT 1")])
    assert "color:inherit" in shown
    assert re.findall(r"#[0-9a-f]{3,6}\b", shown) == []


def test_a_page_takes_the_colours_of_its_reader():
    assert "color-scheme: light dark" in STYLE
    body = STYLE.partition("}")[0]
    assert re.findall(r"#[0-9a-f]{3,6}\b", body) == []


def named_in(page: str) -> set[str]:
    return set(re.findall(r"`([\w./*-]+)`", (ROOT / page).read_text(encoding="utf-8")))


NAMED = named_in("docs/architecture.md")


def is_named(path: Path) -> bool:
    """Return whether the map of files has a name, or a pattern, for one."""
    return any(fnmatch.fnmatch(path.name, name.rstrip("/")) for name in NAMED)


def test_the_map_of_files_has_every_room_of_the_library():
    rooms = [p for p in LIBRARY.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()]
    assert [p.name for p in rooms if not is_named(p) and p.name != "__init__.py"] == []


def test_what_the_map_names_is_there():
    form = re.compile(r"[\w.*/-]+\.(py|c|txt|yaml)|[\w/]+/")
    names = filter(form.fullmatch, NAMED | named_in("CONTRIBUTING.md"))
    places = ("*", ".ci/*", "docs/*", "benchmarks/*/*", "tests/*", "tests/*/*", "tests/*/*/*")
    there = {p.name for where in places for p in ROOT.glob(where)}
    there |= {p.name for p in LIBRARY.rglob("*")}
    lost = [n for n in names if not fnmatch.filter(there, n.rstrip("/").rpartition("/")[2])]
    assert lost == []
