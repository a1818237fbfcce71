"""Large objects by their locators."""

from __future__ import annotations

import secrets
from typing import Any

from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.packets import Writer
from tests.oracle_standin.values import Type

READ, WRITE, LENGTH, TRIM, CHUNK_SIZE, CREATE = 0x02, 0x40, 0x01, 0x20, 0x4000, 0x110
"""Operations."""

DATA_SIGN, PARAMETERS = 14, 8
LOCATOR_BYTES, CHUNK = 40, 8132
UTF8 = 873


class LargeObjects:
    """A session's large objects; texts are kept in UTF-16."""

    lobs: dict[bytes, bytearray]
    reader: Any

    def new_lob(self, data: bytes, is_text: bool) -> bytes:  # noqa: FBT001
        """Keep a large object; return its locator."""
        head = bytes([0, 38, 0, 4, 0 if is_text else 0x40, 8, 0x80 if is_text else 0, 1])
        locator = head + secrets.token_bytes(32)
        kept = data.decode().encode("utf-16-be") if is_text else data
        self.lobs[locator] = bytearray(kept)
        return locator

    def lob_operation(self) -> None:
        """Answer one call on a large object."""
        reader = self.reader
        reader.skip("b")
        length = reader.number()
        reader.skip("bnnnbbb")
        operation = reader.number()
        reader.skip("bb")
        source, destination = reader.number(), reader.number()
        has_amount = reader.uint8()
        reader.take(6)
        locator = reader.take(length) if length else b""
        if operation == CREATE:
            reader.skip("n")
        data = self._sent() if operation == WRITE else b""
        amount = reader.number() if has_amount else 0
        if operation == CREATE:
            made = self.new_lob(b"", destination == Type.CLOB)
            self.send(self.status(Writer().uint8(PARAMETERS).raw(made).number(UTF8).uint8(0)))
            return
        writer = Writer()
        answer = self._done(operation, locator, source, amount, data, writer)
        writer.uint8(PARAMETERS).raw(locator)
        if has_amount:
            writer.signed(answer)
        self.send(self.status(writer))

    def _sent(self) -> bytes:
        assert self.reader.uint8() == DATA_SIGN
        return self.reader.value() or b""

    def _done(
        self, operation: int, locator: bytes, offset: int, amount: int, data: bytes, writer: Writer
    ) -> int:
        """Do an operation; return the amount to answer with."""
        kept = self.lobs.get(locator)
        if kept is None:
            raise OracleError(22922, "nonexistent LOB value")
        unit = 2 if locator[6] & 0x80 else 1
        start = (offset - 1) * unit
        if operation == READ:
            piece = bytes(kept[start : start + amount * unit])
            if piece:
                writer.uint8(DATA_SIGN).value(piece)
            return len(piece) // unit
        if operation == WRITE:
            kept[start : start + len(data)] = data
        elif operation == TRIM:
            del kept[amount * unit :]
        elif operation == LENGTH:
            return len(kept) // unit
        elif operation == CHUNK_SIZE:
            return CHUNK
        return amount

    def free_lobs(self) -> None:
        """Forget the large objects a client is done with."""
        reader = self.reader
        reader.skip("b")
        total = reader.number()
        reader.skip("bnnnbbbnbnnnbbnbnbn")
        locators = reader.take(total)
        for start in range(0, total, LOCATOR_BYTES):
            self.lobs.pop(locators[start : start + LOCATOR_BYTES], None)
