"""How a result column is described and sent, and how a bound value is passed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.oracle_standin import values
from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.packets import Writer
from tests.oracle_standin.values import Type

AL32UTF8, AL16UTF16 = 873, 2000
DATABASE_SET, NATIONAL_SET = 1, 2
"""Forms of character sets."""

NO_SCALE = -127
NUMBER_BYTES = 22
FLOAT_DIGITS = 126
MOST_BYTES = 32767
YEAR_TO_MONTH = 6
"""In a type modifier of PostgreSQL's interval."""


@dataclass(slots=True)
class Column:
    """A result column as Oracle describes it."""

    name: str
    type: Type
    precision: int = 0
    scale: int = 0
    size: int = 0
    """Characters."""
    buffer: int = 0
    """Bytes."""
    form: int = 0
    """Form of its character set; 0: it has none."""
    encode: Callable[[bytes], bytes] | None = None
    """From PostgreSQL's text; None: the text itself."""
    nullable: bool = True

    def describe(self, writer: Writer) -> None:
        """Write its description."""
        charset = {0: 0, DATABASE_SET: AL32UTF8, NATIONAL_SET: AL16UTF16}[self.form]
        writer.uint8(self.type).uint8(0x80).uint8(self.precision).uint8(self.scale & 255)
        writer.number(self.buffer).number(0).number(0).number(0).number(0)
        writer.number(charset).uint8(self.form).number(self.size).number(0)
        writer.uint8(int(self.nullable)).uint8(len(self.name.encode()) & 255).sized(self.name)
        writer.number(0).number(0).number(0).number(0)


def _number(name: str, modifier: int) -> Column:
    precision, scale = 0, NO_SCALE
    if modifier >= 0:
        precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
        scale = scale - 2048 if scale > 1023 else scale
    encode = values.encoded_number
    return Column(name, Type.NUMBER, precision, scale, buffer=NUMBER_BYTES, encode=encode)


def _free_number(name: str, modifier: int) -> Column:
    del modifier
    return _number(name, -1)


def _float(name: str, modifier: int) -> Column:
    del modifier
    encode = values.encoded_number
    return Column(name, Type.NUMBER, FLOAT_DIGITS, NO_SCALE, buffer=NUMBER_BYTES, encode=encode)


def _truth(name: str, modifier: int) -> Column:
    del modifier

    def encode(text: bytes) -> bytes:
        return values.encoded_number(b"1" if text == b"t" else b"0")

    return Column(name, Type.NUMBER, 1, 0, buffer=NUMBER_BYTES, encode=encode)


def _text(name: str, modifier: int) -> Column:
    size = modifier - 4 if modifier > 4 else 4000
    return Column(
        name, Type.VARCHAR, size=size, buffer=min(size * 4, MOST_BYTES), form=DATABASE_SET
    )


def _padded(name: str, modifier: int) -> Column:
    size = max(modifier - 4, 1)
    return Column(name, Type.CHAR, size=size, buffer=size * 4, form=DATABASE_SET)


def _national(name: str, modifier: int) -> Column:
    size = modifier - 4 if modifier > 4 else 2000
    buffer = min(size * 2, MOST_BYTES)
    return Column(
        name, Type.VARCHAR, size=size, buffer=buffer, form=NATIONAL_SET, encode=values.utf16
    )


def _national_padded(name: str, modifier: int) -> Column:
    size = max(modifier - 4, 1)
    return Column(
        name, Type.CHAR, size=size, buffer=size * 2, form=NATIONAL_SET, encode=values.utf16
    )


def _timestamp(name: str, modifier: int) -> Column:
    if modifier == 0:
        return Column(name, Type.DATE, buffer=7, encode=values.encoded_date)
    scale = modifier if modifier > 0 else 6
    return Column(name, Type.TIMESTAMP, scale=scale, buffer=11, encode=values.encoded_timestamp)


def _date(name: str, modifier: int) -> Column:
    del modifier
    return _timestamp(name, 0)


def _interval(name: str, modifier: int) -> Column:
    if (modifier >> 16) & 0x7FFF == YEAR_TO_MONTH:
        return Column(name, Type.INTERVAL_YM, precision=2, buffer=5, encode=values.encoded_months)
    encode = values.encoded_interval
    return Column(name, Type.INTERVAL_DS, precision=2, scale=6, buffer=11, encode=encode)


def _fixed(kind: Type, **facts: object) -> Callable[[str, int], Column]:
    return lambda name, _modifier: Column(name, kind, **facts)  # type: ignore[arg-type]


_zoned = {"buffer": 13, "encode": values.encoded_zoned}

BUILT_IN: Mapping[int, Callable[[str, int], Column]] = {
    1700: _number,
    **dict.fromkeys((20, 21, 23, 26), _free_number),
    16: _truth,
    **dict.fromkeys((1043, 25, 19), _text),
    705: _fixed(Type.VARCHAR, size=32, buffer=128, form=DATABASE_SET),
    2278: _fixed(Type.VARCHAR, size=1, buffer=4, form=DATABASE_SET),
    1042: _padded,
    1082: _date,
    1114: _timestamp,
    1184: _fixed(Type.TIMESTAMP_LTZ, scale=6, buffer=11, encode=values.encoded_timestamp),
    1186: _interval,
    701: _fixed(Type.BINARY_DOUBLE, buffer=8, encode=values.encoded_double),
    700: _fixed(Type.BINARY_FLOAT, buffer=4, encode=values.encoded_float),
    17: _fixed(Type.RAW, size=2000, buffer=2000, encode=values.from_bytea),
}
"""By PostgreSQL's numbers of types."""

OWN: Mapping[str, Callable[[str, int], Column]] = {
    "clob": _fixed(Type.CLOB, buffer=4000, form=DATABASE_SET),
    "nclob": _fixed(Type.CLOB, buffer=4000, form=NATIONAL_SET),
    "blob": _fixed(Type.BLOB, buffer=4000, encode=values.from_bytea),
    "rowid": _fixed(Type.ROWID, buffer=18),
    "float": _float,
    "nvarchar": _national,
    "nchar": _national_padded,
    "timestamp9": _fixed(Type.TIMESTAMP, scale=9, buffer=11, encode=values.encoded_timestamp),
    "zoned": _fixed(Type.TIMESTAMP_TZ, scale=6, **_zoned),
    "zoned9": _fixed(Type.TIMESTAMP_TZ, scale=9, **_zoned),
}
"""The dictionary's own types."""


class Columns:
    """Descriptions of columns, and bound values, in a database with the dictionary's types."""

    def __init__(self, oids: Mapping[str, int]) -> None:
        self.oids = oids
        self.makers = {**BUILT_IN, **{oids[name]: maker for name, maker in OWN.items()}}

    def column(self, name: str, oid: int, modifier: int) -> Column:
        """Return a result column; raises ORA-00932 for a type Oracle has not."""
        if oid not in self.makers:
            message = f"inconsistent datatypes: the stand-in knows no type {oid} ({name})"
            raise OracleError(932, message)
        return self.makers[oid](name, modifier)

    def parameter(self, kind: int, form: int, data: bytes | None) -> tuple[int, bytes | None]:
        """Return PostgreSQL's type of a bound value and its text; 0: whatever is wanted there."""
        if kind not in self._decoders:
            text = values.from_utf16(data) if data and form == NATIONAL_SET else data
            return 0, text or None
        name, decode = self._decoders[kind]
        oid = self.oids[name] if isinstance(name, str) else name
        return oid, decode(data) if data else None

    _decoders: Mapping[int, tuple[int | str, Callable[[bytes], bytes]]] = {
        Type.NUMBER: (1700, values.decoded_number),
        Type.INTEGER: (1700, values.decoded_number),
        Type.DATE: (1114, values.decoded_date),
        Type.TIMESTAMP: ("timestamp9", values.decoded_timestamp),
        Type.TIMESTAMP_TZ: ("zoned9", values.decoded_zoned),
        Type.TIMESTAMP_LTZ: ("zoned9", values.decoded_zoned),
        Type.INTERVAL_DS: (1186, values.decoded_interval),
        Type.INTERVAL_YM: (1186, values.decoded_months),
        Type.BINARY_DOUBLE: (701, values.decoded_double),
        Type.BINARY_FLOAT: (700, values.decoded_float),
        Type.RAW: (17, values.to_bytea),
        Type.LONG_RAW: (17, values.to_bytea),
        Type.BLOB: (17, values.to_bytea),
    }
