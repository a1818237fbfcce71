"""Known names like a misspelt one, and how a message suggests them."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

LIKE = 0.6
"""Share of letters in common from which on a name may be meant; difflib's own."""

MUCH_LIKE = 0.75
"""The same among names that have nothing to do with this library, such as an environment's."""


def nearest(name: str, known: Iterable[str], *, cutoff: float = LIKE) -> str | None:
    """Return the known name that a misspelt one most likely means; None where none is like it.

    One of other capitals, or of more in front of its last point, comes before one misspelt.
    """
    names = list(known)
    bare = name.strip().strip('"').lower()
    for wanted in (bare, bare.rpartition(".")[2].strip('"')):
        for other in names:
            if other.lower() == wanted:
                return other
    lower = {other.lower(): other for other in reversed(names)}
    found = difflib.get_close_matches(bare, lower, n=1, cutoff=cutoff)
    return lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return the end of a sentence about an unknown name: a question, or what else to say."""
    found = nearest(name, known)
    return otherwise if found is None else f"; did you mean {found!r}?"


def file_like(path: Path, endings: Collection[str]) -> str | None:
    """Return the file that a missing one most likely means; None where none is like it.

    Where its folder has one file of such an ending only, it is that one.
    """
    try:
        beside = sorted(p.name for p in path.parent.iterdir() if p.suffix.lower() in endings)
    except OSError:
        return None
    found = nearest(path.name, beside) or nearest(path.name, [Path(name).stem for name in beside])
    if found is not None and found not in beside:
        return next(name for name in beside if Path(name).stem == found)
    return found or (beside[0] if len(beside) == 1 else None)


def listed(names: Collection[str], most: int = 12) -> str:
    """Return names as a sentence lists them, the first of many."""
    shown = list(names)[:most]
    return ", ".join(shown) + (", …" if len(names) > most else "")


def variable_like(name: str) -> str | None:
    """Return the variable that is set here and much like a name; its value is never shown."""
    head = re.match(r"\w*", name)
    if head is not None and head[0] != name and head[0] in os.environ:
        return head[0]  # such as NAME.table: only a whole database is named
    return nearest(name, sorted(os.environ), cutoff=MUCH_LIKE)
