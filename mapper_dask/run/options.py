"""What all runs of a processor have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mapper_dask.events.watch import ProgressOptions
from mapper_dask.limits.budget import Budget
from mapper_dask.retries import RetryPolicy
from mapper_dask.tracebacks import OnFailure
from mapper_dask.workers.engines import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How runs are done: on which workers, within which limits, and who hears of them."""

    workers: Workers
    retry_policy: RetryPolicy
    budget: Budget
    """The connections a run may hold; jobs that run at a time may share one."""
    spool_parent: Path
    """Where the rows of a query wait that is read once."""
    progress: ProgressOptions
    on_failure: OnFailure
    """Whether a run that has failed is raised, or returned."""
    require_wanted: Callable[[], None] = lambda: None
    """Raises when what a run is a part of was cancelled, which who did it could not see."""
