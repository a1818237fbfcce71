"""SQLSTATEs for which PostgreSQL refuses a row that is loaded, and no query."""

from __future__ import annotations

from mapper_dask.schema.row_refusals import NO_VALUE, PARENT, RULE, TOO_LONG

KNOWN = {
    "22001": TOO_LONG,
    "23502": NO_VALUE,
    "23503": PARENT,
    "23514": RULE,
    "23P01": RULE,
}


def advice(code: str) -> str:
    """Return what to do about a row that was refused for a code; empty for others."""
    return KNOWN.get(code, "")
