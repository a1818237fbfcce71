"""The ways through the library, and the formats a run really used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.dialects.postgresql import transfer, wire
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.database import Databases


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class Way:
    """A way from source to target."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    function: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    decoded: bool = True
    """Whether rows are decoded: the key is then read as another integer than the target holds."""

    def move(
        self, databases: Databases, table: str, columns: str = "*", **more: Any
    ) -> ParallelProcessingResult:
        """Move a table into the one of the same name."""
        return self._run(databases, table, columns, databases.target.url, None, table, **more)

    def read(self, databases: Databases, table: str) -> ParallelProcessingResult:
        """Read a table without a target: a dry run."""
        return self._run(databases, table, "*")

    def _run(
        self, databases: Databases, table: str, columns: str, *target: Any, **more: Any
    ) -> ParallelProcessingResult:
        return ParallelProcessor(enable_parallel=False).process_mapper_job(
            databases.source.url,
            f"SELECT {columns} FROM {table}",
            self.function,
            *target,
            **{**self.options, **more},
        )


NULLABLE = {"dtype_backend": "numpy_nullable"}
STAGED = {"write_disposition": "replace"}
APART = {"reject_limit": 3}

RELAY = Way("relay", decoded=False)
ARROW = Way("arrow")
PANDAS = Way("pandas", function=unchanged)
NULLABLES = Way("nullable", NULLABLE, unchanged)

WAYS = (
    RELAY,
    ARROW,
    PANDAS,
    NULLABLES,
    Way("replace_relay", STAGED, decoded=False),
    Way("replace_arrow", STAGED),
    Way("replace_pandas", STAGED, unchanged),
    Way("apart_arrow", APART),
    Way("apart_pandas", APART, unchanged),
    Way("apart_nullable", {**APART, **NULLABLE}, unchanged),
)


def watched_formats(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that will tell how rows were written, an entry each COPY.

    Entries are ``binary``, ``csv``, ``relay binary`` and ``relay csv``.
    """
    seen: list[str] = []
    for name in ("binary", "csv"):
        _watch(monkeypatch, wire, f"to_{name}", seen, lambda _, name=name: name)
    _watch(monkeypatch, transfer, "relay", seen, lambda given: f"relay {given[-1]}")
    return seen


def _watch(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    function: str,
    seen: list[str],
    entry: Callable[[tuple[Any, ...]], str],
) -> None:
    original = getattr(module, function)

    @wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(entry(args))
        return original(*args, **kwargs)

    monkeypatch.setattr(module, function, watched)
