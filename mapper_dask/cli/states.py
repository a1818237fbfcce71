"""States, times and durations of runs as texts in lists. Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from mapper_dask.rendering import MINUTE, chunks, lasted


def state_of(state: str, *, aside: int = 0, failed: int = 0) -> str:
    """Return a state in words, with the rejected rows and failed chunks of a run.

    Parameters
    ----------
    aside
        Rejected rows.
    failed
        Failed chunks; shown of a run that has succeeded only.
    """
    parts = [state.lower()]
    parts += [f"{chunks(failed)} failed"] if failed and state == "SUCCEEDED" else []
    parts += [f"{aside:,} rejected"] if aside else []
    return ", ".join(parts)


def how(run: Any) -> str:
    """Return the state of a run of a ledger in words."""
    return state_of(run.state, aside=run.rows_rejected, failed=run.chunks_failed)


def table_name(quoted: str | None) -> str:
    """Return a table's name without quotes that are not needed."""
    return re.sub(r'(?<!")"([a-z_][a-z0-9_$]*|[A-Z][A-Z0-9_$]*)"(?!")', r"\1", quoted or "")


def moment(time: object) -> str:
    """Return a ledger's time to the second."""
    try:
        made = dt.datetime.fromisoformat(str(time))
    except ValueError:  # such as infinity, which this library never writes
        return "" if time is None else str(time)
    return made.strftime("%Y-%m-%d %H:%M:%S")


def took(start: object, end: object) -> str:
    """Return the duration of a run, as exact as its times are; empty if it has not ended."""
    from mapper_dask.ledger.records import seconds_between

    if end is None:
        return ""
    lasting = max(0.0, seconds_between(start, end))
    if lasting >= MINUTE or "." in f"{start}{end}":
        return lasted(lasting)
    return f"{lasting:.0f} s" if lasting else "under 1 s"
