"""What a function failed for when it was run for its columns, as a refusal tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mapper_dask.errors import DatabaseError, MapperError, TargetError
from mapper_dask.mapper_job import MapperJob

FUNCTION = "transformation_logic"

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

        It begins with the function's own failure, as a chunk would tell it, and the user's line;
        the exception itself is its cause (see ``cause``).
        """
        if isinstance(self.first, DatabaseError):
            return self.first
        field = str(self.first.details.get("field", FUNCTION))
        place = self.first.details.get("place")
        where = f" ({place})" if place else ""
        head = f"{self._head(field)}{where}"
        needed = f"to {job.write_disposition} rows all at once its columns must be known"
        over = f"over the first {self.rows} rows" if self.rows else "over no rows"
        message = f"{head}, {over}; {needed}{self._remedy(job, field)}"
        return TargetError(message, field=field)

    @property
    def cause(self) -> BaseException | None:
        """What the user's function raised; or the driver."""
        return self.first.__cause__

    def _head(self, field: str) -> str:
        """Return the failure as it is told of a field: all of the exception's own text."""
        text, raised = self.first.message, self.first.details.get("raised")
        if field != FUNCTION:
            return text
        head = f"the function raised {raised}" if raised else text.removeprefix(f"{FUNCTION}: ")
        return f"{FUNCTION}: {head}"

    def _remedy(self, job: MapperJob, field: str) -> str:
        """Return what is to be done where the failure itself does not tell."""
        if field != FUNCTION:
            return ""
        if not self.rows:
            return f": {EMPTY}"
        return f": {EMPTY}, if single rows are to be set aside" if job.reject_limit else ""
