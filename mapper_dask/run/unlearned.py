"""What a function failed for when it was run for its columns, as a refusal tells it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mapper_dask.errors import DatabaseError, MapperError, TargetError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.mapping.transform import Transform

_STEP = re.compile(r"^ValueError: (rename|cast|constant|expression|drop)\b")
"""How an error of a job file's step begins; it names the column, too."""

EMPTY = "let it take an empty frame"


@dataclass(frozen=True, slots=True)
class Unlearned:
    """Why nobody knows which columns a function returns."""

    first: MapperError
    """What it failed for on the first rows, or on none where there are none."""
    rows: int
    """How many rows these were."""

    def refusal(self, job: MapperJob) -> MapperError:
        """Return the error that a job is refused with whose columns must be known.

        It begins with the function's own failure, as a chunk would tell it.
        """
        if isinstance(self.first, DatabaseError):
            return self.first
        head, _, trace = self.first.message.partition("\n")
        field, head = _place(job, self.first, head)
        needed = f"to {job.write_disposition} rows all at once its columns must be known"
        over = f"over the first {self.rows} rows" if self.rows else "over no rows"
        message = f"{head}, {over}; {needed}{self._remedy(job, field)}"
        return TargetError(f"{message}\n{trace}" if trace else message, field=field)

    def _remedy(self, job: MapperJob, field: str) -> str:
        """Return what is to be done where the failure itself does not tell."""
        if field != "transformation_logic":
            return ""
        if not self.rows:
            return f": {EMPTY}"
        return f": {EMPTY}, if single rows are to be set aside" if job.reject_limit else ""


def _place(job: MapperJob, error: MapperError, head: str) -> tuple[str, str]:
    """Return the field that failed, and the failure as it is told of it."""
    function, raised = job.transformation_logic, str(error.details.get("raised") or "")
    found = _STEP.match(raised) if isinstance(function, Transform) else None
    if found is None:
        return "transformation_logic", f"transformation_logic: {head}"
    step = f"transform.{found[1]}"
    return step, f"{step}: {raised.partition(': ')[2]}"
