"""A valid job with its connections, the input of plans, checks, runs and flows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.mapper_job import MapperJob, required_job


@dataclass(frozen=True, slots=True)
class ResolvedJob:
    """A valid job with the references to its connections; made by :func:`resolved`."""

    job: MapperJob
    source: ConnectionRef
    target: ConnectionRef | None
    """None for a dry run, which is in no ledger."""

    @property
    def run_id(self) -> str:
        """Name of the run, once it has one."""
        return str(self.job.run_id)

    @property
    def loads_into(self) -> ConnectionRef:
        """The target of a job that is no dry run."""
        assert self.target is not None  # noqa: S101 - callers have checked it
        return self.target

    def evolve(self, **changes: Any) -> Self:
        """Return it with other fields of its job; the connections stay."""
        return replace(self, job=self.job.evolve(**changes))


def resolved(job: object) -> ResolvedJob:
    """Return a valid job with its connections.

    Raises
    ------
    ConfigurationError
        Names the field whose value cannot be used.
    """
    valid = required_job(job).validated()
    source = reference(valid.source_conn, "source_conn")
    if valid.target_conn is None:
        return ResolvedJob(valid, source, None)
    return ResolvedJob(valid, source, reference(valid.target_conn, "target_conn"))
