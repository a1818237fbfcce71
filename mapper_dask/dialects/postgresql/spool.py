"""Holds the rows of one COPY, decoded as they arrive, until they are taken.

A few rows stay in memory. Many, such as those of a single heavy key, are stored in a temporary file
and go through the function in pieces, so that memory stays bounded.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self

import pyarrow as pa

from mapper_dask.dialects.postgresql.decode import Decoder, refused_column
from mapper_dask.schema.facts import Column

IN_MEMORY = 64 << 20
"""Bytes of a chunk's rows kept in memory."""


class CopySpool:
    """Rows of one schema, in order."""

    def __init__(self, schema: pa.Schema) -> None:
        self._tables = [schema.empty_table()]
        self._bytes = 0
        self._stack = contextlib.ExitStack()
        self._file: Any = None
        self._writer: Any = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def in_memory(self) -> bool:
        """Whether all rows are held in memory."""
        return self._file is None

    def add(self, rows: pa.Table) -> None:
        """Append rows."""
        self.rows += rows.num_rows
        self._tables.append(rows)
        self._bytes += rows.nbytes
        if self._bytes > IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        if self._writer is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
            self._stack.enter_context(self._file)
            self._writer = pa.ipc.new_stream(self._file, self._tables[0].schema)
            self._stack.callback(self._writer.close)
        for table in self._tables:
            self._writer.write_table(table)
        self._tables, self._bytes = [], 0

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows, once: what is in memory is freed as it is taken."""
        if self._file is not None:
            self._spill()
            self._writer.close()
            self._file.seek(0)
            for batch in pa.ipc.open_stream(self._file):
                yield pa.Table.from_batches([batch])
        while self._tables:
            yield self._tables.pop(0)


class Taking(Protocol):
    """Takes decoded rows."""

    def add(self, rows: pa.Table) -> None:
        """Take rows, in order."""
        ...


class Filling:
    """What a COPY writes its lines to: decodes them into a spool.

    A value that its column's Arrow type cannot hold makes that column one of ``refused``; what is
    spooled is of no use then, and the COPY has to be run again with such columns as text.
    """

    def __init__(self, columns: Sequence[Column], typed: Sequence[bool], spool: Taking) -> None:
        self._columns, self._typed = columns, list(typed)
        self._decoder = Decoder(columns, self._typed)
        self._spool = spool
        self._begun: list[bytes] = []
        self.refused: list[int] = []

    def write(self, data: bytes | memoryview) -> None:
        """Take some bytes, and keep none; a line that has begun waits for its end."""
        if not self._begun and data[-1:] == b"\n":
            self._take(data)
            return
        data = bytes(data)
        end = data.rfind(b"\n") + 1
        if end:
            self._take(b"".join([*self._begun, data[:end]]))
            self._begun = []
        if end < len(data):
            self._begun.append(data[end:])

    def _take(self, lines: bytes | memoryview) -> None:
        while True:
            try:
                rows = self._decoder.decode(lines)
            except pa.ArrowInvalid as error:
                self._refuse(error)
            else:
                break
        if not self.refused:
            self._spool.add(rows)

    def _refuse(self, error: pa.ArrowInvalid) -> None:
        number = refused_column(error)
        if number is None or not self._typed[number]:
            raise error
        self._typed[number] = False
        self.refused.append(number)
        self._decoder = Decoder(self._columns, self._typed)
