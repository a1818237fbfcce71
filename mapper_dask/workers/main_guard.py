"""Detects a script that would start worker processes without a ``__main__`` guard.

Workers are spawned: each imports the user's script again. A script that starts workers at its top
level would start them in every worker, and dies with pages of tracebacks that name neither the
line nor the remedy. So the script's syntax tree is checked before anything is spawned.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import FrameType

from mapper_dask.errors import MainGuardError

Place = tuple[str, int]
"""A file and a line of it."""

_caller: ContextVar[Place | None] = ContextVar("mapper_dask_caller", default=None)


@contextlib.contextmanager
def seen_from_here() -> Iterator[None]:
    """Keep the script's line for threads that run in a copy of this context."""
    token = _caller.set(_caller.get() or _top_level_call())
    try:
        yield
    finally:
        _caller.reset(token)


def require_main_guard() -> None:
    """Refuse when called from the top level of a script, outside a ``__main__`` guard.

    Raises
    ------
    MainGuardError
        Two lines: where, and what to write.
    """
    place = _caller.get() or _top_level_call()
    if place is None:
        return
    path, line = place
    try:
        tree = ast.parse(Path(path).read_bytes())  # bytes: Python heeds a coding line or a BOM
    except (OSError, SyntaxError, ValueError):
        return  # workers could not import it either
    if not _is_guarded(tree, line):
        message = (
            f"{path}, line {line}: worker processes import this script again, so it "
            "must start them under a guard.\n"
            'Put that part of it under  if __name__ == "__main__":  or pass enable_parallel=False.'
        )
        raise MainGuardError(message)


def _top_level_call() -> Place | None:
    """Return file and line of the running script's top level, None in a notebook or a prompt."""
    main = sys.modules.get("__main__")
    if main is None or not getattr(main, "__file__", None):
        return None
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the stack is the only witness
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is main.__dict__:
            return str(main.__file__), frame.f_lineno
        frame = frame.f_back
    return None


def _is_guarded(tree: ast.Module, line: int) -> bool:
    """Return whether the line is inside a guard, at any depth: in a ``try`` or an ``elif``."""
    return any(
        isinstance(node, ast.If)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        and "__main__" in ast.unparse(node.test)
        for node in ast.walk(tree)
    )
