"""Which job of a flow is next. Pure: starts nothing, opens no connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mapper_dask.flow import FlowJob, JobState


@dataclass(slots=True)
class Schedule:
    """Jobs with their dependencies, and the states of those that began."""

    jobs: Sequence[FlowJob]
    """In the order they were written, which is the order of those that may begin together."""
    limit: int
    """Jobs that run at a time."""
    begun: set[str] = field(default_factory=set)
    ended: dict[str, JobState] = field(default_factory=dict)

    def ready(self) -> list[FlowJob]:
        """Return the jobs that may begin now, and count them as begun."""
        more = self.limit - len(self.begun - set(self.ended))
        free = [job for job in self._waiting() if self._may_begin(job)][: max(more, 0)]
        self.begun.update(job.name for job in free)
        return free

    def skipped(self) -> list[tuple[FlowJob, str]]:
        """Return the jobs that can never begin, with the reasons; count them as ended."""
        found = []
        while stopped := [(job, why) for job in self._waiting() if (why := self._stopped_by(job))]:
            self.ended.update({job.name: JobState.SKIPPED for job, _ in stopped})
            found += stopped
        return found

    def end(self, name: str, state: JobState) -> None:
        """Record the state of a job."""
        self.ended[name] = state

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return len(self.ended) == len(self.jobs)

    def _waiting(self) -> list[FlowJob]:
        return [
            job for job in self.jobs if job.name not in self.begun and job.name not in self.ended
        ]

    def _may_begin(self, job: FlowJob) -> bool:
        return all(self.ended.get(name) is JobState.SUCCEEDED for name in job.depends_on)

    def _stopped_by(self, job: FlowJob) -> str:
        bad = [
            f"{name} {state.value}"
            for name in job.depends_on
            if (state := self.ended.get(name)) not in (None, JobState.SUCCEEDED)
            and state is not None
        ]
        return f"it depends on {', '.join(bad)}" if bad else ""
