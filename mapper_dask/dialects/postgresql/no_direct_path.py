"""What Oracle loads aside: here COPY does it, within the chunk's transaction."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mapper_dask.schema.facts import Aside, Loaded, TargetTable


class WithoutDirectPath:
    """The part of a dialect that has no direct path."""

    def load_aside(self, conn: Any, table: TargetTable, rows: pa.Table, name: str) -> Aside:
        """Raise: there is no direct path; COPY loads within the transaction."""
        raise NotImplementedError

    def load_from(self, conn: Any, table: TargetTable, aside: Aside) -> Loaded:
        """Raise: there is no direct path."""
        raise NotImplementedError

    def drop_asides(self, conn: Any, prefix: str) -> None:
        """Do nothing: nothing is loaded aside."""
