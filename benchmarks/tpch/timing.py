"""What one way took, once. A frozen value that goes into the results file and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """One run of one way."""

    rows: int
    """Rows of the source that it moved."""
    seconds: float
    """From the call to its return."""
    planning: float | None = None
    """Seconds that planning takes, measured alone; of ours only."""
    chunks: int = 0
    """Chunks of the plan."""
    chunk_rows: int = 0
    """Rows of the largest chunk."""
    workers: tuple[int, ...] = ()
    """Process ids of the workers that committed a chunk."""
    plan: str = ""
    """Strategy that the plan has."""

    @property
    def per_row(self) -> float:
        """Seconds a row."""
        return self.seconds / self.rows

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads; without process ids, which mean nothing later."""
        return {**asdict(self), "workers": []}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Timing:
        """Return the timing that ``to_json`` wrote."""
        values = {f.name: stored[f.name] for f in fields(cls)}
        return cls(**{**values, "workers": tuple(stored["workers"])})
