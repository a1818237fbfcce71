"""The ledger's record of a run. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapper_dask.stored import of_ledger


class RunState(enum.Enum):
    """The state of a run."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    RESTARTING = "RESTARTING"
    """The source has lost its snapshot: what is staged is dropped and read again."""
    DISCARDED = "DISCARDED"
    """Its staged rows were removed as a leftover: it cannot be resumed."""


@dataclass(frozen=True, slots=True)
class StoredPublication:
    """The staging table and its columns; all else follows from the job."""

    schema: str
    """Schema of the target and of the staging table, unquoted."""
    columns: tuple[str, ...]
    """Columns that are loaded."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the ledger stores it."""

    run_id: str
    fingerprint: str
    """Digest of what the job reads and where it writes."""
    plan: Mapping[str, Any]
    """The plan without its chunks, as it was saved."""
    snapshot: str | None
    state: RunState
    staging: str | None = None
    """Name of its staging table, unquoted; None where rows are loaded directly."""
    notes: tuple[str, ...] = ()
    """Notes for every report of it."""

    @property
    def publication(self) -> StoredPublication | None:
        """The staging table; None where rows are not staged."""
        if self.plan.get("publication") is None:
            return None
        stored = of_ledger(self.run_id, self.plan).part("publication")
        return StoredPublication(stored.text("schema"), stored.names("columns"))
