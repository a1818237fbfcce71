"""PL/SQL blocks made of plain procedure calls: each becomes a SELECT of PostgreSQL's."""

from __future__ import annotations

import re

from tests.oracle_standin.errors import OracleError

BLOCK = re.compile(r"\s*BEGIN\s+(.*?)\s*END\s*;?\s*$", re.DOTALL | re.IGNORECASE)
STATEMENT = re.compile(r"((?:[^;']|'(?:[^']|'')*')+);")
CALL = re.compile(r"[\w.]+\s*(\(.*\))?", re.DOTALL)


def calls(body: str) -> list[str]:
    """Return the calls of a block, in PostgreSQL's words.

    Raises
    ------
    OracleError
        ORA-06550 for anything but calls.
    """
    block = BLOCK.match(body)
    if not block:
        message = "line 1, column 1: PLS-00103 (stand-in runs only BEGIN call; ... END;)"
        raise OracleError(6550, message)
    found = (statement.strip() for statement in STATEMENT.findall(block.group(1)))
    return [_selected(call) for call in found if call and call.upper() != "NULL"]


def _selected(call: str) -> str:
    if not CALL.fullmatch(call):
        raise OracleError(6550, f"line 1, column 7: PLS-00201 (stand-in): {call[:60]}")
    bound = re.sub(r":ora_b(\d+) ?", r"$\1", call.removeprefix("SYS."))
    return "SELECT " + (bound if "(" in bound else f"{bound}()")
