"""ORA-12899 names the column and both lengths; PostgreSQL names neither."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.oracle_standin.errors import OracleError

TOO_LONG = 12899
LENGTHS = b"""
SELECT n.nspname, c.relname, a.attname, a.atttypmod - 4
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
WHERE c.oid = $1::regclass AND a.atttypmod > 4
  AND t.typname IN ('varchar', 'bpchar', 'nvarchar', 'nchar')
"""


def explained(
    error: OracleError,
    session: Any,
    translated: Mapping[str, Any] | None,
    row: Sequence[bytes | None],
) -> OracleError:
    """Return the error in Oracle's words, where the statement tells which value goes where."""
    filled = (translated or {}).get("filled")
    if error.code != TOO_LONG or not filled:
        return error
    table, places = filled
    found = session.run_with(LENGTHS, [table.encode()], [25])
    for n in range(found.ntuples):
        schema, name, column, most = (found.get_value(n, k).decode() for k in range(4))
        place = places.get(column)
        actual = len((row[place - 1] or b"").decode(errors="replace")) if place else 0
        if actual > int(most):
            where = f'"{schema}"."{name}"."{column}"'
            return OracleError(
                TOO_LONG, f"value too large for column {where} (actual: {actual}, maximum: {most})"
            )
    return error


def filled_columns(columns: Sequence[str], values: Sequence[str]) -> dict[str, int]:
    """Return which bind fills which column, by the texts of an INSERT's values."""
    binds = [re.findall(r"ora_b(\d+)", value) for value in values]
    return {
        column: int(found[0])
        for column, found in zip(columns, binds, strict=False)
        if len(found) == 1
    }
