"""A run as the ledger holds it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapper_dask.stored import of_ledger


class RunState(enum.Enum):
    """Where a run stands."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    RESTARTING = "RESTARTING"
    """The source has forgotten its snapshot: what is staged is thrown away and read anew."""
    DISCARDED = "DISCARDED"
    """Its staged rows were removed as a leftover: it cannot go on."""


@dataclass(frozen=True, slots=True)
class StoredPublication:
    """Where rows wait, and which columns they bring; all else follows from the job."""

    schema: str
    """Where the target was, and the staging table beside it, unquoted."""
    columns: tuple[str, ...]
    """Columns the rows bring."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the ledger holds it."""

    run_id: str
    fingerprint: str
    """Digest of what the job reads and where it writes."""
    plan: Mapping[str, Any]
    """The plan without its chunks, as it was saved."""
    snapshot: str | None
    state: RunState
    staging: str | None = None
    """Name of the table where its rows wait, unquoted; None where they are loaded directly."""
    notes: tuple[str, ...] = ()
    """What every report of it says."""

    @property
    def publication(self) -> StoredPublication | None:
        """What is known of rows that wait in a staging table; None where they do not."""
        if self.plan.get("publication") is None:
            return None
        stored = of_ledger(self.run_id, self.plan).part("publication")
        return StoredPublication(stored.text("schema"), stored.names("columns"))
