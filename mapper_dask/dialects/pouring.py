"""What takes the rows of one statement as they arrive, so that memory holds few of them."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa


class Pool(Protocol):
    """Takes rows in order; an error it raises ends the statement."""

    def begin(self) -> None:
        """Discard the rows added so far: all of them are sent again."""
        ...

    def add(self, rows: pa.Table) -> None:
        """Take rows; a column may be of another type than in the rows before."""
        ...
