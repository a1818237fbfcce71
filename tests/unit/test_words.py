"""Names, docstrings and comments are written in the field's words."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import mapper_dask

LIBRARY = Path(mapper_dask.__file__).parent

FINISHED = (
    "__init__.py", "bounds.py", "chunk", "connections", "cycles.py", "demo.py", "dialects",
    "embedded.py", "events", "flow.py", "flows", "frames.py", "halting.py", "incremental.py",
    "interrupts.py", "job_fields.py", "ledger", "limits", "log.py", "mapper_job.py", "mapping",
    "naming.py", "near.py", "numpy_times.py", "options.py", "parallel_models.py",
    "parallel_processor.py", "parallel_result.py", "plan", "preflight", "processor_arguments.py",
    "query_text", "raised.py", "rendering.py", "repair", "resolved_job.py", "retries.py", "run",
    "schema", "settings.py", "spool", "staging", "stored.py", "text_files.py", "tracebacks.py",
    "users_code.py", "workers",
)  # fmt: skip
"""Modules and packages without the words in names, docstrings and comments."""

UNFINISHED = (
    "cli", "errors.py", "jobfile",
)  # fmt: skip

WORDS = re.compile(
    r"(?<![a-z])(told|set(ting|s)?[ _]aside|go(es)?[ _]on|anew|stands|stood|crew|lanes|sieve"
    r"|patience|burden)(?![a-z])",
    re.IGNORECASE,
)
"""Private or archaic words: say *reported*, *rejected*, *resumed*, *again*, *is* instead."""

EXCEPTIONS = {"log.py": {"error_told", "reading_goes_on"}}
"""Public names that stay: the events of the log, as its table lists them."""


def modules(parts: tuple[str, ...]) -> list[Path]:
    places = [LIBRARY / part for part in parts]
    return [path for p in places for path in (sorted(p.rglob("*.py")) if p.is_dir() else [p])]


def docstring_lines(text: str) -> set[int]:
    """Return the lines of docstrings, those of attributes and constants included."""
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    texts = (s.value for s in statements if isinstance(s.value, ast.Constant))
    return {line for t in texts for line in range(t.lineno, (t.end_lineno or t.lineno) + 1)}


def found_in(text: str, allowed: set[str]) -> list[str]:
    """Return the words of a module with their lines; messages are not looked at."""
    documented = docstring_lines(text)
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_prose = token.type == tokenize.COMMENT or (
            token.type == tokenize.STRING and token.start[0] in documented
        )
        if not is_prose and token.type != tokenize.NAME:
            continue
        said = re.sub("|".join(allowed), "", token.string) if allowed else token.string
        said = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", said)
        found += [f"line {token.start[0]}: {match[0]}" for match in WORDS.finditer(said)]
    return found


def name_of(path: Path) -> str:
    return path.relative_to(LIBRARY).as_posix()


@pytest.mark.parametrize("path", modules(FINISHED), ids=name_of)
def test_names_and_docs_are_in_the_fields_words(path: Path) -> None:
    allowed = EXCEPTIONS.get(name_of(path), set())
    assert found_in(path.read_text(), allowed) == []


def test_each_part_of_the_library_is_listed_once() -> None:
    there = {path.name for path in LIBRARY.iterdir() if path.suffix == ".py" or path.is_dir()}
    packages = {
        name for name in there if name.endswith(".py") or any((LIBRARY / name).glob("*.py"))
    }
    assert sorted(packages) == sorted([*FINISHED, *UNFINISHED])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def told_of(): ...", ["told"]),
        ("class ReadAnew: ...", ["Anew"]),
        ("x = 1  # where it stands", ["stands"]),
        ('x = 1\n"""It goes on."""', ["goes on"]),
        ('def f():\n    """Sets aside."""', ["Sets aside"]),
        ('raise ValueError("it stands there")', []),
        ("understood = 1  # untold", []),
    ],
)
def test_the_words_are_found(text: str, found: list[str]) -> None:
    assert [line.partition(": ")[2] for line in found_in(text, set())] == found
