"""Names, docstrings, comments and messages are written in the field's words."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

import mapper_dask

LIBRARY = Path(mapper_dask.__file__).parent

MODULES = sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "errors.py")
"""All but ``errors.py``, whose one such name is that of a local variable for IPython."""

WORDS = re.compile(
    r"(?<![a-z])(told|set(ting|s)?[ _]aside|go(es)?[ _]on|anew|stands|stood|crew|lanes|sieve"
    r"|patience|burden)(?![a-z])",
    re.IGNORECASE,
)
"""Private or archaic words: say *reported*, *rejected*, *resumed*, *again*, *is* instead."""

STAY = re.compile("error_told|reading_goes_on")
"""Events of the log, whose names are public."""

READ = {tokenize.NAME, tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}


def found_in(text: str) -> list[str]:
    """Return the words of a module with their lines."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in READ:
            continue
        said = STAY.sub("", token.string)
        said = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", said)
        found += [f"line {token.start[0]}: {match[0]}" for match in WORDS.finditer(said)]
    return found


def name_of(path: Path) -> str:
    return path.relative_to(LIBRARY).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_names_and_docs_are_in_the_fields_words(path: Path) -> None:
    assert found_in(path.read_text()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def told_of(): ...", ["told"]),
        ("class ReadAnew: ...", ["Anew"]),
        ("x = 1  # where it stands", ["stands"]),
        ('x = 1\n"""It goes on."""', ["goes on"]),
        ('def f():\n    """Sets aside."""', ["Sets aside"]),
        ('raise ValueError(f"it stands {there}")', ["stands"]),
        ("understood = 1  # untold", []),
    ],
)
def test_the_words_are_found(text: str, found: list[str]) -> None:
    assert [line.partition(": ")[2] for line in found_in(text)] == found
