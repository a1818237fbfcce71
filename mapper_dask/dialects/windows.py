"""The window of a column that grows: which rows are new. Pure."""

from __future__ import annotations


def within(name: str, low: str | None, high: str | None, *, nulls: bool, edge: bool) -> str:
    """Return the predicate of the rows above ``low`` and up to ``high``.

    Parameters
    ----------
    name
        The column, as SQL writes it.
    low, high
        Values, as SQL writes them. No ``low``: from the beginning; no ``high``: none of them.
    nulls
        Whether the rows without a value are wanted too.
    edge
        Whether those at ``low`` itself are.
    """
    above = "" if low is None else f"{name} {'>=' if edge else '>'} {low} AND "
    inside = "1 = 0" if high is None else f"{above}{name} <= {high}"
    return f"({inside}) OR {name} IS NULL" if nulls else inside
