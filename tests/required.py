"""What must be there: ``MAPPER_DASK_REQUIRE=postgresql,oracle,grammar`` makes a missing part fail.

Without it a part that is missing is a skip, told with its reason at the end of the session.
"""

from __future__ import annotations

import os

import pytest

VARIABLE = "MAPPER_DASK_REQUIRE"
PARTS = {
    "postgresql": "a PostgreSQL server, the embedded one or yours",
    "oracle": "an Oracle server of yours, by the variables MAPPER_DASK_TEST_ORACLE_…",
    "grammar": "the independent Oracle grammar, by node and npm",
    "javascript": "a driver in JavaScript, by node and npm",
}


def required(part: str) -> bool:
    """Return whether a part must be there.

    Raises
    ------
    ValueError
        When the variable names a part there is none of: a slip must not turn a check off.
    """
    named = {name.strip() for name in os.environ.get(VARIABLE, "").split(",")} - {""}
    if unknown := named - set(PARTS):
        message = f"{VARIABLE} names {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}"
        raise ValueError(message)
    return part in named


def missing(part: str, why: str) -> None:
    """Fail where a part is required, skip loudly where it is not."""
    message = f"NO {part.upper()}: {why}. Needed: {PARTS[part]}"
    if required(part):
        pytest.fail(f"{message}. {VARIABLE} requires it")
    pytest.skip(message)
