"""The keeper: one session that holds the source's state open while the chunks read it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_source
from mapper_dask.dialects.source import Source
from mapper_dask.errors import DatabaseError
from mapper_dask.log import log
from mapper_dask.naming import keeper_name, session_tag


@dataclass(slots=True)
class Keeper:
    """A planning session; while it is open, its snapshot can be joined."""

    source: Source
    snapshot: str | None
    """Name for other sessions; None where the run reads without one."""
    lost: bool = False
    """Whether the session was found to be gone."""
    done: bool = False
    """Whether all is read, so that it is not needed any more."""

    def check(self) -> None:
        """Check that the snapshot is still kept; log its loss once."""
        kept = self.source.dialect.capabilities.kept_snapshots
        if self.snapshot is None or self.lost or self.done or not kept:
            return
        try:
            with self.source.errors():
                self.source.ping()
        except DatabaseError as error:
            self.lost = True
            note = "chunks that have not joined it read what is committed then"
            kind = type(error).__name__
            log("snapshot_lost", logging.WARNING, snapshot=self.snapshot, error=kind, note=note)

    def give_up_unless(self, consistent: bool) -> None:  # noqa: FBT001 - the plan's own word
        """Read without a snapshot where the plan has found that none would hold all rows."""
        if not consistent and self.snapshot is not None:
            self.snapshot = None
            log("no_snapshot", logging.WARNING, note="no snapshot holds the rows: see the plan")

    def give_up_for(self, sql: str) -> None:
        """Read without a snapshot, and log it, where the query cannot be read in one."""
        why = self.source.dialect.unfreezable(sql) if self.snapshot is not None else ""
        if why:
            self.snapshot = None
            log("no_snapshot", logging.WARNING, note=why)


@contextlib.contextmanager
def keep_snapshot(source: ConnectionRef, *, consistent: bool, run_id: str = "") -> Iterator[Keeper]:
    """Open the session a run plans in, and keep its snapshot to the end of the run.

    Its transaction also keeps the tables it planned over from being rewritten, so that row
    addresses stay what they are. It holds back VACUUM meanwhile; the plan says so.
    """
    with open_source(source, "source_conn", kept=True) as session:
        with session.errors(masked=True):
            session.begin_read(None, keeper_name(session_tag(run_id)) if run_id else "")
            shared = consistent and session.dialect.capabilities.snapshots
            snapshot = session.export_snapshot() if shared else None
        if shared and snapshot is None:
            note = "source_conn may not read the database's state number"
            log("no_snapshot", logging.WARNING, note=note)
        yield Keeper(session, snapshot)


def kept_again(source: ConnectionRef, sql: str, run_id: str, kept: contextlib.ExitStack) -> Keeper:
    """Return a keeper of the present state for a run, in place of one of an earlier state.

    It describes the query, so that its tables are locked against being rewritten meanwhile.
    """
    kept.close()  # first: the next may be the last connection that the budget holds
    keeper = kept.enter_context(keep_snapshot(source, consistent=True, run_id=run_id))
    with keeper.source.errors():
        keeper.source.describe_query(sql)
    return keeper
