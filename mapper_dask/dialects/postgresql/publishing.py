"""Publishes staged rows, and proves that the target then holds them.

No statement's count is trusted alone: a trigger may drop a row or remove it afterwards, a rule may
swallow a statement. So each count is compared with the expected one, and before the commit the
table's rows are counted. Any difference leaves the target as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg2

from mapper_dask.dialects.postgresql import faults, staging, watching
from mapper_dask.dialects.postgresql.keys import Key, key_of
from mapper_dask.dialects.postgresql.watching import LoadWatch
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Publication
from mapper_dask.schema.hazards import statements_of
from mapper_dask.staging.publishing import Publishing, require_able


@dataclass(frozen=True, slots=True)
class _Publishing(Publishing):
    key: Key
    watch: LoadWatch | None
    """Looks after the target, where it has triggers."""

    def go(self, loaded: int) -> int:
        """Publish the rows; return how many the target took."""
        publication = self.publication
        expected = loaded
        if publication.newest_by:
            self.refuse_ties(self.count(staging.tied(publication)))
            expected = self.count(staging.distinct_keys(publication))
        if publication.disposition == "replace":
            self._remove()
        if self.key.written_otherwise:
            self.cursor.execute(staging.respell(publication, self.key))
        self.cursor.execute(staging.insert(publication))
        if staging.changes(publication) or not publication.by_key:
            self.require(int(self.cursor.rowcount), expected, "entered it")
        self._require_held(expected)
        return expected

    def _remove(self) -> None:
        """Remove the rows that a replacement does not keep, and see that they are gone."""
        publication = self.publication
        self.cursor.execute(staging.delete(publication, self.key))
        if publication.by_key or self.watch is None:
            return  # the count at the end decides; what follows finds what that would not, where a
            # row that stays and one that is taken make up for each other
        self.cursor.execute(f"SELECT FROM {publication.target} LIMIT 1")
        self.require_removed(left=self.cursor.fetchone() is not None)

    def _require_held(self, expected: int) -> None:
        """Run what is deferred; then ask the table what it holds.

        After a replacement, it holds as many rows as were staged; where rows go by a key, it has
        every key. After a merge or an append, triggers must have deleted none.
        """
        publication = self.publication
        if self.watch is None:
            self.cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        else:
            watching.settle(self.watch.conn)
        if publication.disposition == "replace":
            self._require_inserted(expected)
            there = self.count(f"SELECT pg_catalog.count(*) FROM {publication.target}")
            self.require(there, expected, "are in it")
        elif publication.disposition == "merge" and self.watch is not None:
            self._require_none_deleted(self.watch)
        elif self.watch is not None:
            self.watch.require(expected)
        if publication.by_key:
            absent = self.count(staging.absent(publication, self.key))
            self.require(expected - min(absent, expected), expected, "are in it")

    def _require_inserted(self, expected: int) -> None:
        """Refuse a replacement in which triggers have put rows in and taken others away.

        One row for another would leave the count as it must be.
        """
        if self.watch is None or self.publication.by_key:
            return
        now = watching.touched(self.watch.conn, self.watch.quoted)
        if now.counting:
            self.require(now.since(self.watch.before).inserted, expected, "were inserted")

    def _require_none_deleted(self, watch: LoadWatch) -> None:
        now = watching.touched(watch.conn, watch.quoted)
        done = now.since(watch.before)
        watching.require_untouched(done, watch.quoted, self.blame())


def publish(conn: Driver, publication: Publication, loaded: int) -> int:
    """Publish the staged rows into the target; return how many it took. The caller commits.

    Parameters
    ----------
    loaded
        Rows that were staged, as the ledger has them.

    Raises
    ------
    PublishError
        When two rows with one key are equally new; when the target cannot receive them in a way
        that is certain; when it does not hold what it should afterwards.
    """
    with conn.cursor() as cursor:
        if publication.disposition != "append":
            cursor.execute(staging.lock(publication))
        hazards = watching.hazards(conn, publication.target)
        require_able(publication, hazards)
        events = statements_of(publication.disposition, by_key=publication.by_key)
        watch = None
        if hazards.fired_by(events):
            before = watching.touched(conn, publication.target)
            watch = LoadWatch(conn, publication.target, hazards, before)
        key = key_of(conn, publication.target, publication.key if publication.by_key else ())
        try:
            return _Publishing(cursor, publication, hazards, key, watch).go(loaded)
        except psycopg2.Error as error:
            setattr(error, faults.REFUSED_ROWS, faults.refuses_row(error))
            raise
