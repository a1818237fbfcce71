"""TNS packets and TTC's primitive values, as they are written and read."""

from __future__ import annotations

import queue
import struct

from tests.oracle_standin.values import rowid_parts

CONNECT, ACCEPT, REFUSE, DATA, MARKER = 1, 2, 4, 6, 12
"""Kinds of packets."""

LONGEST_SHORT, CHUNKED, PIECE = 252, 254, 32767
"""Bytes of a value with a one-byte length, the sign of one in pieces, bytes of a piece."""

NULL_LENGTHS = frozenset({0, 255})
ROWID_SIGN = 14


class Closed(Exception):  # noqa: N818 - it is no fault
    """The client is gone."""


class Interrupted(Exception):  # noqa: N818 - it is no fault
    """The client wants the call broken off."""


class Writer(bytearray):
    """The body of an answer; each method returns the writer."""

    def uint8(self, value: int) -> Writer:
        """Write a byte."""
        self.append(value & 255)
        return self

    def uint16(self, value: int) -> Writer:
        """Write two bytes."""
        self.extend(struct.pack(">H", value))
        return self

    def number(self, value: int) -> Writer:
        """Write a number in as many bytes as it needs, behind their count."""
        if not value:
            return self.uint8(0)
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        size = next(size for size in (1, 2, 4, 8) if size >= len(data))
        self.append(size)
        self.extend(data.rjust(size, b"\0"))
        return self

    def numbers(self, *values: int) -> Writer:
        """Write several numbers."""
        for value in values:
            self.number(value)
        return self

    def signed(self, value: int) -> Writer:
        """Write a number that may be negative: a bit in its count says so."""
        if value >= 0:
            return self.number(value)
        place = len(self)
        self.number(-value)
        self[place] |= 0x80
        return self

    def raw(self, data: bytes) -> Writer:
        """Write bytes as they are."""
        self.extend(data)
        return self

    def value(self, data: bytes | None) -> Writer:
        """Write bytes behind their length, long ones in pieces; none are a NULL."""
        if not data:
            return self.uint8(0)
        if len(data) <= LONGEST_SHORT:
            return self.uint8(len(data)).raw(data)
        self.append(CHUNKED)
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self.number(len(piece)).raw(piece)
        return self.number(0)

    def sized(self, data: bytes | str | None) -> Writer:
        """Write bytes behind their length as a number, and then as a value."""
        data = data.encode() if isinstance(data, str) else data
        return self.number(len(data)).value(data) if data else self.number(0)

    def rowid(self, text: bytes) -> Writer:
        """Write a row address."""
        object_id, file, block, row = rowid_parts(text)
        return self.uint8(ROWID_SIGN).numbers(object_id, file).uint8(0).numbers(block, row)


class Reader:
    """Pulls values out of DATA packets that the socket's thread puts in a queue."""

    def __init__(self) -> None:
        self.packets: queue.Queue[bytes | None] = queue.Queue()
        self.packet = b""
        self.place = 0

    def take(self, size: int) -> bytes:
        """Return some bytes, waiting for more packets if need be."""
        data = self.packet[self.place : self.place + size]
        self.place += len(data)
        while len(data) < size:
            self.packet = self._next()
            self.place = min(size - len(data), len(self.packet))
            data += self.packet[: self.place]
        return data

    def _next(self) -> bytes:
        packet = self.packets.get()
        if packet is None:
            raise Closed
        if not packet:
            raise Interrupted
        return packet

    def skip_rest(self) -> None:
        """Forget what is left of the packet."""
        self.packet, self.place = b"", 0

    def at_end(self) -> bool:
        """Return whether the packet is used up."""
        return self.place >= len(self.packet)

    def uint8(self) -> int:
        """Read a byte."""
        return self.take(1)[0]

    def uint16(self) -> int:
        """Read two bytes."""
        return int.from_bytes(self.take(2), "big")

    def number(self) -> int:
        """Read a number behind the count of its bytes."""
        count = self.uint8()
        value = int.from_bytes(self.take(count & 0x7F), "big")
        return -value if count & 0x80 else value

    def skip(self, pattern: str) -> None:
        """Pass over bytes (b) and numbers (n) that the stand-in has no use for."""
        for kind in pattern:
            self.uint8() if kind == "b" else self.number()

    def value(self) -> bytes | None:
        """Read bytes behind their length."""
        length = self.uint8()
        if length in NULL_LENGTHS:
            return None
        if length != CHUNKED:
            return self.take(length)
        data = b""
        while size := self.number():
            data += self.take(size)
        return data

    def sized(self) -> bytes:
        """Read bytes behind their length as a number, and then as a value."""
        return (self.value() or b"") if self.number() else b""
