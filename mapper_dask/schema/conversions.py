"""Whether a value converts to a column's type: exactly, with a loss, or not at all.

Pure. One table of rules for every database, since both sides are families and Arrow types.
"Exact" includes values that the load refuses loudly (300 into a smallint): nothing is stored
wrong. A loss is what a database would do without a word: round, drop a zone, assume one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from mapper_dask.schema import text_types
from mapper_dask.schema.facts import Column, TypeFamily
from mapper_dask.schema.shapes import Difference, Shape, are_one, difference

_F = TypeFamily

MICROSECONDS = 6
"""Fractional digits of a second that most databases store."""

_DIGITS = {"s": 0, "ms": 3, "us": MICROSECONDS, "ns": MICROSECONDS}
"""Fractional digits of Arrow's units. Nanoseconds are what pandas makes of any time: a digit past
the sixth is refused on the way, unless the source's own type has it."""


class Exactness(enum.Enum):
    """How a conversion ends."""

    EXACT = "exact"
    LOSSY = "lossy"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Conversion:
    """The conversion of one column to its target's type."""

    column: str
    verdict: Exactness
    note: str = ""
    """What is lost, or why it is impossible; empty when exact."""

    def __str__(self) -> str:
        return f"{self.column}: {self.note or self.verdict.value}"


@dataclass(frozen=True, slots=True)
class Incoming:
    """The type of the values that arrive for a column."""

    family: TypeFamily | None
    """None when not known, as for a column of NULLs."""
    shown: str
    """Its type, for messages."""
    precision: int | None = None
    scale: int | None = None
    bits: int = 0
    """Width of an integer or float."""
    digits: int | None = None
    """Significant digits a number has at most; None: not known."""
    shape: Shape | None = None
    """The structure of the source's type; None where a function made the values."""


def incoming_from_column(column: Column) -> Incoming:
    """Return the type of a source column's values."""
    return Incoming(
        column.family,
        column.type_name,
        column.precision,
        column.scale,
        _bits(column.arrow),
        column.digits or (column.precision if column.family is _F.DECIMAL else None),
        column.shape,
    )


def incoming_from_arrow(arrow: pa.DataType) -> Incoming:
    """Return the type of an Arrow array's values."""
    if pa.types.is_decimal(arrow):
        return Incoming(
            _F.DECIMAL, str(arrow), arrow.precision, arrow.scale, digits=arrow.precision
        )
    if pa.types.is_timestamp(arrow):
        family = _F.TIMESTAMP if arrow.tz is None else _F.TIMESTAMP_TZ
        return Incoming(family, str(arrow), precision=_DIGITS[arrow.unit])
    for matches, known in _ARROW_FAMILIES:
        if matches(arrow):
            precision = MICROSECONDS if known is _F.TIME else None
            return Incoming(known, str(arrow), precision, bits=_bits(arrow))
    return Incoming(_F.OTHER, str(arrow))


_ARROW_FAMILIES: tuple[tuple[Callable[[pa.DataType], bool], TypeFamily | None], ...] = (
    (pa.types.is_null, None),
    (pa.types.is_boolean, _F.BOOLEAN),
    (pa.types.is_integer, _F.INTEGER),
    (pa.types.is_floating, _F.FLOAT),
    (pa.types.is_date, _F.DATE),
    (pa.types.is_time, _F.TIME),
    (
        lambda t: (
            pa.types.is_binary(t)
            or pa.types.is_large_binary(t)
            or pa.types.is_fixed_size_binary(t)
            or pa.types.is_binary_view(t)
        ),
        _F.BINARY,
    ),
    (
        lambda t: (
            pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t)
        ),
        _F.TEXT,
    ),
)


def _bits(arrow: pa.DataType) -> int:
    return int(arrow.bit_width) if pa.types.is_integer(arrow) or pa.types.is_floating(arrow) else 0


def judge(incoming: Incoming, target: Column) -> Conversion:
    """Return how values of one type convert to a column of another."""
    if incoming.family is None:
        return Conversion(target.name, Exactness.EXACT)
    if (known := _by_definition(incoming, target)) is not None:
        return known
    note = _RULES.get((incoming.family, target.family), _impossible)(incoming, target)
    if note is None:
        return Conversion(target.name, Exactness.EXACT)
    if note == text_types.NO:
        return Conversion(
            target.name,
            Exactness.IMPOSSIBLE,
            f"{incoming.shown} does not go into {target.type_name}",
        )
    return lossy(incoming, target, note)


def _by_definition(incoming: Incoming, target: Column) -> Conversion | None:
    """Return a conversion by the types' definitions; None where their names are enough."""
    if (found := unlike(incoming, target)) is not None:
        if found.note:
            return lossy(incoming, target, found.note)
        return Conversion(target.name, Exactness.IMPOSSIBLE, found.refusal(target.name))
    alike = are_one(incoming.shape, target.shape)
    return Conversion(target.name, Exactness.EXACT) if alike else None


def unlike(incoming: Incoming, target: Column) -> Difference | None:
    """Return how the definitions of two types sent as text differ; None if they do not."""
    if incoming.shape is None or target.shape is None:
        return None
    return difference(incoming.shape, target.shape)


def lossy(incoming: Incoming, target: Column, note: str) -> Conversion:
    """Return a lossy conversion with a note on what is lost."""
    return Conversion(
        target.name, Exactness.LOSSY, f"{incoming.shown} → {target.type_name}: {note}"
    )


def _impossible(_: Incoming, __: Column) -> str | None:
    return text_types.NO


def _exact(_: Incoming, __: Column) -> str | None:
    return None


def _into_decimal(incoming: Incoming, target: Column) -> str | None:
    return _joined(_fewer_digits(incoming, target), _fewer_decimals(incoming, target)) or None


def _fewer_digits(incoming: Incoming, target: Column) -> str | None:
    if incoming.family is not _F.DECIMAL or target.digits is None:
        return None
    if incoming.digits is not None and incoming.digits <= target.digits:
        return None
    return f"kept to {target.digits} digits"


def _fewer_decimals(incoming: Incoming, target: Column) -> str | None:
    scale = 0 if incoming.family is _F.INTEGER else incoming.scale
    if target.scale is None or (scale is not None and scale <= target.scale):
        return None
    return f"rounded to {target.scale} decimals"


def _into_float(incoming: Incoming, target: Column) -> str | None:
    if incoming.family is _F.DECIMAL:
        return "kept to the digits a float has"
    if incoming.family is _F.FLOAT and incoming.bits > _bits(target.arrow):
        return "rounded to single precision"
    return None


def _into_time(incoming: Incoming, target: Column) -> str | None:
    given, kept = incoming.precision, target.precision
    if given is not None and kept is not None and given > kept:
        return f"rounded to {kept} digits of a second"
    return None


def _into_zoned_time(incoming: Incoming, target: Column) -> str | None:
    written = "the instant is kept, the zone it was written with is not"
    return _joined(written if _keeps_zone(incoming) else None, _into_time(incoming, target)) or None


def _keeps_zone(incoming: Incoming) -> bool:
    """Return whether an Oracle type stores the zone of each value."""
    return incoming.shown.startswith("TIMESTAMP(") and incoming.shown.endswith(" WITH TIME ZONE")


def _drop_zone(incoming: Incoming, target: Column) -> str | None:
    return _joined("stored as UTC, the zone is dropped", _into_time(incoming, target))


def _assume_zone(incoming: Incoming, target: Column) -> str | None:
    return _joined("taken as UTC", _into_time(incoming, target))


def _other_to_other(incoming: Incoming, target: Column) -> str | None:
    """Return the conversion of types that are sent as the database's own text."""
    return text_types.between(incoming.shown, target.type_name)


def _text_to_other(_: Incoming, target: Column) -> str | None:
    return text_types.from_text(target.type_name)


def _joined(*notes: str | None) -> str:
    return ", ".join(note for note in notes if note)


Rule = Callable[[Incoming, Column], str | None]
"""Returns what is lost: None for nothing, ``text_types.NO`` for an impossible conversion."""

_NUMBERS = (_F.INTEGER, _F.DECIMAL, _F.FLOAT)
_RULES: dict[tuple[TypeFamily, TypeFamily], Rule] = {
    (_F.BOOLEAN, _F.BOOLEAN): _exact,
    (_F.BOOLEAN, _F.INTEGER): _exact,
    (_F.BINARY, _F.BINARY): _exact,
    (_F.DATE, _F.DATE): _exact,
    (_F.DATE, _F.TIMESTAMP): _exact,
    (_F.DATE, _F.TIMESTAMP_TZ): _assume_zone,
    (_F.TIMESTAMP, _F.DATE): _exact,
    (_F.TIMESTAMP, _F.TIMESTAMP): _into_time,
    (_F.TIMESTAMP, _F.TIMESTAMP_TZ): _assume_zone,
    (_F.TIMESTAMP_TZ, _F.TIMESTAMP_TZ): _into_zoned_time,
    (_F.TIMESTAMP_TZ, _F.TIMESTAMP): _drop_zone,
    (_F.TIME, _F.TIME): _into_time,
    (_F.OTHER, _F.OTHER): _other_to_other,
    (_F.TEXT, _F.OTHER): _text_to_other,
    **{(number, _F.INTEGER): _exact for number in _NUMBERS},
    **{(number, _F.DECIMAL): _into_decimal for number in _NUMBERS},
    **{(number, _F.FLOAT): _into_float for number in _NUMBERS},
    **{(family, _F.TEXT): _exact for family in _F if family is not _F.BINARY},
}
