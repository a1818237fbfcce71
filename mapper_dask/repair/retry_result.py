"""The result of a retry of rejected rows. Frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetriedChunk:
    """The retried rejects of one chunk."""

    chunk_id: int
    before: int
    """Rows that were in the reject table."""
    loaded: int
    """Rows that were loaded."""
    rejected: int
    """Rows that are in the reject table now."""


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The retried rejects of a run."""

    run_id: str
    chunks: tuple[RetriedChunk, ...] = ()
    """Chunks with rejects, in the plan's order."""

    @property
    def before(self) -> int:
        """Rows that were tried again."""
        return sum(chunk.before for chunk in self.chunks)

    @property
    def loaded(self) -> int:
        """Rows that were loaded."""
        return sum(chunk.loaded for chunk in self.chunks)

    @property
    def rejected(self) -> int:
        """Rows that were refused again."""
        return sum(chunk.rejected for chunk in self.chunks)

    def __str__(self) -> str:
        return (
            f"run {self.run_id}: {self.before:,} rejects tried again, {self.loaded:,} rows loaded, "
            f"{self.rejected:,} still rejected"
        )
