"""Converts timestamps with the offset of a session's zone into UTC. Pure.

An offset has seconds where a zone had its own local time (``+00:19:32``, in Amsterdam until 1937);
a year may have more than four digits, or be before Christ. Such times are rare, and take the slow
way.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MOMENT = re.compile(
    r"(?P<year>\d{4,})-(?P<rest>\d\d-\d\d) (?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?"
    r"(?P<sign>[+-])(?P<hours>\d\d)(?::(?P<minutes>\d\d))?(?::(?P<seconds>\d\d))?(?P<bc> BC)?"
)
_USUAL = (
    r"^(?P<local>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)"
    r"(?P<sign>[+-])(?P<hours>\d\d)(?::(?P<minutes>\d\d))?(?::(?P<seconds>\d\d))?$"
)

FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999 in UTC, in microseconds since 1970: those that Python's own times have."""


def utc(text: str) -> str:
    """Return a moment's text with the offset +00; what is none, such as infinity, as it is."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    offset = int(found["hours"]) * 3600 + int(found["minutes"] or 0) * 60
    offset += int(found["seconds"] or 0)
    year = 1 - int(found["year"]) if found["bc"] else int(found["year"])
    local = np.datetime64(f"{year:05d}-{found['rest']}T{found['time']}", "s")
    shift = np.timedelta64(-offset if found["sign"] == "+" else offset, "s")
    return _written(str(local + shift), found["fraction"] or "")


def _written(iso: str, fraction: str) -> str:
    """Return a time as the database writes it; its year 0 is the year 1 before Christ."""
    years, month, rest = iso.rsplit("-", 2)
    year = int(years)
    day, clock = rest.split("T")
    shown, era = (year, "") if year > 0 else (1 - year, " BC")
    return f"{shown:04d}-{month}-{day} {clock}{fraction}+00{era}"


def assumed(text: str) -> str:
    """Return a time that was written without a zone as one in UTC."""
    return f"{text}+00" if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", text) else text


def in_utc(texts: pa.Array) -> pa.Array:
    """Return moments' texts, each with the offset +00."""
    if pc.all(pc.ends_with(texts, "+00"), min_count=0).as_py():
        return texts
    return pa.array(
        (None if text is None else utc(text) for text in texts.to_pylist()), pa.string()
    )


def moments(texts: pa.Array, arrow: pa.DataType) -> pa.Array:
    """Return timestamps of their texts.

    Raises
    ------
    pyarrow.ArrowInvalid
        When one is none that the type has, such as infinity, or of a year before 1 or after 9999.
    """
    parts = pc.extract_regex(texts, _USUAL)
    if parts.null_count != texts.null_count:
        message = "a moment is infinite, or of a year that is not from 1 to 9999"
        raise pa.ArrowInvalid(message)
    # the fields of a missing one are empty texts
    local = pc.if_else(texts.is_valid(), parts.field("local"), None).cast(pa.timestamp("us"))
    made = pc.subtract(local, _offsets(parts).cast(pa.duration("s")))
    numbers = made.cast(pa.int64())
    beyond = pc.or_(pc.less(numbers, FIRST), pc.greater(numbers, LAST))
    if pc.any(beyond).as_py():
        message = "a moment is of a year that is not from 1 to 9999"
        raise pa.ArrowInvalid(message)
    return made.cast(arrow)


def _offsets(parts: pa.StructArray) -> pa.Array:
    """Return seconds east of Greenwich."""
    seconds = pa.array([0] * len(parts), pa.int64())
    for name, unit in (("hours", 3600), ("minutes", 60), ("seconds", 1)):
        digits = pc.if_else(pc.equal(parts.field(name), ""), "0", parts.field(name))
        seconds = pc.add(seconds, pc.multiply(digits.cast(pa.int64()), unit))
    west = pc.equal(parts.field("sign"), "-")
    return pc.if_else(west, pc.negate(seconds), seconds)
