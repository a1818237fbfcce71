"""Bounds of numbers that users give, and how an invalid value is shown."""

from __future__ import annotations

MOST = 2**62
"""Of anything that is counted: what a database's counters, and Arrow's, hold."""

MOST_SECONDS = 2_000_000.0
"""Of a time to wait, 23 days: databases take it as milliseconds in 32 bits."""

LONGEST = 100
"""Characters of a value in an error: enough to recognise what was given."""

MOST_BITS = 4_096
"""Bits of a whole number that is written out: of more, Python writes none, or takes long."""


def shown(value: object) -> str:
    """Return a value as an error shows it, which is never long, nor long in the making."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return "a number of very many digits"
    try:
        text = repr(value)
    except ValueError:  # a container of such a number
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
