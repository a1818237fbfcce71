"""Conversions of types that are sent as a database's own text, by their names. Pure.

A database reads any text as a value of the column's type if it can: ``1.10`` from a json is a
second and a tenth to an interval. So between types it knows only kin pass; of types it does not
know (enums, those of extensions) it is left to the database to refuse a text.
"""

from __future__ import annotations

import re

NO = "\0"
"""The note of an impossible conversion."""

JSON_NOTE = "white space, key order and repeated keys are not kept"
CUT_NOTE = "cut to the target's precision"
BYTE_NOTE = "cut to one byte"
ELEMENTS_NOTE = "its elements may be rounded or cut"

_KIN = (
    ("json", "jsonb"),
    ("bit", "bit varying"),
    ("inet", "cidr"),
    ("int4range", "int8range", "numrange"),
    ("int4multirange", "int8multirange", "nummultirange"),
)
"""Types that read each other's texts, exactly or not at all."""

_ALONE = (
    *("interval", "time with time zone", "uuid", "xml", "money", '"char"', "macaddr", "macaddr8"),
    *("point", "line", "lseg", "box", "path", "polygon", "circle", "tsvector", "tsquery", "pg_lsn"),
    *("tsrange", "tstzrange", "daterange", "tsmultirange", "tstzmultirange", "datemultirange"),
)
_KINDS = {name: kin[0] for kin in (*_KIN, *((name,) for name in _ALONE)) for name in kin}

_WHOLE = ("smallint", "integer", "bigint")
_TEXTS = ("text", "character varying")
_ROUNDED = re.compile(r"(numeric|timestamp|time|interval)\b.*\(")
"""Element types that cut what they read; texts and bits that are too long are refused."""

_MODIFIER = re.compile(r"\([^)]*\)")
_MICROSECONDS = 6


def between(given: str, taken: str) -> str | None:
    """Return what a type loses in another: None for nothing, ``NO`` if it is impossible."""
    if given == taken:
        return None
    kinds = _kind(given), _kind(taken)
    if None not in kinds and kinds[0] != kinds[1]:
        return NO
    if kinds == ("array", "array"):
        return _between_arrays(given.removesuffix("[]"), taken.removesuffix("[]"))
    if kinds[0] is None:  # made by a function, or of an unknown type
        return CUT_NOTE if _digits(taken) < _MICROSECONDS else _elements(taken)
    if _bare(given) == "json" and taken == "jsonb":
        return JSON_NOTE
    return CUT_NOTE if _digits(taken) < _digits(given) else None


def from_text(taken: str) -> str | None:
    """Return what any text loses in a type."""
    if taken.removesuffix("[]") == "jsonb":
        return JSON_NOTE
    if taken == '"char"':
        return BYTE_NOTE
    return CUT_NOTE if _digits(taken) < _MICROSECONDS else _elements(taken)


def _between_arrays(given: str, taken: str) -> str | None:
    if _kind(given) and _kind(taken):
        return between(given, taken)
    if taken in _TEXTS or (given in _WHOLE and taken in (*_WHOLE, "numeric")):
        return None
    known = _bare(given) == _bare(taken) and taken == _bare(taken)  # only the limit is dropped
    return None if known else ELEMENTS_NOTE


def _elements(taken: str) -> str | None:
    return ELEMENTS_NOTE if taken.endswith("[]") and _ROUNDED.match(taken) else None


def _kind(type_name: str) -> str | None:
    """Return what types that read each other's texts have in common; None: not known."""
    return "array" if type_name.endswith("[]") else _KINDS.get(_bare(type_name))


def _bare(type_name: str) -> str:
    """Return a type without its modifiers, in PostgreSQL's spelling."""
    bare = _MODIFIER.sub("", type_name).lower()
    return {"xmltype": "xml"}.get(bare, "interval" if bare.startswith("interval ") else bare)


def _digits(type_name: str) -> int:
    """Return the fractional digits of a second a type keeps; -1 where it keeps some fields only.

    Types that have none keep as many as any.
    """
    bare = _bare(type_name)
    if bare not in ("interval", "time with time zone"):
        return _MICROSECONDS
    if _MODIFIER.sub("", type_name).lower() != bare:
        return -1
    digits = re.search(r"\((\d+)\)", type_name)
    return int(digits.group(1)) if digits else _MICROSECONDS
