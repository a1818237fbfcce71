"""Oracle as a target: how it takes rows, and publishes them."""

from __future__ import annotations

from collections.abc import Sequence

from mapper_dask.dialects.oracle import (
    catalogue,
    definitions,
    direct_path,
    names,
    publishing,
    session,
    settings,
    staging,
    transfer,
)
from mapper_dask.dialects.oracle.evidence import OracleEvidence
from mapper_dask.dialects.oracle.holdings import OracleHoldings
from mapper_dask.dialects.oracle.staged_rows import OracleStagedRows
from mapper_dask.dialects.oracle.store import OracleSession
from mapper_dask.dialects.session import on_connection
from mapper_dask.dialects.source import Source
from mapper_dask.dialects.target import Watch
from mapper_dask.schema.facts import Needs, Publication, TargetTable
from mapper_dask.schema.hazards import Unwatched


class OracleTarget(OracleSession):
    """A session that loads and publishes."""

    load = on_connection(transfer.load)
    load_skipping_refused = on_connection(transfer.load_skipping_refused)
    load_aside = on_connection(direct_path.load_aside)
    load_from = on_connection(direct_path.load_from)
    drop_asides = on_connection(direct_path.drop_all)
    drop_table = on_connection(staging.drop)
    holdings = on_connection(OracleHoldings)
    target_definition = on_connection(definitions.of_target)
    changed_to_load = on_connection(session.changed_to_load)

    @property
    def evidence(self) -> OracleEvidence:
        """What it knows about the origin of rows."""
        return OracleEvidence(self.conn)

    @property
    def staged_rows(self) -> OracleStagedRows:
        """What it does with staged rows, where the target refuses some."""
        return OracleStagedRows(self.conn)

    def missing_grants(self, needs: Needs) -> list[str]:
        """Return none: the dictionary does not show a login all that it has by roles."""
        del needs
        return []

    def relay(
        self, source: Source, sql: str, table: TargetTable, names: Sequence[str], wire: str
    ) -> tuple[int, int]:
        """Raise: ``relay_format`` never offers it."""
        raise NotImplementedError

    def target_table(self, schema: str | None, table: str) -> TargetTable | None:
        """Return a table and its columns, None when there is none of that name."""
        session.begin(self.conn, "", None)
        return catalogue.target_table(self.conn, schema, table)

    def create_staging(self, publication: Publication) -> None:
        """Create the table where rows wait; it commits."""
        schema, table = names.place_of(publication)
        found = catalogue.target_table(self.conn, schema, table)
        keys = found.unique_keys if found else ()
        checks = catalogue.checks(self.conn, schema, table)
        ((ledger,),) = self.run("ledger_object")
        staging.create(self.conn, publication, keys, checks, int(ledger))

    def empty_table(self, quoted: str) -> None:
        """Delete all rows of a table in the caller's transaction."""
        with self.conn.cursor() as cursor:
            cursor.execute(f"DELETE FROM {quoted}")

    def publish(self, publication: Publication, loaded: int) -> int:
        """Publish the staged rows into the target; return how many it took."""
        self.conn.call_timeout = 0  # one statement moves them all
        with settings.by_bytes(self.conn):  # two keys that a language takes for one are two rows
            return publishing.publish(self.conn, publication, loaded, names.held_place(publication))

    def watch(self, table: TargetTable) -> Watch:
        """Return a watch that does nothing: no session can see what triggers do to its rows."""
        del table
        return Unwatched()
