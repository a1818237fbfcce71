"""Checks all jobs as a run would before a row is moved; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mapper_dask.errors import MapperError


@dataclass(frozen=True, slots=True)
class Finding:
    """An error of a job, or a note on it."""

    job: str
    level: str
    """``error``: the job cannot run; ``note``: it can."""
    field: str | None
    """The job's field."""
    message: str


@dataclass(slots=True)
class _JobFindings:
    """The findings of one job, with all of its errors."""

    job: str
    findings: list[Finding] = field(default_factory=list)

    def attempt(self, step: Callable[[], Any]) -> Any:
        """Return a step's result; None if it is refused, which is noted, once."""
        try:
            return step()
        except MapperError as error:
            found = Finding(self.job, "error", error.details.get("field"), str(error))
            if found.message not in {other.message for other in self.findings}:
                self.findings.append(found)
            return None


def findings_of(flow: Any, settings: Any) -> list[Finding]:
    """Return the findings of a flow's jobs, in their order."""
    found: list[Finding] = []
    for job in flow.jobs:
        look = _JobFindings(job.name)
        _look_at(look, job, settings)
        found += look.findings
    ledger = _JobFindings("")
    if flow.ledger_conn is not None:
        ledger.attempt(lambda: _ledger(flow.ledger_conn))
    return found + ledger.findings


def _look_at(look: _JobFindings, job: Any, settings: Any) -> None:
    from mapper_dask.workers.fitness import require_picklable

    mapper = job.job
    if job.parallel and settings.value("parallel"):
        look.attempt(lambda: require_picklable(mapper.transformation_logic))
    if mapper.target_conn is not None:
        look.attempt(lambda: _ledger(mapper.target_conn))
    if job.incremental is not None:
        look.findings += [
            Finding(job.name, "note", "incremental", note)
            for note in look.attempt(lambda: _incremental(job)) or ()
        ]
    plan = look.attempt(lambda: _prepared(mapper))
    notes = () if plan is None else plan.notes
    if plan is not None and plan.read_once:
        notes = (f"{plan.cut}; {plan.config.reason}", *notes)
    look.findings += [Finding(job.name, "note", None, note) for note in notes]


def _ledger(conn: Any) -> None:
    from mapper_dask.connections.reference import reference
    from mapper_dask.ledger.cleanup import require_ledger

    require_ledger(reference(conn, "target_conn"))


def _incremental(job: Any) -> Any:
    from mapper_dask.flows import watermarks

    return watermarks.check(job)


def _prepared(mapper: Any) -> Any:
    """Return a job's plan, after all checks of a run before it enters the ledger."""
    from mapper_dask.dialects.snapshot import keep_snapshot
    from mapper_dask.plan.blame import in_users_text
    from mapper_dask.plan.chunk_manager import ChunkManager
    from mapper_dask.plan.params import with_params
    from mapper_dask.preflight.checks import prepare
    from mapper_dask.resolved_job import resolved
    from mapper_dask.retries import RetryPolicy

    given = resolved(mapper).evolve(run_id="check")
    kept = keep_snapshot(given.source, consistent=mapper.consistent)
    with in_users_text(mapper, given.source), kept as keeper:
        given = with_params(given)
        keeper.give_up_for(given.job.source_sql)
        plan = ChunkManager().plan_on(keeper.source, given.job, keeper.snapshot)
        return plan if given.target is None else prepare(given, plan, keeper, RetryPolicy(1)).plan
