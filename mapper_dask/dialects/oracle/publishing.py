"""Publishes staged rows, and proves that the target then holds them.

Each statement's count is compared with the expected one, and before the commit the table's rows are
counted. Where it has triggers, its rows are counted before and after, under a lock that does
not block readers: no session can find out what its transaction has done to a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import oracledb

from mapper_dask.dialects.oracle import catalogue, faults, staging, transfer
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import PublishError
from mapper_dask.schema.facts import Publication
from mapper_dask.schema.hazards import statements_of
from mapper_dask.staging.publishing import Publishing, require_able


@dataclass(frozen=True, slots=True)
class _Publishing(Publishing):
    counted: bool
    """Whether the target's rows are counted before and after: something may take some."""

    def go(self, loaded: int) -> int:
        """Publish the rows; return how many the target took."""
        publication = self.publication
        expected = loaded
        if publication.newest_by:
            self.refuse_ties(self.count(staging.tied(publication)))
            expected = self.count(staging.distinct_keys(publication))
        after = self._expected_after(expected)
        if publication.disposition == "replace":
            self._remove()
        self.cursor.execute(staging.enter(publication))
        if staging.changes(publication) or not publication.by_key:
            self.require(int(self.cursor.rowcount), expected, "entered it")
        if publication.by_key:
            absent = self.count(staging.absent(publication))
            self.require(expected - min(absent, expected), expected, "are in it")
        if after is not None:
            self._require_held(after)
        return expected

    def _expected_after(self, expected: int) -> int | None:
        """Return how many rows the target must hold in the end; None where it is not asked."""
        publication = self.publication
        if publication.disposition == "replace":
            return expected
        if not self.counted:
            return None
        new = self.count(staging.absent(publication)) if publication.by_key else expected
        return self.count(self._all()) + new

    def _remove(self) -> None:
        """Remove the rows that a replacement does not keep, and see that they are gone."""
        self.cursor.execute(staging.delete(self.publication))
        if self.publication.by_key:
            return  # the count at the end decides
        self.require_removed(left=self.count(f"{self._all()} WHERE ROWNUM = 1") > 0)

    def _require_held(self, after: int) -> None:
        held = self.count(self._all())
        if held != after:
            message = (
                f"{self.publication.target} must hold {after} rows when the staged ones are in it, "
                f"it holds {held}; nothing is changed{self.blame()}"
            )
            raise PublishError(message)

    def _all(self) -> str:
        return f"SELECT COUNT(*) FROM {self.publication.target}"


def publish(conn: Driver, publication: Publication, loaded: int, place: dict[str, str]) -> int:
    """Publish the staged rows into the target; return how many it took. The caller commits.

    Parameters
    ----------
    loaded
        Rows that were staged, as the ledger has them.
    place
        Owner and name of the target, as the dictionary has them.

    Raises
    ------
    PublishError
        When two rows with one key are equally new; when the target cannot receive them in a way
        that is certain; when it does not hold what it should afterwards.
    """
    events = statements_of(publication.disposition, by_key=publication.by_key)
    with conn.cursor() as cursor:
        if publication.disposition != "append":
            cursor.execute(staging.lock(publication))
        hazards = catalogue.hazards(conn, place)
        require_able(publication, hazards)
        counted = bool(hazards.fired_by(events))
        if counted and publication.disposition == "append":
            cursor.execute(staging.lock(publication))
        try:
            entered = _Publishing(cursor, publication, hazards, counted).go(loaded)
            if publication.reject_limit:  # else at the commit, where no row can be rejected
                cursor.execute(transfer.IMMEDIATE)
        except oracledb.Error as error:
            setattr(error, faults.REFUSED_ROWS, faults.refuses_row(error))
            raise
    return entered
