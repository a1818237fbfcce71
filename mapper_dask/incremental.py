"""How to find the new rows of a query, as a frozen value that imports nothing heavy."""

from __future__ import annotations

import datetime as dt
import math
import numbers
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mapper_dask.options import with_known_options

MOST_DIGITS = 1_000
"""Digits of an overlap or a start, before and behind the point: no column holds values that need
more, and all of them are written out."""

LARGEST = 10**MOST_DIGITS

LONGEST_OVERLAP = dt.timedelta(days=366_000)
"""About 1,000 years: below any time of a database's it leads to another one."""

LONGEST_COMMIT_WAIT = 86_400
"""Seconds to wait for transactions in progress, at most: a day."""


@with_known_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Incremental:
    """Which rows of a query are new since the last run of the same job.

    Parameters
    ----------
    column
        Column of the query whose values grow: a time, a date or a number.
    overlap
        How far below the last high value the next run begins, for rows that came late: a
        timedelta for times, a number for numbers. It reads rows again, so it needs
        ``write_disposition="merge"``.
    start
        Where the first run begins (excluded), and below which no overlap reaches: a time, a date
        or a number, or one as text; None: with every row. A time without a zone is UTC.
    in_progress
        What is done about transactions of the source that may still commit rows below the
        column's greatest value: ``"wait"`` waits for their end and stays below those that remain;
        ``"ignore"`` goes up to the greatest value, and loses what they commit later.
    commit_wait
        Seconds for which their end is waited for.
    range_end
        ``"closed"``: up to the greatest value; ``"open"``: the greatest value itself is left to
        the run that finds a greater one, for days and seconds, in which more rows may come
        meanwhile.
    check_target
        Whether a run first looks whether the target still holds what the last one has loaded.

    Raises
    ------
    UnknownOptionError
        When an option is misspelt.
    """

    column: str
    overlap: dt.timedelta | float | None = None
    start: Any = None
    in_progress: str = "wait"
    commit_wait: float = 5.0
    range_end: str = "closed"
    check_target: bool = True

    @property
    def overlaps(self) -> bool:
        """Whether a run reads rows again that an earlier one has read."""
        return bool(self.overlap)


def is_overlap(value: object) -> bool:
    """Return whether a value can be an overlap; whatever its length, that takes no time."""
    if isinstance(value, dt.timedelta):
        return dt.timedelta(0) <= value <= LONGEST_OVERLAP
    number: Any = value
    real: bool = isinstance(value, (numbers.Integral, float, Decimal)) and not isinstance(
        value, bool
    )
    return real and is_counted(value) and bool(number >= 0)


def is_counted(value: object) -> bool:
    """Return whether a number, if it is one, is written out in so many digits as are read.

    Whatever the number is, that takes no time.
    """
    if isinstance(value, numbers.Integral):
        return bool(-LARGEST < int(value) < LARGEST)
    if isinstance(value, float):
        return math.isfinite(value)
    if not isinstance(value, Decimal):
        return True
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return False
    return exponent >= -MOST_DIGITS and len(digits) + exponent <= MOST_DIGITS
