"""The replies of commands, as text and as JSON, and their exit codes."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mapper_dask.cli.tables import harmless
from mapper_dask.errors import ConfigurationError, MapperError, RunNotFoundError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
"""Usage or configuration."""
PARTIAL: Final = 3
"""Rejects, or failed chunks that were passed over."""
CANCELLED: Final = 130

NOT_SHOWN: Final = "(a URL, not shown)"


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a command."""

    data: Any
    """One JSON document, with ``--json``."""
    text: str
    """The text without it."""
    code: int = DONE


def say(reply: Reply, *, as_json: bool) -> None:
    """Print a reply on standard output."""
    text = as_document(reply.data) if as_json else harmless(reply.text)
    if text:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()


def as_document(data: Any) -> str:
    """Return data as one JSON document."""
    return json.dumps(plain(data), indent=1, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return a value of JSON's types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def error_document(error: BaseException, message: str) -> dict[str, Any]:
    """Return an error as a JSON document."""
    details = error.details if isinstance(error, MapperError) else {}
    known = {name: plain(details.get(name)) for name in ("field", "file", "line", "column")}
    return {"error": {"kind": type(error).__name__, "message": message, **known}}


def code_of(error: BaseException) -> int:
    """Return the exit code of an error."""
    return USAGE if isinstance(error, (ConfigurationError, RunNotFoundError)) else FAILED


def without_urls(text: str, arguments: Sequence[str]) -> str:
    """Return a message without the URLs that were typed: one may hold a password."""
    typed = [a for a in arguments if "://" in a]
    parts = [*typed, *(a.partition("=")[2] for a in typed if "=" in a.partition("://")[0])]
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, NOT_SHOWN) if part else text
    return text


def message_of(error: BaseException, arguments: Sequence[str]) -> str:
    """Return an error's message, with the place in a file if it has one."""
    message = without_urls(str(error), arguments)
    details = error.details if isinstance(error, MapperError) else {}
    file, line, column = (details.get(name) for name in ("file", "line", "column"))
    if not file or str(file) in message:
        return message
    place = ":".join(str(part) for part in (file, line, column) if part is not None)
    return f"{place}: {message}"


def write_file(path: str, text: str) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    ConfigurationError
        When it cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        folder = target.parent
        remedy = "" if folder.exists() else f"; make the folder first: mkdir -p {folder}"
        message = f"--output: cannot write {path}: {error.strerror or error}{remedy}"
        raise ConfigurationError(message, field="output", file=path) from None
