"""The ledger's record of a run. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """What a ledger, or a file, keeps of a plan beside its chunks."""

    columns: tuple[tuple[str, str], ...]
    """Of the query: each with the name of its type."""
    keys: tuple[str, ...]
    strategy: str
    chunk_size: int
    total_rows: int
    reason: str
    consistent: bool
    target: str | None
    warnings: tuple[str, ...]
    # What only a ledger has:
    sql: str = ""
    job: Mapping[str, Any] = field(default_factory=dict)
    """As :mod:`mapper_dask.ledger.stored_job` wrote it."""
    publication: StoredPublication | None = None
    """Where rows wait, None where they do not."""
    target_columns: object = None
    """What the target was when the run began; compared when the run is resumed."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is to be entered in a ledger."""

    run_id: str
    fingerprint: str
    plan: Mapping[str, Any]
    snapshot: str | None
    staging: str | None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as the ledger stores it."""

    run_id: str
    fingerprint: str
    """Digest of what the job reads and where it writes."""
    plan: StoredPlan
    snapshot: str | None
    state: RunState
    staging: str | None = None
    """Name of its staging table, unquoted; None where rows are loaded directly."""
    notes: tuple[str, ...] = ()
    """Notes for every report of it."""
