"""The README's examples run as they stand, each as a script of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database import Database, Server, fresh_databases
from tests.scripts import ROOT, run_script

BLOCK = re.compile(r"(<!-- run first -->\n)?```python\n(.*?)```", re.DOTALL)
"""Blocks of the language python; a comment marks the one that makes the tables."""


def blocks() -> list[str]:
    """Return the examples, the one that makes the tables first."""
    found = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [code for _, code in sorted(found, key=lambda pair: not pair[0])]


SETUP, *EXAMPLES = blocks()


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[Database]:
    with fresh_databases(postgres_server) as fresh:
        run(SETUP, fresh.source, Path.cwd())
        yield fresh.source


def run(code: str, database: Database, directory: Path) -> str:
    """Run an example in a directory of its own and return what it printed."""
    script = directory / "example.py"
    script.write_text(code, encoding="utf-8")
    done = run_script(script, SOURCE=database.url, TARGET=database.url)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
