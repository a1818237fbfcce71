"""What a store does: it keeps the ledger of runs and flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mapper_dask.dialects.session import Session


class Store(Session, Protocol):
    """A session that keeps the ledger, by the named queries of its dialect."""

    def begin_load(self, application: str, lock_timeout: float) -> None:
        """Begin a transaction that loads, under a name an administrator can see.

        A lock is waited for at most ``lock_timeout`` seconds.
        """
        ...

    def run_each(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement of ``sql/<dialect>/`` once for each of some rows of bound values."""
        ...

    def end_frozen(self, tag: str, chunk_id: int | None, seconds: float) -> int:
        """End sessions of a run that hold a chunk while their clients have been silent so long.

        Only those of one chunk, where one is named.
        """
        ...
