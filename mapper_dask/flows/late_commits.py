"""How far an incremental job may read, so that no row comes late below that.

The greatest value is read first, then the transactions in progress: whatever begins after those is
above it. Their end is waited for, for some seconds. Those that remain keep the mark down: below
their start, where the values are times and the start is visible; else where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tenacity

from mapper_dask.dialects.watermarks import Watermarks
from mapper_dask.incremental import Incremental
from mapper_dask.log import log
from mapper_dask.schema.facts import Column, CommitOrder, Transaction

FIRST_WAIT, LONGEST_WAIT = 0.02, 0.5
"""Seconds between two looks at what is in progress at most: the first, and any."""

CLOCK_GAP = 0.1
"""Seconds between the greatest time and the look for transactions: one that has its time, and that
the server has not begun yet, would be missed, and so would a writer whose clock ticks in tens of
milliseconds."""

NAMED = 3
"""Transactions that a message lists."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a window ends."""

    high: str | None
    notes: tuple[str, ...] = ()
    """Notes on it."""


@dataclass(frozen=True, slots=True)
class Range:
    """A query's column that grows, and the value from which it is read."""

    sql: str
    column: Column
    marks: Watermarks
    floor: str | None


def settled(
    read: Range,
    top: str | None,
    incremental: Incremental,
    order: CommitOrder,
    *,
    sleep: Callable[[float], Any] = time.sleep,
) -> Mark:
    """Return where a window ends that begins at the floor, its greatest value being ``top``.

    Parameters
    ----------
    order
        How rows become visible.
    sleep
        Called to wait, with seconds.
    """
    notes = (f"late commits may be missed: {order.blind}",) if order.blind else ()
    if top is None or top == read.floor:
        return Mark(top, notes)
    bounds = [top] if incremental.range_end == "open" else []
    if incremental.in_progress == "ignore":
        return Mark(_below(read, top, bounds))
    if order.by_start:
        sleep(CLOCK_GAP)
    left = _left(read, top, incremental, order, sleep)
    if not left:
        return Mark(_below(read, top, bounds), notes)
    starts = [each.least for each in left if each.least is not None]
    high = read.floor
    if len(starts) == len(left):
        high = _below(read, top, [*dict.fromkeys(starts), *bounds])
    return Mark(high, (*notes, _note(left, incremental, high, read.floor)))


def _below(read: Range, top: str, bounds: Sequence[str]) -> str | None:
    if not bounds:
        return top
    return read.marks.high_below(read.sql, read.column, read.floor, bounds)


def _left(
    read: Range,
    top: str,
    incremental: Incremental,
    order: CommitOrder,
    sleep: Callable[[float], Any],
) -> tuple[Transaction, ...]:
    """Return the transactions that have not ended in the time that they were given."""

    def look() -> tuple[Transaction, ...]:
        return read.marks.in_progress(read.column, order, top)

    first = look()
    if not first or not incremental.commit_wait:
        return first
    keys = {each.key for each in first}
    names, seconds = _names(first), incremental.commit_wait
    log("commits_awaited", logging.INFO, transactions=len(first), first=names, seconds=seconds)

    def of_those() -> tuple[Transaction, ...]:
        # One that was prepared meanwhile continues under another key.
        return tuple(t for t in look() if t.key in keys or t.prepared)

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        stop=tenacity.stop_after_delay(incremental.commit_wait),
        sleep=sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else first,
    )
    left: tuple[Transaction, ...] = attempts(of_those)
    return left


def _names(transactions: Sequence[Transaction]) -> str:
    more = len(transactions) - NAMED
    named = ", ".join(each.whose for each in transactions[:NAMED])
    return f"{named} and {more:,} more" if more > 0 else named


def _note(
    left: Sequence[Transaction], incremental: Incremental, high: str | None, floor: str | None
) -> str:
    rows = "no new row is read yet" if high == floor else "only rows below them are read"
    return (
        f"{len(left):,} transactions at the source had not ended after "
        f"{incremental.commit_wait:g} s and may commit rows below the greatest value of "
        f"{incremental.column!r}: {_names(left)}; {rows}, theirs and those above come in a "
        "later run"
    )


def explained(incremental: Incremental, order: CommitOrder) -> tuple[str, ...]:
    """Return notes on the upper end of each window, and on what cannot be seen."""
    if incremental.in_progress == "ignore":
        rule = (
            "up to the greatest value there is (in_progress='ignore'): rows that are committed "
            "later with a lower one are lost, but for those an overlap reaches"
        )
        return (rule,)
    wait = f"their end is waited for, {incremental.commit_wait:g} s at most"
    lines = (f"{order.rule}; {wait}", *(f"it rests on this: {each}" for each in order.rests_on))
    return (*lines, f"late commits may be missed: {order.blind}") if order.blind else lines
