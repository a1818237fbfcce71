"""Codes for which Oracle refuses a row that is loaded, and no query."""

from __future__ import annotations

from mapper_dask.schema.row_refusals import NO_VALUE, PARENT, RULE, TOO_LONG

KNOWN = {
    "ORA-01400": NO_VALUE,
    "ORA-01438": TOO_LONG,
    "ORA-02290": RULE,
    "ORA-02291": PARENT,
    "ORA-12899": TOO_LONG,
}


def advice(code: str) -> str:
    """Return what to do about a row that was refused for a code; empty for others."""
    return KNOWN.get(code, "")
