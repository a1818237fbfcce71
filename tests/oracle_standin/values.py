"""Oracle's formats of values, and PostgreSQL's texts of the same."""

from __future__ import annotations

import re
import struct
from enum import IntEnum


class Type(IntEnum):
    """The types of values by their numbers on the wire."""

    VARCHAR = 1
    NUMBER = 2
    INTEGER = 3
    LONG = 8
    ROWID = 11
    DATE = 12
    RAW = 23
    LONG_RAW = 24
    CHAR = 96
    BINARY_FLOAT = 100
    BINARY_DOUBLE = 101
    CLOB = 112
    BLOB = 113
    TIMESTAMP = 180
    TIMESTAMP_TZ = 181
    INTERVAL_YM = 182
    INTERVAL_DS = 183
    TIMESTAMP_LTZ = 231


LOBS = frozenset({Type.CLOB, Type.BLOB})
MANTISSA_BYTES = 20
ZERO = b"\x80"
NEGATIVE_END = 102
"""Closes a negative number that is shorter than it could be."""

OFFSET_32 = 0x80000000
DATE_BYTES, TIMESTAMP_BYTES = 7, 11


def encoded_number(text: bytes) -> bytes:
    """Return Oracle's form of a number: an exponent, and its digits in pairs."""
    negative = text[:1] == b"-"
    whole, _, fraction = text.lstrip(b"-").partition(b".")
    whole, fraction = whole.lstrip(b"0"), fraction.rstrip(b"0")
    if not whole and not fraction:
        return ZERO
    whole = whole.rjust(len(whole) + len(whole) % 2, b"0")
    fraction = fraction.ljust(len(fraction) + len(fraction) % 2, b"0")
    exponent = len(whole) // 2
    digits = whole + fraction
    if not whole:
        leading = (len(digits) - len(digits.lstrip(b"0"))) // 2
        digits, exponent = digits[2 * leading :], exponent - leading
    while digits[-2:] == b"00":
        digits = digits[:-2]
    digits = digits[: 2 * MANTISSA_BYTES]
    pairs = [int(digits[place : place + 2]) for place in range(0, len(digits), 2)]
    if not negative:
        return bytes([exponent + 192, *(pair + 1 for pair in pairs)])
    end = [NEGATIVE_END] if len(pairs) < MANTISSA_BYTES else []
    return bytes([~(exponent + 192) & 255, *(101 - pair for pair in pairs), *end])


def decoded_number(data: bytes) -> bytes:
    """Return the text of a number in Oracle's form."""
    positive = data[0] & 0x80
    if len(data) == 1:
        return b"0" if positive else b"-1e126"
    if positive:
        exponent, digits = data[0], "".join(f"{pair - 1:02d}" for pair in data[1:])
    else:
        pairs = data[1:-1] if data[-1] == NEGATIVE_END else data[1:]
        exponent, digits = ~data[0] & 255, "".join(f"{101 - pair:02d}" for pair in pairs)
    whole = (exponent - 192) * 2
    if whole <= 0:
        text = "0." + "0" * -whole + digits
    elif whole >= len(digits):
        text = digits + "0" * (whole - len(digits))
    else:
        text = f"{digits[:whole]}.{digits[whole:]}"
    return (("" if positive else "-") + text).encode()


def encoded_date(text: bytes) -> bytes:
    """Return the seven bytes of a time without its fraction."""
    shown = text.decode()
    year, month, day = int(shown[:4]), int(shown[5:7]), int(shown[8:10])
    clock = (
        (int(shown[11:13]), int(shown[14:16]), int(shown[17:19])) if len(shown) > 10 else (0, 0, 0)
    )
    return bytes([year // 100 + 100, year % 100 + 100, month, day, *(part + 1 for part in clock)])


def encoded_timestamp(text: bytes) -> bytes:
    """Return a time, with its nanoseconds where it has some."""
    fraction = re.match(rb".{19}\.(\d+)", text)
    nanoseconds = int(fraction.group(1).ljust(9, b"0")) if fraction else 0
    return encoded_date(text) + (struct.pack(">I", nanoseconds) if nanoseconds else b"")


def encoded_zoned(text: bytes) -> bytes:
    """Return an instant with the offset it was written with: ``… +02:00``."""
    instant, _, offset = text.rpartition(b" ")
    sign = -1 if offset[:1] == b"-" else 1
    hours, minutes = int(offset[1:3]) * sign, int(offset[4:6]) * sign
    whole = encoded_timestamp(instant).ljust(TIMESTAMP_BYTES, b"\0")
    return whole + bytes([hours + 20, minutes + 60])


def decoded_date(data: bytes) -> bytes:
    """Return the text of a time without its fraction."""
    year = (data[0] - 100) * 100 + data[1] - 100
    hour, minute, second = (part - 1 for part in data[4:7])
    return f"{year:04d}-{data[2]:02d}-{data[3]:02d} {hour:02d}:{minute:02d}:{second:02d}".encode()


def decoded_timestamp(data: bytes) -> bytes:
    """Return the text of a time with nine digits of its second."""
    long = len(data) >= TIMESTAMP_BYTES
    nanoseconds = struct.unpack(">I", data[DATE_BYTES:TIMESTAMP_BYTES])[0] if long else 0
    return decoded_date(data) + b".%09d" % nanoseconds


def decoded_zoned(data: bytes) -> bytes:
    """Return the text of an instant and its offset."""
    hours, minutes = (data[11] - 20, data[12] - 60) if len(data) > TIMESTAMP_BYTES else (0, 0)
    sign = "-" if hours < 0 or minutes < 0 else "+"
    return decoded_timestamp(data) + f" {sign}{abs(hours):02d}:{abs(minutes):02d}".encode()


_ISO = re.compile(
    rb"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?"
    rb"(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d+))?S)?)?"
)


def encoded_interval(text: bytes) -> bytes:
    """Return days to seconds of an interval in ISO 8601."""
    found = _ISO.fullmatch(text)
    assert found, text
    _, _, days, hours, minutes, sign, seconds, fraction = found.groups()
    turn = -1 if sign == b"-" else 1
    nanoseconds = int((fraction or b"0").ljust(9, b"0")) * turn
    clock = (int(hours or 0), int(minutes or 0), int(seconds or 0) * turn)
    return (
        struct.pack(">I", int(days or 0) + OFFSET_32)
        + bytes(part + 60 for part in clock)
        + struct.pack(">I", nanoseconds + OFFSET_32)
    )


def encoded_months(text: bytes) -> bytes:
    """Return years and months of an interval in ISO 8601."""
    found = _ISO.fullmatch(text)
    assert found, text
    years, months = (int(part or 0) for part in found.groups()[:2])
    return struct.pack(">I", years + OFFSET_32) + bytes([months + 60])


def decoded_interval(data: bytes) -> bytes:
    """Return days to seconds as PostgreSQL reads them."""
    days, nanoseconds = (
        struct.unpack(">I", part)[0] - OFFSET_32 for part in (data[:4], data[7:11])
    )
    hours, minutes, seconds = (part - 60 for part in data[4:7])
    total = seconds * 10**9 + nanoseconds
    sign = "-" if total < 0 else ""
    shown = f"{sign}{abs(total) // 10**9}.{abs(total) % 10**9:09d}"
    return f"{days} days {hours} hours {minutes} minutes {shown} seconds".encode()


def decoded_months(data: bytes) -> bytes:
    """Return years and months as PostgreSQL reads them."""
    years = struct.unpack(">I", data[:4])[0] - OFFSET_32
    return f"{years} years {data[4] - 60} months".encode()


def _ordered(packed: bytes) -> bytes:
    """Return a float's bytes so that they sort as it does."""
    if packed[0] & 0x80:
        return bytes(~byte & 255 for byte in packed)
    return bytes([packed[0] | 0x80]) + packed[1:]


def _unordered(data: bytes) -> bytes:
    if data[0] & 0x80:
        return bytes([data[0] & 0x7F]) + data[1:]
    return bytes(~byte & 255 for byte in data)


def encoded_double(text: bytes) -> bytes:
    """Return a double's eight bytes."""
    return _ordered(struct.pack(">d", float(text)))


def encoded_float(text: bytes) -> bytes:
    """Return a float's four bytes."""
    return _ordered(struct.pack(">f", float(text)))


def decoded_double(data: bytes) -> bytes:
    """Return a double's text."""
    return repr(struct.unpack(">d", _unordered(data))[0]).encode()


def decoded_float(data: bytes) -> bytes:
    """Return a float's text."""
    return repr(struct.unpack(">f", _unordered(data))[0]).encode()


def from_bytea(text: bytes) -> bytes:
    """Return the bytes that PostgreSQL writes in hexadecimal."""
    return bytes.fromhex(text[2:].decode())


def to_bytea(data: bytes) -> bytes:
    """Return bytes as PostgreSQL writes them in hexadecimal."""
    return b"\\x" + data.hex().encode()


def utf16(text: bytes) -> bytes:
    """Return a text in the national character set."""
    return text.decode().encode("utf-16-be")


def from_utf16(data: bytes) -> bytes:
    """Return a text of the national character set."""
    return data.decode("utf-16-be").encode()


LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def rowid_parts(text: bytes) -> tuple[int, int, int, int]:
    """Return object, file, block and row of a row address in letters."""
    ends = ((0, 6), (6, 9), (9, 15), (15, 18))
    object_id, file, block, row = (_from_letters(text[start:end]) for start, end in ends)
    return object_id, file, block, row


def _from_letters(text: bytes) -> int:
    number = 0
    for letter in text:
        number = number << 6 | LETTERS.index(letter)
    return number
