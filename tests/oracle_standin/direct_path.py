"""Direct path loads: prepare, stream, finish."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import pq

from tests.oracle_standin import values
from tests.oracle_standin.columns import Column
from tests.oracle_standin.errors import ora_error
from tests.oracle_standin.packets import Reader, Writer
from tests.oracle_standin.values import Type, from_utf16

SCHEMA_KEY, TABLE_KEY, COLUMN_KEY = 3, 1, 4
FINISH = 2
ANSWER_NUMBERS, CURSOR_PLACE = 14, 3
PARAMETERS = 8
FIRST_PART, LAST_PART, END_OF_ROW, FAST_SKIP = 0x01, 0x02, 0x04, 0x10
"""Flags of a piece: its last value goes on, its first goes on, the row ends, two bytes follow."""

NULL_LENGTH, LONG_LENGTH = 255, 254
ESCAPES = {ord(a): b for a, b in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))}

NOT_NULL = b"SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnotnull"


@dataclass(frozen=True, slots=True)
class Load:
    """A direct path load under way."""

    copy: str
    columns: Sequence[Column]


DECODED = {
    Type.NUMBER: values.decoded_number,
    Type.DATE: values.decoded_date,
    Type.TIMESTAMP: values.decoded_timestamp,
    Type.TIMESTAMP_TZ: values.decoded_zoned,
    Type.TIMESTAMP_LTZ: values.decoded_timestamp,
    Type.BINARY_DOUBLE: values.decoded_double,
    Type.BINARY_FLOAT: values.decoded_float,
    Type.RAW: values.to_bytea,
    Type.BLOB: values.to_bytea,
}


class DirectPath:
    """A session's direct path loads."""

    server: Any
    reader: Reader
    direct_loads: dict[int, Load]
    next_cursor: int

    def prepare_direct_load(self) -> None:
        """Answer with the columns of the table."""
        schema, table, names = self._wanted()
        columns_list = ", ".join(f'"{name}"' for name in names)
        place = f'"{schema}"."{table}"'
        described = self.run_with(
            f"SELECT {columns_list} FROM {place} WHERE false".encode(), [], []
        )
        required = self.run_with(NOT_NULL, [place.encode()], [25])
        never_null = {required.get_value(row, 0).decode() for row in range(required.ntuples)}
        columns = [
            self.server.columns.column(
                described.fname(n).decode(), described.ftype(n), described.fmod(n)
            )
            for n in range(described.nfields)
        ]
        number, self.next_cursor = self.next_cursor, self.next_cursor + 1
        self.begin()
        self.run(b"SAVEPOINT ora_direct")
        self.direct_loads[number] = Load(f"COPY {place} ({columns_list}) FROM STDIN", columns)
        writer = Writer().uint8(PARAMETERS).number(len(columns))
        for column in columns:
            column.nullable = column.name not in never_null
            if column.type in (Type.VARCHAR, Type.CHAR):
                column.size = column.buffer
            column.describe(writer)
        writer.numbers(0, ANSWER_NUMBERS)
        writer.numbers(*(number if n == CURSOR_PLACE else 0 for n in range(ANSWER_NUMBERS)))
        self.send(self.status(writer))

    def _wanted(self) -> tuple[str, str, list[str]]:
        reader = self.reader
        reader.skip("nb")
        keys = reader.number()
        reader.skip("b")
        inputs = reader.number()
        reader.take(6)
        found: dict[int, list[str]] = {SCHEMA_KEY: [], TABLE_KEY: [], COLUMN_KEY: []}
        for _ in range(keys):
            reader.skip("nn")
            text = (reader.value() or b"").decode()
            found.setdefault(reader.number(), []).append(text)
        reader.skip("n" * inputs)
        return found[SCHEMA_KEY][0], found[TABLE_KEY][0], found[COLUMN_KEY]

    def stream_direct_load(self) -> None:
        """Load some rows."""
        reader = self.reader
        number = reader.number()
        reader.skip("b")
        size = reader.number()
        reader.skip("nbnbb")
        load = self.direct_loads[number]
        lines = [_line(load.columns, row) for row in _rows(reader.take(size))]
        connection = self.postgres.pgconn
        _require_fine(connection.exec_(load.copy.encode()))
        connection.put_copy_data(("\n".join(lines) + "\n").encode())
        connection.put_copy_end()
        result = connection.get_result()
        while connection.get_result():
            pass
        _require_fine(result)
        self.send(self.status(Writer().uint8(PARAMETERS).number(0)))

    def end_direct_load(self) -> None:
        """Finish a load, which commits, or abort it."""
        reader = self.reader
        operation, number = reader.number(), reader.number()
        reader.skip("bnbb")
        self.direct_loads.pop(number, None)
        if operation == FINISH:
            self.commit()
        else:
            self.run(b"ROLLBACK TO ora_direct")
        self.send(self.status(Writer().uint8(PARAMETERS).number(0)))


def _require_fine(result: Any) -> None:
    if result.status == pq.ExecStatus.FATAL_ERROR:
        raise ora_error(result)


def _rows(stream: bytes) -> Iterator[list[bytes | None]]:
    """Yield rows of a stream of pieces; a value may go on in the next piece."""
    place, row, open_part = 0, [], b""
    while place < len(stream):
        flags = stream[place]
        place += 3 if flags & FAST_SKIP else 1
        count = stream[place]
        place += 1
        for segment in range(count):
            value, place = _segment(stream, place)
            if segment == 0 and flags & LAST_PART:
                value, open_part = open_part + (value or b""), b""
            if segment == count - 1 and flags & FIRST_PART:
                open_part = value or b""
            else:
                row.append(value)
        if flags & END_OF_ROW:
            yield row
            row = []


def _segment(stream: bytes, place: int) -> tuple[bytes | None, int]:
    length = stream[place]
    place += 1
    if length == NULL_LENGTH:
        return None, place
    if length == LONG_LENGTH:
        length = struct.unpack(">H", stream[place : place + 2])[0]
        place += 2
    return stream[place : place + length], place + length


def _line(columns: Sequence[Column], row: Sequence[bytes | None]) -> str:
    return "\t".join(
        _copied(column, value) if value else "\\N"
        for column, value in zip(columns, row, strict=True)
    )


def _copied(column: Column, value: bytes) -> str:
    """Return a value as COPY reads it."""
    if column.type is Type.CLOB:
        return from_utf16(value).decode().translate(ESCAPES)
    decode = DECODED.get(column.type)
    text = decode(value) if decode else value
    return text.decode().translate(ESCAPES)
