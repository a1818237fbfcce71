"""Every statement the suite sends, before a grammar of Oracle's that nobody here wrote.

The stand-in runs on PostgreSQL and its own checks are only as good as we are: a ``LIMIT`` might
slip through. So what it was sent is journalled, and read again by an independent grammar.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.oracle_standin.npm import require_packages

GRAMMAR = Path(__file__).parent / "grammar"

EXPLAINED = {
    r"^ALTER SESSION SET .* NLS_": "the reference repeats the assignment within one statement "
    "(ALTER SESSION, alter_session_set_clause); the grammar knows one",
    r"^ALTER SYSTEM KILL SESSION": "for administrators, and not in the grammar (ALTER SYSTEM)",
}
"""Statements the grammar refuses although Oracle's reference allows them, and where it does."""

ANSWER_SECONDS = 300

LISTED = re.compile(r"(:\w+|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))(?:, \1)+")
"""What stands several times in a list."""


def first_errors(statements: Iterable[str]) -> list[str | None]:
    """Return each statement's first syntax error, None for one the grammar accepts.

    Raises
    ------
    NoPackageError
        When there is no node, or the grammar cannot be fetched.
    """
    require_packages(GRAMMAR, "antlr4ts-sql")
    lines = "".join(json.dumps(statement) + "\n" for statement in statements)
    answer = subprocess.run(
        ["node", "check.js"],
        cwd=GRAMMAR,
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        timeout=ANSWER_SECONDS,
    )
    return [json.loads(line) for line in answer.stdout.splitlines()]


def shape(statement: str) -> str:
    """Return a statement without what differs from table to table and from value to value."""
    text = re.sub(r"mdt_[0-9a-f]{12}", "mdt", statement, flags=re.IGNORECASE)
    text = re.sub(r"(stage_)[0-9a-f]{16}", r"\1x", text, flags=re.IGNORECASE)
    text = re.sub(r"(STATEMENT_ID = 'mapper_dask_)[0-9a-f]{12}", r"\1x", text)
    text = re.sub(r"'(?:[^']|'')*'", lambda q: q[0] if len(q[0]) < 30 else "'x'", text)
    text = re.sub(r":([a-z]+)\d+", r":\1", text)
    text = LISTED.sub(r"\1", text)
    return re.sub(r"\b\d+(\.\d+)?\b", "1", text)


def unexplained(journal: Path) -> list[str]:
    """Return the statements that ran on the stand-in and that the grammar refuses, and why.

    Raises
    ------
    NoPackageError
        When there is no grammar to ask.
    """
    noted = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    ran = {shape(n["statement"]): n["statement"] for n in noted if n["outcome"] == "ok"}
    errors = first_errors(ran.values())
    return [
        f"{error}\n{statement}"
        for statement, error in zip(ran.values(), errors, strict=True)
        if error is not None and not _is_explained(statement)
    ]


def _is_explained(statement: str) -> bool:
    return any(re.search(known, statement, re.IGNORECASE | re.DOTALL) for known in EXPLAINED)
