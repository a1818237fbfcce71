"""The failure of a function when it was called to learn its columns, as a refusal. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mapper_dask.errors import DatabaseError, MapperError, TargetError
from mapper_dask.mapper_job import MapperJob

FUNCTION = "transformation_logic"

EMPTY = "let it take an empty frame"


@dataclass(frozen=True, slots=True)
class Unlearned:
    """Why a function's columns are not known."""

    first: MapperError
    """Its failure on the first rows, or on none if there are none."""
    rows: int
    """Number of these rows."""

    def refusal(self, job: MapperJob) -> MapperError:
        """Return the error of a job that needs to know the columns.

        It begins with the function's own failure, as in a chunk, and the user's line; the exception
        itself is its cause (see ``cause``).
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
        """The exception of the user's function, or of the driver."""
        return self.first.__cause__

    def _head(self, field: str) -> str:
        """Return the failure with its field, and the exception's whole text."""
        text, raised = self.first.message, self.first.details.get("raised")
        if field != FUNCTION:
            return text
        head = f"the function raised {raised}" if raised else text.removeprefix(f"{FUNCTION}: ")
        return f"{FUNCTION}: {head}"

    def _remedy(self, job: MapperJob, field: str) -> str:
        """Return the remedy, if the failure itself has none."""
        if field != FUNCTION:
            return ""
        if not self.rows:
            return f": {EMPTY}"
        return f": {EMPTY}, if single rows are to be rejected" if job.reject_limit else ""
