"""How lists of runs call a state, a moment and the time that a run has taken. Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from mapper_dask.rendering import chunks, lasted


def state_of(state: str, *, aside: int = 0, failed: int = 0) -> str:
    """Return a state in words, with what it hides.

    Parameters
    ----------
    aside
        Rows that were set aside.
    failed
        Chunks that failed; of a run that has failed they go without saying.
    """
    parts = [state.lower()]
    parts += [f"{chunks(failed)} failed"] if failed and state == "SUCCEEDED" else []
    parts += [f"{aside:,} set aside"] if aside else []
    return ", ".join(parts)


def how(run: Any) -> str:
    """Return the state of a run of a ledger in words."""
    return state_of(run.state, aside=run.rows_rejected, failed=run.chunks_failed)


def table_name(quoted: str | None) -> str:
    """Return a table's name without the quotes that nobody would have to write."""
    return re.sub(r'(?<!")"([a-z_][a-z0-9_$]*|[A-Z][A-Z0-9_$]*)"(?!")', r"\1", quoted or "")


def moment(time: object) -> str:
    """Return a time of a ledger's to the second."""
    try:
        made = dt.datetime.fromisoformat(str(time))
    except ValueError:  # such as infinity, which somebody else has written there
        return "" if time is None else str(time)
    return made.strftime("%Y-%m-%d %H:%M:%S")


def took(start: object, end: object) -> str:
    """Return how long something has taken; nothing while it goes on."""
    from mapper_dask.ledger.records import seconds_between

    return "" if end is None else lasted(max(0.0, seconds_between(start, end)))
