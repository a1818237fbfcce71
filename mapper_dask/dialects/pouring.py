"""What takes the rows of one statement as they come, so that none of them need be held."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa


class Pool(Protocol):
    """Takes rows, in order; what it raises ends the statement."""

    def begin(self) -> None:
        """Let go of what was added: all of it comes anew."""
        ...

    def add(self, rows: pa.Table) -> None:
        """Take rows; a column may be of another type than in the rows before."""
        ...
