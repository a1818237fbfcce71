"""Jobs that wait for each other, found by their names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def cycle_of(waits: Mapping[str, Sequence[str]]) -> list[str]:
    """Return jobs each of which waits for the next, the first also at the end; empty without any.

    Parameters
    ----------
    waits
        What each job waits for. The first of the cycle is the first of them here.
    """
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        cycle = error.args[1][:0:-1]  # there, each is waited for by the next
        at = cycle.index(min(cycle, key=list(waits).index))
        return [*cycle[at:], *cycle[: at + 1]]
    return []
