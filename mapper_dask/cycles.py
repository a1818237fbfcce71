"""Jobs that wait for each other, found by their names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def cycle_of(waits: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a cycle of jobs that wait for each other, its first job also last; empty without any.

    Parameters
    ----------
    waits
        The jobs that each job waits for. The cycle begins with the first of its jobs here.
    """
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        cycle = error.args[1][:0:-1]  # graphlib lists each job before the one that waits for it
        at = cycle.index(min(cycle, key=list(waits).index))
        return [*cycle[at:], *cycle[: at + 1]]
    return []
