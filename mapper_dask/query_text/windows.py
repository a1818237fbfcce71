"""The predicate for new rows by a growing column. Pure."""

from __future__ import annotations


def within(
    name: str,
    low: str | None,
    high: str | None,
    *,
    nulls: bool,
    edge: bool,
    sign: str = "{}",
) -> str:
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
    sign
        How SQL writes an operator.
    """
    above = "" if low is None else f"{name} {sign.format('>=' if edge else '>')} {low} AND "
    none = f"1 {sign.format('=')} 0"
    inside = none if high is None else f"{above}{name} {sign.format('<=')} {high}"
    return f"({inside}) OR {name} IS NULL" if nulls else inside
