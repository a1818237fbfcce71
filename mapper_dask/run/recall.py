"""The job of a stored run, as its user gives it, or as a trusted ledger has it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mapper_dask.connections.reference import ConnectionRef, reference
from mapper_dask.errors import LedgerError
from mapper_dask.ledger import stored_job as job_record
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.ledger.trust import GIVE_JOB, RUN_FIELDS, require_trusted, writers
from mapper_dask.log import log
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import Transformation
from mapper_dask.plan.params import with_params
from mapper_dask.resolved_job import ResolvedJob, resolved


@dataclass(frozen=True, slots=True)
class Recall:
    """A caller's arguments for the job of a stored run."""

    source_conn: Any = None
    transformation_logic: Transformation | None = None
    job: MapperJob | None = None
    """The job as it was begun; None: it is taken from the ledger."""
    trust_ledger: bool = False
    """Whether it is taken from the ledger even if others can write that."""
    counts: bool = False
    """Whether rows are only counted, which needs no function."""

    def of(self, run_id: str, target_conn: Any) -> tuple[ResolvedJob, StoredRun]:
        """Return the job of a run, and the run.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        FingerprintError
            When the job that is given is not the run's.
        LedgerError
            When it would be taken from a ledger that others can write.
        """
        target = reference(target_conn, "target_conn")
        stored = stored_runs.found(target, run_id)
        if self.job is not None:
            return self._given(self.job, stored, target), stored
        if not self.trust_ledger:
            require_trusted(target, run_id, RUN_FIELDS, given=GIVE_JOB)
        kept = stored.plan.job
        function = self.transformation_logic
        if self.counts and function is None and kept["transformation_logic"] is not None:
            function = as_it_is
        job = job_record.restored(
            kept,
            run_id=run_id,
            target_conn=target,
            source_conn=self.source_conn,
            transformation_logic=function,
        )
        return resolved(job), stored

    def _given(self, job: MapperJob, stored: StoredRun, target: ConnectionRef) -> ResolvedJob:
        """Return the job that was given, when it is the run's."""
        changes: dict[str, Any] = {"target_conn": target, "run_id": stored.run_id}
        if self.source_conn is not None:
            changes["source_conn"] = self.source_conn
        if self.transformation_logic is not None:
            changes["transformation_logic"] = self.transformation_logic
        given = with_params(resolved(job.evolve(**changes)))
        job_record.require_same(given.job, given.source, stored)
        return given


def source_named(target: ConnectionRef, run_id: str, given: Any) -> ConnectionRef | None:
    """Return the given source, or the one in the ledger's record of a run; None without either.

    It is not taken from a ledger that others can write: a cancel needs the source only to break
    off reading at once.
    """
    if given is not None:
        return reference(given, "source_conn")
    try:
        named: str | None = stored_runs.found(target, run_id).plan.job["source_conn"]
    except LedgerError:
        return None
    if named is None or writers(target):
        note = "source_conn is not taken from the ledger; chunks that are read end by themselves"
        log("reading_goes_on", logging.INFO, run=run_id, note=note)
        return None
    return reference(named, "source_conn")


def as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace a function that cannot be imported, and is not needed to count."""
    return frame
