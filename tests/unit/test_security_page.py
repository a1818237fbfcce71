"""Each line of the threat model says what holds, and names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/security.md").read_text("utf-8").partition("## Where passwords are")[0]
LINES = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]


def test_there_are_lines() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize("line", LINES)
def test_a_line_names_tests_that_are_there(line: str) -> None:
    who, may, holds, test = (cell.strip() for cell in line.strip("| ").split(" | "))
    assert who
    assert may
    assert holds
    named = re.findall(r"`([\w/]+\.py)`", test)
    assert named or "(privileges.md" in test
    assert all((ROOT / "tests" / name).is_file() for name in named)
