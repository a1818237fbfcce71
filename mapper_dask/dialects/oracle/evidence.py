"""Whether a table is still the one it was. Its rows do not show which transaction wrote them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mapper_dask.dialects.oracle import queries, session
from mapper_dask.dialects.oracle.names import folded
from mapper_dask.dialects.session import Driver
from mapper_dask.parallel_models import Chunk
from mapper_dask.schema.facts import Column, Counted, TableMark, TargetTable


@dataclass(frozen=True, slots=True)
class OracleEvidence:
    """What Oracle knows about a table's storage.

    ``ORA_ROWSCN`` is a block's unless the table was made with ROWDEPENDENCIES, and changes with
    any row of it; so it says nothing about a load.
    """

    conn: Driver

    def mark(self, schema: str, name: str) -> TableMark | None:
        """Return what changes with TRUNCATE, MOVE, DROP and CREATE, of partitions too."""
        rows = session.run(
            self.conn, "table_files", {"owner": folded(schema), "name": folded(name)}
        )
        if not rows:
            return None
        files = [tuple(None if n is None else int(n) for n in row) for row in rows]
        digest = hashlib.sha256(repr(files).encode()).hexdigest()[:32]
        return TableMark(cluster=None, database="", storage=digest)

    def is_known(self, number: int, now: TableMark) -> bool:
        """Return False."""
        del number, now
        return False

    def load_number(self) -> int | None:
        """Return None: rows carry no number."""
        return None

    def counted(self, table: TargetTable, own: Sequence[int], others: Sequence[int]) -> Counted:
        """Count a table's rows."""
        del own, others
        return _count(self.conn, f"SELECT COUNT(*) FROM {table.quoted}")

    def in_range(
        self,
        table: TargetTable,
        keys: Sequence[Column],
        chunk: Chunk,
        own: Sequence[int],
        others: Sequence[int],
    ) -> Counted:
        """Count the rows in a chunk's range of keys."""
        del own, others
        where = queries.predicate(keys, chunk)
        return _count(self.conn, f"SELECT COUNT(*) FROM {table.quoted} q{where}")

    def only(self, table: TargetTable, own: Sequence[int]) -> str:
        """Raise: no number is known, so nobody asks."""
        raise NotImplementedError

    def remove(self, table: TargetTable, own: Sequence[int]) -> int:
        """Raise: no number is known, so nobody asks."""
        raise NotImplementedError


def _count(conn: Driver, sql: str) -> Counted:
    with conn.cursor() as cursor:
        cursor.execute(sql)
        ((rows,),) = cursor.fetchall()
    return Counted(int(rows))
