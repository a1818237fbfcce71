"""Options of all runs of a processor."""

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
    """How runs are executed: their workers, limits and progress hooks."""

    workers: Workers
    retry_policy: RetryPolicy
    budget: Budget
    """The connections a run may hold; jobs that run at the same time may share one."""
    spool_parent: Path
    """Folder for the rows of queries that are read once."""
    progress: ProgressOptions
    on_failure: OnFailure
    """Whether a run that has failed is raised, or returned."""
    require_wanted: Callable[[], None] = lambda: None
    """Raises if the flow of a run was cancelled before that run could be seen in its ledger."""
